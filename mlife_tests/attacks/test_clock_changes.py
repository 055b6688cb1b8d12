"""Whole days on which clocks change: nobody hears from us outside their hours, and nobody twice.

What has to hold is computed from the law (second Sunday of March, first of November, at two o'clock) and fixed offsets,
without the time zone database that the product asks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from mlife_assets.adapters.clock import SimulatedClock
from mlife_assets.components.messages.delivery import deliver
from mlife_assets.components.platform.resources import Platform
from mlife_assets.core.windows import add_days, day_start
from mlife_assets.deployments.times import RealTimes
from mlife_assets.recruiting.messaging.quiet_hours import ALLOWED, QUIET_HOURS, ZONES_OF_STATE, window_verdict
from mlife_assets.recruiting.messaging_policy import MessagingPolicy

SPRING, AUTUMN = date(2026, 3, 8), date(2026, 11, 1)
STANDARD = {
    "America/New_York": -5, "America/Chicago": -6, "America/Denver": -7, "America/Los_Angeles": -8,
    "America/Anchorage": -9, "America/Adak": -10,
}  # fmt: skip
ALWAYS = {
    "America/Phoenix": -7,
    "Pacific/Honolulu": -10,
    "America/Puerto_Rico": -4,
    "Pacific/Guam": 10,
    "Pacific/Pago_Pago": -11,
}
SUNDAYS = MessagingPolicy(allow_sunday=True)


def sunday(year: int, month: int, number: int) -> datetime:
    """Return the midnight that begins a Sunday of a month."""
    first = datetime(year, month, 1, tzinfo=UTC)
    return first + timedelta(days=(6 - first.weekday()) % 7 + 7 * (number - 1))


def local(zone: str, now: datetime) -> datetime:
    """Return the wall clock of a zone."""
    if zone in ALWAYS:
        return now + timedelta(hours=ALWAYS[zone])
    standard = timedelta(hours=STANDARD[zone])
    begins = sunday(now.year, 3, 2) + timedelta(hours=2) - standard
    ends = sunday(now.year, 11, 1) + timedelta(hours=1) - standard
    return now + standard + timedelta(hours=1 if begins <= now < ends else 0)


def instants(day: date) -> Iterator[datetime]:
    """Yield the quarters of the hours in which it is `day` somewhere, and the moments around them."""
    for quarter in range(-48, 4 * 24 + 60):
        for second in (-1, 0):
            yield day_start(day) + timedelta(minutes=15 * quarter, seconds=second)


@pytest.mark.parametrize("day", [SPRING, AUTUMN])
@pytest.mark.parametrize("policy", [SUNDAYS, replace(SUNDAYS, quiet_before_local_hour=8, quiet_from_local_hour=21)])
def test_hours_are_those_of_the_wall_clock_of_every_zone_of_a_state(day: date, policy: MessagingPolicy) -> None:
    places = [(state, zone) for state, zones in ZONES_OF_STATE.items() for zone in (*zones, "America/Chicago")]
    assert (sunday(2026, 3, 2).date(), sunday(2026, 11, 1).date()) == (SPRING, AUTUMN)
    found = set()
    for now in instants(day):
        hours = {zone: local(zone, now).hour for zone in (*STANDARD, *ALWAYS)}
        is_open = {
            zone: policy.quiet_before_local_hour <= hour < policy.quiet_from_local_hour for zone, hour in hours.items()
        }
        for state, zone in places:
            expected = is_open[zone] and all(is_open[one] for one in ZONES_OF_STATE[state])
            verdict = window_verdict(state, zone, now, policy)
            assert verdict == (ALLOWED if expected else QUIET_HOURS), (state, zone, now)
            found.add(verdict)
    assert found == {ALLOWED, QUIET_HOURS}


@pytest.mark.parametrize("day", [date(2027, 3, 14), AUTUMN])
def test_a_dispatch_that_lasts_the_whole_day_reaches_each_once_within_their_hours(
    open_home: Any, sending_home: Any, monkeypatch: pytest.MonkeyPatch, day: date
) -> None:
    policy = replace(sending_home.POLICY, allow_sunday=True, quiet_before_local_hour=8, quiet_from_local_hour=21)
    home = open_home(users=60, policy=policy)
    home.prepare(day)
    users = home.platform.warehouse.read("user_features", as_of=day)["user_id"].to_pylist()
    zones = ("America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles")
    zone_of = {user: zones[place % 4] for place, user in enumerate(users)}
    for state, zone in zip(("NY", "IL", "CO", "CA"), zones, strict=True):
        ours = [user for user in users if zone_of[user] == zone]
        home.change_users("state_code", state, ours)
        home.change_users("time_zone", zone, ours)
    home.plan(day)
    clock = SimulatedClock(day_start(day) + timedelta(minutes=5))
    times = RealTimes(clock, lambda _: None)
    vars(home.platform)["deployment"] = replace(home.platform.deployment, is_simulated=False, times=times)

    def passes(_: Platform) -> bool:
        """Let half an hour go by before each send."""
        clock.set(clock.now() + timedelta(minutes=30))
        return False

    monkeypatch.setattr(Platform, "is_sending_stopped", passes)
    while clock.now() < day_start(add_days(day, 1)):
        clock.set(clock.now() + timedelta(minutes=7))
        deliver(home.platform, day)
        waiting = {"approved", "leased"} & {row.state for row in home.platform.ledger.rows(as_of_date=day)}
        if not waiting:
            break
    with home.platform.ledger.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT user_id, submitted_at FROM sends WHERE attempts > 0").all()
    sent = {user: datetime.fromtimestamp(at / 1e6, UTC) for user, at in rows}
    assert len(sent) == len(rows) > 5
    for user, at in sent.items():
        assert 8 <= local(zone_of[user], at).hour < 21
        assert day_start(day) <= at < day_start(add_days(day, 1))
    assert max(home.requests().values()) == 1
    suppressed = {row.user_id for row in home.platform.ledger.rows(as_of_date=day, state="suppressed")}
    assert suppressed, "those whose turn came in their night"
    assert not suppressed & set(sent)
