"""Clocks that jump, change or stop while a home lives, and a stop in the middle of a dispatch.

The attacks of the list (set back a day, six hours ahead) and ways that it does not name: two hours back on the same
day, an application beside the one that sent, a bucket whose clock differs, a weekend without a single write.

What has to hold is computed from the law (second Sunday of March, first of November, at two o'clock) and fixed offsets,
without the time zone database that the product asks.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mlife_assets.adapters.clock import SimulatedClock, SystemClock
from mlife_assets.adapters.console_gateway import ConsoleGateway, GatewayFaults
from mlife_assets.adapters.dispatcher.reports import Checks, Recipient
from mlife_assets.adapters.dispatcher.sending import Dispatcher
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.people_register import PeopleRegister
from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.components.messages import delivery
from mlife_assets.components.messages.delivery import deliver
from mlife_assets.core.errors import GateClosedError
from mlife_assets.core.windows import add_days, day_start, run_time
from mlife_assets.deployments.landed_days import INGEST_REPORT
from mlife_assets.deployments.record import Services
from mlife_assets.deployments.times import RealTimes, SimulatedTimes
from mlife_assets.recruiting.ids import message_id
from mlife_assets.recruiting.instances import job_of_the_day
from mlife_assets.recruiting.messaging.eligibility import ALLOWED, QUIET_HOURS, ZONES_OF_STATE, window_verdict
from mlife_assets.recruiting.messaging_policy import JOB_OF_THE_DAY, ContactPolicy, MessagingPolicy
from mlife_assets.recruiting.policies import Policies
from mlife_assets.recruiting.ports import Accepted, OutboundMessage
from mlife_tests.rows import Book, plan

DAY = date(2026, 6, 2)
NEXT = add_days(DAY, 1)
AFTERNOON = run_time(DAY) + timedelta(minutes=40)
SPRING, AUTUMN = date(2026, 3, 8), date(2026, 11, 1)
STANDARD = {
    "America/New_York": -5, "America/Chicago": -6, "America/Denver": -7, "America/Los_Angeles": -8,
    "America/Anchorage": -9, "America/Adak": -10,
}  # fmt: skip
ALWAYS = {
    "America/Phoenix": -7, "Pacific/Honolulu": -10, "America/Puerto_Rico": -4, "Pacific/Guam": 10,
    "Pacific/Pago_Pago": -11,
}  # fmt: skip
SUNDAYS = MessagingPolicy(allow_sunday=True)
NOW, STOP_DAY = datetime(2026, 6, 3, 18, tzinfo=UTC), date(2026, 6, 3)
POLICY = replace(MessagingPolicy(), provider_messages_per_second=50)
APPLICATION, CONTACT = job_of_the_day(Policies(messaging=POLICY)), ContactPolicy(holdout_share=0.0)
CALM = GatewayFaults(throttled_share=0, rejected_share=0, timeout_share=0, stop_share=0, stop_share_maximum=0,
                     help_share=0, other_share=0)  # fmt: skip


def caps(sending_home: Any, days: int) -> dict[str, MessagingPolicy]:
    policy = replace(sending_home.POLICY, maximum_messages_per_7_days=1, minimum_days_between_messages=days)
    return {"policy": policy, "contact": replace(sending_home.CONTACT, maximum_messages_per_7_days=1)}


def forget_landing(home: Any, day: date) -> None:
    """Remove what says that a day has landed: nobody asks for it before its time, by a clock that is right."""
    for path in (home.folder / "lake" / "reports").rglob("*.json"):
        if INGEST_REPORT in str(path) and day.isoformat() in str(path):
            path.unlink()
    assert home.platform.days.newest() != day


def in_real_time(home: Any, clock: Any) -> Any:
    """Let a clock be the present of a home."""
    times = RealTimes(clock, lambda _: None)
    vars(home.platform.home)["deployment"] = replace(home.platform.deployment, is_simulated=False, times=times)
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
    rows = home.platform.ledger.sends.rows(as_of_date=DAY)
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
        home.platform.ledger.switches.pause(actor="me", reason="lunch", now=AFTERNOON)
        home.send()
        home.platform.ledger.switches.resume(actor="me", reason="back", now=AFTERNOON)
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
    today = datetime.now(UTC).date()
    folder = tmp_path / "bucket"
    folder.mkdir()
    vars(home.platform.home)["lake"] = Bucket(ObstoreObjectStore.local(folder)._backend)
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


def sunday(year: int, month: int, number: int) -> datetime:
    first = datetime(year, month, 1, tzinfo=UTC)
    return first + timedelta(days=(6 - first.weekday()) % 7 + 7 * (number - 1))


def local(zone: str, now: datetime) -> datetime:
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
    in_real_time(home, clock)

    def passes(_: Services) -> bool:
        """Let half an hour go by before each send."""
        clock.set(clock.now() + timedelta(minutes=30))
        return False

    monkeypatch.setattr(Services, "is_sending_stopped", passes)
    while clock.now() < day_start(add_days(day, 1)):
        clock.set(clock.now() + timedelta(minutes=7))
        deliver(home.platform, day)
        waiting = {"approved", "leased"} & {row.state for row in home.platform.ledger.sends.rows(as_of_date=day)}
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
    suppressed = {row.user_id for row in home.platform.ledger.sends.rows(as_of_date=day, state="suppressed")}
    assert suppressed, "those whose turn came in their night"
    assert not suppressed & set(sent)


class StoppedMidway:
    """The provider, to whom somebody replies while others are being texted."""

    def __init__(self, inner: ConsoleGateway, path: Path, replies: dict[int, tuple[str, str]]) -> None:
        self.inner, self.path, self.replies = inner, path, replies
        self.sent: list[tuple[str, datetime]] = []
        self.replied: dict[str, datetime] = {}

    def send(self, message: OutboundMessage, *, now: datetime) -> Accepted:
        accepted = self.inner.send(message, now=now)
        self.sent.append((message.user_id, now))
        if len(self.sent) in self.replies:
            user_id, body = self.replies[len(self.sent)]
            with sqlite3.connect(self.path) as log:
                log.execute(
                    "INSERT INTO requests (message_id, user_id, phone_hash, outcome, is_accepted, provider_message_id,"
                    " sent_at, inbound_body, inbound_at) VALUES (?, ?, '', 'reply', 0, ?, 0, ?, ?)",
                    (f"reply_{user_id}", user_id, f"reply_{user_id}", body, int(now.timestamp() * 1e6)),
                )
            log.close()
            self.replied[user_id] = now
        return accepted

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def dispatched(tmp_path: Path, users: Sequence[str], replies: dict[int, tuple[str, str]]) -> StoppedMidway:
    ledger, pace = SqlLedger(f"sqlite:///{tmp_path}/l.sqlite", survives_power_cut=False), SimulatedTimes().pace(NOW)
    provider = ConsoleGateway(tmp_path / "gateway.sqlite", seed=1, hash_key=b"k" * 32, faults=CALM)
    gateway = StoppedMidway(provider, tmp_path / "gateway.sqlite", replies)
    plan(ledger, users, JOB_OF_THE_DAY, STOP_DAY, NOW)
    book = Book({user: f"+1312667{int(user[1:]):04d}" for user in users})
    Dispatcher(
        ledger, gateway, PeopleRegister(ledger, book, key=b"k" * 32), APPLICATION, CONTACT,
        Checks(lambda ids: {one: Recipient(True, "IL", "America/Chicago") for one in ids}, lambda rows: None),
        clock=pace.clock, sleep=pace.sleep,
    ).dispatch(STOP_DAY, worker="w")  # fmt: skip
    ledger.close()
    provider.close()
    return gateway


def in_sending_order(count: int) -> list[str]:
    users = [f"u{i:04d}" for i in range(count)]
    return sorted(users, key=lambda user: message_id(user, JOB_OF_THE_DAY, STOP_DAY))


@pytest.mark.parametrize(
    ("later", "body"), [(120, "never text me again"), (210, "STOP")], ids=["same chunk", "next chunk"]
)
def test_who_stops_while_others_are_texted_is_not_texted(tmp_path: Path, later: int, body: str) -> None:
    order = in_sending_order(220)
    victim = order[later]
    gateway = dispatched(tmp_path, order, {10: (victim, body)})
    assert victim in gateway.replied
    assert victim not in {user for user, _ in gateway.sent}
    assert len(gateway.sent) == 219, "everybody else is texted"


def test_nobody_is_texted_three_seconds_after_their_stop(tmp_path: Path) -> None:
    order = in_sending_order(300)
    replies = {
        n: (order[n + ahead], "stop texting me")
        for n, ahead in zip(range(1, 140, 7), [3, 60, 99, 155] * 5, strict=False)
    }
    gateway = dispatched(tmp_path, order, replies)
    late = [at - gateway.replied[user] for user, at in gateway.sent if at > gateway.replied.get(user, at)]
    assert len(gateway.replied) > 10
    assert max(late, default=timedelta()) < timedelta(seconds=3)
