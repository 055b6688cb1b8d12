"""Example files: from a Parquet or CSV file, or an Arrow table, to the columns of a study or the inputs of its model.

Concept: DuckDB reads the file and evaluates the expressions of the spec; only the resulting columns are kept. Values
that do not fit their role are counted by column, so that all faults of a file are reported at once. A spec is a
stranger's program: its SQL has access only to the file of examples, with limits on memory and time.

Rows to score are read as the training read its file: a column of text stays text, whatever the new rows look like, and
a whole number that is a category has no decimals. A column that is derived from other rows would differ without them,
which the plan of its query shows.
"""

from __future__ import annotations

import csv
import re
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TextIO

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mlife_assets.core.errors import InvalidInputError, NotFoundError
from mlife_assets.core.examples import HUMAN_COLUMN
from mlife_assets.core.policies import ExampleFilePolicy
from mlife_assets.core.quoting import quoted
from mlife_assets.core.study import Study
from mlife_assets.core.table_check import ReadTable

READ_CSV = "read_csv($path, nullstr=['', 'NA'])"
FRAME = "frame"
PART_BYTES = 2**20
READERS = {".parquet": "read_parquet($path)", ".csv": READ_CSV, ".csv.gz": READ_CSV}


WANTED = {
    "date": "day; write 2026-01-31, or derive it",
    "double": "number; correct it, or derive a number from it",
    "boolean": "flag; write true or false, 1 or 0",
}
"""Description of the right value, and the remedy."""
INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")
WHOLE = (*INTEGERS, "BOOLEAN")
"""Types with numbers in all values."""
OPERATOR = re.compile(r'"name": "([^"]+?) *"')
OF_ONE_ROW = re.compile(r"PROJECTION|FILTER|EMPTY_RESULT|READ_\w+|\w+_SCAN")
"""Operators of a plan that take row by row; others are windows, aggregates and joins."""


@dataclass(frozen=True)
class _Source:
    """A table to read: its name in messages, its SQL, and the file or the table in memory behind it."""

    name: str
    reader: str
    place: str | None = None
    table: pa.Table | None = None

    @property
    def parameters(self) -> dict[str, str]:
        return {} if self.place is None else {"path": self.place}


def read_examples(examples: Path | pa.Table, study: Study, policy: ExampleFilePolicy | None = None) -> pa.Table:
    """Return the examples of a file: the columns of its model's roles, and `human_score` if there is a human rule.

    Raises:
        NotFoundError: there is no such file.
        InvalidInputError: as of `examine_examples`, or the file has a fault; names the first.
    """
    return sound_rows(examine_examples(examples, study, policy), study)


def sound_rows(found: ReadTable, study: Study) -> pa.Table:
    """Return the rows of a table that was read. Raises InvalidInputError when it has a fault; names the first."""
    for fault in (*found.faults, *study.model.roles.faults(found.rows)):
        raise InvalidInputError(fault)
    return found.rows


def examine_examples(examples: Path | pa.Table, study: Study, policy: ExampleFilePolicy | None = None) -> ReadTable:
    """Return the readable values of a file of examples, and the faults of all others.

    A `.csv.zip` holds one CSV file. Raises NotFoundError if there is no such file, InvalidInputError if the format is
    unknown, an expression fails or accesses more than the file, or the file or the SQL exceed `policy`.
    """
    policy = policy or ExampleFilePolicy()
    with _source(examples, policy) as source, _connected(source, policy) as connection:
        types = _types(connection, f"select * from {source.reader}", source)
        _require_new_names(study, list(types), source.name)
        there = _types(connection, _query(source.reader, study, "*"), source)
        return replace(_read(connection, source, study, _kinds(study), there, policy), types=types)


