"""Asking a home in SQL: the marts, the event log as it is stored, tables of the lake.

Concept: the warehouse is opened for reading, a text is one statement that reads, and before it is even parsed the
connection is closed to everything but the files of log and tables (`_close`): DuckDB carries some statements out while
it parses them. It does so in a process of its own with limits on memory and CPU time, which is killed when its time is
over: a function that works on one value hears of no interruption. Log and lake are views over their Parquet files. A
view is made where the text names it: to make all of them would list three years of files for a question about one mart.
DuckDB skips the days of the log that a condition on `dt` rules out. A reader of the warehouse
keeps dbt out of it, so a question ends before dbt gives up waiting. A file of the library is written once, in the words
that DuckDB and Athena (Trino) share; its head says the question and each column.
"""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import pyarrow as pa

from mlife_assets.adapters.duckdb_bucket import open_bucket
from mlife_assets.adapters.warehouse import DuckDBWarehouse
from mlife_assets.core import errors
from mlife_assets.core.errors import InvalidInputError, MlifeError, NotFoundError, TransientError
from mlife_assets.core.event_columns import duckdb_type
from mlife_assets.core.quoting import quoted
from mlife_assets.recruiting.sql_tables import LAKE_TABLES

if TYPE_CHECKING:
    import duckdb

    from mlife_assets.core.ports import ObjectStore

_NAMED = re.compile(r"\b(?P<schema>events|lake)\"?\s*\.\s*\"?(?P<table>\w+)", re.IGNORECASE)
_MISSING = re.compile(r"Table with name \"?(\S+?)\"? does not exist")
_LOG_FOLDERS, _TABLE_FOLDERS = {"dt": "date", "hour": "bigint"}, {"as_of_date": "date"}
_VIEWS = "seen"
"""The database in memory that holds the views, beside the file of the warehouse."""
_FOLDERS = ("events", "tables")
"""Folders that a text may read."""
_EXPLAIN = re.compile(r"(?:\s|--[^\n]*\n)*explain\b(?:\s+analyze\b|\s*\([\w\s,]*\))?(?P<explained>.*)", re.I | re.S)

_CALLED = """
    select json_extract_string(tree, '$.error_message'), json_extract_string(tree, '$..function_name')
    from (select json_serialize_sql(?) as tree)
"""
_CHANGING = {
    *("checkpoint", "force_checkpoint", "truncate_duckdb_logs", "query", "json_execute_serialized_sql"),
    *("enable_logging", "disable_logging", "enable_profiling", "disable_profiling"),
}
"""Functions of a select that write files, also where `_close` lets only read, or run another text."""

MOST_SECONDS = 10
"""How long a question may hold the warehouse: the last of dbt's attempts comes later (`dbt_project/profiles.yml`)."""
MOST_ROWS = 1_000
"""How many rows of an answer are kept where nobody says how many."""
_MEMORY, _DISK = "2GB", "4GB"
_PROCESS_BYTES = 3 * 10**9
"""Memory of the worker beyond its start: DuckDB's own limit, and room for functions that DuckDB does not count."""
_ANSWER_BYTES = 256 * 2**20
_START_SECONDS, _GRACE_SECONDS = 60, 0.5
_BEGUN = b"begun\n"
"""Output of the worker once the warehouse is open and its time begins."""
_WORKER = """
import sys
sys.path[:] = {path!r}
sys.modules["pandas"] = sys.modules["numpy"] = None  # DuckDB and PyArrow would import them, for half of the time
from mlife_assets.adapters.sql_session import serve
serve()
"""
FOLDER = Path(__file__).resolve().parents[1] / "sql"
_COLUMN = re.compile(r"-- (?P<name>[a-z][a-z0-9_]*) {2,}(?P<meaning>\S.*)")


@dataclass(frozen=True)
class Answer:
    """The result of a query: its first rows, and their number in all."""

    table: pa.Table
    row_count: int


