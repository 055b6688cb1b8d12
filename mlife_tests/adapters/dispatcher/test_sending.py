"""Sending on real parts: ledger on SQLite and PostgreSQL, console gateway; invariants 7, 8, 9 and 11."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from mlife_assets.adapters.console_gateway import ConsoleGateway, GatewayFaults
from mlife_assets.adapters.dispatcher.reports import Checks, DispatchReport, Recipient
from mlife_assets.adapters.dispatcher.sending import Dispatcher
from mlife_assets.adapters.owners_table import OwnersContacts
from mlife_assets.adapters.people_register import PeopleRegister
from mlife_assets.adapters.private_files import write_private
from mlife_assets.core.errors import GateClosedError, ProviderThrottledError
from mlife_assets.recruiting.instances import job_of_the_day
from mlife_assets.recruiting.messaging.eligibility import is_holdout
from mlife_assets.recruiting.messaging_policy import JOB_OF_THE_DAY, ContactPolicy, MessagingPolicy
from mlife_assets.recruiting.policies import Policies
from mlife_assets.recruiting.ports import Accepted, OutboundMessage
from mlife_tests import rows

DAY = date(2026, 6, 2)
NOW = datetime(2026, 6, 2, 18, tzinfo=UTC)
POLICY = MessagingPolicy()
CALM = GatewayFaults(throttled_share=0, rejected_share=0, timeout_share=0)
TEXAN = Recipient(is_consented=True, state_code="TX", time_zone="America/Chicago")
PHONE = "+12125550142"
ON_BOTH = pytest.mark.parametrize("file_ledger", ["ledger.sqlite", "postgresql"], indirect=True)


class SimulatedClock:
    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


class Contacts:
    """Numbers of a test; without any, everybody has one of their own."""

    def __init__(self, numbers: Mapping[str, str | None] | None = None, error: Exception | None = None) -> None:
        self.numbers, self.error = numbers, error
        self.drawn: dict[str, str] = {}

    def phone_numbers(self, user_ids: Sequence[str]) -> dict[str, str | None]:
        if self.error:
            raise self.error
        if self.numbers is not None:
            return {user_id: self.numbers.get(user_id) for user_id in user_ids}
        return {u: self.drawn.setdefault(u, f"+1212555{len(self.drawn):04d}") for u in user_ids}


def everyone(user_ids: Sequence[str]) -> Mapping[str, Recipient]:
    return dict.fromkeys(user_ids, TEXAN)


def plan(ledger: Any, users: Sequence[str], campaign: str = JOB_OF_THE_DAY, day: date = DAY) -> None:
    rows.plan(ledger, users, campaign, day, NOW)


class World:
    def __init__(self, ledger: Any, tmp_path: Any, faults: GatewayFaults = CALM) -> None:
        self.ledger, self.clock = ledger, SimulatedClock()
        self.gateway: Any = ConsoleGateway(tmp_path / "gateway.sqlite", seed=3, hash_key=b"k", faults=faults)
        self.contacts: Any = Contacts()
        self.recheck: Any = everyone
        self.policy, self.contact = POLICY, ContactPolicy(holdout_share=0.0)
        self.verify: Any = lambda rows: None
        self.texts_per_day: int | None = None
        self.is_stopped: Any = lambda: False

    def dispatcher(self, campaign: str = JOB_OF_THE_DAY) -> Dispatcher:
        people = PeopleRegister(self.ledger, self.contacts, key=b"k")
        application = replace(job_of_the_day(Policies(messaging=self.policy)), name=campaign)
        return Dispatcher(
            self.ledger, self.gateway, people, application, self.contact,
            Checks(self.recheck, self.verify, self.texts_per_day, self.is_stopped), clock=self.clock,
            sleep=self.clock.sleep,
        )  # fmt: skip

    def dispatch(self) -> DispatchReport:
        return self.dispatcher().dispatch(DAY, worker="w")

    def states(self) -> dict[str, str]:
        return {row.user_id: row.state for row in self.ledger.sends.rows()}

    def requests(self) -> int:
        return sum(self.gateway.request_counts()["requests"].to_pylist())


@pytest.fixture
def world(file_ledger, tmp_path):
    found = World(file_ledger, tmp_path)
    yield found
    found.gateway.close()


@ON_BOTH
def test_approved_texts_are_sent_once_however_often_dispatched(world):
    plan(world.ledger, ["a", "b", "c"])
    assert world.dispatch().accepted == 3
    assert world.dispatch().accepted == 0
    assert world.requests() == 3
    assert world.dispatcher().collect_receipts(NOW + timedelta(hours=2)) == 3
    assert world.dispatcher().collect_receipts(NOW + timedelta(hours=2)) == 0
    assert set(world.states().values()) <= {"delivered", "undelivered"}
    times = world.ledger.sends.transitions()["occurred_at"].to_pylist()[-3:]
    assert all(NOW < time < NOW + timedelta(hours=2) for time in times)


def test_planned_but_not_approved_is_not_sent(world):
    world.ledger.plan([rows.planned_row("a", JOB_OF_THE_DAY, DAY, NOW)], now=NOW)
    assert world.dispatch().accepted == 0
    assert world.requests() == 0


@pytest.mark.parametrize(
    ("recipient", "reason"),
    [
        (None, "unknown_recipient"),
        (replace(TEXAN, is_consented=False), "no_consent"),
        (replace(TEXAN, is_consented=None), "no_consent"),
        (replace(TEXAN, state_code=None), "unknown_state"),
        (replace(TEXAN, time_zone=None), "unknown_time_zone"),
        (replace(TEXAN, state_code="HI", time_zone="Pacific/Honolulu"), "quiet_hours"),
    ],
)
def test_what_changed_since_the_plan_is_seen_at_send_time(world, recipient, reason):
    plan(world.ledger, ["a", "b"])
    world.recheck = lambda users: {u: r for u, r in {"a": recipient, "b": TEXAN}.items() if r}
    report = world.dispatch()
    assert (report.accepted, report.suppressed) == (1, ((reason, 1),))
    assert world.states() == {"a": "suppressed", "b": "accepted"}
    assert world.ledger.sends.transitions()["detail"].to_pylist().count(reason) == 1


@pytest.mark.parametrize("number", [None, "", "2125550", "+1 212 555 014", "+0123456789", "+1212555014x", "call me"])
def test_no_valid_number_no_text(world, number):
    plan(world.ledger, ["a"])
    world.contacts = Contacts({"a": number})
    report = world.dispatch()
    assert report.suppressed == (("no_phone_number" if number is None else "invalid_phone_number", 1),)
    assert world.requests() == 0


@pytest.mark.parametrize("number", ["12125550142", "+1 (212) 555-0142", "212.555.0142"])
def test_however_a_number_is_written_the_provider_gets_e164(world, number):
    plan(world.ledger, ["a"])
    world.contacts = Contacts({"a": number})
    given: list[str] = []
    world.gateway = Interfering(world.gateway, lambda message: given.append(message.address))
    assert world.dispatch().accepted == 1
    assert given == [PHONE]


@pytest.mark.parametrize("broken", ["contacts", "recheck"])
def test_a_list_that_cannot_be_read_is_not_an_empty_list(world, broken, caplog):
    plan(world.ledger, ["a", "b"])
    error = OSError(f"cannot read the entry of {PHONE}")

    def fail(user_ids: Sequence[str]) -> Mapping[str, Recipient]:
        raise error

    setattr(world, broken, Contacts(error=error) if broken == "contacts" else fail)
    with pytest.raises(GateClosedError) as caught:
        world.dispatch()
    assert world.requests() == 0
    assert PHONE not in str(caught.value)
    assert caught.value.__context__ is None
    world.contacts, world.recheck = Contacts(), everyone
    assert world.dispatch().accepted == 2, "after the repair the same worker sends them"


@pytest.mark.parametrize("begins", ["no book", "nobody in it yet"])
def test_a_plan_that_is_sent_without_a_book_waits_for_it(world, tmp_path, begins):
    """Without a number is final: a shell that lacks MLIFE_CONTACTS must not use up the day's plan."""

    def book(rows: str) -> OwnersContacts:
        write_private(tmp_path / "book.csv", f"user_id,phone_number\n{rows}".encode())
        return OwnersContacts(tmp_path / "book.csv")

    plan(world.ledger, "ab")
    world.contacts = OwnersContacts(None) if begins == "no book" else book("")
    for _ in range(2):
        with pytest.raises(GateClosedError, match=r"MLIFE_CONTACTS(: book.csv holds nobody| names no contact book)"):
            world.dispatch()
        assert set(world.states().values()) <= {"approved", "leased"}, "nothing was given up"
    world.contacts = book("a,+12125550100\nb,\n")
    world.dispatch()
    assert world.states() == {"a": "accepted", "b": "suppressed"}


