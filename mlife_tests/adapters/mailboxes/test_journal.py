from __future__ import annotations

import stat
from datetime import UTC, datetime

import pytest

from mlife_assets.adapters.mailboxes.journal import HandedOver, SendJournal, has_entries
from mlife_assets.core.errors import IntegrityError

NOW = datetime(2026, 6, 1, 15, tzinfo=UTC)


def test_a_mail_is_begun_once_until_it_is_taken_back(tmp_path):
    journal = SendJournal(tmp_path / "journal")
    assert journal.look_up("msg_1") is None
    assert journal.begin("msg_1", "usr_1", NOW)
    assert not SendJournal(tmp_path / "journal").begin("msg_1", "usr_1", NOW)
    assert journal.look_up("msg_1") == HandedOver("usr_1", NOW.isoformat(), False)
    journal.take_back("msg_1")
    journal.take_back("msg_1")
    assert journal.begin("msg_1", "usr_1", NOW)
    journal.accept("msg_1", "usr_1", NOW)
    assert journal.look_up("msg_1") == HandedOver("usr_1", NOW.isoformat(), True)
    assert not journal.begin("msg_1", "usr_1", NOW)


def test_asking_whether_anything_was_handed_over_makes_no_journal(tmp_path):
    folder = tmp_path / "journal"
    assert not has_entries(folder)
    assert not folder.exists()
    journal = SendJournal(folder)
    assert not has_entries(folder)
    journal.begin("msg_1", "usr_1", NOW)
    assert has_entries(folder)
    journal.take_back("msg_1")
    assert not has_entries(folder)


def test_it_is_private(tmp_path):
    journal = SendJournal(tmp_path / "journal")
    journal.begin("msg_1", "usr_1", NOW)
    (file,) = (tmp_path / "journal").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b'{"user_id":"u","at":"x","is_accepted":true,"b":1}'])
def test_a_damaged_entry_is_no_answer(tmp_path, content):
    journal = SendJournal(tmp_path)
    (tmp_path / "msg_1.json").write_bytes(content)
    with pytest.raises(IntegrityError, match="msg_1"):
        journal.look_up("msg_1")
