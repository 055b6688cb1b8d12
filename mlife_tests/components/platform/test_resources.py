from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pyarrow as pa
import pytest

from mlife_assets.adapters.parquet_bytes import encode_table
from mlife_assets.components.platform.model_platform import INGEST_REPORT
from mlife_assets.core.windows import add_days, day_start, run_time
from mlife_assets.recruiting.events import EVENT_TYPES

DAY = date(2026, 6, 2)
EVE = add_days(DAY, -1)


def row(event_type: str, at: datetime, **known: Any) -> pa.Table:
    """Return one event whose required fields say when it was and what is `known`, and nothing else."""

    def plain(kind: pa.DataType) -> Any:
        if pa.types.is_timestamp(kind):
            return at
        if pa.types.is_date(kind):
            return at.date()
        return "x" if pa.types.is_string(kind) else [] if pa.types.is_list(kind) else 0

    schema = EVENT_TYPES[event_type].schema
    plainly = {f.name: None if f.nullable else plain(f.type) for f in schema}
    return pa.Table.from_pylist([plainly | known], schema=schema)


@pytest.mark.parametrize(("was_scored", "known_at"), [(False, day_start(EVE)), (True, run_time(DAY))])
def test_a_file_that_lands_after_its_day_was_scored_is_known_since_then(platform, was_scored, known_at) -> None:
    """Known earlier, the rows that the day logged are not what the log says, and the row recompute blocks the next."""
    platform.tables.write_report(INGEST_REPORT, DAY, {"day": EVE, "types": []})
    if was_scored:
        platform.event_log.append("prediction", row("prediction", run_time(DAY)), writer="scorer")
    click = row("click", day_start(EVE), source="organic")
    platform.landing.put_if_absent(f"click/dt={EVE}/late.parquet", encode_table(click))
    assert platform.ingest_at(DAY).ingest(EVE).accepted == 1
    assert platform.event_log.read("click")["observed_at"].to_pylist() == [known_at]
