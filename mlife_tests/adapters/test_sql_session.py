"""Asking in SQL: marts, log and lake under the names that Athena has for them, and nothing that can be changed."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from mlife_assets.adapters.event_log.log import ParquetEventLog
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.sql_session import SqlSession
from mlife_assets.adapters.tables import TableStore
from mlife_assets.adapters.warehouse import DuckDBWarehouse
from mlife_assets.core.errors import InvalidInputError, NotFoundError
from mlife_assets.core.storage_places import Bucket
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.sql_tables import LAKE_TABLES, MAP_OF_SHOWN

NOON = datetime(2026, 4, 4, 12, tzinfo=UTC)


class Lake(ObstoreObjectStore):
    """A lake that notes which folders are asked for."""

    asked: list[str]

    def folders(self, prefix: str) -> list[str]:
        self.asked.append(prefix)
        return super().folders(prefix)


def closings(*days: int) -> pa.Table:
    rows = [
        {"event_id": f"e{n}", "occurred_at": at, "observed_at": at, "job_id": f"j{n}", "reason": "filled"}
        for n in days
        for at in [NOON.replace(day=n)]
    ]
    return pa.Table.from_pylist(rows, schema=EVENT_TYPES["job_closed"].schema)


def filled(lake: ObstoreObjectStore, path: Path) -> DuckDBWarehouse:
    """Fill a lake with three days of an event type and a table, and a warehouse with a mart."""
    ParquetEventLog(lake).append("job_closed", closings(4, 5, 6), writer="test")
    measured = pa.Table.from_pylist([{"model_version": "one", "champion_map": 0.5}], schema=LAKE_TABLES[MAP_OF_SHOWN])
    TableStore(lake).write(MAP_OF_SHOWN, date(2026, 4, 4), measured)
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema marts; create table marts.kpi_daily as select date '2026-04-05' as kpi_date")
    return DuckDBWarehouse(path, sleep=lambda _: None)


@pytest.fixture
def session(tmp_path: Path) -> SqlSession:
    warehouse = filled(ObstoreObjectStore.local(tmp_path / "a lake's"), tmp_path / "warehouse.duckdb")
    lake = Lake.local(tmp_path / "a lake's")
    lake.asked = []
    return SqlSession(warehouse, lake, {"MLIFE_LAKE_ROOT": str(tmp_path / "a lake's")})


def test_one_text_may_ask_marts_log_and_lake(session: SqlSession) -> None:
    text = """
        select kpi_date, closed.job_id, closed.dt, closed.hour, ranked.champion_map
        from marts.kpi_daily
        inner join events.job_closed as closed on closed.dt = kpi_date
        cross join Lake."map_of_shown" as ranked
    """
    day = date(2026, 4, 5)
    assert [tuple(row.values()) for row in session.ask(text).to_pylist()] == [(day, "j5", day, 12, 0.5)]


def test_times_are_in_utc(session: SqlSession) -> None:
    (row,) = session.ask(
        "select cast(occurred_at as varchar) as at from events.job_closed where job_id = 'j4'"
    ).to_pylist()
    assert row["at"] == "2026-04-04 12:00:00+00"


def test_a_type_without_files_has_no_rows_and_all_columns(session: SqlSession) -> None:
    answer = session.ask("select * from events.message_planned")
    assert answer.num_rows == 0
    assert answer.column_names == [*EVENT_TYPES["message_planned"].schema.names, "dt", "hour"]


def test_only_what_a_text_names_is_looked_at(session: SqlSession) -> None:
    session.ask("select * from marts.kpi_daily")
    assert session._lake.asked == []
    session.ask("select * from events.job_closed")
    assert session._lake.asked == ["events/event_type=job_closed"]


def test_a_condition_on_the_day_opens_no_file_of_other_days(session: SqlSession, tmp_path: Path) -> None:
    plan = session.ask("explain analyze select job_id from events.job_closed where dt = date '2026-04-05'").to_pylist()
    assert "Scanning Files: 1/3" in str(plan) or "Total Files Read: 1" in str(plan), plan


@pytest.mark.parametrize(
    "text", ["delete from marts.kpi_daily", "create table marts.more as select 1", "selec 1", "select x"]
)
def test_what_cannot_be_asked_is_one_sentence(session: SqlSession, text: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        session.ask(text)
    assert "\n" not in str(refused.value)
    assert session.ask("select count(*) as n from marts.kpi_daily").to_pylist() == [{"n": 1}]


@pytest.mark.parametrize("table", ["marts.fct_messages", "events.nothing", "lake.nothing"])
def test_a_table_that_is_not_there_is_named(session: SqlSession, table: str) -> None:
    with pytest.raises(NotFoundError, match=f"no table {table.split('.')[1]}; ask marts"):
        session.ask(f"select * from {table}")


def test_without_a_warehouse_the_remedy_is_named(tmp_path: Path) -> None:
    lake = ObstoreObjectStore.local(tmp_path)
    with pytest.raises(NotFoundError, match="dbt build"):
        SqlSession(DuckDBWarehouse(tmp_path / "none.duckdb"), lake, {"MLIFE_LAKE_ROOT": ""}).ask("select 1")


def test_a_lake_in_a_bucket_is_asked_alike(tmp_path: Path, s3_place: Bucket) -> None:
    lake = ObstoreObjectStore.in_bucket(s3_place)
    warehouse = filled(lake, tmp_path / "warehouse.duckdb")
    environment = {
        "MLIFE_LAKE_ROOT": s3_place.url,
        "MLIFE_LAKE_ENDPOINT": s3_place.endpoint or "",
        "MLIFE_LAKE_REGION": s3_place.region,
        "MLIFE_LAKE_KEY_ID": s3_place.credentials.access_key_id,
        "MLIFE_LAKE_SECRET": s3_place.credentials.secret_access_key,
    }
    found = SqlSession(warehouse, lake, environment).ask("select job_id from events.job_closed order by job_id")
    assert found.column("job_id").to_pylist() == ["j4", "j5", "j6"]
