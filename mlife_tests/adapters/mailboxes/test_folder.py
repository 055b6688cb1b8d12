from __future__ import annotations

import os
import stat
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes, policy

import pytest

from mlife_assets.adapters.mailboxes import FolderMailbox, MailFaults
from mlife_assets.core.errors import (
    AmbiguousSendError,
    InvalidInputError,
    ProviderRejectedError,
    ProviderThrottledError,
)
from mlife_assets.recruiting.ports import Accepted

NOW = datetime(2026, 6, 1, 15, 0, 0, 123_456, tzinfo=UTC)
NEVER = datetime.max.replace(tzinfo=UTC)
NOTHING = MailFaults(0, 0, 0, 1, 0, 0)


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


def test_a_deferred_or_refused_mail_is_not_there(open_box, mail_to):
    for faults, error in (
        (MailFaults(throttled_share=1), ProviderThrottledError),
        (MailFaults(throttled_share=0, rejected_share=1), ProviderRejectedError),
    ):
        with pytest.raises(error):
            open_box(faults).send(mail_to(), now=NOW)
        assert open_box().find(mail_to().message_id) is None


def test_a_timeout_leaves_half_of_the_mails_there(open_box, mail_to):
    box = open_box(MailFaults(0, 0, 1))
    for number in range(1, 41):
        with pytest.raises(AmbiguousSendError):
            box.send(mail_to(number), now=NOW)
    there = [box.find(mail_to(number).message_id) is not None for number in range(1, 41)]
    assert 10 < sum(there) < 30


def test_receipts_follow_and_are_the_same_when_read_again(open_box, mail_to):
    box = open_box(MailFaults(0, 0, 0, delivered_share=0.5, unsubscribe_share=0, complaint_share=0))
    for number in range(1, 41):
        box.send(mail_to(number), now=NOW)
    assert box.receipts(until=NOW) == []
    receipts = box.receipts(until=NEVER)
    assert len(receipts) == 40
    assert 10 < sum(one.is_delivered for one in receipts) < 30
    assert [one.received_at for one in receipts] == sorted(one.received_at for one in receipts)
    assert box.receipts(until=NEVER) == receipts
    since = receipts[20].received_at
    assert box.receipts(until=NEVER, since=since) == [one for one in receipts if one.received_at >= since] != receipts
    asked = {receipts[2].message_id, receipts[39].message_id}
    assert box.receipts(until=NEVER, since=NEVER, of=asked) == [receipts[2], receipts[39]]
    assert box.receipts(until=since, since=NEVER, of=asked) == [receipts[2]]
    sent = box.sent_messages(date(2026, 6, 1))
    assert sent["user_id"].to_pylist() == [mail_to(number).user_id for number in range(1, 41)]
    assert dict(zip(sent["message_id"].to_pylist(), sent["is_delivered"].to_pylist(), strict=True)) == {
        one.message_id: one.is_delivered for one in receipts
    }
    assert box.sent_messages(date(2026, 6, 2)).num_rows == 0


def test_some_readers_leave(open_box, mail_to):
    box = open_box(MailFaults(0, 0, 0, 1, unsubscribe_share=0.5))
    for number in range(1, 41):
        box.send(mail_to(number), now=NOW)
    heard = box.inbound(until=NEVER)
    assert 10 < len(heard) < 30
    assert {one.body for one in heard} == {"unsubscribe"}
    assert {one.user_id for one in heard} <= {mail_to(number).user_id for number in range(1, 41)}
    assert box.inbound(until=NOW) == []
    middle = heard[len(heard) // 2].received_at
    assert box.inbound(until=NEVER, since=middle) == heard[len(heard) // 2 :]
    assert box.inbound(until=NEVER, since=heard[-1].received_at + timedelta(days=2)) == []


def test_who_got_no_mail_does_not_leave(open_box, mail_to):
    box = open_box(MailFaults(0, 0, 0, delivered_share=0, unsubscribe_share=1))
    box.send(mail_to(), now=NOW)
    assert box.inbound(until=NEVER) == []


def test_a_mail_that_really_came_back_counts_before_what_is_made_up(open_box, mail_to, stationery, tmp_path):
    box = open_box()
    box.send(mail_to(), now=NOW)
    (tmp_path / "mail" / "returned").mkdir()
    (tmp_path / "mail" / "returned" / "1.eml").write_text(
        f"To: bounces+{stationery.wire_id(mail_to().message_id)}\nContent-Type: multipart/report;"
        " report-type=delivery-status; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\nX: y\n\n"
        "Action: failed\nStatus: 5.1.1\n\n--b--\n"
    )
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


def test_a_body_that_is_no_mail_is_rejected(open_box, mail_to):
    message = mail_to()
    with pytest.raises(ProviderRejectedError, match="no mail"):
        open_box().send(type(message)(message.message_id, message.user_id, message.address, "Cook. STOP"), now=NOW)


def test_shares_are_shares():
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
    stats = []
    monkeypatch.setattr(box, "_sent_at", Recording(box._sent_at, stats))
    assert box.receipts(until=NEVER) == open_box(faults).receipts(until=NEVER)
    assert stats == []


class Recording(dict):
    """A memory that keeps what is put into it."""

    def __init__(self, known, kept) -> None:
        super().__init__(known)
        self._kept = kept

    def __setitem__(self, key, value) -> None:
        self._kept.append(key)
        super().__setitem__(key, value)


def test_a_mail_that_was_taken_away_is_gone(open_box, mail_to, tmp_path):
    box = open_box()
    for number in (1, 2):
        box.send(mail_to(number), now=NOW)
    assert len(box.receipts(until=NEVER)) == 2
    (tmp_path / "mail" / "sent" / f"{mail_to(1).message_id}.eml").unlink()
    assert [one.message_id for one in box.receipts(until=NEVER)] == [mail_to(2).message_id]
