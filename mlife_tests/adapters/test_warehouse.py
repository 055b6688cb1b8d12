"""Reading marts: selection, order, refusals, waiting for a writer."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from mlife_assets.adapters.event_log.staging import StagedTable
from mlife_assets.adapters.warehouse import MARTS, DuckDBWarehouse, Mart, marts_of
from mlife_assets.core.errors import InvalidInputError, NotFoundError, TransientError
from mlife_assets.recruiting.churn_risk import churn_risk
from mlife_assets.recruiting.job_applications import job_applications
from mlife_assets.recruiting.policies import Policies

DAYS = (date(2026, 4, 4), date(2026, 4, 5), date(2026, 4, 6))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute("set TimeZone = 'America/New_York'")
        connection.execute("create schema marts; create schema staging; create table staging.user_features (i integer)")
        connection.execute(
            "create table marts.applies as select date '2026-04-06' - cast(i % 3 as integer) as apply_date, "
            "printf('a%02d', 29 - i) as apply_event_id, case when i % 4 = 0 then null else i end as number, "
            "timestamptz '2026-04-04 18:00:00+00' as occurred_at from range(30) t(i)"
        )
    return file


def never(_: float) -> None:
    pytest.fail("waited although nobody holds the file")


@pytest.fixture
def warehouse(path: Path) -> DuckDBWarehouse:
    return DuckDBWarehouse(path, sleep=never)


def test_staged_tables_tell_their_mark_and_newest_day(path: Path, warehouse: DuckDBWarehouse) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table staging.stg_events__click as select date '2026-04-06' as available_date")
        connection.execute("comment on table staging.stg_events__click is 'a mark'")
        connection.execute("create table staging.stg_events__hire (available_date date)")
        connection.execute("create view staging.stg_events__apply as select 1 as of_release_0_1_0")
    found = {"click": StagedTable("a mark", date(2026, 4, 5)), "hire": StagedTable(None, None)}
    assert warehouse.staged() == found
    assert DuckDBWarehouse(path.parent / "not_built.duckdb", sleep=never).staged() == {}


def test_rows_come_in_the_order_of_the_grain(warehouse: DuckDBWarehouse) -> None:
    keys = [(row["apply_date"], row["apply_event_id"]) for row in warehouse.read("applies").to_pylist()]
    assert len(keys) == 30
    assert keys == sorted(keys)


def test_timestamps_are_utc_whatever_the_machine_says(warehouse: DuckDBWarehouse) -> None:
    table = warehouse.read("applies")
    assert table.schema.field("occurred_at").type == pa.timestamp("us", tz="UTC")
    assert table["occurred_at"][0].as_py() == datetime(2026, 4, 4, 18, tzinfo=UTC)


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ({}, set(DAYS)),
        ({"start": DAYS[1]}, set(DAYS[1:])),
        ({"end": DAYS[1]}, set(DAYS[:2])),
        ({"start": DAYS[1], "end": DAYS[1]}, {DAYS[1]}),
        ({"as_of": DAYS[2]}, {DAYS[2]}),
        ({"start": DAYS[2], "end": DAYS[0]}, set()),
    ],
)
def test_dates_select_both_ends_included(warehouse: DuckDBWarehouse, selection, expected) -> None:
    assert set(warehouse.read("applies", **selection)["apply_date"].to_pylist()) == expected


def test_columns_come_as_asked_and_the_order_stays(warehouse: DuckDBWarehouse) -> None:
    table = warehouse.read("applies", as_of=DAYS[0], columns=["number", "apply_event_id"])
    assert table.column_names == ["number", "apply_event_id"]
    assert table["apply_event_id"].to_pylist() == sorted(table["apply_event_id"].to_pylist())


def test_nulls_stay_nulls_over_zeroed_memory(warehouse: DuckDBWarehouse) -> None:
    numbers = warehouse.read("applies", columns=["number"])["number"].chunk(0)
    values = pa.Array.from_buffers(pa.int64(), len(numbers), [None, numbers.buffers()[1]]).to_pylist()
    assert numbers.null_count == 8
    assert [value or 0 for value in numbers.to_pylist()] == values


@pytest.mark.parametrize("name", ["staging.user_features", "applies; drop table marts.applies", "sqlite_master", ""])
def test_only_marts_can_be_read(warehouse: DuckDBWarehouse, name: str) -> None:
    with pytest.raises(InvalidInputError, match="is not a mart; read one of"):
        warehouse.read(name)


def test_a_table_of_another_schema_is_no_mart(warehouse: DuckDBWarehouse) -> None:
    with pytest.raises(NotFoundError, match=r"dbt build --select \+user_features"):
        warehouse.read("user_features")


def test_an_absent_warehouse_says_what_to_build(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"no warehouse at .*dbt build --select \+kpi_daily"):
        DuckDBWarehouse(tmp_path / "none.duckdb", sleep=never).read("kpi_daily")


def test_unknown_columns_are_named(warehouse: DuckDBWarehouse) -> None:
    with pytest.raises(InvalidInputError, match=r'marts\.applies has no column x"; select 1'):
        warehouse.read("applies", columns=["number", 'x"; select 1'])


def test_as_of_excludes_a_range(warehouse: DuckDBWarehouse) -> None:
    with pytest.raises(InvalidInputError, match="leave out start and end"):
        warehouse.read("applies", as_of=DAYS[0], end=DAYS[1])


def test_attempts_must_be_positive(path: Path) -> None:
    with pytest.raises(InvalidInputError, match="attempts is 0"):
        DuckDBWarehouse(path, attempts=0)


def test_a_file_that_is_no_database_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "bad.duckdb").write_bytes(b"not a database" * 1000)
    with pytest.raises(duckdb.Error, match="not a valid DuckDB database"):
        DuckDBWarehouse(tmp_path / "bad.duckdb", sleep=never).read("applies")


def test_a_writer_is_waited_for_and_the_wait_is_bounded(path: Path) -> None:
    """Another process holds the file; it lets go at the third wait."""
    hold = (
        f"import duckdb,sys; c = duckdb.connect({str(path)!r}); print('held', flush=True); sys.stdin.read(1); c.close()"
    )
    waits: list[float] = []
    with subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"held\n"
        with pytest.raises(TransientError, match="in use during 2 attempts"):
            DuckDBWarehouse(path, attempts=2, sleep=waits.append).read("applies")
        assert waits == [0.5]

        def release(_: float) -> None:
            waits.append(_)
            if len(waits) == 4:
                writer.communicate(b"x")

        assert DuckDBWarehouse(path, sleep=release).read("applies").num_rows == 30
    assert len(waits) == 4


def test_a_connection_of_this_process_with_other_settings_counts_as_held(path: Path) -> None:
    with duckdb.connect(str(path)), pytest.raises(TransientError):
        DuckDBWarehouse(path, attempts=1, sleep=never).read("applies")


def test_reading_leaves_nothing_open(path: Path, warehouse: DuckDBWarehouse) -> None:
    warehouse.read("applies")
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table marts.kpi_daily as select date '2026-04-04' as kpi_date")
    assert warehouse.read("kpi_daily").num_rows == 1


def test_every_mart_orders_by_a_grain_of_its_own_columns() -> None:
    assert all(mart.grain and mart.date_column for mart in MARTS.values())


def test_marts_of_a_model_follow_from_its_record() -> None:
    found = marts_of([churn_risk(Policies())])
    assert found == {
        "churn_examples": Mart(("as_of_date", "example_id"), "as_of_date"),
        "churn_features": Mart(("as_of_date", "user_id"), "as_of_date"),
    }
    of_jobs = marts_of([job_applications(Policies())])
    assert {*of_jobs} <= {*MARTS}
    assert of_jobs["labelled_examples"] == MARTS["labelled_examples"]
