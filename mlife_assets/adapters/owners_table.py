"""A table about people that the owner of a deployment keeps in a file: Parquet or CSV.

Belongs here: opening it, and judging what every such table must have. Does not belong here: what its columns mean
(`people_file`, `audit_file`).

Concept: the file is somebody's record about real people, so it is read and never written, others must not be able to
read it, and no error repeats a value of it: it names column and row.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
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
    try:
        table = _csv(path) if path.suffix == ".csv" else pa.parquet.read_table(path, partitioning=None)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(
            f"{setting}: {path.name} cannot be read ({type(error).__name__}); write it as Parquet, or as CSV with a "
            "header and the ending .csv"
        ) from error
    required = (USER_ID, *columns)
    if missing := [name for name in required if name not in table.column_names]:
        raise InvalidInputError(f"{setting}: {path.name} has no column {missing[0]}; add it")
    table = table.select([*required, *(name for name in optional if name in table.column_names)])
    for field in table.schema:
        if not (pa.types.is_string(field.type) or pa.types.is_large_string(field.type) or pa.types.is_null(field.type)):
            raise InvalidInputError(
                f"{setting}: column {field.name} of {path.name} is {field.type}; write it as text, since a number "
                "loses its first zeros and its plus sign"
            )
    seen: dict[str, int] = {}
    for row, user_id in enumerate(table[USER_ID].to_pylist()):
        if not user_id:
            raise InvalidInputError(f"{setting}: row {row} of {path.name} has no {USER_ID}; add it or remove the row")
        if (first := seen.setdefault(user_id, row)) != row:
            raise InvalidInputError(
                f"{setting}: rows {first} and {row} of {path.name} have one {USER_ID}; keep one of them"
            )
    return table


def _require_private(path: Path, setting: str) -> None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        raise NotFoundError(f"{setting}: there is no file {path}; write it there, or correct the setting") from error
    except OSError as error:
        raise InvalidInputError(f"{setting}: {path.name} cannot be looked at ({error.strerror}); grant read") from error
    if mode & 0o077:
        raise InvalidInputError(f"{setting}: others can read or write {path.name}; run `chmod 600` on it")


def _csv(path: Path) -> pa.Table:
    """Return a CSV file with every column as text, an empty field being none."""
    with path.open(encoding="utf-8", newline="") as file:
        names = next(csv.reader(file), [])
    options = pa.csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""]
    )
    return pa.csv.read_csv(path, convert_options=options)
