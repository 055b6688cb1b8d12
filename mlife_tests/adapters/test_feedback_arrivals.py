from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from mlife_assets.adapters.feedback_arrivals import ARRIVALS_REPORT
from mlife_assets.components.platform.resources import Platform
from mlife_assets.core.monitoring.lateness import REACH_DAYS, USUAL_DAYS_MINIMUM
from mlife_assets.core.windows import add_days
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.policies import Policies
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
    assert platform.late_feedback_days(add_days(FIRST, 5), end) == set(late)
    assert platform.late_feedback_days(late[1], end) == set(late[1:]), "only the days that are asked for"
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
    assert platform.late_feedback_days(add_days(FIRST, 5), end) == set(late)
    assert set(again) == {late[0], *(add_days(FIRST, -back) for back in range(1, 10))}, "days without clicks alone"


@pytest.mark.parametrize("silent", [8, 14, 20, 45])
@pytest.mark.parametrize("days_old", [None, 3])
def test_an_outage_stays_late_however_long_ago_it_began(platform, silent: int, days_old: int | None) -> None:
    """Nothing was usual in the fortnight before the days that are asked for, and silence once became it."""
    for place in range(10):
        land(platform, add_days(FIRST, place), 40)
    outage = [add_days(FIRST, 10 + place) for place in range(silent)]
    for day in outage[::2] if days_old else ():
        land(platform, day, 40, days_old=days_old)
    back = add_days(outage[-1], 1)
    land(platform, back, 40)
    assert platform.late_feedback_days(outage[-3], back) == set(outage[-3:])


def test_a_silence_that_is_longer_than_anybody_remembers_is_usual(platform) -> None:
    """Otherwise every morning would look through the whole log of a deployment in which nobody clicks any more."""
    for place in range(10):
        land(platform, add_days(FIRST, place), 40)
    last_remembered = add_days(FIRST, 9 + REACH_DAYS)
    assert platform.late_feedback_days(last_remembered, last_remembered) == frozenset()
    before = add_days(last_remembered, -USUAL_DAYS_MINIMUM)
    assert platform.late_feedback_days(before, before) == {before}
