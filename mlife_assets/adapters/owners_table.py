"""A table about people that the owner of a deployment keeps in a file: Parquet or CSV.

Belongs here: opening it, and judging what every such table must have. Does not belong here: what its columns mean
(`people_file`, `audit_file`).

Concept: the file is somebody's record about real people, so it is read and never written, others must not be able to
read it, and no error repeats a value of it: it names column and row. What a library raises may hold a whole row, so it
is not chained to what is raised here.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from mlife_assets.core.errors import InvalidInputError, NotFoundError

USER_ID = "user_id"


def read_owners_table(path: Path, setting: str, columns: Sequence[str], optional: Sequence[str] = ()) -> pa.Table:
    """Return `user_id` and the columns of a file, as text; of those that are `optional` the ones that it has.

    Raises:
        NotFoundError: there is no such file.
        InvalidInputError: others can read it, it is no table, or a column or row is not as it must be.
    """
    _require_private(path, setting)
    required = (USER_ID, *columns)
    known = (*required, *optional)
    table = _from_csv(path, setting, known) if path.suffix == ".csv" else _from_parquet(path, setting, known)
    if missing := [name for name in required if name not in table.column_names]:
        raise InvalidInputError(f"{setting}: {path.name} has no column {missing[0]}; add it")
    for field in table.schema:
        if not (pa.types.is_string(field.type) or pa.types.is_large_string(field.type) or pa.types.is_null(field.type)):
            raise InvalidInputError(
                f"{setting}: column {field.name} of {path.name} is {field.type}; write it as text, since a number "
                "loses its first zeros and its plus sign"
            )
    seen: dict[str, int] = {}
    for row, user_id in enumerate(table[USER_ID].to_pylist()):
        if not user_id:
            raise InvalidInputError(f"{setting}: {row_of(path, row)} has no {USER_ID}; add it or remove the row")
        if (first := seen.setdefault(user_id, row)) != row:
            raise InvalidInputError(
                f"{setting}: row {first + 1} and {row_of(path, row)} have one {USER_ID}; keep one of them"
            )
    return table


def row_of(path: Path, index: int) -> str:
    """Return how people find a row, `index` being 0 for the first: no header and no empty line of a CSV is one."""
    return f"row {index + 1} of {path.name} (the first of data is row 1)"


def _require_private(path: Path, setting: str) -> None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        mode = None
    except OSError as error:  # it names the file, and nothing in it
        raise InvalidInputError(f"{setting}: {path.name} cannot be looked at ({error.strerror}); grant read") from error
    if mode is None:
        raise NotFoundError(f"{setting}: there is no file {path}; write it there, or correct the setting")
    if mode & 0o077:
        raise InvalidInputError(f"{setting}: others can read or write {path.name}; run `chmod 600` on it")


def _from_parquet(path: Path, setting: str, known: Sequence[str]) -> pa.Table:
    """Return the columns of a Parquet file that are known."""
    try:
        with pa.parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            _require_once(path, setting, names, known)
            table = file.read(columns=[name for name in known if name in names])
            table.validate(full=True)  # also that text is UTF-8
            return table
    except (pa.ArrowException, OSError) as error:
        kind = type(error).__name__
    raise _unreadable(path, setting, kind)


def _from_csv(path: Path, setting: str, known: Sequence[str]) -> pa.Table:
    """Return the columns of a CSV file that are known, as text, an empty field being none.

    Bytes that are no UTF-8 are let through until their row is known; a byte order mark, as Excel writes, is none of it.
    """
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            lines = csv.reader(file, strict=True)
            names = _header(path, setting, lines)
            _require_once(path, setting, names, known)
            return _columns(path, setting, lines, names, known)
    except OSError as error:
        kind = type(error).__name__
    raise _unreadable(path, setting, kind)


def _header(path: Path, setting: str, lines: Iterator[list[str]]) -> list[str]:
    try:
        names = next((fields for fields in lines if fields), [])
    except csv.Error:
        names = []
    if not names or not _is_utf8(names):
        raise InvalidInputError(
            f"{setting}: the header of {path.name} cannot be read; let the first line name the columns, in UTF-8 and "
            "with commas between"
        )
    return names


def _columns(
    path: Path, setting: str, lines: Iterator[list[str]], names: Sequence[str], known: Sequence[str]
) -> pa.Table:
    places = {name: names.index(name) for name in known if name in names}
    values: dict[str, list[str | None]] = {name: [] for name in places}
    row = 0
    while (fields := _next_row(path, setting, lines, row)) is not None:
        if not fields:
            continue
        if len(fields) != len(names):
            raise InvalidInputError(
                f"{setting}: {row_of(path, row)} has {len(fields)} fields and the header {len(names)}; correct it, and "
                "put quotation marks around a field with a comma"
            )
        if not _is_utf8(fields):
            raise InvalidInputError(f"{setting}: {row_of(path, row)} is not UTF-8; write the file in UTF-8")
        for name, place in places.items():
            values[name].append(fields[place] or None)
        row += 1
    return pa.table({name: pa.array(column, pa.string()) for name, column in values.items()})


def _next_row(path: Path, setting: str, lines: Iterator[list[str]], row: int) -> list[str] | None:
    """Return the fields of the next line, none of an empty one; None at the end."""
    try:
        return next(lines, None)
    except csv.Error:
        pass
    raise InvalidInputError(
        f"{setting}: {row_of(path, row)} cannot be read; look for a quotation mark that is never closed"
    )


def _is_utf8(fields: Sequence[str]) -> bool:
    try:
        "".join(fields).encode()
    except UnicodeEncodeError:  # it holds the fields
        return False
    return True


def _require_once(path: Path, setting: str, names: Sequence[str], known: Sequence[str]) -> None:
    """Raise InvalidInputError where a column that is read is there twice."""
    if twice := [name for name in known if names.count(name) > 1]:
        raise InvalidInputError(f"{setting}: {path.name} has the column {twice[0]} twice; keep one of them")


def _unreadable(path: Path, setting: str, kind: str) -> InvalidInputError:
    return InvalidInputError(
        f"{setting}: {path.name} cannot be read ({kind}); write it as Parquet, or as CSV with a header and the ending "
        ".csv"
    )