def read_inputs(
    rows: Path | pa.Table,
    study: Study,
    kinds: Mapping[str, str],
    usual: Mapping[str, str],
    *,
    holds_history: bool = False,
    policy: ExampleFilePolicy | None = None,
) -> pa.Table:
    """Return the inputs of a model for each row to score, in order; `where` of the study selects examples alone.

    What a study derives from columns that only examples have, such as the label, is left out.

    Args:
        study: the study of the model's examples.
        kinds: input of the model -> its type in SQL.
        usual: `ReadTable.types` of these examples.
        holds_history: whether other rows that derived columns look at are among them.

    Raises:
        NotFoundError: there is no such file.
        InvalidInputError: a column is missing or looks at other rows, a value cannot be read, or as of
            `examine_examples`.
    """
    policy = policy or ExampleFilePolicy()
    with _source(rows, policy) as source, _connected(source, policy) as connection:
        if source.reader == READ_CSV:
            source = _typed_as_usual(connection, source, usual)
        types = _types(connection, f"select * from {source.reader}", source)
        bare = replace(study, where=None, human_score=None)
        _require_new_names(bare, list(types), source.name)
        known = _derivable(connection, source, bare, list(kinds))
        if not holds_history:
            _require_own_rows(connection, source, known, list(kinds))
        there = _types(connection, _query(source.reader, known, "*"), source)
        found = _read(connection, source, known, kinds, there, policy, usual)
    for fault in found.faults:
        raise InvalidInputError(f"{source.name}: {fault}")
    return found.rows


def _derivable(connection: duckdb.DuckDBPyConnection, source: _Source, study: Study, names: Sequence[str]) -> Study:
    """Return a study that derives what `names` need and no more. Raises InvalidInputError when one cannot be had."""
    there, known, failed = {}, replace(study, derive=()), {}
    for one in (None, *study.derive):
        more = known if one is None else replace(known, derive=(*known.derive, one))
        try:
            there = _types(connection, _query(source.reader, more, "*"), source)
        except duckdb.BinderException as error:
            if one is None:
                raise
            failed[one[0]] = _reason(error).removeprefix("Binder Error: ").partition(" Candidate ")[0]
        else:
            known = more
    lower = {name.lower() for name in there}
    for name in names:
        if name.lower() not in lower:
            causes = [name] if name in failed else []
            while deeper := [
                one for one in failed if causes and one not in causes and f'"{one}"' in failed[causes[-1]]
            ]:
                causes.append(deeper[0])
            said = f", which cannot be derived: {failed[causes[-1]]}" if causes else ""
            raise InvalidInputError(f"{source.name} lacks {name}{said}; add the column, as the training had it")
    return _needed(connection, source, known, names)


def _needed(connection: duckdb.DuckDBPyConnection, source: _Source, study: Study, names: Sequence[str]) -> Study:
    """Return a study without the derived columns that `names` do not need."""
    for name, _ in reversed(study.derive):
        fewer = replace(study, derive=tuple(one for one in study.derive if one[0] != name))
        with suppress(duckdb.BinderException):
            _types(connection, _query(source.reader, fewer, ", ".join(map(_quoted, names))), source)
            study = fewer
    return study


def _require_own_rows(
    connection: duckdb.DuckDBPyConnection, source: _Source, study: Study, names: Sequence[str]
) -> None:
    """Refuse columns that depend on other rows; names the first."""

    def is_of_one_row(asked: Sequence[str]) -> bool:
        needed = _needed(connection, source, study, asked)
        query = _query(source.reader, needed, ", ".join(map(_quoted, asked)))
        _require_one_query(query)
        plan = connection.execute(f"explain (format json) {query}", source.parameters).fetchall()
        return all(map(OF_ONE_ROW.fullmatch, OPERATOR.findall(plan[0][1])))

    if is_of_one_row(names):
        return
    name = next((name for name in names if not is_of_one_row([name])), names[0])
    raise InvalidInputError(
        f"{name} is derived from other rows, so new rows alone would not get the values that the training had; score a "
        "table that holds the earlier rows, too, and say so with --holds-history (holds_history=True)"
    )


