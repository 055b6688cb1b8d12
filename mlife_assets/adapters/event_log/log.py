"""The event log on an object store: the one source of truth, append only.

Concept: `append` first puts the data, then lists it in a manifest. Both steps are safe to repeat, so after a crash
between them, appending the same rows again repairs it; until then `verify` reports the file as unlisted. A batch is
named by its content, so the same rows give the same key, a second append changes nothing, and a file emptied by a power
cut is rewritten.

Remembered events are of types with one file per act. A file is named by its content, so rows once read stay valid;
`verify` finds later damage. An event counts once a manifest lists it, so a call without new entries neither lists nor
reads files; otherwise it reads the days of the new entries. Files left unlisted by a crash count once files are listed
`anew`, as before recording. The same object is returned until rows are added, so results derived from it can be kept,
too.

Bytes in the log never change: a file names the version of its event type (default 1), and its rows are converted to
today's version on reading. An unknown version is refused.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import date, datetime, timedelta
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mlife_assets.adapters.event_log.chain import Additions, Chain, ChainEnd
from mlife_assets.adapters.event_log.manifests import (
    DIGEST_LENGTH,
    EVENTS,
    Entry,
    LogFile,
    content_hash,
    data_key,
    hour_of,
    hour_of_key,
    parse_data_key,
    parse_day,
)
from mlife_assets.adapters.object_store import put_addressed, read_at_once, readers_of
from mlife_assets.adapters.parquet_bytes import encode_table, open_table
from mlife_assets.core.errors import IntegrityError, InvalidInputError, NewerVersionError
from mlife_assets.core.event_columns import EventType, Upcaster
from mlife_assets.core.ports import Append, ObjectStore, Rows
from mlife_assets.core.windows import days_between
from mlife_assets.recruiting.events import EVENT_TYPES, ON_RECORD, TIMESTAMP

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


VERSION_KEY = "mlife.event_version"
"""In the footer of files of version 2 and later; `dbt_project/macros/event_log.sql` reads it too."""
ORDER = ("observed_at", "event_id")
EPOCH = datetime(1970, 1, 1, tzinfo=ZoneInfo("UTC"))
LISTED_BY_DAY_MAXIMUM = 31
MICROSECONDS_PER_HOUR = 3_600_000_000
OBSERVED_AT_LIMIT = 253_402_300_800_000_000
"""Microseconds from 1970 to the year 10000: partitions are named with four digits."""


class ParquetEventLog:
    """`ports.EventLog` over an object store; several writers need no lock."""

    def __init__(
        self,
        store: ObjectStore,
        *,
        key: Callable[[], bytes] | None = None,
        pinned: Callable[[], ChainEnd | None] | None = None,
        alone: Callable[..., AbstractContextManager[object]] = nullcontext,
        record: Callable[[Sequence[str]], object] | None = None,
    ) -> None:
        """Keep the log below `events/` and `manifests/` of `store`; `key`, `pinned` and `alone` are as in `Chain`.

        `record` gets the key of each file with consents or reviews before the file is there.
        """
        self._store, self._record = store, record
        self.chain = Chain(store, key=key, pinned=pinned, alone=alone)
        self.readers = readers_of(store)
        self.forget()

    def append(self, event_type: str, table: pa.Table, *, writer: str, batch: str | None = None) -> Append:
        """Append rows with the columns of the type, in any order; `batch`, by default their number, is part of the key.

        Raises `InvalidInputError` on another schema, nulls, naive times or text that is not UTF-8.
        """
        rows = sort_rows(conform(event_type, table))
        if rows.num_rows:
            self.chain.open()  # nothing may be put into another home's log
        entries, are_new = [], True
        for hour, part in _split_by_hour(rows):
            data = encode_rows(EVENT_TYPES[event_type], part)
            digest = content_hash(data)
            key = data_key(event_type, hour, writer, batch or f"{part.num_rows:06d}", digest)
            if self._record is not None and event_type in ON_RECORD:
                self._record([key])
            are_new = put_addressed(self._store, key, data, digest[:DIGEST_LENGTH]) and are_new
            entries.append(Entry(key, digest, part.num_rows))
        self.chain.list_entries(entries, are_new=are_new)
        return Append(event_type, tuple(entry.key for entry in entries), rows.num_rows)

    def read(
        self,
        event_type: str,
        *,
        start: date | None = None,
        end: date | None = None,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        kind = _event_type(event_type)
        wanted = kind.schema.names if columns is None else list(columns)
        unknown = [name for name in wanted if name not in kind.schema.names]
        if unknown:
            raise InvalidInputError(f"{event_type} has no column {unknown[0]}; it has {', '.join(kind.schema.names)}")
        loaded = list(dict.fromkeys((*wanted, *ORDER)))
        found = self.files(event_type, start=start, end=end)
        read = zip(found, read_at_once(lambda file: self.rows_of(file, loaded), found, self.readers), strict=True)
        parts = {file: rows for file, rows in read if rows is not None}
        return self.in_order(event_type, parts, loaded).select(wanted)

    def remembered(self, *event_types: str, anew: bool = False) -> tuple[Rows, ...]:
        return self._remembered.rows(event_types, anew=anew)

    def forget(self) -> None:
        self._remembered = RememberedEvents(self, self._store)

    def rows_of(self, file: LogFile, columns: Sequence[str] | None = None) -> pa.Table | None:
        """Return a data file's rows; None for an unlisted remnant of an append. Raises `IntegrityError` if damaged."""
        try:
            return self.read_file(file, columns)
        except IntegrityError:
            if self.chain.lists_key(file.key):
                raise
            return None

    def in_order(
        self, event_type: str, parts: Mapping[LogFile, pa.Table], columns: Sequence[str] | None = None
    ) -> pa.Table:
        """Return the rows of files as one table, ordered by (observed_at, event_id), one row per event_id."""
        hours: defaultdict[tuple[date, int], list[pa.Table]] = defaultdict(list)
        for file, rows in sorted(parts.items(), key=lambda part: part[0].key):
            hours[file.day, file.hour].append(rows)
        tables = [found[0] if len(found) == 1 else _merge(found) for _, found in sorted(hours.items())]
        if not tables:
            schema = _event_type(event_type).schema
            return pa.Table.from_batches([], pa.schema([schema.field(name) for name in columns or schema.names]))
        return _first_of_each(pa.concat_tables(tables))

    def files(self, event_type: str, *, start: date | None = None, end: date | None = None) -> tuple[LogFile, ...]:
        """Return the data files of a type whose day lies in [start, end], ordered by day, hour and name."""
        _event_type(event_type)
        root = f"{EVENTS}/event_type={event_type}"
        if start is not None and end is not None and (end - start).days < LISTED_BY_DAY_MAXIMUM:
            keys = [key for day in days_between(start, end) for key in self._store.list(f"{root}/dt={day}")]
        else:
            keys = self._store.list(root)
        parsed = (parse_data_key(key) for key in keys)
        return tuple(
            file
            for file in parsed
            if file is not None and (start is None or file.day >= start) and (end is None or file.day <= end)
        )

    def days(self, event_type: str) -> tuple[date, ...]:
        folders = self._store.folders(f"{EVENTS}/event_type={_event_type(event_type).name}")
        return tuple(sorted(day for day in map(parse_day, folders) if day is not None))

    def read_file(self, file: LogFile, columns: Sequence[str] | None = None) -> pa.Table:
        """Return one data file as rows of today's version. Raises IntegrityError or NewerVersionError."""
        data = self._store.get(file.key)
        if not content_hash(data).startswith(file.digest):
            raise IntegrityError(f"{file.key} does not match the hash in its name; run `mlife log verify`")
        kind = EVENT_TYPES[file.event_type]
        return decode_rows(kind, data, kind.schema.names if columns is None else columns, file.key)

    def relist(self, files: Iterable[LogFile]) -> None:
        """Ensure that a manifest lists each of `files`: repairs a batch whose writer died before listing it."""
        self.chain.list_entries([self._entry(file) for file in files])

    def is_listed(self, file: LogFile) -> bool:
        return self.chain.lists(self._entry(file))

    def _entry(self, file: LogFile) -> Entry:
        rows = self.read_file(file, ("event_id",)).num_rows
        return Entry(file.key, content_hash(self._store.get(file.key)), rows)

    def is_whole(self, file: LogFile) -> bool:
        return content_hash(self._store.get(file.key)).startswith(file.digest)

    def restore(self, event_type: str, table: pa.Table, files: Iterable[LogFile]) -> list[LogFile]:
        """Rewrite damaged files from `table`, which may hold more rows; return those not restored.

        A file is written only with bytes that match its name: all rows of its hour.
        """
        parts = dict(_split_by_hour(sort_rows(conform(event_type, table))))
        left = []
        for file in files:
            part = parts.get(hour_of_key(file.key))
            data = b"" if part is None else encode_rows(EVENT_TYPES[event_type], part)
            if content_hash(data).startswith(file.digest):
                self._store.replace(file.key, data)
            else:
                left.append(file)
        return left