class SqlSession:
    """Read-only SQL over a home; `environment` has dbt's variables, which name the lake and its key."""

    def __init__(self, warehouse: DuckDBWarehouse, lake: ObjectStore, environment: Mapping[str, str]) -> None:
        self._warehouse, self._lake, self._environment = warehouse, lake, environment

    def ask(self, text: str, *, seconds: float = MOST_SECONDS, rows: int = MOST_ROWS) -> Answer:
        """Return the result of one statement, stopped after `seconds`, with at most `rows` kept and all counted.

        Raises InvalidInputError unless it reads, NotFoundError without warehouse or table, TransientError if late.
        """
        request = self._request(text, seconds, rows)
        place = request["warehouse"]
        patience = _START_SECONDS + place["attempts"] * place["wait_seconds"]
        with subprocess.Popen(
            [sys.executable, "-c", _WORKER.format(path=sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            if process.stdin is None or process.stdout is None:
                raise TransientError("the process that asks has no pipes; try again")
            with _after(patience, process.kill) as is_late:
                with suppress(BrokenPipeError), process.stdin as requests:
                    requests.write(json.dumps(request).encode())
                header = begun = process.stdout.readline()
            with _after(seconds + _GRACE_SECONDS, process.kill) as has_passed:
                header = process.stdout.readline() if begun == _BEGUN else header
                rest = process.stdout.read()
        if not begun:
            why = f"was not ready after {patience:g} s" if is_late.is_set() else "ended before it was ready"
            raise TransientError(f"the process that asks {why}, so nothing was asked; try again when less else runs")
        if process.returncode or not header:
            raise _stopped(seconds) if has_passed.is_set() else _exhausted()
        answer = json.loads(header)
        if "error" in answer:
            raise getattr(errors, answer["error"])(answer["says"])
        return Answer(pa.ipc.open_stream(rest).read_all(), answer["row_count"])

    def _request(self, text: str, seconds: float = MOST_SECONDS, rows: int = MOST_ROWS) -> dict[str, Any]:
        """Return all that the process has to know, as JSON has it."""
        return {
            "warehouse": self._warehouse.at(),
            "views": self._views(text),
            "folders": [f"{self._root(folder)}/{folder}/" for folder in _FOLDERS],
            "environment": dict(self._environment),
            "text": text,
            "seconds": seconds,
            "rows": rows,
        }

    def _views(self, text: str) -> dict[str, str]:
        """Return the query of each view that a text names, by its name."""
        from mlife_assets.recruiting.events import EVENT_TYPES

        found: dict[str, str] = {}
        for schema, table in sorted({(m["schema"].lower(), m["table"].lower()) for m in _NAMED.finditer(text)}):
            if schema == "events" and table in EVENT_TYPES:
                query = self._stored(f"events/event_type={table}", EVENT_TYPES[table].schema, _LOG_FOLDERS)
            elif schema == "lake" and table in LAKE_TABLES:
                query = self._stored(f"tables/{table}", LAKE_TABLES[table], _TABLE_FOLDERS)
            else:
                continue
            found[f"{schema}.{table}"] = query
        return found

    def _root(self, folder: str) -> str:
        root = self._environment["MLIFE_LAKE_ROOT"]
        return (self._environment.get("MLIFE_TABLES_ROOT", root) if folder == "tables" else root).replace("'", "''")

    def _stored(self, folder: str, schema: pa.Schema, partitions: Mapping[str, str]) -> str:
        """Return the query of all files below a folder; no rows where there is none. Older files lack later columns."""
        types = {field.name: duckdb_type(field.type) for field in schema} | dict(partitions)
        nothing = ", ".join(f"cast(null as {kind}) as {name}" for name, kind in types.items())
        if not self._lake.folders(folder):
            return f"select {nothing} where false"
        root = self._root(folder.partition("/")[0])
        files = f"'{root}/{folder}/{'*/' * len(partitions)}*.parquet'"
        hive = ", ".join(f"{name}: {kind}" for name, kind in partitions.items())
        options = f"hive_partitioning = true, hive_types = {{{hive}}}, union_by_name = true"
        return (
            f"select {', '.join(types)} from (select * from read_parquet({files}, {options}) "
            f"union all by name select {nothing} where false)"
        )


def serve() -> None:
    """Answer the one request that standard input holds, on standard output; what runs in the process that is killed."""
    request, out = json.load(sys.stdin.buffer), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # prints of libraries are no part of the answer
    with open("/proc/self/statm", encoding="ascii") as file:
        taken = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + _PROCESS_BYTES, taken + _PROCESS_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    cpu_seconds = int(time.process_time() + (request["seconds"] + 1) * (os.cpu_count() or 1)) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, hard))  # should the process that would kill this one die
    header: dict[str, Any]
    body = b""
    try:
        answer = _answered(request, out)
        header = {"row_count": answer.row_count}
        if answer.table.nbytes > _ANSWER_BYTES:
            raise InvalidInputError(f"the answer is of {answer.table.nbytes:,} bytes; ask for fewer rows or less text")
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, answer.table.schema) as writer:
            writer.write_table(answer.table)
        body = sink.getvalue().to_pybytes()
    except MlifeError as error:
        header = {"error": type(error).__name__, "says": str(error)}
    except MemoryError:
        header = {"error": TransientError.__name__, "says": str(_exhausted())}
    out.write(json.dumps(header).encode() + b"\n" + body)
    out.close()


