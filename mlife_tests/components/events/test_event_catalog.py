"""The catalogue as an asset: a table that SQL is asked of, figures for people, a check that names what is unknown."""

from __future__ import annotations

from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from mlife_assets.adapters.event_log.log import ParquetEventLog
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.tables import TableStore
from mlife_assets.components.events.event_catalog import event_catalog, log_holds_nothing_unknown
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.sql_tables import EVENT_CATALOG, LAKE_TABLES


@pytest.fixture
def platform(tmp_path) -> Any:
    lake = ObstoreObjectStore.local(tmp_path)
    return SimpleNamespace(lake=lake, event_log=ParquetEventLog(lake), tables=TableStore(lake))


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
        "event_type": "job_closed",
        "version": 1,
        "files": 2,
        "rows": 2,
        "days": 2,
        "first_day": "2026-04-04",
        "last_day": "2026-04-05",
    }
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
