from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mlife_assets.adapters.mailboxes.returned_folder import UNSUBSCRIBE_BODY, ReturnedFolder
from mlife_assets.recruiting.mail.unsubscribe import unsubscribe_token
from mlife_assets.recruiting.messaging.keywords import STOP, classify

KEY = b"k" * 32
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def put(folder: Path, name: str, content: str, at: datetime) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    os.utime(path, (at.timestamp(), at.timestamp()))
    return path


def leaving(number: int = 1) -> str:
    return f"Subject: unsubscribe {unsubscribe_token(f'usr_{number}', 'email_digest', KEY)}\n\n"


def bounce(stationery, message_id: str, action: str = "failed") -> str:
    return (
        f"To: bounces+{stationery.wire_id(message_id)}\nContent-Type: multipart/report; report-type=delivery-status;"
        " boundary=b\n\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\n"
        f"Action: {action}\nStatus: 5.1.1\n\n--b--\n"
    )


def test_no_folder_is_no_mail(tmp_path, stationery):
    folder = ReturnedFolder(tmp_path / "none", stationery)
    assert folder.receipts(until=NOON) == []
    assert folder.inbound(until=NOON, since=None, user_of=lambda _: None) == []


def test_reports_are_receipts_and_the_rest_is_inbound(tmp_path, stationery):
    put(tmp_path, "b.eml", bounce(stationery, "msg_1"), NOON)
    put(tmp_path, "a.eml", bounce(stationery, "msg_2", "delivered"), NOON + timedelta(minutes=1))
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


def test_whoever_leaves_or_complains_says_stop():
    assert classify(UNSUBSCRIBE_BODY) == STOP


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


def test_links_out_of_the_folder_are_not_followed(tmp_path, stationery):
    put(tmp_path, "elsewhere/1.eml", leaving(), NOON)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "1.eml").symlink_to(tmp_path / "elsewhere" / "1.eml")
    ever = datetime.max.replace(tzinfo=UTC)
    assert ReturnedFolder(tmp_path / "in", stationery).inbound(until=ever, since=None, user_of=lambda _: None) == []


def test_a_folder_that_cannot_be_read_is_no_empty_answer(tmp_path, stationery):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(NotADirectoryError):
        ReturnedFolder(tmp_path / "file", stationery).receipts(until=NOON)
