"""Mails as files: sending into a folder, what comes back, and the ledger's states with a real mail server."""

from __future__ import annotations

import os
import stat
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from types import MappingProxyType

import pytest

from mlife_assets.adapters import mailboxes
from mlife_assets.adapters.dispatcher.reports import Checks, Recipient
from mlife_assets.adapters.dispatcher.sending import Dispatcher
from mlife_assets.adapters.mailboxes import FolderMailbox, MailFaults, ReturnedFolder, SendJournal, SmtpMailbox
from mlife_assets.adapters.mailboxes.folder import AbsentMailbox
from mlife_assets.adapters.people_register import PeopleRegister
from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.core.errors import (
    AmbiguousSendError,
    InvalidInputError,
    ProviderRejectedError,
    ProviderThrottledError,
)
from mlife_assets.recruiting.application import Application, Channel
from mlife_assets.recruiting.mail.addresses import normalise_address
from mlife_assets.recruiting.mail.mime import unsubscribe_token
from mlife_assets.recruiting.messaging_policy import ContactPolicy, MessagingPolicy
from mlife_assets.recruiting.ports import Accepted, AddressBook, LedgerRow, OutboundMessage
from mlife_assets.testing.gateways import LOSES_ANSWER, LOSES_REQUEST, REJECTS, THROTTLES, GatewayContract

NOW = datetime(2026, 6, 1, 15, 0, 0, 123_456, tzinfo=UTC)
NEVER = datetime.max.replace(tzinfo=UTC)
NOTHING = MailFaults(0, 0, 0, 1, 0, 0)
KEY = b"k" * 32
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = date(2026, 6, 2)
EVENING = datetime(2026, 6, 2, 18, tzinfo=UTC)
FREE = ContactPolicy(holdout_share=0.0, maximum_messages_per_7_days=70, minimum_days_between_messages=0)
POLICY = MessagingPolicy(provider_messages_per_second=10_000, throttle_attempts_maximum=2)
MAILS = Application("email_digest", "Mails", "job_applications", channel=Channel.EMAIL, items=5, policy=POLICY)


@pytest.fixture
def open_box(tmp_path, stationery):
    return lambda faults=NOTHING, seed=7: FolderMailbox(tmp_path / "mail", stationery, seed=seed, faults=faults)


def test_a_mail_is_a_file_that_any_mail_program_opens(open_box, mail_to, stationery, tmp_path):
    box = open_box()
    assert box.send(mail_to(), now=NOW) == Accepted(stationery.wire_id(mail_to().message_id))
    (file,) = (tmp_path / "mail" / "sent").iterdir()
    mail = message_from_bytes(file.read_bytes(), policy=policy.default)
    assert mail["To"] == "person1@home.example"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_second_send_of_one_message_is_found_and_never_written(open_box, mail_to, tmp_path):
    first = open_box().send(mail_to(), now=NOW)
    (file,) = (tmp_path / "mail" / "sent").iterdir()
    before = (file.read_bytes(), file.stat().st_mtime_ns, file.stat().st_ino)
    again = open_box().send(mail_to(extra="other words"), now=NOW + timedelta(days=1))
    assert again == first == open_box().find(mail_to().message_id)
    assert open_box(MailFaults(throttled_share=1)).send(mail_to(), now=NOW) == first
    assert (file.read_bytes(), file.stat().st_mtime_ns, file.stat().st_ino) == before
    assert [one.name for one in (tmp_path / "mail" / "sent").iterdir()] == [file.name]


def test_the_quicker_of_two_processes_writes(open_box, mail_to, monkeypatch):
    slow, quick = open_box(), open_box()
    link = os.link

    def late(source, target):
        monkeypatch.setattr(os, "link", link)
        quick.send(mail_to(), now=NOW)
        link(source, target)

    monkeypatch.setattr(os, "link", late)
    assert slow.send(mail_to(), now=NOW + timedelta(hours=1))
    assert slow.sent_messages(date(2026, 6, 1))["sent_at"].to_pylist() == [NOW]