def test_a_quality_block_stops_everything(world):
    plan(world.ledger, ["a"])

    def blocked(user_ids: Sequence[str]) -> Mapping[str, Recipient]:
        raise GateClosedError("data quality failed today")

    world.recheck = blocked
    with pytest.raises(GateClosedError, match="data quality"):
        world.dispatch()
    assert world.requests() == 0


def test_the_holdout_is_never_sent_even_if_somebody_planned_it(world):
    world.contact = ContactPolicy(holdout_share=0.5)
    users = [f"u{i}" for i in range(20)]
    plan(world.ledger, users)
    world.dispatch()
    sent = set(world.gateway.request_counts()["user_id"].to_pylist())
    assert sent == {u for u in users if not is_holdout(u, salt=world.contact.assignment_salt, share=0.5)}
    assert 0 < len(sent) < 20


class Interfering:
    """A gateway during whose n-th call something else happens."""

    name, channel = "console", "sms"

    def __init__(self, inner: ConsoleGateway, action: Any, at: int = 1) -> None:
        self.inner, self.action, self.at, self.calls = inner, action, at, 0

    def send(self, message: OutboundMessage, *, now: datetime) -> Accepted:
        self.calls += 1
        accepted = self.inner.send(message, now=now)
        if self.calls == self.at:
            self.action(message)
        return accepted

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


