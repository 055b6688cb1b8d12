"""A clock that is wrong texts nobody twice and costs no day its plan.

The attacks of the list (set back a day, six hours ahead) and ways that it does not name: two hours back on the same
day, an application beside the one that sent, a bucket whose clock differs, a weekend without a single write.
"""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from mlife_assets.adapters.clock import SimulatedClock, SystemClock
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.components.messages import delivery
from mlife_assets.components.messages.delivery import deliver
from mlife_assets.components.platform.model_platform import INGEST_REPORT
from mlife_assets.core.errors import GateClosedError
from mlife_assets.core.windows import add_days, run_time
from mlife_assets.deployments.times import RealTimes
from mlife_assets.recruiting.messaging_policy import MessagingPolicy

DAY = date(2026, 6, 2)
NEXT = add_days(DAY, 1)
AFTERNOON = run_time(DAY) + timedelta(minutes=40)


def caps(sending_home: Any, days: int) -> dict[str, MessagingPolicy]:
    """Return policies under which a person gets one message in seven days, or in so many."""
    policy = replace(sending_home.POLICY, maximum_messages_per_7_days=1, minimum_days_between_messages=days)
    return {"policy": policy, "contact": replace(sending_home.CONTACT, maximum_messages_per_7_days=1)}


def forget_landing(home: Any, day: date) -> None:
    """Remove what says that a day has landed: nobody asks for it before its time, by a clock that is right."""
    for path in (home.folder / "lake" / "reports").rglob("*.json"):
        if INGEST_REPORT in str(path) and day.isoformat() in str(path):
            path.unlink()
    assert home.platform.newest_landed_day() != day


def in_real_time(home: Any, clock: Any) -> Any:
    """Let a clock be the present of a home."""
    times = RealTimes(clock, lambda _: None)
    vars(home.platform)["deployment"] = replace(home.platform.deployment, is_simulated=False, times=times)
    return home


@pytest.mark.parametrize("back", [1, 6])
def test_a_clock_set_back_days_texts_nobody_again(open_home, sending_home, back):
    home = open_home(**caps(sending_home, 1))
    home.live(NEXT)
    before = home.requests()
    assert len(before) > 20
    earlier = add_days(NEXT, -back)
    forget_landing(home, NEXT)
    home.prepare(earlier)
    home.plan(earlier)
    home.send(earlier)
    assert home.requests() == before


def test_a_plan_from_before_the_clock_was_right_texts_nobody_again(open_home, sending_home):
    """It was made when nobody had been sent anything, so only the ledger knows when it commits a send."""
    home = open_home(**caps(sending_home, 1))
    home.prepare(DAY)
    home.plan(DAY)
    home.live(NEXT)
    before = home.requests()
    forget_landing(home, NEXT)
    home.prepare(DAY)
    home.send(DAY)
    assert home.requests() == before
    rows = home.platform.ledger.rows(as_of_date=DAY)
    assert {row.state for row in rows} == {"suppressed"}
    assert len(rows) > 20


def test_the_gap_between_messages_counts_both_ways(open_home, sending_home):
    home = open_home(policy=replace(sending_home.POLICY, minimum_days_between_messages=3))
    home.prepare(DAY)
    home.plan(DAY)
    home.live(add_days(DAY, 2))
    before = home.requests()
    forget_landing(home, add_days(DAY, 2))
    home.prepare(DAY)
    home.send(DAY)
    assert home.requests() == before


@pytest.mark.parametrize("back", [timedelta(hours=2), timedelta(days=1), timedelta(days=20_000)])
def test_nothing_is_sent_while_the_clock_is_behind_what_was_sent(home, sending_home, back):
    home.prepare(DAY)
    in_real_time(home, SimulatedClock(AFTERNOON))
    home.plan()
    home.die_after(sends=9)
    with pytest.raises(sending_home.Killed):
        home.send()
    before = home.requests()
    home.reopen()
    in_real_time(home, SimulatedClock(AFTERNOON - back))
    with pytest.raises(GateClosedError, match=r"the clock says .* and the last message was sent at .*NTP"):
        home.send()
    assert home.requests() == before
    in_real_time(home, SimulatedClock(AFTERNOON - timedelta(minutes=1)))
    home.send()
    assert len(home.requests()) > len(before), "hosts never agree to the second"