def read_sample(table: Path | pa.Table, rows: int | None, policy: ExampleFilePolicy | None = None) -> pa.Table:
    """Return at most so many rows of a table, always the same; None for all. Raises as of `read_as_written`."""
    policy = policy or ExampleFilePolicy()
    with _source(table, policy) as source, _connected(source, policy) as connection:
        sample = "" if rows is None else f" using sample reservoir({rows} rows) repeatable (1)"
        return _fetched(connection, f"select * from {source.reader}{sample}", source, policy)


def read_as_written(path: Path, policy: ExampleFilePolicy | None = None) -> pa.Table:
    """Return all columns of a file, CSV as text. Raises NotFoundError, or InvalidInputError if it cannot be read."""
    policy = policy or ExampleFilePolicy()
    with _source(path, policy) as source, _connected(source, policy) as connection:
        if source.reader == READ_CSV:
            names = list(_types(connection, f"select * from {source.reader}", source))
            source = replace(source, reader=_typed_csv(dict.fromkeys(names, "VARCHAR"), "''"))
        return _fetched(connection, f"select * from {source.reader}", source, policy)


@contextmanager
def _source(examples: Path | pa.Table, policy: ExampleFilePolicy) -> Iterator[_Source]:
    if isinstance(examples, pa.Table):
        yield _Source("the table", FRAME, table=examples)
        return
    name = examples.name
    if not examples.is_file():
        raise NotFoundError(f"there is no file {examples}; name the file of examples")
    if name.endswith(".csv.zip"):
        with tempfile.TemporaryDirectory() as folder:
            yield _Source(name, READ_CSV, str(_unzipped(examples, Path(folder), policy)))
        return
    reader = next((reader for ending, reader in READERS.items() if name.endswith(ending)), None)
    if reader is None:
        raise InvalidInputError(f"{name} is no .parquet, .csv, .csv.gz or .csv.zip file; convert it")
    yield _Source(name, reader, str(examples.absolute()))


def _typed_as_usual(connection: duckdb.DuckDBPyConnection, source: _Source, usual: Mapping[str, str]) -> _Source:
    """Return a CSV file of which columns that were text when the model was trained are text, and empty ones as then."""
    found = _types(connection, f"select * from {source.reader}", source)
    types = {name: "VARCHAR" for name in found if usual.get(name) == "VARCHAR"}
    if others := [name for name, kind in found.items() if kind == "VARCHAR" and usual.get(name, kind) != kind]:
        counts = ", ".join(f"count({_quoted(name)})" for name in others)
        values = connection.execute(f"select {counts} from {source.reader}", source.parameters).fetchall()[0]
        types |= {name: usual[name] for name, count in zip(others, values, strict=True) if not count}
    return replace(source, reader=_typed_csv(types)) if types else source


def _typed_csv(types: Mapping[str, str], missing: str = "'', 'NA'") -> str:
    typed = ", ".join(f"{_quoted(name)}: '{kind}'" for name, kind in types.items())
    return f"read_csv($path, nullstr=[{missing}], header=true, types={{{typed}}})"


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


@contextmanager
def _connected(source: _Source, policy: ExampleFilePolicy) -> Iterator[duckdb.DuckDBPyConnection]:
    with _caged_connection(source, policy) as connection, _ended_after(connection, policy.seconds):
        try:
            yield connection
        except duckdb.InterruptException as error:
            raise InvalidInputError(
                f"the SQL of the spec takes more than {policy.seconds} seconds on {source.name}; simplify it"
            ) from error
        except duckdb.Error as error:
            raise InvalidInputError(f"{source.name} does not fit the spec: {_reason(error)}") from error


def _reason(error: duckdb.Error) -> str:
    return " ".join(str(error).split("\n\n")[0].split())


def _types(connection: duckdb.DuckDBPyConnection, query: str, source: _Source) -> dict[str, str]:
    """Return the columns of a query's result, each with its type."""
    _require_one_query(f"{query} limit 0")
    connection.execute(f"{query} limit 0", source.parameters)
    return {column[0]: str(column[1]) for column in connection.description or ()}