def conform(event_type: str, table: pa.Table) -> pa.Table:
    """Return `table` with exactly the schema of its type. Raises `InvalidInputError` naming column, row and remedy."""
    schema = _event_type(event_type).schema
    missing = [name for name in schema.names if name not in table.column_names]
    extra = [name for name in table.column_names if name not in schema.names]
    if missing or extra or len(set(table.column_names)) != table.num_columns:
        raise InvalidInputError(
            f"{event_type} rows lack columns {missing} and have unknown or repeated ones {extra}; "
            "validate them with core.validation.validate first"
        )
    for field in schema:
        given = table.column(field.name)
        if pa.types.is_timestamp(field.type) and pa.types.is_timestamp(given.type) and given.type.tz is None:
            raise InvalidInputError(f"{event_type}.{field.name} is naive; give times a zone")
        if not field.nullable and given.null_count:
            row = pc.index(pc.is_null(given), True).as_py()
            raise InvalidInputError(f"{event_type}.{field.name} is null in row {row}; fill it or reject the row")
    plain = table.select(schema.names)
    try:
        cast = pa.table([plain.column(f.name).cast(f.type) for f in schema], schema=schema)
        cast.validate(full=True)
    except (pa.ArrowException, ValueError) as error:
        raise InvalidInputError(
            f"{event_type} rows do not fit the schema without loss: {error}; validate them first"
        ) from error
    return cast


