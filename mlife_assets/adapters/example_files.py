"""Example files: from a Parquet or CSV file to an examples table with the columns of a study.

Concept: DuckDB reads the file and evaluates the expressions of the spec; nothing else of the file is kept. A value that
does not fit its role stops the reading with the column and the reason. A spec is a stranger's program: its SQL sees the
file of examples and nothing else of this machine, and has limits on memory and time.
"""

from __future__ import annotations

import tempfile
import threading
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from mlife_assets.core.errors import InvalidInputError, NotFoundError
from mlife_assets.core.examples import HUMAN_COLUMN
from mlife_assets.core.policies import ExampleFilePolicy
from mlife_assets.core.study import Study

READ_CSV = "read_csv($path, nullstr=['', 'NA'])"
PART_BYTES = 2**20
READERS = {".parquet": "read_parquet($path)", ".csv": READ_CSV, ".csv.gz": READ_CSV}


def read_examples(path: Path, study: Study, policy: ExampleFilePolicy | None = None) -> pa.Table:
    """Return the examples of a file: the columns of its model's roles, and `human_score` where there is a human rule.

    A `.csv.zip` holds one CSV file.

    Raises:
        NotFoundError: there is no such file.
        InvalidInputError: the format is unknown, a column is missing, an expression fails or reaches for more than the
            file, a value does not fit, or the file or the SQL take more than `policy` gives.
    """
    policy = policy or ExampleFilePolicy()
    if not path.is_file():
        raise NotFoundError(f"there is no file {path}; name the file of examples")
    if path.name.endswith(".csv.zip"):
        with tempfile.TemporaryDirectory() as folder:
            return _read(_unzipped(path, Path(folder), policy), READ_CSV, study, policy)
    reader = next((name for ending, name in READERS.items() if path.name.endswith(ending)), None)
    if reader is None:
        raise InvalidInputError(f"{path.name} is no .parquet, .csv, .csv.gz or .csv.zip file; convert it")
    return _read(path, reader, study, policy)


def _unzipped(path: Path, folder: Path, policy: ExampleFilePolicy) -> Path:
    """Unpack the one CSV file of an archive; what the archive says of its size is not believed."""
    target = folder / "examples.csv"
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if member.filename.endswith(".csv")]
            if len(members) != 1:
                raise InvalidInputError(f"{path.name} holds {len(members)} CSV files; one is needed")
            allowed = max(policy.ratio_from_bytes, policy.maximum_ratio * path.stat().st_size)
            allowed = min(allowed, policy.maximum_bytes)
            with archive.open(members[0]) as packed, target.open("wb") as plain:
                while part := packed.read(PART_BYTES):
                    allowed -= len(part)
                    if allowed < 0:
                        raise InvalidInputError(
                            f"{path.name} unpacks to more than its size can explain; unpack it and look"
                        )
                    plain.write(part)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise InvalidInputError(f"{path.name} is no zip file ({error}); fetch it again") from error
    except (RuntimeError, NotImplementedError) as error:
        raise InvalidInputError(f"{path.name} cannot be unpacked ({error}); pack it plainly") from error
    return target


def _read(path: Path, reader: str, study: Study, policy: ExampleFilePolicy) -> pa.Table:
    place = str(path.absolute())
    query = _query(reader, study)
    with _caged_connection(place, policy) as connection, _ended_after(connection, policy.seconds):
        try:
            connection.execute(f"select * from {reader} limit 0", {"path": place})
            _require_new_names(study, [column[0] for column in connection.description or ()], path.name)
            _require_one_query(query)
            batches = connection.execute(query, {"path": place}).to_arrow_reader()
            found = pa.Table.from_batches(_bounded(batches, policy.maximum_bytes, path.name), schema=batches.schema)
        except duckdb.InterruptException as error:
            raise InvalidInputError(
                f"the SQL of the spec takes more than {policy.seconds} seconds on {path.name}; simplify it"
            ) from error
        except duckdb.Error as error:
            reason = " ".join(str(error).split("\n\n")[0].split())
            raise InvalidInputError(f"{path.name} does not fit the spec: {reason}") from error
    return study.model.roles.validated(found)


@contextmanager
def _caged_connection(place: str, policy: ExampleFilePolicy) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database in memory that reaches one file, no network, no extension and no variable of Python."""
    config: dict[str, str | bool | int | float | list[str]] = {
        "threads": 1,
        "memory_limit": f"{policy.memory_bytes // 2**20}MiB",
        "temp_directory": "",
        "python_enable_replacements": False,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_community_extensions": False,
    }
    with duckdb.connect(config=config) as connection:
        quoted = place.replace("'", "''")
        connection.execute("set enable_progress_bar = false")
        connection.execute(f"set allowed_paths = ['{quoted}']")
        connection.execute("set enable_external_access = false")
        connection.execute("set lock_configuration = true")
        yield connection


@contextmanager
def _ended_after(connection: duckdb.DuckDBPyConnection, seconds: int) -> Iterator[None]:
    timer = threading.Timer(seconds, connection.interrupt)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def _require_one_query(query: str) -> None:
    kinds = [statement.type for statement in duckdb.extract_statements(query)]
    if kinds != [duckdb.StatementType.SELECT]:
        raise InvalidInputError("an SQL expression of the spec holds a statement of its own; write one expression")


def _bounded(batches: pa.RecordBatchReader, maximum_bytes: int, file: str) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        maximum_bytes -= batch.nbytes
        if maximum_bytes < 0:
            raise InvalidInputError(f"the examples of {file} do not fit into memory; use fewer rows or columns")
        yield batch


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
    roles = study.model.roles
    dates = (roles.time, roles.label_time, *roles.funnel_times)
    types = {**dict.fromkeys(dates, "date"), **dict.fromkeys(roles.features, "double")}
    values = {name: f"cast({_quoted(name)} as {types.get(name, 'varchar')})" for name in roles.columns}
    early = () if roles.early_label is None else (roles.early_label,)
    values |= {name: _flag(name) for name in (*roles.steps, *early)}
    columns = [f"{value} as {_quoted(name)}" for name, value in values.items()]
    if study.human_score is not None:
        columns.append(f"cast({HUMAN_COLUMN} as double) as {HUMAN_COLUMN}")
    return columns


def _flag(name: str) -> str:
    """Return the expression of a column as true or false; SQL would quietly read any number but 0 as true."""
    column, shown = _quoted(name), name.replace("'", "''")
    refusal = f"error('{shown} is ' || cast({column} as varchar) || '; write true or false, 1 or 0')"
    return f"case when try_cast({column} as double) not in (0, 1) then {refusal} else cast({column} as boolean) end"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