def _read(
    connection: duckdb.DuckDBPyConnection,
    source: _Source,
    study: Study,
    kinds: Mapping[str, str],
    there: Mapping[str, str],
    policy: ExampleFilePolicy,
    usual: Mapping[str, str] = MappingProxyType({}),
) -> ReadTable:
    """Return the columns of `kinds` that are `there` (column -> type), each as its kind."""
    lower = {name.lower(): kind for name, kind in there.items()}
    kept = {name: kind for name, kind in kinds.items() if name.lower() in lower}
    query = _query(source.reader, study, ", ".join(_columns(kept, lower, study, usual)))
    return _examined(_fetched(connection, query, source, policy), kept)


def _fetched(connection: duckdb.DuckDBPyConnection, query: str, source: _Source, policy: ExampleFilePolicy) -> pa.Table:
    _require_one_query(query)
    batches = connection.execute(query, source.parameters).to_arrow_reader()
    return pa.Table.from_batches(_bounded(batches, policy.maximum_bytes, source.name), schema=batches.schema)


@contextmanager
def _caged_connection(source: _Source, policy: ExampleFilePolicy) -> Iterator[duckdb.DuckDBPyConnection]:
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
        with suppress(duckdb.InvalidInputException):  # in Jupyter without ipywidgets it is off and may not be set
            connection.execute("set enable_progress_bar = false")
        if source.table is not None:
            connection.register(FRAME, source.table)
        if source.place is not None:
            quoted = source.place.replace("'", "''")
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
    numbers = roles.features if roles.prediction is None else (*roles.features, roles.prediction)
    kinds = dict.fromkeys(roles.columns, "varchar") | dict.fromkeys(numbers, "double")
    kinds |= dict.fromkeys((roles.time, roles.label_time, *roles.funnel_times), "date")
    early = () if roles.early_label is None else (roles.early_label,)
    return kinds | dict.fromkeys((*roles.steps, *early), "boolean")


def _columns(kinds: Mapping[str, str], there: Mapping[str, str], study: Study, usual: Mapping[str, str]) -> list[str]:
    """Return SQL of all columns, cast; then flags per cast column: unreadable values, and dates with a time of day."""
    values = {name: _value(name, kind, usual.get(name, "")) for name, kind in kinds.items()}
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


def _value(name: str, kind: str, usual: str) -> str:
    """Return the expression of a value as its type; SQL would silently read any number but 0 as true."""
    column = _quoted(name)
    if kind == "varchar" and usual in INTEGERS:  # a whole number became one with decimals where another is missing
        whole, plain = (f"cast({one} as varchar)" for one in (f"try_cast({column} as {usual})", column))
        is_whole = f"try_cast({column} as double) = try_cast({column} as {usual})"
        return f"case when {is_whole} then {whole} else {plain} end"
    cast = f"try_cast({column} as {kind})"
    return (
        cast if kind != "boolean" else f"case when try_cast({column} as double) not in (0, 1) then null else {cast} end"
    )


def _examined(found: pa.Table, kinds: Mapping[str, str]) -> ReadTable:
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


def write_table(table: pa.Table, path: Path) -> None:
    """Write a table as Parquet or CSV, by the name of the file. Raises InvalidInputError for another one."""
    if path.name.endswith(".parquet"):
        pq.write_table(table, path)
    elif path.name.endswith(".csv"):
        with path.open("w", encoding="utf-8", newline="") as file:
            write_csv(table, file)
    else:
        raise InvalidInputError(f"{path.name} is no .parquet or .csv file; name one")


def write_csv(table: pa.Table, file: TextIO) -> None:
    """Write a table as CSV: a list as its values with semicolons between, floats so that they read back to the bit."""
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(table.column_names)
    for batch in table.to_batches():
        columns = [column.to_pylist() for column in batch.columns]
        rows.writerows(
            ["; ".join(one) if isinstance(one, list) else one for one in row] for row in zip(*columns, strict=True)
        )
