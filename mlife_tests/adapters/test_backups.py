"""Backups: whole, private, read back; restored over nothing newer, and nothing is deleted."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import orjson
import pytest

from mlife_assets.adapters.backups import Restored, create_backup, read_backup, restore_backup
from mlife_assets.adapters.private_files import private_file, write_private
from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.core.errors import ContentConflictError, IntegrityError, InvalidInputError, NotFoundError
from mlife_assets.recruiting.ports import LedgerRow

NOW = datetime(2026, 6, 2, 18, tzinfo=UTC)


def plan(ledger: SqlLedger, *users: str) -> None:
    rows = [LedgerRow(f"m-{user}", user, "j", "c", date(2026, 6, 2), "hi", "planned", 0, None, NOW) for user in users]
    ledger.plan(rows, now=NOW)


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """Return a private folder with a ledger, two keys and a head."""
    folder = tmp_path / "private"
    ledger = SqlLedger(f"sqlite:///{private_file(folder / 'ledger.sqlite')}", survives_power_cut=False)
    plan(ledger, "a", "b")
    ledger.suppress("c", now=NOW, reason="asked by post")
    ledger.close()
    write_private(folder / "keys" / "numbers.key", b"00\n")
    write_private(folder / "keys" / "log_heads.pub", b"11\n")
    write_private(folder / "heads" / "00000000.json", b"{}")
    return folder


@pytest.fixture
def backup(private: Path, tmp_path: Path) -> Path:
    ledger = SqlLedger(f"sqlite:///{private / 'ledger.sqlite'}", survives_power_cut=False)
    create_backup(ledger, private, tmp_path / "backup", now=NOW)
    ledger.close()
    return tmp_path / "backup"


def suppressed(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM suppressions").fetchone()[0])


def test_a_backup_holds_everything_and_is_private(backup):
    found = read_backup(backup)
    assert set(found.files) == {"ledger.sqlite", "keys/numbers.key", "keys/log_heads.pub", "heads/00000000.json"}
    assert (found.rows["sends"], found.rows["suppressions"], found.last_transition) == (2, 1, 2)
    assert found.created_at == NOW
    for path in backup.rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600)
    with closing(sqlite3.connect(backup / "ledger.sqlite")) as connection:
        assert connection.execute("SELECT count(*) FROM sends").fetchone() == (2,)


def test_a_backup_is_whole_while_the_ledger_is_written(private, tmp_path):
    """What lies in the `-wal` only is in the backup, too."""
    ledger = SqlLedger(f"sqlite:///{private / 'ledger.sqlite'}", survives_power_cut=False)
    plan(ledger, "d")
    assert create_backup(ledger, private, tmp_path / "b", now=NOW).rows["sends"] == 3
    ledger.close()


def test_a_backup_needs_a_folder_of_its_own(private, backup):
    ledger = SqlLedger(f"sqlite:///{private / 'ledger.sqlite'}", survives_power_cut=False)
    with pytest.raises(InvalidInputError, match="not empty"):
        create_backup(ledger, private, backup, now=NOW)
    ledger.close()


def test_a_ledger_on_postgresql_backs_itself_up_and_the_rest_is_backed_up(postgres_url, private, tmp_path):
    ledger = SqlLedger(postgres_url)
    made = create_backup(ledger, private, tmp_path / "b", now=NOW)
    ledger.close()
    assert (made.has_ledger, dict(made.rows)) == (False, {})
    assert set(made.files) == {"keys/numbers.key", "keys/log_heads.pub", "heads/00000000.json"}
    target = tmp_path / "new"
    write_private(target / "ledger.sqlite", b"not ours to touch")
    assert restore_backup(made, target) == Restored((), 0)
    assert (target / "ledger.sqlite").read_bytes() == b"not ours to touch"
    assert (target / "heads" / "00000000.json").exists()


@pytest.mark.parametrize("name", ["ledger.sqlite", "keys/numbers.key", "manifest.json"])
def test_a_backup_that_was_changed_or_cut_is_refused(backup, name):
    path = backup / name
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(IntegrityError, match="another backup"):
        read_backup(backup)
    path.unlink()
    with pytest.raises((IntegrityError, NotFoundError)):
        read_backup(backup)


def test_a_damaged_ledger_with_a_fitting_hash_is_refused(backup):
    from hashlib import sha256

    path = backup / "ledger.sqlite"
    data = bytearray(path.read_bytes())
    data[4096:12288] = b"\xff" * 8192
    path.write_bytes(data)
    manifest = orjson.loads((backup / "manifest.json").read_bytes())
    manifest["files"]["ledger.sqlite"] = sha256(data).hexdigest()
    (backup / "manifest.json").write_bytes(orjson.dumps(manifest))
    with pytest.raises(IntegrityError):
        read_backup(backup)


def test_no_backup_is_said(tmp_path):
    with pytest.raises(NotFoundError, match="mlife backup create"):
        read_backup(tmp_path)


def test_restoring_into_an_empty_folder_brings_everything_back(backup, tmp_path):
    target = tmp_path / "new"
    assert restore_backup(read_backup(backup), target) == Restored((), 0)
    assert suppressed(target / "ledger.sqlite") == 1
    assert (target / "keys" / "numbers.key").read_bytes() == b"00\n"
    assert (target / "heads" / "00000000.json").exists()
    assert (target / "ledger.sqlite").stat().st_mode & 0o777 == 0o600


def test_a_newer_ledger_stays_unless_asked_and_is_then_moved_aside(private, backup):
    ledger = SqlLedger(f"sqlite:///{private / 'ledger.sqlite'}", survives_power_cut=False)
    plan(ledger, "d")
    ledger.close()
    found = read_backup(backup)
    with pytest.raises(ContentConflictError, match="newer"):
        restore_backup(found, private)
    (moved,) = restore_backup(found, private, replaces=True).moved_aside
    with closing(sqlite3.connect(moved)) as connection:
        assert connection.execute("SELECT count(*) FROM sends").fetchone() == (3,)
    assert read_backup(backup).last_transition == 2
    assert restore_backup(found, private).moved_aside[0].parent != moved.parent, "an earlier restore's folder is not touched"


def test_a_stale_wal_is_not_played_into_the_restored_ledger(private, backup):
    (private / "ledger.sqlite").unlink()
    (private / "ledger.sqlite-wal").write_bytes(b"stale")
    moved = restore_backup(read_backup(backup), private).moved_aside
    assert [path.name for path in moved] == ["ledger.sqlite-wal"]
    assert not (private / "ledger.sqlite-wal").exists()


def test_an_unreadable_ledger_is_moved_aside_only_when_asked(private, backup):
    (private / "ledger.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(ContentConflictError, match="cannot be read"):
        restore_backup(read_backup(backup), private)
    assert len(restore_backup(read_backup(backup), private, replaces=True).moved_aside) == 1
    assert suppressed(private / "ledger.sqlite") == 1


def test_another_key_is_not_exchanged_in_silence_and_newer_heads_stay(private, backup):
    (private / "keys" / "numbers.key").write_bytes(b"22\n")
    (private / "keys" / "log_heads.pub").write_bytes(b"11\n33\n")
    write_private(private / "heads" / "00000001.json", b"{}")
    with pytest.raises(ContentConflictError, match=r"keys/numbers\.key"):
        restore_backup(read_backup(backup), private)
    restore_backup(read_backup(backup), private, replaces=True)
    assert (private / "keys" / "numbers.key").read_bytes() == b"00\n"
    assert (private / "keys" / "log_heads.pub").read_bytes() == b"11\n33\n"
    assert (private / "heads" / "00000001.json").exists()
