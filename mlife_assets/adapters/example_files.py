"""Example files: from a Parquet or CSV file to an examples table with the columns of a study.

Concept: DuckDB reads the file and evaluates the expressions of the spec; only the resulting columns are kept. Values
that do not fit their role are counted by column, so that all faults of a file are reported at once. A spec is a
stranger's program: its SQL has access only to the file of examples, with limits on memory and time.
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
import pyarrow.compute as pc

from mlife_assets.core.errors import InvalidInputError, NotFoundError
from mlife_assets.core.examples import HUMAN_COLUMN
from mlife_assets.core.policies import ExampleFilePolicy
from mlife_assets.core.quoting import quoted
from mlife_assets.core.study import Study
from mlife_assets.core.table_check import ReadTable

READ_CSV = "read_csv($path, nullstr=['', 'NA'])"
PART_BYTES = 2**20
READERS = {".parquet": "read_parquet($path)", ".csv": READ_CSV, ".csv.gz": READ_CSV}


WANTED = {
    "date": "day; write 2026-01-31, or derive it",
    "double": "number; correct it, or derive a number from it",
    "boolean": "flag; write true or false, 1 or 0",
}
"""Description of the right value, and the remedy."""
WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "BOOLEAN")
"""Types with numbers in all values."""


def read_examples(path: Path, study: Study, policy: ExampleFilePolicy | None = None) -> pa.Table:
    """Return the examples of a file: the columns of its model's roles, and `human_score` if there is a human rule.

    Raises:
        NotFoundError: there is no such file.
        InvalidInputError: as of `examine_examples`, or the file has a fault; names the first.
    """
    found = examine_examples(path, study, policy)
    for fault in (*found.faults, *study.model.roles.faults(found.rows)):
        raise InvalidInputError(fault)
    return found.rows


def examine_examples(path: Path, study: Study, policy: ExampleFilePolicy | None = None) -> ReadTable:
    """Return the readable values of a file of examples, and the faults of all others.

    A `.csv.zip` holds one CSV file.

    Raises:
        NotFoundError: there is no such file.
        InvalidInputError: the format is unknown, an expression fails or accesses more than the file, or the file or the
            SQL exceed `policy`.
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
    """Unpack the one CSV file of an archive, whose stated size is not trusted."""
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


def _read(path: Path, reader: str, study: Study, policy: ExampleFilePolicy) -> ReadTable:
    place = str(path.absolute())
    with _caged_connection(place, policy) as connection, _ended_after(connection, policy.seconds):
        try:
            connection.execute(f"select * from {reader} limit 0", {"path": place})
            _require_new_names(study, [column[0] for column in connection.description or ()], path.name)
            names = f"{_query(reader, study, '*')} limit 0"
            _require_one_query(names)
            connection.execute(names, {"path": place})
            there = {column[0].lower(): str(column[1]) for column in connection.description or ()}
            kinds = {name: kind for name, kind in _kinds(study).items() if name.lower() in there}
            query = _query(reader, study, ", ".join(_columns(kinds, there, study)))
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
    return _examined(found, kinds)


@contextmanager
def _caged_connection(place: str, policy: ExampleFilePolicy) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database in memory with access to one file, but to no network, extension or Python variable."""
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
    """Refuse a derived column that exists: SQL would silently use the old one. Case counts in names."""
    derived = [name for name, _ in study.derive] + ([] if study.human_score is None else [HUMAN_COLUMN])
    there = {name.lower(): f"a column of {file}" for name in columns}
    for name in derived:
        if name.lower() in there:
            raise InvalidInputError(f"the spec derives {name}, which is {there[name.lower()]} already; rename it")
        there[name.lower()] = "a derived column"


def _query(reader: str, study: Study, columns: str) -> str:
    """Return one query: filtered rows, then one derived column after the other, then the columns."""
    steps = [f"derived_0 as (select * from {reader})"]
    derived = list(study.derive)
    if study.human_score is not None:
        derived.append((HUMAN_COLUMN, study.human_score))
    for place, (name, expression) in enumerate(derived):
        steps.append(f"derived_{place + 1} as (select *, ({expression}) as {_quoted(name)} from derived_{place})")
    kept = "" if study.where is None else f" where ({study.where})"
    return f"with {', '.join(steps)} select {columns} from derived_{len(derived)}{kept}"


def _kinds(study: Study) -> dict[str, str]:
    """Return the columns of the roles, each with its type."""
    roles = study.model.roles
    kinds = dict.fromkeys(roles.columns, "varchar") | dict.fromkeys(roles.features, "double")
    kinds |= dict.fromkeys((roles.time, roles.label_time, *roles.funnel_times), "date")
    early = () if roles.early_label is None else (roles.early_label,)
    return kinds | dict.fromkeys((*roles.steps, *early), "boolean")


def _columns(kinds: dict[str, str], there: dict[str, str], study: Study) -> list[str]:
    """Return SQL of all columns, cast; then flags per cast column: unreadable values, and dates with a time of day."""
    values = {name: _value(name, kind) for name, kind in kinds.items()}
    columns = [f"{value} as {_quoted(name)}" for name, value in values.items()]
    if study.human_score is not None:
        columns.append(f"cast({HUMAN_COLUMN} as double) as {HUMAN_COLUMN}")
    for place, (name, kind) in enumerate(kinds.items()):
        if kind in WANTED and there[name.lower()] not in (kind.upper(), *(WHOLE if kind == "double" else ())):
            column = _quoted(name)
            unread = f"({values[name]}) is null and {column} is not null"
            columns.append(f"case when {unread} then left(cast({column} as varchar), 80) end as unread_{place}")
            if kind == "date":
                columns.append(f"cast(try_cast({column} as timestamp) as time) <> time '00:00' as hour_{place}")
    return columns


def _value(name: str, kind: str) -> str:
    """Return the expression of a value as its type; SQL would silently read any number but 0 as true."""
    column = _quoted(name)
    cast = f"try_cast({column} as {kind})"
    return (
        cast if kind != "boolean" else f"case when try_cast({column} as double) not in (0, 1) then null else {cast} end"
    )


def _examined(found: pa.Table, kinds: dict[str, str]) -> ReadTable:
    """Return the columns of roles, and sentences on unreadable values."""
    faults, cut = [], {}
    for place, (name, kind) in enumerate(kinds.items()):
        if f"unread_{place}" not in found.column_names:
            continue
        unread = found[f"unread_{place}"]
        if wrong := found.num_rows - unread.null_count:
            row = pc.index(unread.is_valid(), pa.scalar(True)).as_py()
            value = quoted(unread[row].as_py())[1:-1]
            more = f" and {wrong - 1:,} more" if wrong > 1 else ""
            faults.append(f"{name} is {value} in row {row}{more}, which is no {WANTED[kind]}")
        if kind == "date" and (hours := pc.sum(found[f"hour_{place}"]).as_py()):
            cut[name] = int(hours)
    kept = [name for name in (*kinds, HUMAN_COLUMN) if name in found.column_names]
    return ReadTable(found.select(kept), tuple(faults), cut)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
