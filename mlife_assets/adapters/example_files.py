"""Example files: from a Parquet or CSV file to an examples table with the columns of a study.

Belongs here: reading, deriving columns by SQL, types. Does not belong here: roles (`core.examples`), training.

Concept: DuckDB reads the file and evaluates the expressions of the spec; nothing else of the file is kept. A value that
does not fit its role stops the reading with the column and the reason.
"""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path

import duckdb
import pyarrow as pa

from mlife_assets.core.errors import InvalidInputError, NotFoundError
from mlife_assets.core.study import HUMAN_COLUMN, Study

READ_CSV = "read_csv($path, nullstr=['', 'NA'])"
READERS = {".parquet": "read_parquet($path)", ".csv": READ_CSV, ".csv.gz": READ_CSV}


def read_examples(path: Path, study: Study) -> pa.Table:
    """Return the examples of a file: the columns of `study.roles`, and `human_score` where there is a human rule.

    A `.csv.zip` holds one CSV file.

    Raises:
        NotFoundError: there is no such file.
        InvalidInputError: the format is unknown, a column is missing, an expression fails, or a value does not fit.
    """
    if not path.is_file():
        raise NotFoundError(f"there is no file {path}; name the file of examples")
    if path.name.endswith(".csv.zip"):
        with tempfile.TemporaryDirectory() as folder:
            return _read(_unzipped(path, Path(folder)), READ_CSV, study)
    reader = next((name for ending, name in READERS.items() if path.name.endswith(ending)), None)
    if reader is None:
        raise InvalidInputError(f"{path.name} is no .parquet, .csv, .csv.gz or .csv.zip file; convert it")
    return _read(path, reader, study)


def _unzipped(path: Path, folder: Path) -> Path:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith(".csv")]
            if len(names) != 1:
                raise InvalidInputError(f"{path.name} holds {len(names)} CSV files; one is needed")
            target = folder / "examples.csv"
            target.write_bytes(archive.read(names[0]))
            return target
    except zipfile.BadZipFile as error:
        raise InvalidInputError(f"{path.name} is no zip file ({error}); fetch it again") from error


def _read(path: Path, reader: str, study: Study) -> pa.Table:
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("set enable_progress_bar = false")
        try:
            connection.execute(f"select * from {reader} limit 0", {"path": str(path)})
            _require_new_names(study, [column[0] for column in connection.description or ()], path.name)
            found = connection.execute(_query(reader, study), {"path": str(path)}).to_arrow_table()
        except duckdb.Error as error:
            reason = " ".join(str(error).split("\n\n")[0].split())
            raise InvalidInputError(f"{path.name} does not fit the spec: {reason}") from error
    return study.roles.validated(found)


def _require_new_names(study: Study, columns: list[str], file: str) -> None:
    """Refuse a derived column that is there already: SQL would quietly take the older one. Names differ by letters."""
    derived = [name for name, _ in study.derive] + ([] if study.human_score is None else [HUMAN_COLUMN])
    there = {name.lower(): f"a column of {file}" for name in columns}
    for name in derived:
        if name.lower() in there:
            raise InvalidInputError(f"the spec derives {name}, which is {there[name.lower()]} already; rename it")
        there[name.lower()] = "a derived column"


def _query(reader: str, study: Study) -> str:
    """Return one query: rows that count, then one derived column after the other, then the types of the roles."""
    steps = [f"derived_0 as (select * from {reader})"]
    derived = list(study.derive)
    if study.human_score is not None:
        derived.append((HUMAN_COLUMN, study.human_score))
    for place, (name, expression) in enumerate(derived):
        steps.append(f"derived_{place + 1} as (select *, ({expression}) as {_quoted(name)} from derived_{place})")
    kept = "" if study.where is None else f" where ({study.where})"
    return f"with {', '.join(steps)} select {', '.join(_columns(study))} from derived_{len(derived)}{kept}"


def _columns(study: Study) -> list[str]:
    roles = study.roles
    types = {roles.time: "date", roles.label_time: "date", **dict.fromkeys(roles.features, "double")}
    values = {name: f"cast({_quoted(name)} as {types.get(name, 'varchar')})" for name in roles.columns}
    values |= {name: _flag(name) for name in roles.steps}
    columns = [f"{value} as {_quoted(name)}" for name, value in values.items()]
    if study.human_score is not None:
        columns.append(f"cast({HUMAN_COLUMN} as double) as {HUMAN_COLUMN}")
    return columns


def _flag(name: str) -> str:
    """Return the expression of a column as true or false; SQL would quietly read any number but 0 as true."""
    column, told = _quoted(name), name.replace("'", "''")
    refusal = f"error('{told} is ' || cast({column} as varchar) || '; write true or false, 1 or 0')"
    return f"case when try_cast({column} as double) not in (0, 1) then {refusal} else cast({column} as boolean) end"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
