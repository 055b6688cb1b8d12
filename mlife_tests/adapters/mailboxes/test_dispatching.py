"""Mails through the ledger and a real mail server: every state that a text has, a mail has."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from mlife_assets.adapters.dispatcher import Dispatcher, Recipient
from mlife_assets.adapters.mailboxes import (
    FolderMailbox,
    MailFaults,
    ReturnedFolder,
    SendJournal,
    SmtpMailbox,
    SmtpServer,
)
from mlife_assets.adapters.people_register import PeopleRegister
from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.recruiting.application import Application, Channel
from mlife_assets.recruiting.mail.addresses import normalise_address
from mlife_assets.recruiting.messaging_policy import ContactPolicy, MessagingPolicy
from mlife_assets.recruiting.ports import AddressBook, LedgerRow

DAY = date(2026, 6, 2)
NOW = datetime(2026, 6, 2, 18, tzinfo=UTC)
FREE = ContactPolicy(holdout_share=0.0, maximum_messages_per_7_days=70, minimum_days_between_messages=0)
POLICY = MessagingPolicy(provider_messages_per_second=10_000, throttle_attempts_maximum=2)
MAILS = Application("email_digest", "Mails", "job_applications", channel=Channel.EMAIL, items=5, policy=POLICY)


class World:
    """A ledger, a mailbox, and a clock that stands until it is moved."""

    def __init__(self, ledger: SqlLedger, mailbox, mail_to) -> None:
        self.ledger, self.mailbox, self.mail_to, self.time = ledger, mailbox, mail_to, NOW

    def now(self) -> datetime:
        return self.time

    def phone_numbers(self, user_ids):
        return dict.fromkeys(user_ids)

    def mail_addresses(self, user_ids):
        return {u: f"person{int(u[4:])}@home.example" for u in user_ids if int(u[4:]) != 9}

    @property
    def dispatcher(self) -> Dispatcher:
        books = {Channel.EMAIL: AddressBook(self.mail_addresses, normalise_address)}
        return Dispatcher(
            self.ledger, self.mailbox, PeopleRegister(self.ledger, self, key=b"k" * 32, books=books), MAILS, FREE,
            recheck=lambda users: dict.fromkeys(users, Recipient(True, "TX", "America/Chicago")), clock=self,
            sleep=lambda _: None, verify=lambda _: None,
        )  # fmt: skip

    def plan(self, people: range, day: date = DAY, offset: int = 0) -> None:
        mails = {n: self.mail_to(n) for n in people}
        rows = [
            LedgerRow(
                f"msg_{n + offset:024d}", m.user_id, "j", MAILS.name, day, m.body, "planned", 0, None, NOW, "email"
            )
            for n, m in mails.items()
        ]
        self.ledger.plan(rows, now=self.time)
        self.ledger.approve(MAILS.name, day, now=self.time)

    @property
    def states(self) -> Counter[str]:
        return Counter(row.state for row in self.ledger.rows(campaign=MAILS.name))


@pytest.fixture
def relayed(ledger: SqlLedger, start_relay, stationery, mail_to, tmp_path: Path):
    relay = start_relay()
    mailbox = SmtpMailbox(
        SmtpServer("127.0.0.1", relay.port, "plain", timeout_seconds=5),
        stationery,
        SendJournal(tmp_path / "journal"),
        ReturnedFolder(tmp_path / "returned", stationery),
    )
    yield World(ledger, mailbox, mail_to), relay
    mailbox.close()


def test_every_answer_of_a_relay_is_a_state_of_the_ledger(relayed, stationery, tmp_path):
    world, relay = relayed
    world.plan(range(1, 10))

    async def by_person(server, point, usual):
        number = (
            int(server.envelope.rcpt_tos[0].split("@")[0].removeprefix("person")) if server.envelope.rcpt_tos else 0
        )
        if point == "DOT" and number == 2:
            return "450 4.2.1 later"
        if point == "DOT" and number == 3:
            return "550 5.1.1 unknown"
        if point == "DOT" and number == 4:
            server.transport.abort()
            raise ConnectionResetError
        return usual

    relay.act = by_person
    report = world.dispatcher.dispatch(DAY, worker="w")
    assert (report.accepted, report.rejected, report.ambiguous) == (5, 1, 1)
    assert dict(report.suppressed) == {"no_mail_address": 1}
    assert world.states["throttled"] == 1
    assert Counter(mail.rcpt_tos[0] for mail in relay.mails).most_common(1)[0][1] == 1
    world.time += timedelta(hours=100)
    assert world.dispatcher.reconcile(world.time).unknown == 1
    (tmp_path / "returned").mkdir()
    for number, action in ((1, "delivered"), (4, "delivered"), (5, "failed")):
        (tmp_path / "returned" / f"{number}.eml").write_text(
            f"To: bounces+{stationery.wire_id(f'msg_{number:024d}')}\nContent-Type: multipart/report;"
            " report-type=delivery-status; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\nX: y\n\n"
            f"Action: {action}\nStatus: 5.1.1\n\n--b--\n"
        )
    assert world.dispatcher.collect_receipts(datetime.max.replace(tzinfo=UTC)) == 3
    assert world.states == {
        "accepted": 3, "delivered": 2, "undelivered": 1, "rejected": 1, "throttled": 1, "suppressed": 1,
    }  # fmt: skip


def test_a_lost_ledger_sends_no_mail_twice(relayed, tmp_path):
    world, relay = relayed
    world.plan(range(1, 6))
    world.dispatcher.dispatch(DAY, worker="w")
    fresh = SqlLedger(f"sqlite:///{tmp_path}/fresh.sqlite", survives_power_cut=False)
    again = World(fresh, world.mailbox, world.mail_to)
    again.plan(range(1, 6))
    assert again.dispatcher.dispatch(DAY, worker="w").accepted == 5
    assert len(relay.mails) == 5
    fresh.close()


def test_whoever_leaves_gets_no_further_mail(ledger, stationery, mail_to, tmp_path):
    box = FolderMailbox(tmp_path, stationery, seed=1, faults=MailFaults(0, 0, 0, 1, unsubscribe_share=0.5))
    world = World(ledger, box, mail_to)
    people = range(10, 40)
    world.plan(people)
    assert world.dispatcher.dispatch(DAY, worker="w").accepted == 30
    world.time += timedelta(days=7)
    left = {one.user_id for one in box.inbound(until=world.time)}
    assert 5 < len(left) < 25
    assert world.dispatcher.process_inbound(world.time).stops == len(left)
    world.plan(people, world.time.date(), offset=1_000)
    report = world.dispatcher.dispatch(world.time.date(), worker="w")
    assert report.accepted == 30 - len(left)
    second = set(box.sent_messages(world.time.date())["user_id"].to_pylist())
    assert len(second) == report.accepted
    assert not second & left
