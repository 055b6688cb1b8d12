"""Backups: whole, private, read back; restored over nothing newer, and nothing is deleted."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mlife_assets.adapters import backups
from mlife_assets.adapters.backups import Backup, create_backup, read_backup
from mlife_assets.adapters.event_log.chain import Chain
from mlife_assets.adapters.lake_copy import copy_lake
from mlife_assets.adapters.log_heads import Ed25519Signer
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.private_files import private_file, write_private
from mlife_assets.adapters.restored_backups import RESTORED, Restored, restore_backup
from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.core.errors import (
    ContentConflictError,
    IntegrityError,
    InvalidInputError,
    NotFoundError,
    TransientError,
)
from mlife_assets.recruiting.ports import LedgerRow

NOW = datetime(2026, 6, 2, 18, tzinfo=UTC)
SIGNER = Ed25519Signer(b"s" * 32)


def read(folder: Path) -> Backup:
    return read_backup(folder, signed_by=SIGNER.public_key)


def opened(private: Path) -> closing[SqlLedger]:
    path = private_file(private / "ledger.sqlite")
    return closing(SqlLedger(f"sqlite:///{path}", survives_power_cut=False))


def plan(private: Path, *users: str) -> None:
    rows = [LedgerRow(f"m-{user}", user, "j", "c", date(2026, 6, 2), "hi", "planned", 0, None, NOW) for user in users]
    with opened(private) as ledger:
        ledger.plan(rows, now=NOW)


def make(private: Path, to: Path, **options: Any) -> Backup:
    with opened(private) as ledger:
        return create_backup(ledger, private, to, now=NOW, signer=SIGNER, **options)


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """Return a private folder with a ledger, two keys and a head."""
    folder = tmp_path / "private"
    plan(folder, "a", "b")
    with opened(folder) as ledger:
        ledger.suppress("c", now=NOW, reason="asked by post")
    write_private(folder / "keys" / "numbers.key", b"00\n")
    write_private(folder / "keys" / "log_heads.pub", b"11\n")
    write_private(folder / "heads" / "00000000.json", b"{}")
    return folder


@pytest.fixture
def backup(private: Path, tmp_path: Path) -> Path:
    return make(private, tmp_path / "backup").folder


def suppressed(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM suppressions").fetchone()[0])


def test_a_backup_holds_everything_and_is_private(backup):
    found = read(backup)
    assert set(found.files) == {"ledger.sqlite", "keys/numbers.key", "keys/log_heads.pub", "heads/00000000.json"}
    assert (found.rows["sends"], found.rows["suppressions"], found.rows["send_transitions"]) == (2, 1, 2)
    assert found.created_at == NOW
    for path in backup.rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600)
    with closing(sqlite3.connect(backup / "ledger.sqlite")) as connection:
        assert connection.execute("SELECT count(*) FROM sends").fetchone() == (2,)


def test_a_backup_is_whole_while_the_ledger_is_written(private, tmp_path):
    """What lies in the `-wal` only is in the backup, too."""
    with opened(private):
        plan(private, "d")
        assert make(private, tmp_path / "b").rows["sends"] == 3


def test_a_backup_needs_a_folder_of_its_own(private, backup):
    with pytest.raises(InvalidInputError, match="not empty"):
        make(private, backup)


@pytest.mark.parametrize("name", ["ledger.sqlite", "keys/numbers.key", "manifest.json"])
def test_a_backup_that_was_changed_or_cut_is_refused(backup, name):
    path = backup / name
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(IntegrityError, match="another backup"):
        read(backup)
    path.unlink()
    with pytest.raises((IntegrityError, NotFoundError)):
        read(backup)


def test_no_backup_is_said(tmp_path):
    with pytest.raises(NotFoundError, match="mlife backup create"):
        read(tmp_path)


def test_a_stale_wal_is_not_played_into_the_restored_ledger(private, backup):
    (private / "ledger.sqlite").unlink()
    (private / "ledger.sqlite-wal").write_bytes(b"stale")
    moved = restore_backup(read(backup), private).moved_aside
    assert [path.name for path in moved] == ["ledger.sqlite-wal"]
    assert not (private / "ledger.sqlite-wal").exists()


def test_an_unreadable_ledger_is_moved_aside_only_when_asked(private, backup):
    (private / "ledger.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(ContentConflictError, match="cannot be read"):
        restore_backup(read(backup), private)
    assert len(restore_backup(read(backup), private, replaces=True).moved_aside) == 1
    assert suppressed(private / "ledger.sqlite") == 1


def test_another_key_is_not_exchanged_in_silence_and_newer_heads_stay(private, backup):
    (private / "keys" / "numbers.key").write_bytes(b"22\n")
    (private / "keys" / "log_heads.pub").write_bytes(b"11\n33\n")
    write_private(private / "heads" / "00000001.json", b"{}")
    with pytest.raises(ContentConflictError, match=r"keys/numbers\.key"):
        restore_backup(read(backup), private)
    restore_backup(read(backup), private, replaces=True)
    assert (private / "keys" / "numbers.key").read_bytes() == b"00\n"
    assert (private / "keys" / "log_heads.pub").read_bytes() == b"11\n33\n"
    assert (private / "heads" / "00000001.json").exists()


class Killed(BaseException):
    """The process dies."""


@pytest.fixture
def lake(tmp_path: Path) -> ObstoreObjectStore:
    """Return a lake without an event log: what is in one is tested with `lake_copy`."""
    made = ObstoreObjectStore.local(tmp_path / "lake")
    made.put_if_absent("rejected/a.bin", b"a")
    made.put_if_absent("tables/b", b"b")
    return made


@pytest.fixture
def world(tmp_path: Path) -> Path:
    path = tmp_path / "world.json"
    path.write_text("{}")
    return path


@pytest.fixture
def whole(private: Path, lake: ObstoreObjectStore, world: Path, tmp_path: Path) -> Backup:
    """Return a backup with a lake and a world."""
    copy = partial(copy_lake, lake, Chain(lake))
    return make(private, tmp_path / "whole", home=world.parent, copy_lake=copy)


def test_a_whole_backup_is_private_and_comes_back_whole(whole, tmp_path):
    assert set(whole.lake) == {"rejected/a.bin", "tables/b"}
    for path in whole.folder.rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600)
    target, home = ObstoreObjectStore.local(tmp_path / "new" / "lake"), tmp_path / "new"
    restored = restore_backup(whole, home / "private", home=home, lake=target)
    assert restored == Restored((), 2, has_ledger=True)
    assert {key: target.get(key) for key in target.list("")} == {"rejected/a.bin": b"a", "tables/b": b"b"}
    assert (home / "world.json").read_text() == "{}"
    assert suppressed(home / "private" / "ledger.sqlite") == 1
    assert (home / "private" / "ledger.sqlite").stat().st_mode & 0o777 == 0o600
    assert (home / "private" / RESTORED).exists()
    again = restore_backup(whole, home / "private", home=home, lake=target)
    assert again.filled == 0, "safe to repeat"


def test_a_restore_that_dies_while_the_lake_is_filled_has_said_that_the_home_was_put_back(whole, tmp_path, monkeypatch):
    """Without it the days since the backup would be sent once more."""

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    home, target = tmp_path / "new", ObstoreObjectStore.local(tmp_path / "new" / "lake")
    monkeypatch.setattr(target, "put_if_absent", dies)
    with pytest.raises(KeyboardInterrupt):
        restore_backup(whole, home / "private", home=home, lake=target)
    assert (home / "private" / RESTORED).exists()


def test_a_backup_that_lost_many_files_names_a_few(whole):
    for name in [*whole.lake, "keys", "heads"]:
        path = whole.folder / "lake" / name if name in whole.lake else whole.folder / name
        path.unlink() if path.is_file() else [one.unlink() for one in path.iterdir()]
    with pytest.raises(IntegrityError, match="and 2 more"):
        read(whole.folder)


def test_a_backup_that_was_cut_off_never_looks_whole(private, lake, tmp_path, monkeypatch):
    """Killed while the lake is copied, then just before the manifest."""

    def dies(folder: Path) -> dict[str, str]:
        copy_lake(lake, Chain(lake), folder)
        raise Killed

    with pytest.raises(Killed):
        make(private, tmp_path / "first", copy_lake=dies)
    monkeypatch.setattr(backups.os, "sync", lambda: (_ for _ in ()).throw(Killed()))
    with pytest.raises(Killed):
        make(private, tmp_path / "second", copy_lake=partial(copy_lake, lake, Chain(lake)))
    for folder in (tmp_path / "first", tmp_path / "second"):
        assert (folder / "lake" / "tables" / "b").exists()
        with pytest.raises(NotFoundError, match="no whole backup"):
            read(folder)
        with pytest.raises(InvalidInputError, match="not empty"):
            make(private, folder)


def test_a_key_that_is_changed_meanwhile_makes_no_backup(private, tmp_path):
    def rotates(_: Path) -> dict[str, str]:
        write_private(private / "keys" / "numbers.key", b"22\n")
        return {}

    with pytest.raises(TransientError, match="try again"):
        make(private, tmp_path / "b", copy_lake=rotates)
    with pytest.raises(NotFoundError):
        read(tmp_path / "b")


def test_heads_are_copied_before_the_log_and_keys_after_it(private, tmp_path):
    """A head that is signed while the lake is copied may name what the copy lacks; its key is needed all the same."""

    def goes_on(_: Path) -> dict[str, str]:
        plan(private, "later")
        write_private(private / "heads" / "00000001.json", b"{}")
        write_private(private / "keys" / "mail.key", b"33\n")
        return {}

    made = make(private, tmp_path / "b", copy_lake=goes_on)
    assert "heads/00000001.json" not in made.files
    assert "keys/mail.key" in made.files
    assert made.rows["sends"] == 2


@pytest.mark.parametrize("there", ["lake", "world", "key", "unreadable ledger"])
def test_what_differs_is_refused_and_nothing_was_changed(whole, tmp_path, there):
    home = tmp_path / "new"
    lake = ObstoreObjectStore.local(home / "lake")
    different = {
        "lake": home / "lake" / "rejected" / "a.bin",
        "world": home / "world.json",
        "key": home / "private" / "keys" / "numbers.key",
        "unreadable ledger": home / "private" / "ledger.sqlite",
    }[there]
    write_private(different, b"another's")
    before = sorted(path for path in home.rglob("*") if path.is_file())
    with pytest.raises(ContentConflictError, match=different.name):
        restore_backup(whole, home / "private", home=home, lake=lake)
    assert sorted(path for path in home.rglob("*") if path.is_file()) == before == [different]
    assert different.read_bytes() == b"another's"


def test_a_restored_home_is_of_the_deployment_that_it_was_of(private, tmp_path):
    """Without its file a home is embedded, and a simulated market would be delivered among real people."""
    said = b'{"deployment": "standalone", "first_day": "2025-01-15", "contacts": "c.csv"}'
    (tmp_path / "deployment.json").write_bytes(said)
    made = make(private, tmp_path / "backup", home=tmp_path)
    home, other = tmp_path / "new", tmp_path / "other"
    restore_backup(made, home / "private", home=home)
    assert (home / "deployment.json").read_bytes() == said
    assert sorted(path.name for path in home.iterdir()) == ["deployment.json", "private"]
    other.mkdir()
    (other / "deployment.json").write_bytes(said.replace(b"01-15", b"01-16"))
    with pytest.raises(ContentConflictError, match=r"deployment\.json is of another world"):
        restore_backup(made, other / "private", home=other)
    assert [path.name for path in other.iterdir()] == ["deployment.json"], "nothing was changed"


def test_a_lake_that_lacks_nothing_is_no_home_that_was_lost(private, whole, lake):
    restore_backup(whole, private, lake=lake)
    assert not (private / RESTORED).exists()