def sort_rows(table: pa.Table) -> pa.Table:
    """Order rows by (observed_at, event_id), then by every other column that has an order."""
    scalars = [f.name for f in table.schema if not pa.types.is_nested(f.type) and f.name not in ORDER]
    keys = [(name, "ascending") for name in (*ORDER, *scalars)]
    return table.take(pc.sort_indices(table, sort_keys=keys)).combine_chunks()


def _event_type(name: str) -> EventType:
    try:
        return EVENT_TYPES[name]
    except KeyError as error:
        raise InvalidInputError(f"event type {name!r} is unknown; use one of {', '.join(EVENT_TYPES)}") from error


def _split_by_hour(rows: pa.Table) -> list[tuple[str, pa.Table]]:
    """Cut rows sorted by `observed_at` into (partition, rows) at full hours."""
    if rows.num_rows == 0:
        return []
    moments = rows.column("observed_at").combine_chunks().cast(pa.int64()).to_numpy(zero_copy_only=False)
    if moments[0] < 0 or moments[-1] >= OBSERVED_AT_LIMIT:
        raise InvalidInputError("observed_at must lie in the years 1970 to 9999; correct or reject the rows outside")
    hours = moments // MICROSECONDS_PER_HOUR
    starts = [0, *(np.flatnonzero(np.diff(hours)) + 1).tolist()]
    ends = [*starts[1:], rows.num_rows]
    return [(hour_of(int(moments[a])), rows.slice(a, b - a)) for a, b in zip(starts, ends, strict=True)]


def _merge(tables: list[pa.Table]) -> pa.Table:
    merged = pa.concat_tables(tables)
    return merged.take(pc.sort_indices(merged, sort_keys=[(name, "ascending") for name in ORDER]))


def _first_of_each(table: pa.Table) -> pa.Table:
    """Keep the first row of each event_id, in order: codes number the ids by first appearance, so `first` ascends."""
    codes = table.column("event_id").combine_chunks().dictionary_encode()
    if len(codes.dictionary) == table.num_rows:
        return table
    _, first = np.unique(codes.indices.to_numpy(), return_index=True)
    return table.take(pa.array(first))


class RememberedEvents:
    """All rows of some types of a log; thread-safe."""

    def __init__(self, event_log: ParquetEventLog, store: ObjectStore) -> None:
        """Keep the log in `store`; reads nothing."""
        self._event_log, self._additions, self._lock = event_log, Additions(store), Lock()
        self._parts: dict[str, dict[LogFile, pa.Table]] = {}
        self._rows: dict[str, Rows] = {}

    def rows(self, event_types: Iterable[str], *, anew: bool = False) -> tuple[Rows, ...]:
        """Return all rows of each type, as `ParquetEventLog.read` does; `anew` lists all files of them again."""
        with self._lock:
            added = self._additions.keys()  # before listing, so that later additions are seen next time
            if added is None:
                self._rows.clear()
            grown = {name: days for name, days in _days_by_type(added or ()).items() if name in self._rows}
            for event_type in grown:  # all first: if a read fails, all their files are listed at the next call
                del self._rows[event_type]
            for event_type, days in grown.items():
                self._look(event_type, days)
            wanted = tuple(event_types)
            for event_type in wanted:
                if anew or event_type not in self._rows:
                    self._look(event_type)
            return tuple(self._rows[event_type] for event_type in wanted)

    def _look(self, event_type: str, days: Iterable[date] | None = None) -> None:
        """Read the unread files of a type, on some days or all."""
        known, log = self._parts.get(event_type, {}), self._event_log
        if days is None:
            files, parts = list(log.files(event_type)), dict[LogFile, pa.Table]()
        else:
            files, parts = [file for day in days for file in log.files(event_type, start=day, end=day)], dict(known)
        read = read_at_once(lambda file: known[file] if file in known else log.rows_of(file), files, log.readers)
        for file, rows in zip(files, read, strict=True):
            if rows is not None:
                parts[file] = rows
        if parts.keys() != known.keys() or event_type not in self._rows:
            self._parts[event_type] = parts
            self._rows[event_type] = tuple(_python_rows(log.in_order(event_type, parts)))