def _answered(request: Mapping[str, Any], out: BinaryIO) -> Answer:
    """Return the result of a request; writes to `out` when its time begins."""
    import duckdb

    place, seconds, text = request["warehouse"], request["seconds"], request["text"]
    warehouse = DuckDBWarehouse(Path(place.pop("path")), **place)
    with closing(warehouse.open()) as connection, _after(seconds, connection.interrupt) as has_passed:
        out.write(_BEGUN)
        out.flush()
        try:
            _add_views(connection, request["views"], request["environment"])
            _close(connection, request["folders"])
            statement = _only_statement(connection, text)
            return _first_rows(connection.execute(statement).to_arrow_reader(), request["rows"])
        except duckdb.OutOfMemoryException as error:
            raise _exhausted() from error
        except (duckdb.Error, OSError, pa.ArrowException) as error:  # the reader of rows has errors of Arrow
            if has_passed.is_set():
                raise _stopped(seconds) from error
            missing = _MISSING.search(str(error))
            if missing is None:
                raise InvalidInputError(str(error).splitlines()[0]) from error
            raise NotFoundError(
                f"there is no table {missing[1]}; ask marts.*, staging.*, events.<event type> or "
                f"lake.{', lake.'.join(LAKE_TABLES)}; a mart is there once its asset was materialized"
            ) from error


def _stopped(seconds: float) -> TransientError:
    return TransientError(
        f"the question was stopped after {seconds:g} s, since dbt waits while the warehouse is read; name fewer days "
        "in conditions, or count instead of listing"
    )


def _exhausted() -> TransientError:
    return TransientError(
        f"the question needed more than the {_MEMORY} of memory that one is given; name fewer days in conditions, or "
        "count instead of listing"
    )


@contextmanager
def _after(seconds: float, stop: Callable[[], None]) -> Iterator[threading.Event]:
    """Call `stop` once `seconds` have passed; yields an event that is set then."""
    has_ended, has_passed = threading.Event(), threading.Event()

    def watch() -> None:
        if has_ended.wait(seconds):
            return
        has_passed.set()
        stop()
        while not has_ended.wait(0.05):  # again and again: between two statements there is nothing to stop
            stop()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield has_passed
    finally:
        has_ended.set()
        thread.join()


def _close(connection: duckdb.DuckDBPyConnection, folders: Sequence[str]) -> None:
    """Keep a connection from all files but those in `folders`, from the network and from other settings."""
    allowed = ", ".join(f"'{folder}'" for folder in folders)
    for setting in (
        f"memory_limit = '{_MEMORY}'",
        f"max_temp_directory_size = '{_DISK}'",
        "autoinstall_known_extensions = false",
        "autoload_known_extensions = false",
        "python_enable_replacements = false",
        f"allowed_directories = [{allowed}]",
        "enable_external_access = false",
        "lock_configuration = true",
    ):
        connection.execute(f"set {setting}")