class TestContract(GatewayContract):
    """`seed` decides whether what timed out was taken."""

    @pytest.fixture(autouse=True)
    def _mails(self, mail_to, open_box):
        self.message, self.open_box = mail_to, open_box

    def opened(self, folder, fault=""):
        shares = [float(fault == THROTTLES), float(fault == REJECTS), float(fault in (LOSES_REQUEST, LOSES_ANSWER))]
        box = self.open_box(
            MailFaults(*shares, delivered_share=1, unsubscribe_share=1), 2 if fault == LOSES_REQUEST else 1
        )
        assert box.reaches_nobody
        return box


def test_receipts_follow_and_are_the_same_when_read_again(open_box, mail_to):
    box = open_box(MailFaults(0, 0, 0, delivered_share=0.5, unsubscribe_share=0, complaint_share=0))
    for number in range(1, 41):
        box.send(mail_to(number), now=NOW)
    receipts = box.receipts(until=NEVER)
    assert len(receipts) == 40
    assert 10 < sum(one.is_delivered for one in receipts) < 30
    sent = box.sent_messages(date(2026, 6, 1))
    assert sent["user_id"].to_pylist() == [mail_to(number).user_id for number in range(1, 41)]
    assert dict(zip(sent["message_id"].to_pylist(), sent["is_delivered"].to_pylist(), strict=True)) == {
        one.message_id: one.is_delivered for one in receipts
    }
    assert box.sent_messages(date(2026, 6, 2)).num_rows == 0


def test_who_got_no_mail_does_not_leave(open_box, mail_to):
    box = open_box(MailFaults(0, 0, 0, delivered_share=0, unsubscribe_share=1))
    box.send(mail_to(), now=NOW)
    assert box.inbound(until=NEVER) == []


def test_a_mail_that_really_came_back_counts_before_what_is_made_up(open_box, mail_to, bounce, tmp_path):
    box = open_box()
    box.send(mail_to(), now=NOW)
    put(tmp_path / "mail" / "returned", "1.eml", bounce(mail_to().message_id), NOW)
    (receipt,) = box.receipts(until=NEVER)
    assert receipt.is_delivered is False


def test_the_same_seed_gives_the_same_mails_and_answers(open_box, mail_to, tmp_path, stationery):
    def live(folder, seed):
        box = FolderMailbox(folder, stationery, seed=seed, faults=MailFaults(0.1, 0.1, 0.1, 0.8, 0.3, 0.1))
        said = []
        for number in range(1, 31):
            try:
                said.append(box.send(mail_to(number), now=NOW))
            except (ProviderThrottledError, ProviderRejectedError, AmbiguousSendError) as error:
                said.append(type(error))
        files = {one.name: one.read_bytes() for one in sorted((folder / "sent").iterdir())}
        return said, files, box.receipts(until=NEVER), box.inbound(until=NEVER)

    assert live(tmp_path / "a", 1) == live(tmp_path / "b", 1)
    assert live(tmp_path / "c", 2)[0] != live(tmp_path / "d", 1)[0]


def test_a_body_that_is_no_mail_is_rejected_and_a_share_that_is_none_refused(open_box, mail_to):
    message = mail_to()
    with pytest.raises(ProviderRejectedError, match="no mail"):
        open_box().send(type(message)(message.message_id, message.user_id, message.address, "Cook. STOP"), now=NOW)
    with pytest.raises(InvalidInputError, match="timeout_share"):
        MailFaults(timeout_share=2)


