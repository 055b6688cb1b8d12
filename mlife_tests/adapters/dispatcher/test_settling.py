"""What became of sends, of one application and of several at once: what holds across them holds, on real ledgers.

Real ledgers, SQLite and PostgreSQL; two applications by text and one by mail, through gateways that remember.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from mlife_assets.adapters.dispatcher.reports import (
    AWAITED_DAYS,
    Checks,
    DispatchReport,
    Recipient,
    collect_receipts,
    find_forgotten,
    reconcile,
)
from mlife_assets.adapters.dispatcher.sending import Dispatcher
from mlife_assets.adapters.people_register import PeopleRegister
from mlife_assets.adapters.send_ledger import SqlLedger, Transition
from mlife_assets.adapters.send_ledger.people import People
from mlife_assets.core.errors import GateClosedError, InvalidInputError
from mlife_assets.core.windows import day_start
from mlife_assets.recruiting.application import Application, Channel
from mlife_assets.recruiting.ids import message_id
from mlife_assets.recruiting.messaging.eligibility import is_holdout
from mlife_assets.recruiting.messaging.events import transition_events
from mlife_assets.recruiting.messaging_policy import JOB_OF_THE_DAY, ContactPolicy, MessagingPolicy
from mlife_assets.recruiting.ports import Accepted, AddressBook, Inbound, OutboundMessage, Receipt
from mlife_tests.rows import plan, submit

CONTACT = ContactPolicy()
DAY = date(2026, 6, 2)
NOW = datetime(2026, 6, 2, 18, tzinfo=UTC)
POLICY = MessagingPolicy()
CLOSED = NOW + timedelta(hours=POLICY.ambiguous_close_hours)
FREE = ContactPolicy(holdout_share=0.0, maximum_messages_per_7_days=70, minimum_days_between_messages=0)
ONE_A_DAY = replace(FREE, minimum_days_between_messages=1)
QUICK = MessagingPolicy(provider_messages_per_second=10_000)
TEXTS = Application("texts", "Texts", "job_applications", policy=QUICK)
REMINDERS = replace(TEXTS, name="reminders", title="Reminders")
MAILS = replace(TEXTS, name="mails", title="Mails", channel=Channel.EMAIL, items=5)
PEOPLE = tuple(f"u{number:02d}" for number in range(30))


@dataclass
class Provider:
    """Knows the accepted ids, fails on the unreadable ones, and has receipts."""

    channel = "sms"
    accepted: frozenset[str] = frozenset()
    unreadable: frozenset[str] = frozenset()
    received: list[Receipt] = field(default_factory=list)
    error: Exception = field(default_factory=lambda: TimeoutError("+12125550142"))
    asked: list[tuple[datetime, frozenset[str]]] = field(default_factory=list)

    def find(self, key: str) -> Accepted | None:
        if key in self.unreadable:
            raise self.error
        return Accepted(f"con_{key}") if key in self.accepted else None

    def receipts(self, *, until: datetime, since: datetime, of: Collection[str] = ()) -> Sequence[Receipt]:
        self.asked.append((since, frozenset(of)))
        return [
            one
            for one in self.received
            if one.received_at <= until and (one.received_at >= since or one.message_id in of)
        ]


def ambiguous(ledger: Any, users: Sequence[str], day: date = DAY) -> list[str]:
    """Leave one ambiguous send a user; return their message ids, sorted."""
    now = NOW + (day - DAY)
    ids = submit(ledger, users, JOB_OF_THE_DAY, day, now)
    ledger.transition_many([Transition(key, "ambiguous") for key in ids], now=now)
    return sorted(ids)


def states(ledger: Any) -> dict[str, str]:
    return {row.message_id: row.state for row in ledger.sends.rows()}


@pytest.mark.parametrize("error", [TimeoutError("+12125550142"), KeyError("id"), OSError(5, "no route")])
@pytest.mark.parametrize("place", [0, 2, 4])
def test_one_failing_question_does_not_end_reconciling(ledger, caplog, error, place):
    ids = ambiguous(ledger, ["a", "b", "c", "d", "e"])
    others = [key for key in ids if key != ids[place]]
    provider = Provider(frozenset(others[:2]), frozenset({ids[place]}), error=error)
    report = reconcile(ledger, provider, POLICY, CLOSED)
    assert (report.accepted, report.unknown, report.still_ambiguous, report.unreadable) == (2, 2, 1, 1)
    assert states(ledger)[ids[place]] == "ambiguous"
    assert {states(ledger)[key] for key in others[:2]} == {"accepted"}
    assert ids[place] in caplog.text
    assert "2125550142" not in caplog.text


@pytest.mark.parametrize(("is_delivered", "final"), [(True, "delivered"), (False, "undelivered")])
def test_a_receipt_after_the_closing_settles_the_send(ledger, is_delivered, final):
    (key,) = ambiguous(ledger, ["a"])
    assert reconcile(ledger, Provider(), POLICY, CLOSED).unknown == 1
    arrived = CLOSED + timedelta(hours=5)
    provider = Provider(received=[Receipt(key, "con_1", is_delivered, arrived)])
    assert collect_receipts(ledger, provider, arrived - timedelta(hours=1)) == 0
    assert [collect_receipts(ledger, provider, arrived + timedelta(hours=1)) for _ in range(2)] == [1, 0]
    (row,) = ledger.sends.rows()
    assert (row.state, row.provider_message_id) == (final, "con_1")
    moved = [(move["from_state"], move["to_state"]) for move in ledger.sends.transitions().to_pylist()]
    assert moved[-2:] == [("ambiguous", "unknown"), ("unknown", final)]
    told = transition_events(ledger.sends.transitions(), providers={"sms": "console"})["message_status"].to_pylist()
    assert [row["status"] for row in told] == ["ambiguous", "unknown", final]
    assert told[-1]["occurred_at"] == arrived
    assert len({row["event_id"] for row in told}) == 3
    assert ledger.sends.count_submitted(JOB_OF_THE_DAY, DAY) == 1, "it counts against the caps"


def test_a_receipt_that_comes_years_late_or_is_read_years_late_settles_the_send(ledger):
    """Old sends are asked about by their ids: neither when a receipt came nor when anybody looked loses it."""
    old, never = ambiguous(ledger, ["a", "b"])
    assert reconcile(ledger, Provider(), POLICY, CLOSED).unknown == 2
    later = timedelta(days=3 * 365)
    (young,) = ambiguous(ledger, ["c"], DAY + later)
    early, late = Receipt(old, "con_1", True, NOW + timedelta(minutes=1)), Receipt(never, "con_2", True, NOW + later)
    provider = Provider(received=[early, Receipt(young, "con_3", False, NOW + later), late])
    assert collect_receipts(ledger, provider, NOW + later) == 3
    assert states(ledger) == {old: "delivered", never: "delivered", young: "undelivered"}
    assert provider.asked == [(day_start(DAY + later), frozenset({old, never}))]


@pytest.mark.parametrize("days", [0, 1, AWAITED_DAYS, AWAITED_DAYS + 1])
def test_receipts_since_the_oldest_open_send_are_asked_for_and_of_older_ones_alone(ledger, days):
    (key,) = ambiguous(ledger, ["a"])
    now, provider = NOW + timedelta(days=days), Provider(received=[Receipt(key, "con_1", True, NOW)])
    assert collect_receipts(ledger, provider, now) == 1
    is_old = days > AWAITED_DAYS
    assert provider.asked == [(day_start(DAY + timedelta(days=is_old)), frozenset({key} if is_old else ()))]
    assert collect_receipts(ledger, provider, now) == 0
    assert len(provider.asked) == 1, "nothing is open, so nobody is asked"


def test_what_waits_and_the_provider_took_is_accepted_and_what_another_process_submits_is_left_to_it(ledger):
    keys = sorted(plan(ledger, "abc", JOB_OF_THE_DAY, DAY, NOW))
    ledger.lease(JOB_OF_THE_DAY, DAY, worker="other", limit=1, now=NOW, until=NOW + timedelta(minutes=5))
    provider = Provider(accepted=frozenset(keys[:2]))
    find = provider.find

    def meanwhile(key: str) -> Accepted | None:
        if key == keys[0]:
            assert ledger.begin_submit(key, worker="other", now=NOW, policy=POLICY, contact=CONTACT, day=DAY) is None
        return find(key)

    provider.find = meanwhile  # type: ignore[method-assign]
    assert find_forgotten(ledger, provider, JOB_OF_THE_DAY, DAY, NOW) == 1
    assert [states(ledger)[key] for key in keys] == ["submitting", "accepted", "approved"]
    assert ledger.sends.submitted(DAY) == {keys[0]: 1, keys[1]: 1}


@pytest.mark.parametrize("account", ["a", "a_old"])
def test_who_got_a_message_on_a_day_that_the_ledger_knows_nothing_of_is_left_out(ledger, monkeypatch, account):
    (key,), eve = plan(ledger, "a", JOB_OF_THE_DAY, DAY, NOW), DAY - timedelta(days=1)
    monkeypatch.setattr(People, "accounts_of", lambda _, users: {user: (user, f"{user}_old") for user in users})
    provider = Provider(accepted=frozenset({message_id(account, JOB_OF_THE_DAY, eve)}))
    assert find_forgotten(ledger, provider, JOB_OF_THE_DAY, DAY, NOW) == 0
    assert states(ledger) == {key: "approved"}
    assert find_forgotten(ledger, provider, JOB_OF_THE_DAY, DAY, NOW, [eve, DAY]) == 0
    assert states(ledger) == {key: "suppressed"}


def test_nothing_is_taken_for_unsent_while_the_provider_cannot_be_asked(ledger):
    (key,) = plan(ledger, "a", JOB_OF_THE_DAY, DAY, NOW)
    with pytest.raises(GateClosedError, match="could not be asked about its sends") as caught:
        find_forgotten(ledger, Provider(unreadable=frozenset({key})), JOB_OF_THE_DAY, DAY, NOW)
    assert "+1212" not in str(caught.value)


class Gateway:
    """Takes everything; remembers to whom, and has what people wrote."""

    name = "console"

    def __init__(self, channel: Channel) -> None:
        self.channel, self.sent, self.replies = channel, list[OutboundMessage](), list[Inbound]()

    def send(self, message: OutboundMessage, *, now: datetime) -> Accepted:
        self.sent.append(message)
        return Accepted(f"{self.channel}_{message.message_id}")

    def find(self, message_id: str) -> Accepted | None:
        return None

    def receipts(self, *, until: datetime, since: datetime | None = None, of: Collection[str] = ()) -> list[Receipt]:
        return []

    def inbound(self, *, until: datetime, since: datetime | None = None) -> list[Inbound]:
        return self.replies


class World:
    """One ledger, a gateway for each channel, and everybody has a number and a mail address."""

    def __init__(self, ledger: SqlLedger, contact: ContactPolicy = FREE) -> None:
        self.ledger, self.contact, self.time = ledger, contact, NOW
        self.gateways = {channel: Gateway(channel) for channel in (Channel.SMS, Channel.EMAIL)}

    def now(self) -> datetime:
        return self.time

    def phone_numbers(self, user_ids: Sequence[str]) -> dict[str, str | None]:
        return {user_id: f"+1212555{int(user_id[1:]):04d}" for user_id in user_ids}

    def mail_addresses(self, user_ids: Sequence[str]) -> dict[str, str | None]:
        return {user_id: f"{user_id}@example.com" for user_id in user_ids}

    def dispatcher(self, application: Application) -> Dispatcher:
        books = {Channel.EMAIL: AddressBook(self.mail_addresses, str)}
        return Dispatcher(
            self.ledger, self.gateways[application.channel],
            PeopleRegister(self.ledger, self, key=b"k" * 32, books=books), application, self.contact,
            Checks(lambda users: dict.fromkeys(users, Recipient(True, "TX", "America/Chicago")), lambda _: None),
            clock=self, sleep=lambda _: None,
        )  # fmt: skip

    def plan(self, application: Application, users: Sequence[str] = PEOPLE, day: date = DAY) -> None:
        plan(self.ledger, users, application.name, day, NOW, channel=str(application.channel))

    def dispatch(self, application: Application, day: date = DAY) -> DispatchReport:
        return self.dispatcher(application).dispatch(day, worker=application.name)

    def reply(self, channel: Channel, user_id: str, body: str, minutes: int = 0) -> None:
        replies = self.gateways[channel].replies
        at = NOW - timedelta(hours=1) + timedelta(minutes=minutes)
        replies.append(Inbound(f"{channel}-{len(replies)}", user_id, body, at))
        application = MAILS if channel is Channel.EMAIL else TEXTS
        self.dispatcher(application).process_inbound(NOW)

    def reached(self, application: Application) -> set[str]:
        rows = self.ledger.sends.rows(campaign=application.name, state="accepted")
        sent = {message.message_id for message in self.gateways[application.channel].sent}
        assert {row.message_id for row in rows} <= sent
        return {row.user_id for row in rows}


@pytest.fixture
def world(ledger: SqlLedger) -> World:
    return World(ledger)


def dispatch_together(world: World, *applications: Application) -> None:
    """Send the day of several applications at the same time, each in a thread of its own."""
    barrier, errors = threading.Barrier(len(applications)), list[BaseException]()

    def run(application: Application) -> None:
        try:
            barrier.wait()
            world.dispatch(application)
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=run, args=(one,)) for one in applications]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


def messages_per_person(world: World) -> Counter[str]:
    return Counter(message.user_id for gateway in world.gateways.values() for message in gateway.sent)


def test_applications_that_planned_the_same_people_cannot_break_a_cap_together(world: World) -> None:
    world.contact = ONE_A_DAY
    for application in (TEXTS, REMINDERS, MAILS):
        world.plan(application)
    dispatch_together(world, TEXTS, REMINDERS, MAILS)
    assert messages_per_person(world) == dict.fromkeys(PEOPLE, 1)
    refused = [row for row in world.ledger.sends.rows() if row.state == "suppressed"]
    assert len(refused) == 2 * len(PEOPLE)


def test_the_weekly_cap_counts_every_channel(world: World) -> None:
    world.contact = replace(FREE, maximum_messages_per_7_days=3)
    for application, day in ((TEXTS, DAY - timedelta(days=6)), (MAILS, DAY - timedelta(days=4)), (REMINDERS, DAY)):
        world.time = datetime(day.year, day.month, day.day, 18, tzinfo=UTC)
        world.plan(application, ("u00",), day)
        assert world.dispatch(application, day).accepted == 1
    world.plan(MAILS, ("u00", "u01"), DAY)
    report = world.dispatch(MAILS, DAY)
    assert (report.accepted, report.suppressed) == (1, (("frequency_7_days", 1),))


def test_the_global_holdout_hears_from_nobody_and_an_own_one_from_all_others(world: World) -> None:
    world.contact = replace(FREE, holdout_share=0.3)
    careful = replace(REMINDERS, holdout_share=0.5)
    for application in (TEXTS, careful, MAILS):
        world.plan(application)
        world.dispatch(application)
    held = {u for u in PEOPLE if is_holdout(u, salt=world.contact.assignment_salt, share=0.3)}
    own = {u for u in PEOPLE if is_holdout(u, salt=careful.holdout_salt, share=0.5)} - held
    assert held
    assert own
    assert world.reached(TEXTS) == world.reached(MAILS) == set(PEOPLE) - held
    assert world.reached(careful) == set(PEOPLE) - held - own


def test_a_stop_by_text_ends_texts_and_no_mails(world: World) -> None:
    world.plan(TEXTS)
    world.plan(REMINDERS)
    world.plan(MAILS)
    world.reply(Channel.SMS, "u00", "STOP")
    for application in (TEXTS, REMINDERS, MAILS):
        world.dispatch(application)
    assert "u00" not in world.reached(TEXTS) | world.reached(REMINDERS)
    assert "u00" in world.reached(MAILS)
    assert world.ledger.people.suppressed_people(at=NOW) == ("u00",)
    assert world.ledger.people.suppressed_people(at=NOW, channel="email") == ()


@pytest.mark.parametrize("channel", [Channel.SMS, Channel.EMAIL])
def test_stop_everything_ends_all_by_whatever_channel_it_came(world: World, channel: Channel) -> None:
    world.plan(TEXTS)
    world.reply(channel, "u00", "stop everything")
    world.plan(REMINDERS)
    world.plan(MAILS)
    assert all(world.ledger.people.suppressed_people(at=NOW, channel=one) == ("u00",) for one in ("sms", "email"))
    for application in (TEXTS, REMINDERS, MAILS):
        world.dispatch(application)
        assert world.reached(application) == set(PEOPLE) - {"u00"}


def test_start_by_text_after_stop_everything_brings_texts_back_and_no_mails(world: World) -> None:
    world.reply(Channel.EMAIL, "u00", "STOP ALL")
    world.reply(Channel.SMS, "u00", "START", minutes=5)
    assert not world.ledger.people.is_suppressed("u00", at=NOW, channel="sms")
    assert world.ledger.people.is_suppressed("u00", at=NOW, channel="email")
    assert world.ledger.people.unlisted_stops() == []


def test_an_unclear_mail_pauses_mails_and_no_texts(world: World) -> None:
    world.reply(Channel.EMAIL, "u00", "who is this")
    assert world.ledger.people.is_suppressed("u00", at=NOW, channel="email")
    assert not world.ledger.people.is_suppressed("u00", at=NOW, channel="sms")
    (reply,) = world.ledger.replies.unclear()
    world.ledger.replies.review(reply.inbound_id, "opt_out", actor="ann", now=NOW)
    assert world.ledger.people.is_suppressed("u00", at=NOW + timedelta(days=999), channel="email")
    assert not world.ledger.people.is_suppressed("u00", at=NOW, channel="sms")


def test_pausing_one_pauses_only_it(world: World) -> None:
    for application in (TEXTS, REMINDERS, MAILS):
        world.plan(application)
    world.ledger.switches.pause(actor="ann", reason="a wrong price", now=NOW, campaign="reminders")
    assert world.dispatch(REMINDERS).stopped_by == "paused"
    assert world.dispatch(TEXTS).accepted == world.dispatch(MAILS).accepted == len(PEOPLE)
    assert [world.ledger.switches.is_paused(name) for name in ("", "texts", "reminders")] == [False, False, True]
    world.ledger.switches.pause(actor="ann", reason="storm", now=NOW)
    world.ledger.switches.resume(actor="ann", reason="fixed", now=NOW, campaign="reminders")
    assert world.dispatch(REMINDERS).stopped_by == "paused", "everything is"
    world.ledger.switches.resume(actor="ann", reason="over", now=NOW)
    assert world.dispatch(REMINDERS).accepted == len(PEOPLE)


def test_mails_go_to_addresses_and_two_accounts_with_one_are_one_person(world: World) -> None:
    world.mail_addresses = lambda user_ids: dict.fromkeys(user_ids, "same@example.com")  # type: ignore[method-assign]
    world.plan(MAILS, ("u00", "u01"))
    assert world.dispatch(MAILS).accepted == 1
    (mail,) = world.gateways[Channel.EMAIL].sent
    assert mail.address == "same@example.com"
    assert "example.com" not in repr(mail)


def test_a_channel_without_addresses_or_with_another_gateway_sends_nothing(world: World) -> None:
    world.plan(MAILS, ("u00",))
    without = PeopleRegister(world.ledger, world, key=b"k" * 32)
    with pytest.raises(GateClosedError, match="no book of addresses for email"):
        without.register(["u00"], now=NOW, channel=Channel.EMAIL)
    with pytest.raises(InvalidInputError, match="mails goes by email and gateway console sends by sms"):
        Dispatcher(
            world.ledger, world.gateways[Channel.SMS], without, MAILS, FREE,
            Checks(lambda _: {}), clock=world, sleep=lambda _: None,
        )  # fmt: skip