@ON_BOTH
def test_a_pause_stops_rows_in_flight(world):
    plan(world.ledger, [f"u{i}" for i in range(6)])
    world.gateway = Interfering(
        world.gateway, lambda _: world.ledger.switches.pause(actor="ann", reason="link broken", now=NOW), at=2
    )
    report = world.dispatch()
    assert (report.accepted, report.stopped_by) == (2, "paused")
    assert world.dispatch().stopped_by == "paused"
    world.ledger.switches.resume(actor="ann", reason="fixed", now=NOW)
    assert world.dispatch().accepted == 4


def test_a_switch_outside_stops_the_very_next_text(world):
    plan(world.ledger, [f"u{i}" for i in range(6)])
    world.is_stopped = lambda: world.requests() >= 2
    report = world.dispatch()
    assert (report.accepted, report.stopped_by) == (2, "stopped_outside")
    assert world.requests() == 2, "nobody asked the provider for another"
    world.is_stopped = lambda: True
    assert world.dispatch().accepted == 0
    world.is_stopped = lambda: False
    assert world.dispatch().accepted == 4, "what waited is sent when the switch allows it, and nothing twice"
    assert world.requests() == 6


def test_the_window_may_close_while_sending(world):
    plan(world.ledger, ["a", "b", "c"])
    closing = datetime(2026, 6, 2, 21, 59, 59, 999_000, tzinfo=UTC)
    world.clock.time = closing
    world.recheck = lambda users: dict.fromkeys(users, Recipient(True, "TX", "America/Denver"))
    world.policy = replace(POLICY, provider_messages_per_second=1)
    report = world.dispatch()
    assert report.accepted == 1
    assert report.suppressed == (("quiet_hours", 2),)


def test_the_window_may_close_while_the_switch_is_asked(world):
    plan(world.ledger, ["a"])
    world.clock.time = datetime(2026, 6, 2, 21, 59, 59, tzinfo=UTC)
    world.recheck = lambda users: dict.fromkeys(users, Recipient(True, "TX", "America/Denver"))
    world.is_stopped = lambda: world.clock.sleep(30)
    report = world.dispatch()
    assert (report.accepted, report.suppressed) == (0, (("quiet_hours", 1),))


@ON_BOTH
def test_caps_hold_between_campaigns_and_the_daily_budget_holds(world):
    plan(world.ledger, ["a"], campaign="other")
    world.dispatcher("other").dispatch(DAY, worker="w")
    plan(world.ledger, ["a", "b", "c", "d"])
    world.policy = replace(POLICY, maximum_messages_per_day=2)
    report = world.dispatch()
    assert report.accepted <= 2
    report = world.dispatch()
    counts = world.gateway.request_counts()
    assert counts.num_rows == 3
    assert report.stopped_by in {"daily_budget", None}
    assert counts["user_id"].to_pylist().count("a") == 1


@ON_BOTH
def test_all_applications_together_send_no_more_texts_than_the_deployment_allows(world):
    plan(world.ledger, ["a", "b"], campaign="other")
    world.texts_per_day = 3
    assert world.dispatcher("other").dispatch(DAY, worker="w").accepted == 2
    plan(world.ledger, ["c", "d", "e"])
    report = world.dispatch()
    assert (report.accepted, report.stopped_by, world.gateway.request_counts().num_rows) == (1, "daily_budget", 3)
    assert world.dispatch().accepted == 0
    world.texts_per_day = 4
    assert world.dispatch().accepted == 1
    world.texts_per_day = None
    assert world.dispatch().accepted == 1


@ON_BOTH
def test_two_applications_that_look_at_the_same_time_do_not_share_what_is_left(world):
    """The other one leases after this one has looked, while it reads replies."""
    plan(world.ledger, ["a", "b"], campaign="other")
    plan(world.ledger, ["c", "d", "e"])
    world.texts_per_day = 3
    others: list[Any] = []

    class Reading(Interfering):
        def inbound(self, **words: Any) -> Any:
            others.extend(
                world.ledger.lease(
                    "other", DAY, worker="v", limit=9, now=NOW, until=NOW + timedelta(hours=1), texts_per_day=3
                )
            )
            return self.inner.inbound(**words)

    world.gateway = Reading(world.gateway, lambda _: None)
    report = world.dispatch()
    assert (len(others), report.accepted, report.stopped_by) == (2, 1, "daily_budget")


