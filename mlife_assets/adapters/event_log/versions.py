"""Reading rows of every released version of an event type as rows of today's.

Concept: bytes in the log never change, so a file says which version it was written for (no word means 1) and is turned
into today's when it is read. A file of a version that this code does not know is refused, never guessed at.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from mlife_assets.adapters.parquet_bytes import encode_table, open_table
from mlife_assets.core.errors import IntegrityError, NewerVersionError
from mlife_assets.core.event_columns import EventType, Upcaster

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

VERSION_KEY = "mlife.event_version"
"""In the footer of files of version 2 and later; `dbt_project/macros/event_log.sql` reads it too."""


def encode_rows(kind: EventType, rows: pa.Table) -> bytes:
    """Return rows of today's version as the bytes of a file."""
    return encode_table(rows, {} if kind.version == 1 else {VERSION_KEY: str(kind.version)})


def decode_rows(kind: EventType, data: bytes, columns: Sequence[str], key: str) -> pa.Table:
    """Return `columns` of the rows in the file `key`, whatever version of the type it was written for.

    Raises:
        NewerVersionError: this code is too old for the file.
        IntegrityError: the file is no Parquet, or lacks a column that its version has.
    """
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
    """Return the version that a file names, 1 where it names none. Raises IntegrityError where it is no number."""
    text = (file.metadata.metadata or {}).get(VERSION_KEY.encode(), b"1")
    if not text.isdigit():
        raise IntegrityError(f"{key} names no version in its footer; run `mlife log verify`")
    return int(text)


def _present(file: pq.ParquetFile, columns: Sequence[str]) -> pa.Table:
    there = set(file.schema_arrow.names)
    return file.read([name for name in columns if name in there], use_threads=False)


def _as_contract(contract: EventType, rows: pa.Table, columns: Sequence[str], where: str) -> pa.Table:
    """Return `columns` with the types of the contract; one that may be null and is absent is null."""
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
