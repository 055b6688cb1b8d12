"""Reading the marts that dbt builds.

Concept: DuckDB lets one process write and keeps everyone else out meanwhile, so a reader opens the file, reads
Arrow tables and closes, and waits a bounded time for a writer. Rows are ordered by the grain: same rows, same bytes.

On AWS the file of the warehouse lies in the lake between two tasks. It is put back only after a build that went well,
and an older file never goes over one that came since it was fetched.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import obstore
import pyarrow as pa
from obstore.exceptions import BaseError
from obstore.exceptions import NotFoundError as ObstoreNotFoundError

from mlife_assets.adapters.s3_bucket import bucket_fault, is_bucket_missing, missing_bucket, open_bucket
from mlife_assets.core.disk_faults import disk_error
from mlife_assets.core.errors import ContentConflictError, InvalidInputError, NotFoundError, TransientError
from mlife_assets.core.storage_places import Bucket
from mlife_assets.core.windows import add_days

if TYPE_CHECKING:
    import duckdb

    from mlife_assets.adapters.event_log.catalogue import StagedTable
    from mlife_assets.core.model import Model


KEY = "warehouse/warehouse.duckdb"
STAGED_PREFIX = "stg_events__"
AS_OF = "as_of_date"
"""Column by which rows to score are those of a day."""


@dataclass(frozen=True)
class Mart:
    """A mart: the columns that identify and order its rows, and the date column that selections apply to."""

    grain: tuple[str, ...]
    date_column: str


MARTS: dict[str, Mart] = {
    "user_features": Mart(("as_of_date", "user_id"), "as_of_date"),
    "job_features": Mart(("as_of_date", "job_id"), "as_of_date"),
    "labelled_examples": Mart(("exposure_date", "exposure_id"), "exposure_date"),
    "click_examples": Mart(("exposure_date", "exposure_id"), "exposure_date"),
    "applies": Mart(("apply_date", "apply_event_id"), "apply_date"),
    "exposures": Mart(("exposure_date", "exposure_id"), "exposure_date"),
    "fct_messages": Mart(("as_of_date", "message_id"), "as_of_date"),
    "fct_conversions": Mart(("conversion_date", "conversion_event_id"), "conversion_date"),
    "kpi_daily": Mart(("kpi_date",), "kpi_date"),
    "application_daily": Mart(("application", "kpi_date"), "kpi_date"),
    "experiment_readout": Mart(("experiment", "period_kind", "period_start_date", "arm"), "period_start_date"),
    "lift_daily": Mart(("experiment", "lift_date", "arm"), "lift_date"),
    "model_performance_daily": Mart(("exposure_date", "model_version", "slice"), "exposure_date"),
}
"""Marts that Python may read, beside those that a model names (`marts_of`)."""


def marts_of(models: Iterable[Model]) -> dict[str, Mart]:
    """Return the marts that models name: examples by day and exposure, rows to score by day and entity."""
    found: dict[str, Mart] = {}
    for model in models:
        if model.row_id is None:
            continue
        for step in model.steps:
            found[step.examples] = Mart((model.roles.time, model.row_id), model.roles.time)
        for name in model.row_source.tables:
            found[name] = Mart((AS_OF, model.roles.entity), AS_OF)
    return found


class DuckDBWarehouse:
    """The marts in one DuckDB file, opened in several `attempts` while another process holds it."""

    def __init__(
        self,
        path: Path,
        *,
        marts: Mapping[str, Mart] | None = None,
        attempts: int = 60,
        wait_seconds: float = 0.5,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if attempts < 1:
            raise InvalidInputError(f"attempts is {attempts}; set it to 1 or more")
        self._path = path
        self._marts = {**(marts or {}), **MARTS}
        self._attempts = attempts
        self._wait_seconds = wait_seconds
        self._sleep = sleep

    def read(
        self,
        mart: str,
        *,
        start: date | None = None,
        end: date | None = None,
        as_of: date | None = None,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        known = self._known(mart)
        if as_of is not None and (start is not None or end is not None):
            raise InvalidInputError("as_of selects one date; leave out start and end")
        first, last = (as_of, as_of) if as_of is not None else (start, end)
        with closing(self.open(f"+{mart}")) as connection:
            self._check_columns(connection, mart, columns)
            selected = ", ".join(f'"{name}"' for name in columns) if columns else "*"
            bounds = [(">=", first), ("<=", last)]
            conditions = [f"{known.date_column} {sign} ?" for sign, bound in bounds if bound is not None]
            where = f" where {' and '.join(conditions)}" if conditions else ""
            query = f"select {selected} from marts.{mart}{where} order by {', '.join(known.grain)}"
            parameters = [bound for _, bound in bounds if bound is not None]
            return _canonical(connection.execute(query, parameters).to_arrow_table())

    def leading_day(self, mart: str) -> str | None:
        known = self._known(mart)
        return known.date_column if known.grain[0] == known.date_column else None

    def spread_days(self, mart: str) -> int:
        self._known(mart)
        return 0

    def _known(self, mart: str) -> Mart:
        if mart not in self._marts:
            raise InvalidInputError(f"{mart!r} is not a mart; read one of {', '.join(sorted(self._marts))}")
        return self._marts[mart]

    def staged(self) -> dict[str, StagedTable]:
        """Return event type -> staged table; none before a build. Raises TransientError if the file stays locked."""
        from mlife_assets.adapters.event_log.catalogue import StagedTable

        if not self._path.exists():
            return {}
        with closing(self.open()) as connection:
            query = (
                "select table_name, comment from duckdb_tables() "
                "where schema_name = 'staging' and starts_with(table_name, ?) order by table_name"
            )
            found = {}
            for name, comment in connection.execute(query, [STAGED_PREFIX]).fetchall():
                row = connection.execute(f'select max(available_date) from staging."{name}"').fetchone()
                newest = None if row is None or row[0] is None else add_days(row[0], -1)
                found[name.removeprefix(STAGED_PREFIX)] = StagedTable(comment, newest)
            return found

    def at(self) -> dict[str, Any]:
        """Return the arguments by which another process opens the same file, as JSON has them."""
        return {"path": str(self._path), "attempts": self._attempts, "wait_seconds": self._wait_seconds}

    def open(self, needed: str = "tag:features tag:metrics") -> duckdb.DuckDBPyConnection:
        """Return a connection after waiting for a writer. Raises NotFoundError naming `needed`, or TransientError."""
        import duckdb

        if not self._path.exists():
            raise NotFoundError(f"there is no warehouse at {self._path}; {_remedy(needed)}")
        for attempt in range(1, self._attempts + 1):
            try:
                connection = duckdb.connect(str(self._path), read_only=True)
            except (duckdb.IOException, duckdb.ConnectionException) as error:
                words = str(error).lower()
                if "lock" not in words and "different configuration" not in words:  # that of dbt in this process
                    fault = disk_error(str(self._path), error)
                    if fault is None:
                        raise
                    raise fault from error
                if attempt == self._attempts:
                    raise TransientError(
                        f"{self._path} was in use during {attempt} attempts; try again when the dbt run has ended"
                    ) from error
                self._sleep(self._wait_seconds)
            else:
                connection.execute("set TimeZone = 'UTC'")
                return connection
        raise TransientError(f"{self._path} could not be opened")

    @staticmethod
    def _check_columns(connection: duckdb.DuckDBPyConnection, mart: str, columns: Sequence[str] | None) -> None:
        """Make sure that the mart and the asked columns exist."""
        import duckdb

        try:
            existing = set(connection.sql(f"from marts.{mart}").columns)  # the schema's own list looks at all tables
        except duckdb.CatalogException as error:
            raise NotFoundError(f"marts.{mart} has not been built; {_remedy('+' + mart)}") from error
        unknown = [name for name in columns or () if name not in existing]
        if unknown:
            raise InvalidInputError(f"marts.{mart} has no column {', '.join(unknown)}; its dbt model lists them")


def _canonical(table: pa.Table) -> pa.Table:
    """Return the table in one chunk a column, with zeros under nulls: DuckDB leaves there what its memory held."""
    import pyarrow.compute as pc

    columns = []
    for column in table.combine_chunks().columns:
        values = column.combine_chunks()
        array = values.chunk(0) if isinstance(values, pa.ChunkedArray) and values.num_chunks else values
        if array.null_count and not pa.types.is_string(array.type):
            mask = pc.is_valid(array)
            width = {1: pa.bool_(), 32: pa.int32(), 64: pa.int64()}[array.type.bit_width]
            filled = pc.fill_null(array, pa.scalar(0, pa.int64()).cast(width).cast(array.type))
            array = pa.Array.from_buffers(array.type, len(array), [mask.buffers()[1], filled.buffers()[1]])
        columns.append(array)
    return pa.Table.from_arrays(columns, schema=table.schema)


def _remedy(selection: str) -> str:
    return f"build it with `dbt build --select {selection}`"


class WarehouseCopy:
    """The file of a warehouse, in the lake and in this task."""

    def __init__(self, lake: Bucket, path: Path) -> None:
        self._store, self._path = open_bucket(lake), path
        self._version = path.with_suffix(".version")
        """Which one of the lake the file was made from; outlives this object, as the file does."""

    def fetch(self) -> None:
        """Fetch the file unless this task has one. Raises PermanentError or TransientError from the bucket."""
        if self._path.exists():
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=self._path.parent) as folder:
            partial = Path(folder) / self._path.name
            try:
                found = obstore.get(self._store, KEY)
                with partial.open("wb") as file:
                    for chunk in found.stream():
                        file.write(chunk)
            except (ObstoreNotFoundError, FileNotFoundError) as error:
                if is_bucket_missing(error):
                    raise missing_bucket() from None
                return
            except BaseError as error:
                raise bucket_fault(KEY, error) from None
            self._version.write_text(str(found.meta["e_tag"]))
            os.replace(partial, self._path)

    def put_back(self) -> None:
        """Put the file into the lake. Raises ContentConflictError if another task did since this one fetched it."""
        made_from = self._version.read_text() if self._version.exists() else None
        try:
            if self._version_there() != made_from:
                raise ContentConflictError(
                    f"another run has put {KEY} back since this one fetched it; run this one again"
                )
            self._version.write_text(str(obstore.put(self._store, KEY, self._path)["e_tag"]))
        except BaseError as error:
            raise bucket_fault(KEY, error) from None

    def _version_there(self) -> str | None:
        try:
            return str(obstore.head(self._store, KEY)["e_tag"])
        except (ObstoreNotFoundError, FileNotFoundError):
            return None