def _python_rows(table: pa.Table) -> list[dict[str, Any]]:
    """Return rows as `to_pylist` does, but without pandas, whose import for times takes most of the start-up."""
    columns = [
        [None if at is None else EPOCH + timedelta(microseconds=at) for at in column.cast(pa.int64()).to_pylist()]
        if column.type == TIMESTAMP
        else column.to_pylist()
        for column in table.columns
    ]
    return [dict(zip(table.column_names, row, strict=True)) for row in zip(*columns, strict=True)]


def _days_by_type(keys: Iterable[str]) -> dict[str, set[date]]:
    """Return event type -> the days of the data files among `keys`."""
    days: defaultdict[str, set[date]] = defaultdict(set)
    for file in map(parse_data_key, keys):
        if file is not None:
            days[file.event_type].add(file.day)
    return days


def encode_rows(kind: EventType, rows: pa.Table) -> bytes:
    return encode_table(rows, {} if kind.version == 1 else {VERSION_KEY: str(kind.version)})


def decode_rows(kind: EventType, data: bytes, columns: Sequence[str], key: str) -> pa.Table:
    """Return `columns` of a file of any version. Raises NewerVersionError if mlife is too old, or IntegrityError."""
    try:
        return _decoded(kind, data, columns, key)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise IntegrityError(f"{key} is not readable Parquet; run `mlife log verify`") from error


def _decoded(kind: EventType, data: bytes, columns: Sequence[str], key: str) -> pa.Table:
    file = open_table(data)
    version = file_version(file, key)
    if version > kind.version:
        raise NewerVersionError(
            f"{key} holds version {version} of {kind.name}, this mlife knows {kind.version}; upgrade mlife"
        )
    contract = kind.contract(version)
    if contract is kind:
        return _as_contract(kind, _present(file, columns), columns, key)
    rows = _as_contract(contract, _present(file, contract.schema.names), contract.schema.names, key)
    return upcast(kind, contract.version, rows).select(columns)


def upcast(kind: EventType, version: int, rows: pa.Table) -> pa.Table:
    """Return rows of `version` of a type, which has an upcaster, as rows of today's version."""
    for upcaster in kind.upcasters:
        if upcaster.version >= version:
            rows = _next(upcaster, rows)
            contract = kind.contract(upcaster.version + 1)
            rows = _as_contract(contract, rows, contract.schema.names, f"version {contract.version} of {kind.name}")
    return rows


def _next(upcaster: Upcaster, rows: pa.Table) -> pa.Table:
    if upcaster.constants is not None:
        for name, value in upcaster.constants.items():
            rows = rows.append_column(name, pa.repeat(value, rows.num_rows))
        return rows
    with _engine().cursor() as connection:
        connection.register("stored", rows)
        return connection.sql(f"select {upcaster.select} from stored").to_arrow_table()


@cache
def _engine() -> DuckDBPyConnection:
    """Return a database without access to anything; a cursor of it takes a millisecond, a new one ten."""
    import duckdb

    engine = duckdb.connect(config={"enable_external_access": False, "threads": 1})
    engine.execute("set global TimeZone = 'UTC'")
    return engine


def file_version(file: pq.ParquetFile, key: str) -> int:
    """Return the version that a file names, by default 1. Raises IntegrityError if it is no number."""
    text = (file.metadata.metadata or {}).get(VERSION_KEY.encode(), b"1")
    if not text.isdigit():
        raise IntegrityError(f"{key} names no version in its footer; run `mlife log verify`")
    return int(text)


def _present(file: pq.ParquetFile, columns: Sequence[str]) -> pa.Table:
    there = set(file.schema_arrow.names)
    return file.read([name for name in columns if name in there], use_threads=False)


def _as_contract(contract: EventType, rows: pa.Table, columns: Sequence[str], where: str) -> pa.Table:
    """Return `columns` with the types of the contract; missing nullable ones are null."""
    schema = pa.schema([contract.schema.field(name) for name in columns])
    if rows.schema.equals(schema):
        return rows
    arrays = []
    for field in schema:
        if field.name in rows.column_names:
            arrays.append(rows[field.name].cast(field.type))
        elif field.nullable:
            arrays.append(pa.nulls(rows.num_rows, field.type))
        else:
            raise IntegrityError(f"{where} lacks the column {field.name}; run `mlife log verify`")
    return pa.table(arrays, schema=schema)
