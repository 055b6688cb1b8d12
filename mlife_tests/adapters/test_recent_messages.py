"""One outcome per message, from a real log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mlife_assets.adapters.event_log import ParquetEventLog
from mlife_assets.adapters.message_trace import CONVERSION_DAYS
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.recent_messages import recent_messages
from mlife_assets.core.ids import event_id
from mlife_assets.core.windows import add_days, run_time
from mlife_assets.recruiting.events import EVENT_TYPES

DAY = date(2026, 6, 10)


class World:
    """A log into which messages are planned."""

    def __init__(self, root: Path) -> None:
        self.log = ParquetEventLog(ObstoreObjectStore.local(root))

    def add(self, event_type: str, row: Mapping[str, Any], day: date, minutes: int) -> None:
        at = run_time(day) + timedelta(minutes=minutes)
        key = event_id(event_type, *row.values(), at.isoformat())
        full = {"event_id": key, "occurred_at": at, "observed_at": at, **row}
        self.log.append(event_type, pa.Table.from_pylist([full], schema=EVENT_TYPES[event_type].schema), writer="test")

    def plan(self, key: str, day: date = DAY) -> None:
        row = {
            "message_id": key, "user_id": f"u_{key}", "job_id": "j1", "campaign": "job_of_the_day", "as_of_date": day,
            "prediction_id": None, "slice": "exploit", "propensity": 1.0, "plan_id": "pln", "cohort": "active",
            "body": f"Text {key}", "segments": 1, "policy_version": "pol", "channel": "sms",
            "items": [{"position": 1, "job_id": "j1", "prediction_id": None}],
        }  # fmt: skip
        self.add("message_planned", row, day, 0)

    def status(self, key: str, status: str, minutes: int) -> None:
        row = {"message_id": key, "user_id": f"u_{key}", "status": status, "provider_message_id": None, "detail": None}
        self.add("message_status", row, DAY, minutes)

    def convert(self, event_type: str, key: str, day: date) -> None:
        row = {"user_id": f"u_{key}", "job_id": "j1", "source": "message", "exposure_id": key}
        self.add(event_type, row | ({"apply_event_id": "a"} if event_type == "hire" else {}), day, 9)

    def outcomes(self, first: date = DAY, last: date = DAY) -> dict[str, str]:
        return {line.message_id: line.outcome for line in recent_messages(self.log, first=first, last=last)}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_day_without_messages_lists_none(world) -> None:
    assert world.outcomes() == {}


def test_the_newest_day_comes_first_with_its_words(world) -> None:
    for key, day in (
        ("b", add_days(DAY, -1)),
        ("c", DAY),
        ("a", DAY),
        ("d", add_days(DAY, -2)),
        ("e", add_days(DAY, 1)),
    ):
        world.plan(key, day)
    lines = recent_messages(world.log, first=add_days(DAY, -1), last=DAY)
    assert [(line.message_id, line.body) for line in lines] == [("a", "Text a"), ("c", "Text c"), ("b", "Text b")]
    assert [line.as_of_date for line in lines] == [DAY, DAY, add_days(DAY, -1)]


def test_the_farthest_outcome_counts(world) -> None:
    for key in ("planned", "submitted", "lost", "found", "held", "clicked", "applied", "hired", "late"):
        world.plan(key)
    for key in ("submitted", "lost", "found", "clicked"):
        world.add("message_submitted", {"message_id": key, "user_id": key, "attempt": 1, "provider": "p"}, DAY, 1)
    world.status("lost", "ambiguous", 2)
    world.status("found", "ambiguous", 2)
    world.status("found", "delivered", 3)
    world.status("clicked", "delivered", 3)
    held = {"message_id": "held", "user_id": "u", "campaign": "c", "as_of_date": DAY, "reason": "opted_out"}
    world.add("message_suppressed", held | {"stage": "send"}, DAY, 1)
    for event_type, keys in (("click", ("clicked", "applied", "hired")), ("apply", ("applied", "hired"))):
        for key in keys:
            world.convert(event_type, key, add_days(DAY, 1))
    world.convert("hire", "hired", add_days(DAY, CONVERSION_DAYS))
    world.convert("click", "late", add_days(DAY, CONVERSION_DAYS + 1))
    assert world.outcomes() == {
        "planned": "planned", "submitted": "submitted", "lost": "ambiguous", "found": "delivered",
        "held": "suppressed: opted out", "clicked": "clicked", "applied": "applied", "hired": "hired",
        "late": "planned",
    }  # fmt: skip