def test_nothing_is_sent_before_the_day_that_has_landed(home):
    home.prepare(DAY)
    home.plan()
    in_real_time(home, SimulatedClock(AFTERNOON - timedelta(days=1)))
    with pytest.raises(GateClosedError, match="partition 2026-06-02 has landed"):
        home.send()
    assert not home.requests()


@pytest.mark.parametrize("is_approved", [False, True])
def test_a_clock_six_hours_ahead_does_not_lose_the_plan_of_the_day(home, is_approved):
    """On one host without a bucket or a server nothing tells that it is wrong, so it decides nothing for good."""
    home.prepare(DAY)
    in_real_time(home, SimulatedClock(AFTERNOON))
    home.plan()
    if is_approved:
        home.platform.ledger.pause(actor="me", reason="lunch", now=AFTERNOON)
        home.send()
        home.platform.ledger.resume(actor="me", reason="back", now=AFTERNOON)
    in_real_time(home, SimulatedClock(AFTERNOON + timedelta(hours=6)))
    assert "it expired at" in " ".join(deliver(home.platform, DAY).why_not)
    assert not home.requests()
    in_real_time(home, SimulatedClock(AFTERNOON))
    home.send()
    assert len(home.requests()) > 20


class Ahead(SystemClock):
    """A machine whose clock is ahead of everybody's, or behind."""

    def __init__(self, by: timedelta) -> None:
        self.by = by

    def now(self) -> datetime:
        return super().now() + self.by


class Bucket(ObstoreObjectStore):
    """A lake that is no folder of this machine."""

    @property
    def root(self) -> None:
        return None


@pytest.fixture
def in_bucket(home, tmp_path):
    """Return a home of today with its lake in a bucket."""
    today = datetime.now(UTC).date()
    folder = tmp_path / "bucket"
    folder.mkdir()
    vars(home.platform)["lake"] = Bucket(ObstoreObjectStore.local(folder)._backend)
    return home, today


class PassedError(Exception):
    """The clock was believed."""


@pytest.fixture
def believed(monkeypatch):
    """Return a function that says whether sending a day goes by the clock of a home; nothing is sent."""

    def raising(*_: Any) -> None:
        raise PassedError

    def is_believed(home: Any, clock: Any, day: date) -> bool:
        in_real_time(home, clock)
        with pytest.raises((PassedError, GateClosedError), match=r"^$|database or bucket are") as raised:
            deliver(home.platform, day)
        return raised.type is PassedError

    monkeypatch.setattr(delivery, "require_known_ledger", raising)
    return is_believed


@pytest.mark.parametrize("hours", [-6, 6, 0.25, -0.25])
def test_a_clock_that_differs_from_the_buckets_sends_and_closes_nothing(in_bucket, believed, hours):
    home, today = in_bucket
    assert not believed(home, Ahead(timedelta(hours=hours)), add_days(today, -1))
    assert believed(home, Ahead(timedelta(minutes=2)), add_days(today, -1))


def test_a_clock_that_differs_from_the_ledgers_server_sends_nothing(home, believed, postgres_url):
    today = datetime.now(UTC).date()
    served = type(home)(home.folder.parent / "served", stated={**home.stated, "database": postgres_url})
    try:
        assert not believed(served, Ahead(timedelta(minutes=20)), today)
        assert believed(served, Ahead(timedelta(minutes=2)), today)
    finally:
        served.platform.ledger.close()


def test_a_quiet_weekend_is_no_skew(in_bucket, believed):
    """Nothing was written or sent for days: a clock is compared with what is written now."""
    home, today = in_bucket
    friday = add_days(today, -3)
    home.platform.ledger.plan([], now=run_time(friday))
    home.platform.lake.replace("checkup/written_last", b"friday")
    path = home.folder.parent / "bucket" / "checkup" / "written_last"
    os.utime(path, (run_time(friday).timestamp(),) * 2)
    assert believed(home, SystemClock(), today)
