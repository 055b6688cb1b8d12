from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from mlife_assets.core.events import EVENT_TYPES
from mlife_assets.core.policies import Policies
from mlife_assets.core.windows import add_days
from mlife_assets.defs.feedback_arrivals import ARRIVALS_REPORT, late_feedback_days
from mlife_assets.defs.resources import Platform
from mlife_assets.settings import Settings

FIRST = date(2026, 5, 4)


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    return Platform(settings=Settings(home=tmp_path), policies=Policies())


def land(platform: Platform, day: date, count: int, days_old: int = 0) -> None:
    observed = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    schema = EVENT_TYPES["click"].schema
    rows = [
        {name: f"{day}-{place}" for name in schema.names if pa.types.is_string(schema.field(name).type)}
        | {"occurred_at": observed - timedelta(days=days_old, hours=1), "observed_at": observed}
        for place in range(count)
    ]
    platform.event_log.append("click", pa.Table.from_pylist(rows, schema=schema), writer="web")


def test_days_of_old_clicks_are_late_and_every_day_is_counted_once(platform, monkeypatch) -> None:
    for place in range(14):
        land(platform, add_days(FIRST, place), 40)
    late = [add_days(FIRST, place) for place in (14, 15, 16)]
    land(platform, late[1], 40, days_old=3)
    land(platform, late[2], 40, days_old=2)
    end = add_days(FIRST, 17)
    land(platform, end, 40, days_old=1)
    assert late_feedback_days(platform, add_days(FIRST, 5), end) == set(late)
    assert late_feedback_days(platform, late[1], end) == set(late[1:]), "only the days that are asked for"
    assert platform.tables.read_report(ARRIVALS_REPORT, late[1]) == {
        "as_of_date": late[1].isoformat(),
        "clicks": 40,
        "fresh": 0,
    }
    read, again = platform.event_log.read, []

    def counted(event_type: str, *, start: date, **further: object) -> pa.Table:
        again.append(start)
        return read(event_type, start=start, **further)

    monkeypatch.setattr(platform.event_log, "read", counted)
    assert late_feedback_days(platform, add_days(FIRST, 5), end) == set(late)
    assert set(again) == {late[0], *(add_days(FIRST, -back) for back in range(1, 10))}, "days without clicks alone"