def test_a_mail_is_asked_about_and_drawn_for_once_and_replies_are_those_of_another_process(
    open_box, mail_to, monkeypatch
):
    """A sensor reads replies twice a minute for ever, and may leave none out."""
    faults = MailFaults(0, 0, 0, delivered_share=1, unsubscribe_share=0.5, complaint_share=0)
    box = open_box(faults)
    for number in range(1, 21):
        box.send(mail_to(number), now=NOW)
    first = box.inbound(until=NEVER)
    assert 0 < len(first) < 20
    drawn, draw = [], box._draw
    monkeypatch.setattr(box, "_draw", lambda what, key: (drawn.append((what, key)), draw(what, key))[1])
    open_box(faults).send(mail_to(21), now=NOW)
    assert box.inbound(until=NEVER) == open_box(faults).inbound(until=NEVER)
    assert [key for what, key in drawn if what == "leaves"] == [mail_to(21).message_id]
    monkeypatch.setattr(box, "_sent_at", MappingProxyType(box._sent_at))  # it is not asked about again
    assert box.receipts(until=NEVER) == open_box(faults).receipts(until=NEVER)


def test_a_mail_that_was_taken_away_is_gone(open_box, mail_to, tmp_path):
    box = open_box()
    for number in (1, 2):
        box.send(mail_to(number), now=NOW)
    assert len(box.receipts(until=NEVER)) == 2
    (tmp_path / "mail" / "sent" / f"{mail_to(1).message_id}.eml").unlink()
    assert [one.message_id for one in box.receipts(until=NEVER)] == [mail_to(2).message_id]


def put(folder: Path, name: str, content: str, at: datetime) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    os.utime(path, (at.timestamp(), at.timestamp()))
    return path


def leaving(number: int = 1) -> str:
    return f"Subject: unsubscribe {unsubscribe_token(f'usr_{number}', 'email_digest', KEY)}\n\n"


def test_no_folder_is_no_mail(tmp_path, stationery):
    folder = ReturnedFolder(tmp_path / "none", stationery)
    assert folder.receipts(until=NOON) == []
    assert folder.inbound(until=NOON, since=None, user_of=lambda _: None) == []


def test_reports_are_receipts_and_the_rest_is_inbound(tmp_path, stationery, bounce):
    put(tmp_path, "b.eml", bounce("msg_1"), NOON)
    put(tmp_path, "a.eml", bounce("msg_2", "delivered"), NOON + timedelta(minutes=1))
    put(tmp_path, "c.eml", leaving(), NOON + timedelta(minutes=2))
    put(tmp_path, "note.txt", leaving(2), NOON)
    put(tmp_path, ".half.eml", leaving(3), NOON)
    folder = ReturnedFolder(tmp_path, stationery)
    later = NOON + timedelta(hours=1)
    assert [(one.message_id, one.is_delivered) for one in folder.receipts(until=later)] == [
        ("msg_1", False),
        ("msg_2", True),
    ]
    assert [one.message_id for one in folder.receipts(until=NOON)] == ["msg_1"]
    assert [one.message_id for one in folder.receipts(until=later, since=NOON)] == ["msg_1", "msg_2"]
    assert [one.message_id for one in folder.receipts(until=later, since=NOON + timedelta(minutes=1))] == ["msg_2"]
    assert [one.message_id for one in folder.receipts(until=later, since=later, of={"msg_1", "msg_3"})] == ["msg_1"]
    (heard,) = folder.inbound(until=later, since=None, user_of=lambda _: None)
    assert (heard.user_id, heard.body, heard.received_at) == ("usr_1", "unsubscribe", NOON + timedelta(minutes=2))
    assert folder.inbound(until=NOON, since=None, user_of=lambda _: None) == []
    assert folder.inbound(until=later, since=later, user_of=lambda _: None) == []


def test_a_maildir_may_move_and_flag_a_mail(tmp_path, stationery):
    folder = ReturnedFolder(tmp_path, stationery)
    path = put(tmp_path, "new/1.host", leaving(), NOON)
    first = folder.inbound(until=NOON, since=None, user_of=lambda _: None)
    (tmp_path / "cur").mkdir()
    path.rename(tmp_path / "cur" / "1.host:2,S")
    for reader in (folder, ReturnedFolder(tmp_path, stationery)):
        assert reader.inbound(until=NOON, since=None, user_of=lambda _: None) == first


