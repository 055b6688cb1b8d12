"""Staging day by day gives the tables that staging the whole log gives."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from mlife_assets.adapters.event_log import ParquetEventLog
from mlife_assets.adapters.event_log.catalogue import to_stage
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.warehouse import DuckDBWarehouse
from mlife_assets.components.features.dbt import build
from mlife_assets.recruiting.events import EVENT_TYPES

STAGING = ["path:models/staging"]
EARLIER = timedelta(days=1, hours=1)


class Warehouse:
    """A warehouse that is staged from a log, in steps or as a whole."""

    def __init__(self, project: Path, folder: Path, log: ParquetEventLog) -> None:
        self._project, self._folder, self._log = project, folder, log
        self._path = folder / "warehouse.duckdb"
        folder.mkdir()

    def stage(self, definition: str = "sql", **variables: Any) -> dict[str, Any]:
        """Stage what is new and return what that was."""
        asked = to_stage(self._log, DuckDBWarehouse(self._path).staged(), definition)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MLIFE_WAREHOUSE_PATH", str(self._path))
            list(build(self._project, STAGING, {**asked, **variables}, self._folder / "dbt"))
        return asked["staged"]

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return the rows of each staged table in one order."""
        with closing(duckdb.connect(str(self._path), read_only=True)) as connection:
            names = connection.execute("select table_name from duckdb_tables() where schema_name = 'staging'")
            tables = [name for (name,) in names.fetchall()]
            return {name: connection.execute(f"from staging.{name} order by all").fetchall() for name in tables}

    def execute(self, sql: str) -> None:
        with closing(duckdb.connect(str(self._path))) as connection:
            connection.execute(sql)


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ParquetEventLog:
    monkeypatch.setenv("MLIFE_LAKE_ROOT", str(tmp_path / "a lake"))
    return ParquetEventLog(ObstoreObjectStore.local(tmp_path / "a lake"))


@pytest.fixture
def observe(log: ParquetEventLog, rows: dict[str, Any]) -> Callable[..., None]:
    """Return what appends the rows of the days [first, last], or of days that much earlier."""

    def append(
        first: date, last: date, types: tuple[str, ...] = tuple(EVENT_TYPES), by: timedelta = timedelta()
    ) -> None:
        for name in types:
            found = [row for row in rows.get(name, []) if first <= row["observed_at"].date() <= last]
            moved = [{**row, "observed_at": row["observed_at"] - by} for row in found]
            table = pa.Table.from_pylist(moved, schema=EVENT_TYPES[name].schema)
            log.append(name, table, writer="late" if by else "w")

    return append


def test_staging_in_steps_equals_staging_at_once(project, tmp_path, log, observe, day_of) -> None:
    steps = Warehouse(project, tmp_path / "steps", log)
    observe(day_of(0), day_of(3))
    assert steps.stage() == {}
    observe(day_of(4), day_of(4))
    assert {one["since"] for one in steps.stage().values()} >= {day_of(4).isoformat()}

    # What is staged of day 3 becomes known on day 2 already, and what is new on day 5 repeats none of it.
    observe(day_of(3), day_of(3), ("click", "user_snapshot"), by=EARLIER)
    observe(day_of(5), day_of(6))
    added = steps.stage()
    assert added["click"]["since"] == added["user_snapshot"]["since"] == day_of(2).isoformat()
    assert added["impression"]["since"] == day_of(5).isoformat()
    at_once = staged_at_once(project, tmp_path / "after_late_files", log)
    assert steps.rows() == at_once
    assert all(at_once[f"stg_events__{name}"] for name in ("click", "impression", "message_status", "user_snapshot"))
    identities = [row[0] for row in at_once["stg_events__click"]]
    assert len(identities) == len(set(identities)) < log_rows(log, "click"), "no event was repeated"

    assert all(one == {"since": None, "files": []} for one in steps.stage().values())
    assert steps.rows() == at_once


def test_a_table_of_other_sql_is_made_again_and_what_is_no_table_is_replaced(project, tmp_path, log, observe, day_of):
    warehouse = Warehouse(project, tmp_path / "warehouse", log)
    observe(day_of(0), day_of(1))
    warehouse.stage()
    expected = warehouse.rows()
    warehouse.execute("alter table staging.stg_events__click rename column source to origin")
    warehouse.execute("drop table staging.stg_events__hire")
    warehouse.execute("create view staging.stg_events__hire as select 1 as released_with_0_1_0")
    assert warehouse.stage("other sql") == {}
    assert warehouse.rows() == expected


def test_staging_by_hand_reads_everything_and_takes_the_mark_away(project, tmp_path, log, observe, day_of) -> None:
    warehouse = Warehouse(project, tmp_path / "warehouse", log)
    observe(day_of(0), day_of(1))
    warehouse.stage()
    expected = warehouse.rows()
    warehouse.stage(staged={}, staged_mark=None)
    assert warehouse.rows() == expected
    assert warehouse.stage() == {}, "nobody knows up to where the tables of a call by hand are staged"
    assert {one["since"] for one in warehouse.stage().values()} == {None}


def staged_at_once(project: Path, folder: Path, log: ParquetEventLog) -> dict[str, list[tuple[Any, ...]]]:
    warehouse = Warehouse(project, folder, log)
    assert warehouse.stage() == {}
    return warehouse.rows()


def log_rows(log: ParquetEventLog, event_type: str) -> int:
    return sum(log.read_file(file, ("event_id",)).num_rows for file in log.files(event_type))
