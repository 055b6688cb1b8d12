"""Several applications at once: what holds across them holds, and what is of one touches no other.

Real ledgers, SQLite and PostgreSQL; two applications by text and one by mail, through gateways that remember.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from mlife_assets.adapters.dispatcher import Dispatcher, DispatchReport, Recipient
from mlife_assets.adapters.people_register import PeopleRegister
from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.core.errors import GateClosedError, InvalidInputError
from mlife_assets.recruiting.application import Application, Channel
from mlife_assets.recruiting.ids import message_id
from mlife_assets.recruiting.messaging.cohorts import is_holdout
from mlife_assets.recruiting.messaging_policy import ContactPolicy, MessagingPolicy
from mlife_assets.recruiting.ports import Accepted, AddressBook, Inbound, LedgerRow, OutboundMessage, Receipt

DAY = date(2026, 6, 2)
NOW = datetime(2026, 6, 2, 18, tzinfo=UTC)
FREE = ContactPolicy(holdout_share=0.0, maximum_messages_per_7_days=70, minimum_days_between_messages=0)
ONE_A_DAY = replace(FREE, minimum_days_between_messages=1)
POLICY = MessagingPolicy(provider_messages_per_second=10_000)
TEXTS = Application("texts", "Texts", "job_applications", policy=POLICY)
REMINDERS = replace(TEXTS, name="reminders", title="Reminders")
MAILS = replace(TEXTS, name="mails", title="Mails", channel=Channel.EMAIL, items=5)
PEOPLE = tuple(f"u{number:02d}" for number in range(30))


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
            self.ledger,
            self.gateways[application.channel],
            PeopleRegister(self.ledger, self, key=b"k" * 32, books=books),
            application,
            self.contact,
            recheck=lambda users: dict.fromkeys(users, Recipient(True, "TX", "America/Chicago")),
            clock=self,
            sleep=lambda _: None,
            verify=lambda _: None,
        )

    def plan(self, application: Application, users: Sequence[str] = PEOPLE, day: date = DAY) -> None:
        name, channel = application.name, str(application.channel)
        rows = [
            LedgerRow(message_id(u, name, day), u, "j", name, day, "hi", "planned", 0, None, NOW, channel)
            for u in users
        ]
        self.ledger.plan(rows, now=NOW)
        self.ledger.approve(name, day, now=NOW)

    def dispatch(self, application: Application, day: date = DAY) -> DispatchReport:
        return self.dispatcher(application).dispatch(day, worker=application.name)

    def reply(self, channel: Channel, user_id: str, body: str, minutes: int = 0) -> None:
        replies = self.gateways[channel].replies
        at = NOW - timedelta(hours=1) + timedelta(minutes=minutes)
        replies.append(Inbound(f"{channel}-{len(replies)}", user_id, body, at))
        application = MAILS if channel is Channel.EMAIL else TEXTS
        self.dispatcher(application).process_inbound(NOW)

    def reached(self, application: Application) -> set[str]:
        rows = self.ledger.rows(campaign=application.name, state="accepted")
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
    refused = [row for row in world.ledger.rows() if row.state == "suppressed"]
    assert len(refused) == 2 * len(PEOPLE)


def test_without_a_cap_across_applications_each_reaches_everybody_once(world: World) -> None:
    for application in (TEXTS, REMINDERS, MAILS):
        world.plan(application)
    dispatch_together(world, TEXTS, REMINDERS, MAILS)
    assert messages_per_person(world) == dict.fromkeys(PEOPLE, 3)
    assert all(Counter(m.message_id for m in g.sent).most_common(1)[0][1] == 1 for g in world.gateways.values())


def test_the_weekly_cap_counts_every_channel(world: World) -> None:
    world.contact = replace(FREE, maximum_messages_per_7_days=3)
    for application, day in ((TEXTS, DAY - timedelta(days=6)), (MAILS, DAY - timedelta(days=4)), (REMINDERS, DAY)):
        world.time = datetime(day.year, day.month, day.day, 18, tzinfo=UTC)
        world.plan(application, ("u00",), day)
        assert world.dispatch(application, day).accepted == 1
    world.plan(MAILS, ("u00", "u01"), DAY)
    report = world.dispatch(MAILS, DAY)
    assert (report.accepted, report.suppressed) == (1, (("frequency_7_days", 1),))


def test_an_application_that_caps_itself_leaves_the_others_alone(world: World) -> None:
    tight = replace(TEXTS, policy=replace(POLICY, maximum_messages_per_7_days=0))
    world.plan(tight)
    world.plan(MAILS)
    assert world.dispatch(tight).accepted == 0
    assert world.dispatch(MAILS).accepted == len(PEOPLE)


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
    assert world.ledger.suppressed_people(at=NOW) == ("u00",)
    assert world.ledger.suppressed_people(at=NOW, channel="email") == ()


@pytest.mark.parametrize("channel", [Channel.SMS, Channel.EMAIL])
def test_stop_everything_ends_all_by_whatever_channel_it_came(world: World, channel: Channel) -> None:
    world.plan(TEXTS)
    world.reply(channel, "u00", "stop everything")
    world.plan(REMINDERS)
    world.plan(MAILS)
    assert all(world.ledger.suppressed_people(at=NOW, channel=one) == ("u00",) for one in ("sms", "email"))
    for application in (TEXTS, REMINDERS, MAILS):
        world.dispatch(application)
        assert world.reached(application) == set(PEOPLE) - {"u00"}


def test_start_by_text_after_stop_everything_brings_texts_back_and_no_mails(world: World) -> None:
    world.reply(Channel.EMAIL, "u00", "STOP ALL")
    world.reply(Channel.SMS, "u00", "START", minutes=5)
    assert not world.ledger.is_suppressed("u00", at=NOW, channel="sms")
    assert world.ledger.is_suppressed("u00", at=NOW, channel="email")
    assert world.ledger.unlisted_stops() == []


def test_an_unclear_mail_pauses_mails_and_no_texts(world: World) -> None:
    world.reply(Channel.EMAIL, "u00", "who is this")
    assert world.ledger.is_suppressed("u00", at=NOW, channel="email")
    assert not world.ledger.is_suppressed("u00", at=NOW, channel="sms")
    (reply,) = world.ledger.unclear_replies()
    world.ledger.review_reply(reply.inbound_id, "opt_out", actor="ann", now=NOW)
    assert world.ledger.is_suppressed("u00", at=NOW + timedelta(days=999), channel="email")
    assert not world.ledger.is_suppressed("u00", at=NOW, channel="sms")


def test_pausing_one_pauses_only_it(world: World) -> None:
    for application in (TEXTS, REMINDERS, MAILS):
        world.plan(application)
    world.ledger.pause(actor="ann", reason="a wrong price", now=NOW, campaign="reminders")
    assert world.dispatch(REMINDERS).stopped_by == "paused"
    assert world.dispatch(TEXTS).accepted == world.dispatch(MAILS).accepted == len(PEOPLE)
    assert [world.ledger.is_paused(name) for name in ("", "texts", "reminders")] == [False, False, True]
    world.ledger.pause(actor="ann", reason="storm", now=NOW)
    world.ledger.resume(actor="ann", reason="fixed", now=NOW, campaign="reminders")
    assert world.dispatch(REMINDERS).stopped_by == "paused", "everything is"
    world.ledger.resume(actor="ann", reason="over", now=NOW)
    assert world.dispatch(REMINDERS).accepted == len(PEOPLE)


def test_a_pause_of_one_holds_for_what_is_leased_already(world: World) -> None:
    for application in (TEXTS, MAILS):
        world.plan(application)
        world.ledger.lease(application.name, DAY, worker="w", limit=99, now=NOW, until=NOW + timedelta(minutes=5))
    world.ledger.pause(actor="ann", reason="a wrong price", now=NOW, campaign="mails")
    facts: dict[str, Any] = {"worker": "w", "now": NOW, "policy": POLICY, "contact": FREE, "day": DAY}
    assert world.ledger.begin_submit(message_id("u00", "mails", DAY), **facts) == "paused"
    assert world.ledger.begin_submit(message_id("u00", "texts", DAY), **facts) is None


def test_a_restart_of_one_leaves_what_another_is_sending(world: World) -> None:
    world.plan(TEXTS)
    world.plan(MAILS, ("u00",))
    key = message_id("u00", "mails", DAY)
    world.ledger.lease("mails", DAY, worker="mails", limit=1, now=NOW, until=NOW + timedelta(minutes=5))
    assert world.ledger.begin_submit(key, worker="mails", now=NOW, policy=POLICY, contact=FREE, day=DAY) is None
    assert world.dispatch(TEXTS).recovered == 0
    assert [row.state for row in world.ledger.rows(campaign="mails")] == ["submitting"]


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
            recheck=lambda _: {}, clock=world, sleep=lambda _: None,
        )  # fmt: skip
