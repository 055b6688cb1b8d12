"""What the demo says of a day that no table says yet."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest
from obstore.store import MemoryStore

from mlife_assets.adapters.event_log import ParquetEventLog
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.components.running.demo import LOOKED_BACK_DAYS, earned_usd, require_empty_lake
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.windows import add_days
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.landed_examples import example_rows

START = date(2026, 1, 5)
FIRST_LIVED = add_days(START, 90)


@pytest.fixture
def log() -> ParquetEventLog:
    return ParquetEventLog(ObstoreObjectStore(MemoryStore()))


def observe(log: ParquetEventLog, event_type: str, day: date, **values: Any) -> None:
    """Append one plausible event of a type that was observed at noon of a day."""
    kind = EVENT_TYPES[event_type]
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    delivered = example_rows(kind.landed, day).slice(0, 1).to_pylist()[0]
    row = {name: delivered.get(name) for name in kind.schema.names} | values
    row |= {"occurred_at": noon, "observed_at": noon, "event_id": f"{event_type}-{len(log.files(event_type))}"}
    if "items" in row:
        row["items"] = [{"position": 1, "job_id": row["job_id"], "prediction_id": None}]
    log.append(event_type, pa.Table.from_pylist([row], schema=kind.schema), writer="w")


def test_bids_after_our_own_texts_are_earned_however_long_ago_both_were(log) -> None:
    first = FIRST_LIVED
    exported = add_days(first, 2 * LOOKED_BACK_DAYS + 3)
    observe(log, "job_posted", add_days(first, -30), job_id="old", bid_usd_per_apply=5.0)
    observe(log, "job_posted", add_days(first, 1), job_id="new", bid_usd_per_apply=1.0)
    observe(log, "job_posted", add_days(exported, -1), job_id="new", bid_usd_per_apply=2.0)
    plans = {"ours": (first, "sms"), "recent": (exported, "sms"), "mail": (first, "email")}
    plans["recruiters"] = (add_days(first, -1), "sms")
    for name, (day, channel) in plans.items():
        observe(log, "message_planned", day, message_id=name, job_id="old", channel=channel)
    for name, job in (("ours", "old"), ("recent", "new"), ("mail", "old"), ("recruiters", "old"), ("unknown", "old")):
        observe(log, "apply", exported, exposure_id=name, job_id=job, source="message")
    observe(log, "apply", exported, exposure_id="ours", job_id="old", source="organic")
    observe(log, "apply", add_days(exported, -1), exposure_id="ours", job_id="old", source="message")
    assert earned_usd(log, exported, start_date=START, first_lived_date=FIRST_LIVED) == 5.0 + 2.0


def test_a_demo_needs_an_empty_lake_of_its_own(tmp_path, s3_place) -> None:
    for lake in (tmp_path / "elsewhere", s3_place):
        require_empty_lake(tmp_path / "home", lake)
        ObstoreObjectStore.at(lake).put_if_absent("events/event_type=apply/file", b"")
        with pytest.raises(InvalidInputError, match=r"MLIFE_LAKE: .*name an empty place"):
            require_empty_lake(tmp_path / "home", lake)
    require_empty_lake(tmp_path, tmp_path / "elsewhere")


def test_without_applications_nothing_but_applications_is_read(log, monkeypatch) -> None:
    asked, read = [], log.read
    monkeypatch.setattr(log, "read", lambda kind, **given: (asked.append(kind), read(kind, **given))[1])
    assert earned_usd(log, add_days(FIRST_LIVED, 3), start_date=START, first_lived_date=FIRST_LIVED) == 0.0
    assert asked == ["apply"]