@ON_BOTH
def test_what_was_leased_before_a_stop_does_not_use_up_the_day(world):
    plan(world.ledger, ["a", "b", "c", "d"])
    world.texts_per_day = 3
    world.is_stopped = lambda: world.requests() >= 1
    assert world.dispatch().accepted == 1
    world.is_stopped = lambda: False
    report = world.dispatch()
    assert (report.accepted, report.stopped_by, world.requests()) == (2, "daily_budget", 3)


@ON_BOTH
def test_yesterdays_rows_are_not_sent_and_expire_a_day_later(world):
    plan(world.ledger, ["a"])
    world.clock.time = NOW + timedelta(days=1)
    report = world.dispatch()
    assert (report.accepted, report.expired, report.stopped_by, world.requests()) == (0, 0, "expired", 0)
    world.clock.time = NOW + timedelta(days=2)
    report = world.dispatch()
    assert (report.accepted, report.expired, report.stopped_by, world.requests()) == (0, 1, None, 0)


def test_a_clock_that_is_set_back_meanwhile_ends_the_dispatch(world):
    plan(world.ledger, ["a", "b", "c"])
    world.is_stopped = lambda: setattr(world.clock, "time", NOW - timedelta(hours=world.requests())) or False
    report = world.dispatch()
    assert (report.accepted, report.stopped_by, world.requests()) == (1, "clock_set_back", 1)


@pytest.mark.parametrize(("times", "calls", "state"), [(2, 3, "accepted"), (99, 5, "throttled")])
def test_throttled_texts_are_tried_again_within_bounds(world, times, calls, state):
    real, world.gateway = world.gateway, Failing(ProviderThrottledError("slow down"), times)
    plan(world.ledger, ["a"])
    world.dispatch()
    assert (world.gateway.calls, world.states()["a"]) == (calls, state)
    world.dispatch()
    assert world.gateway.calls == calls
    assert world.clock.time > NOW + timedelta(seconds=2), "it backed off"
    world.gateway = real


class Failing:
    """A provider whose first calls fail."""

    name, channel = "console", "sms"

    def __init__(self, error: Exception, times: int = 99) -> None:
        self.error, self.times, self.calls = error, times, 0

    def send(self, message: OutboundMessage, *, now: datetime) -> Accepted:
        self.calls += 1
        if self.calls <= self.times:
            raise self.error
        return Accepted("p")

    def find(self, message_id: str) -> Accepted | None:
        return None

    def inbound(self, *, until: Any, since: Any = None) -> list[Any]:
        return []


@pytest.mark.parametrize(
    "error", [TimeoutError(PHONE), ConnectionResetError(PHONE), ValueError(f"bad answer for {PHONE}")]
)
def test_any_other_failure_is_ambiguous_never_resent_and_closed_after_72_hours(world, error, caplog):
    caplog.set_level(logging.DEBUG)
    real, world.gateway = world.gateway, Failing(error)
    plan(world.ledger, ["a"])
    assert world.dispatch().ambiguous == 1
    assert world.dispatch().ambiguous == 0
    assert world.gateway.calls == 1
    assert world.dispatcher().reconcile(NOW + timedelta(hours=71)).still_ambiguous == 1
    world.clock.time = NOW + timedelta(hours=73)
    assert world.dispatcher().reconcile().unknown == 1
    assert world.states() == {"a": "unknown"}
    assert world.gateway.calls == 1
    details = str(world.ledger.sends.transitions().to_pylist())
    assert "2125550142" not in details + caplog.text
    world.gateway = real


def test_an_unhealthy_provider_stops_the_dispatch(world):
    real, world.gateway = world.gateway, Failing(TimeoutError())
    plan(world.ledger, [f"u{i:02d}" for i in range(30)])
    report = world.dispatch()
    assert (report.ambiguous, report.stopped_by) == (20, "provider_unhealthy")
    world.gateway = real


def test_no_phone_number_leaves_the_call(world, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    plan(world.ledger, ["a", "b"])
    world.contacts = Contacts({"a": PHONE, "b": "+12125550143"})
    report = world.dispatch()
    assert report.accepted == 2
    assert "dispatched" in caplog.text
    files = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    sends = world.ledger.sends
    everything = repr(report) + caplog.text + str(sends.transitions().to_pylist()) + str(sends.rows())
    assert "212555014" not in everything
    assert b"212555014" not in files
    assert PHONE not in repr(OutboundMessage("m", "a", PHONE, "hi"))
