"""The catalogue as an asset: a table that SQL is asked of, figures for people, a check that names what is unknown."""

from __future__ import annotations

from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from mlife_assets.adapters.event_log.layout import content_hash, data_key
from mlife_assets.adapters.event_log.log import ParquetEventLog
from mlife_assets.adapters.event_log.manifests import Entry
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.parquet_bytes import encode_table
from mlife_assets.adapters.tables import TableStore
from mlife_assets.components.events.event_catalog import event_catalog, log_holds_nothing_unknown
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.sql_tables import EVENT_CATALOG, LAKE_TABLES


@pytest.fixture
def platform(tmp_path) -> Any:
    lake = ObstoreObjectStore.local(tmp_path)
    log = ParquetEventLog(lake)
    return SimpleNamespace(
        lake=lake, event_log=log, tables=TableStore(lake), is_simulated=False, clock_day=date(2026, 4, 30)
    )


def run(platform: Any) -> dg.ExecuteInProcessResult:
    resources = {"platform": dg.ResourceDefinition.hardcoded_resource(platform)}
    return dg.materialize([event_catalog, log_holds_nothing_unknown], resources=resources)


def test_types_days_files_and_rows_are_a_table_of_the_lake(platform) -> None:
    for day in (4, 5):
        at = datetime(2026, 4, day, 12, tzinfo=UTC)
        row = {"event_id": f"e{day}", "occurred_at": at, "observed_at": at, "job_id": "j", "reason": "filled"}
        platform.event_log.append(
            "job_closed", pa.Table.from_pylist([row], EVENT_TYPES["job_closed"].schema), writer="t"
        )
    result = run(platform)
    metadata = result.asset_materializations_for_node("events__event_catalog")[0].metadata
    assert (metadata["files"].value, metadata["rows"].value) == (2, 2)
    (shown,) = metadata["event_types"].value.records
    assert shown.data == {
        "event_type": "job_closed", "version": 1, "files": 2, "rows": 2, "days": 2, "first_day": "2026-04-04",
        "last_day": "2026-04-05",
    }  # fmt: skip
    table = platform.tables.read(EVENT_CATALOG, date(2026, 4, 5))
    assert table.schema == LAKE_TABLES[EVENT_CATALOG]
    assert table.column("dt").to_pylist() == [date(2026, 4, 4), date(2026, 4, 5)]
    assert result.get_asset_check_evaluations()[0].passed


def test_a_folder_that_nobody_knows_is_a_warning_that_names_it(platform) -> None:
    platform.lake.put_if_absent("events/event_type=job_closd/dt=2026-04-05/hour=12/t-1-0123456789abcdef.parquet", b"x")
    (check,) = run(platform).get_asset_check_evaluations()
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert "job_closd is no event type of this release" in check.description
    assert platform.tables.days(EVENT_CATALOG) == []


def closed(platform: Any, day: int, *, is_wrong: bool = False) -> None:
    """Append an event of a day; a wrong one as a newer release would list it."""
    at = datetime(2026, 4, day, 12, tzinfo=UTC)
    row = {"event_id": f"e{day}", "occurred_at": at, "observed_at": at, "job_id": "j", "reason": "filled"}
    rows = pa.Table.from_pylist([row], EVENT_TYPES["job_closed"].schema)
    if not is_wrong:
        platform.event_log.append("job_closed", rows, writer="t")
        return
    data = encode_table(rows, {"mlife.event_version": "9"})
    key = data_key("job_closed", f"dt={at:%Y-%m-%d}/hour=12", "t", "1", content_hash(data))
    platform.lake.put_if_absent(key, data)
    platform.event_log.chain.list_entries([Entry(key, content_hash(data), 1)])


def test_wrong_files_before_a_good_day_are_seen(platform) -> None:
    for day in (1, 2):
        closed(platform, day)
        assert run(platform).get_asset_check_evaluations()[0].passed
    for day in range(3, 10):
        closed(platform, day, is_wrong=True)
    for day in (20, 21):
        closed(platform, day)
    (check,) = run(platform).get_asset_check_evaluations()
    assert check.metadata["count"].value == 7
    assert check.metadata["opened_since"].value == "2026-04-02"
    assert "version 9 of job_closed" in check.description


@pytest.mark.parametrize("is_simulated", [True, False])
def test_a_day_to_come_is_a_warning_and_no_catalogue(platform, is_simulated: bool) -> None:
    platform.is_simulated, platform.newest_landed_day = is_simulated, lambda: date(2026, 4, 5)
    closed(platform, 5)
    platform.lake.put_if_absent("events/event_type=job_closed/dt=2099-01-01/hour=12/t-1-0123456789abcdef.parquet", b"x")
    (check,) = run(platform).get_asset_check_evaluations()
    assert "its day is after 2026-04-" in check.description
    assert platform.tables.days(EVENT_CATALOG) == [date(2026, 4, 5)]