def test_a_reply_is_heard_as_it_was_written_if_the_account_is_known(tmp_path, stationery):
    put(tmp_path, "1.eml", f"In-Reply-To: <{stationery.wire_id('msg_1')}>\n\nSTOP ALL\n", NOON)
    folder = ReturnedFolder(tmp_path, stationery)
    (heard,) = folder.inbound(until=NOON, since=None, user_of={"msg_1": "usr_7"}.get)
    assert (heard.user_id, heard.body) == ("usr_7", "STOP ALL")
    assert folder.inbound(until=NOON, since=None, user_of=lambda _: None) == []


def test_the_same_mail_delivered_twice_is_one(tmp_path, stationery):
    for name in ("1.eml", "2.eml"):
        put(tmp_path, name, leaving(), NOON)
    assert len(ReturnedFolder(tmp_path, stationery).inbound(until=NOON, since=None, user_of=lambda _: None)) == 1


def test_links_out_of_the_folder_are_not_followed_and_a_file_is_no_folder(tmp_path, stationery):
    put(tmp_path, "elsewhere/1.eml", leaving(), NOON)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "1.eml").symlink_to(tmp_path / "elsewhere" / "1.eml")
    ever = datetime.max.replace(tzinfo=UTC)
    assert ReturnedFolder(tmp_path / "in", stationery).inbound(until=ever, since=None, user_of=lambda _: None) == []
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(NotADirectoryError):
        ReturnedFolder(tmp_path / "file", stationery).receipts(until=NOON)


def test_nobody_takes_a_mail_and_nobody_answers() -> None:
    mailbox = AbsentMailbox()
    assert mailbox.channel == Channel.EMAIL
    with pytest.raises(ProviderRejectedError, match="no provider of mails"):
        mailbox.send(OutboundMessage("m", "u", "u@example.com", "hi"), now=NOW)
    assert (mailbox.find("m"), mailbox.receipts(until=NOW), mailbox.inbound(until=NOW)) == (None, [], [])


class World:
    """A ledger, a mailbox, and a clock that stands until it is moved."""

    def __init__(self, ledger: SqlLedger, mailbox, mail_to) -> None:
        self.ledger, self.mailbox, self.mail_to, self.time = ledger, mailbox, mail_to, EVENING

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
            Checks(lambda users: dict.fromkeys(users, Recipient(True, "TX", "America/Chicago")), lambda _: None),
            clock=self, sleep=lambda _: None,
        )  # fmt: skip

    def plan(self, people: range, day: date = DAY, offset: int = 0) -> None:
        mails = {n: self.mail_to(n) for n in people}
        rows = [
            LedgerRow(
                f"msg_{n + offset:024d}", m.user_id, "j", MAILS.name, day, m.body, "planned", 0, None, EVENING, "email"
            )
            for n, m in mails.items()
        ]
        self.ledger.plan(rows, now=self.time)
        self.ledger.approve(MAILS.name, day, now=self.time)

    @property
    def states(self) -> Counter[str]:
        return Counter(row.state for row in self.ledger.sends.rows(campaign=MAILS.name))


@pytest.fixture
def relayed(ledger: SqlLedger, start_relay, stationery, mail_to, tmp_path: Path):
    relay = start_relay()
    mailbox = SmtpMailbox(
        mailboxes.SmtpServer("127.0.0.1", relay.port, "plain", timeout_seconds=5),
        stationery,
        SendJournal(tmp_path / "journal"),
        ReturnedFolder(tmp_path / "returned", stationery),
    )
    yield World(ledger, mailbox, mail_to), relay
    mailbox.close()


def test_every_answer_of_a_relay_is_a_state_of_the_ledger(relayed, bounce, tmp_path):
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
        (tmp_path / "returned" / f"{number}.eml").write_text(bounce(f"msg_{number:024d}", action))
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