def _add_views(connection: duckdb.DuckDBPyConnection, views: Mapping[str, str], environment: Mapping[str, str]) -> None:
    """Make views, and let names without a database mean warehouse and views alike."""
    home = connection.sql("select current_database()").fetchall()[0][0]
    connection.execute(f"attach ':memory:' as {_VIEWS} (read_write)")
    connection.execute(f"create schema {_VIEWS}.events; create schema {_VIEWS}.lake")
    open_bucket(connection, environment)
    for name, query in views.items():
        connection.execute(f"create view {_VIEWS}.{name} as {query}")
    schemas = [
        row[0]
        for row in connection.sql(
            f"select distinct schema_name from duckdb_schemas() where database_name = '{home}' and not internal"
        ).fetchall()
    ]
    places = [*(f"{home}.{one}" for one in schemas), f"{_VIEWS}.events", f"{_VIEWS}.lake"]
    connection.execute(f"set search_path = '{','.join(places)}'")


def _only_statement(connection: duckdb.DuckDBPyConnection, text: str) -> duckdb.Statement:
    """Return the statement of a text. Raises InvalidInputError unless it is one that reads, or explains one."""
    import duckdb

    statements = connection.extract_statements(text)
    if not statements:
        raise InvalidInputError("the text holds no statement; write a select")
    if len(statements) > 1:
        raise InvalidInputError(
            f"the text is {len(statements)} statements to DuckDB; ask one at a time, and give `pivot` its values"
        )
    (statement,) = statements
    if statement.type == duckdb.StatementType.EXPLAIN:  # `explain analyze copy ...` writes
        match = _EXPLAIN.fullmatch(text)
        if match is None:
            raise InvalidInputError("begin an explanation with `explain` or `explain analyze`")
        _only_statement(connection, match["explained"])
    elif statement.type != duckdb.StatementType.SELECT:
        raise InvalidInputError(f"{statement.type.name} changes things or is no question; write a select")
    else:
        ((fault, called),) = connection.execute(_CALLED, [text]).fetchall()
        if fault is not None:
            raise InvalidInputError(f"DuckDB reads no select in the text ({fault}); write one, not a pragma")
        if changing := sorted(_CHANGING.intersection(name.lower() for name in called)):
            raise InvalidInputError(f"{', '.join(changing)} may change things; select without")
    return statement


def _first_rows(reader: pa.RecordBatchReader, most: int) -> Answer:
    """Keep the first rows of an answer and count all."""
    kept, count = [], 0
    for batch in reader:
        if count < most:
            kept.append(batch.slice(0, most - count))
        count += batch.num_rows
    return Answer(pa.Table.from_batches(kept, reader.schema), count)


@dataclass(frozen=True)
class Query:
    """A file of the library: the question that it answers, and meaning and unit of each column."""

    name: str
    question: str
    columns: dict[str, str]
    text: str


def query_names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.sql"))


def read_query(name: str) -> Query:
    """Return a query. Raises NotFoundError where there is none of that name; names those that there are."""
    known = query_names()
    if name not in known:
        raise NotFoundError(f"there is no query {quoted(name)}; use one of {', '.join(known)}")
    text = (FOLDER / f"{name}.sql").read_text(encoding="utf-8")
    question, *rest = text.splitlines()
    columns: dict[str, str] = {}
    for line in rest:
        if not line.startswith("--"):
            break
        if (match := _COLUMN.fullmatch(line)) is not None:
            columns[match["name"]] = match["meaning"]
        elif columns:
            last = next(reversed(columns))
            columns[last] += " " + line.removeprefix("--").strip()
    return Query(name, question.removeprefix("-- "), columns, text)
