"""Asking a home in SQL: the marts, the event log as it is stored, tables of the lake.

Belongs here: one connection that sees them under the names that Athena has for them, running a text. Does not belong
here: the questions (`query_library`), which tables there are (`recruiting.sql_tables`).

Concept: the warehouse is opened for reading, so nothing that is asked can change it. Log and lake are views over their
Parquet files. A view is made where the text names it: to make all of them would list three years of files for a
question about one mart. DuckDB skips the days of the log that a condition on `dt` rules out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import closing
from typing import TYPE_CHECKING

import pyarrow as pa

from mlife_assets.adapters.duckdb_bucket import open_bucket
from mlife_assets.adapters.warehouse import DuckDBWarehouse
from mlife_assets.core.errors import InvalidInputError, NotFoundError
from mlife_assets.core.ports import ObjectStore
from mlife_assets.core.sql_types import duckdb_type
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.sql_tables import LAKE_TABLES

if TYPE_CHECKING:
    import duckdb

_NAMED = re.compile(r"\b(?P<schema>events|lake)\s*\.\s*\"?(?P<table>\w+)", re.IGNORECASE)
_MISSING = re.compile(r"Table with name \"?(\S+?)\"? does not exist")
_LOG_FOLDERS, _TABLE_FOLDERS = {"dt": "date", "hour": "bigint"}, {"as_of_date": "date"}
_VIEWS = "seen"
"""The database in memory that holds the views, beside the file of the warehouse."""


class SqlSession:
    """What a home answers in SQL.

    Args:
        warehouse: the marts.
        lake: where log and tables lie; asked only whether there is anything of a table.
        environment: the variables that dbt reads, which name the lake and its key (`Settings.dbt_environment`).
    """

    def __init__(self, warehouse: DuckDBWarehouse, lake: ObjectStore, environment: Mapping[str, str]) -> None:
        """Remember what is asked; nothing is opened."""
        self._warehouse, self._lake, self._environment = warehouse, lake, environment

    def ask(self, text: str) -> pa.Table:
        """Return the rows that one statement of SQL gives.

        Raises:
            InvalidInputError: DuckDB cannot run it; says why.
            NotFoundError: there is no warehouse, or it lacks a table that is asked for.
            TransientError: dbt held the warehouse for all attempts.
        """
        import duckdb

        with closing(self._warehouse.open()) as connection:
            try:
                self._add_views(connection, text)
                return connection.sql(text).to_arrow_table()
            except duckdb.CatalogException as error:
                missing = _MISSING.search(str(error))
                if missing is None:
                    raise InvalidInputError(_first_line(error)) from error
                raise NotFoundError(
                    f"there is no table {missing[1]}; ask marts.*, staging.*, events.<event type> or "
                    f"lake.{', lake.'.join(LAKE_TABLES)}; a mart is there once its asset was materialized"
                ) from error
            except duckdb.Error as error:
                raise InvalidInputError(_first_line(error)) from error

    def _add_views(self, connection: duckdb.DuckDBPyConnection, text: str) -> None:
        """Make the views that a text names, and let names without a database mean warehouse and views alike."""
        home = connection.sql("select current_database()").fetchall()[0][0]
        connection.execute(f"attach ':memory:' as {_VIEWS} (read_write)")
        connection.execute(f"create schema {_VIEWS}.events; create schema {_VIEWS}.lake")
        open_bucket(connection, self._environment)
        for schema, table in sorted({(m["schema"].lower(), m["table"].lower()) for m in _NAMED.finditer(text)}):
            if schema == "events" and table in EVENT_TYPES:
                query = self._stored(
                    f"events/event_type={table}", EVENT_TYPES[table].schema, {"dt": "date", "hour": "bigint"}
                )
            elif schema == "lake" and table in LAKE_TABLES:
                query = self._stored(f"tables/{table}", LAKE_TABLES[table], _TABLE_FOLDERS)
            else:
                continue
            connection.execute(f"create view {_VIEWS}.{schema}.{table} as {query}")
        schemas = [
            row[0]
            for row in connection.sql(
                f"select distinct schema_name from duckdb_schemas() where database_name = '{home}' and not internal"
            ).fetchall()
        ]
        places = [*(f"{home}.{one}" for one in schemas), f"{_VIEWS}.events", f"{_VIEWS}.lake"]
        connection.execute(f"set search_path = '{','.join(places)}'")

    def _stored(self, folder: str, schema: pa.Schema, partitions: Mapping[str, str]) -> str:
        """Return the query of all files below a folder; no rows where there is none. Older files lack later columns."""
        types = {field.name: duckdb_type(field.type) for field in schema} | dict(partitions)
        nothing = ", ".join(f"cast(null as {kind}) as {name}" for name, kind in types.items())
        if not self._lake.folders(folder):
            return f"select {nothing} where false"
        root = self._environment["MLIFE_LAKE_ROOT"].replace("'", "''")
        files = f"'{root}/{folder}/{'*/' * len(partitions)}*.parquet'"
        hive = ", ".join(f"{name}: {kind}" for name, kind in partitions.items())
        options = f"hive_partitioning = true, hive_types = {{{hive}}}, union_by_name = true"
        return (
            f"select {', '.join(types)} from (select * from read_parquet({files}, {options}) "
            f"union all by name select {nothing} where false)"
        )


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
