"""Backups and copies of a lake: whole, private, read back while others write; nothing newer is overwritten."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from threading import RLock
from typing import Any

import pyarrow as pa
import pytest
import yaml

from mlife_assets.adapters import backups
from mlife_assets.adapters.backups import Backup, create_backup, read_backup
from mlife_assets.adapters.event_log import ParquetEventLog, verify
from mlife_assets.adapters.event_log.chain import Chain
from mlife_assets.adapters.log_apart import LOG, LakeWithLogApart
from mlife_assets.adapters.log_heads import Ed25519Signer
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.private_files import private_file, write_private
from mlife_assets.adapters.restored_backups import RESTORED, Restored, copy_lake, fill_up, missing_in, restore_backup
from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.core.errors import (
    ContentConflictError,
    IntegrityError,
    InvalidInputError,
    NotFoundError,
    TransientError,
)
from mlife_assets.core.storage_places import Bucket
from mlife_tests.rows import events, planned_row
from mlife_tests.stores import Killed

NOW = datetime(2026, 6, 2, 18, tzinfo=UTC)
SIGNER = Ed25519Signer(b"s" * 32)
START = datetime(2026, 6, 1, tzinfo=UTC)
READINGS = 20
REPORT = "reports/ingest/as_of_date=2026-06-01/report.json"
EVENT = "events/event_type=click/dt=2026-06-10/hour=18/run-1-0123456789abcdef.parquet"
MANIFEST, TABLE, VERSION = "manifests/chain/000000000/000000000001.json", "tables/kpi/a.parquet", "models/v1/model.txt"


def read(folder: Path) -> Backup:
    return read_backup(folder, signed_by=SIGNER.public_key)


def opened(private: Path) -> closing[SqlLedger]:
    path = private_file(private / "ledger.sqlite")
    return closing(SqlLedger(f"sqlite:///{path}", survives_power_cut=False))


def plan(private: Path, *users: str) -> None:
    with opened(private) as ledger:
        ledger.plan([planned_row(user, "c", date(2026, 6, 2), NOW) for user in users], now=NOW)


def make(private: Path, to: Path, **options: Any) -> Backup:
    with opened(private) as ledger:
        return create_backup(ledger, private, to, now=NOW, signer=SIGNER, **options)


@pytest.fixture
def private(tmp_path: Path) -> Path:
    folder = tmp_path / "private"
    plan(folder, "a", "b")
    with opened(folder) as ledger:
        ledger.people.suppress("c", now=NOW, reason="asked by post")
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
    with closing(sqlite3.connect(backup / "ledger.sqlite")) as connection:
        assert connection.execute("SELECT count(*) FROM sends").fetchone() == (2,)


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


@pytest.fixture
def lake(tmp_path: Path) -> ObstoreObjectStore:
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
        with pytest.raises(NotFoundError, match=r"no whole backup.*mlife backup create"):
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


def test_a_lake_that_lacks_nothing_is_no_home_that_was_lost(private, whole, lake):
    restore_backup(whole, private, lake=lake)
    assert not (private / RESTORED).exists()


def registered(version: str, at: datetime) -> pa.Table:
    return events("model_registered", {"event_id": f"registered-{version}", "model_version": version}, at=at)


class Writer:
    """A deployment that goes on: each step stores a model, registers it, then says in a report how many there are."""

    def __init__(self, lake: ObstoreObjectStore) -> None:
        self.lake, self.log, self.steps, self.lock = lake, ParquetEventLog(lake), 0, RLock()

    def step(self) -> None:
        with self.lock:
            version = f"v{self.steps}"
            self.lake.put_if_absent(f"models/{version}/manifest.json", version.encode())
            self.lake.put_if_absent(f"fold_models/{version}/manifest.json", version.encode())
            self.lake.put_if_absent(f"rejected/{version}.bin", version.encode())
            at = START + timedelta(minutes=self.steps)
            self.log.append("model_registered", registered(version, at), writer="registry")
            self.steps += 1
            self.lake.replace(REPORT, str(self.steps).encode())
            self.lake.replace("outbox/ledger_position.json", str(self.steps).encode())


class Busy:
    """A lake to which somebody writes at each listing, before it and after it, and at the first readings."""

    def __init__(self, lake: ObstoreObjectStore, writer: Writer) -> None:
        self._lake, self._writer, self._readings = lake, writer, 0

    def __getattr__(self, name: str) -> Any:
        look = getattr(self._lake, name)

        def looked(*arguments: Any) -> Any:
            self._readings += name != "list"
            goes_on = name == "list" or self._readings < READINGS  # who reads on to the end would never get there
            if goes_on:
                self._writer.step()
            found = look(*arguments)
            if goes_on:
                self._writer.step()
            return found

        return looked


class Listing(ObstoreObjectStore):
    """A lake that lists keys which are gone."""

    def __init__(self, lake: ObstoreObjectStore, gone: list[str]) -> None:
        self.__dict__.update(vars(lake))
        self._lake, self._gone = lake, gone

    def list(self, prefix: str) -> list[str]:
        return sorted([*self._lake.list(prefix), *(key for key in self._gone if key.startswith(prefix))])


@pytest.fixture
def source(tmp_path: Path) -> ObstoreObjectStore:
    return ObstoreObjectStore.local(tmp_path / "lake")


@pytest.fixture
def writer(source: ObstoreObjectStore) -> Writer:
    made = Writer(source)
    for _ in range(3):
        made.step()
    source.replace("models/v0/card.html", b"a card")
    source.replace("dashboard.html", b"a page")
    return made


@pytest.fixture
def copied(writer: Writer, tmp_path: Path) -> dict[str, str]:
    return copy_lake(writer.lake, writer.log.chain, tmp_path / "copy")


def contents(lake: ObstoreObjectStore) -> dict[str, bytes]:
    return {key: lake.get(key) for key in lake.list("")}


def test_a_copy_that_is_made_while_others_write_fits_together(source, writer, tmp_path):
    busy: Any = Busy(source, writer)
    copy_lake(busy, ParquetEventLog(busy).chain, tmp_path / "copy")
    copy = ObstoreObjectStore.local(tmp_path / "copy")
    assert verify(copy).findings == ()
    known = {row["model_version"] for row in ParquetEventLog(copy).remembered("model_registered")[0]}
    assert {key.split("/")[1] for key in copy.list("models")} == known
    assert {key.split("/")[1] for key in copy.list("fold_models")} >= known
    assert {key.split("/")[1] for key in copy.list("rejected")} >= {f"{version}.bin" for version in known}
    assert len(known) < writer.steps, "they wrote until the end"
    assert 3 < int(copy.get(REPORT)) <= len(known), "a report knows no more than the log"
    assert int(copy.get("outbox/ledger_position.json")) <= len(known)


def test_of_what_was_listed_only_an_old_table_that_is_pruned_may_be_missing(source, writer, tmp_path):
    key = "tables/scores/as_of_date={}/part.parquet"
    source.replace(key.format("2026-06-01"), b"newest")
    copied = copy_lake(Listing(source, [key.format("2026-01-01")]), writer.log.chain, tmp_path / "copy")
    assert key.format("2026-06-01") in copied
    assert key.format("2026-01-01") not in copied
    for number, gone in enumerate(("dashboard/gone.html", key.format("2026-05-31"))):
        with pytest.raises(NotFoundError):
            copy_lake(Listing(source, [gone]), writer.log.chain, tmp_path / str(number))


def test_what_no_manifest_lists_is_not_copied(source, writer, tmp_path):
    planted = "events/event_type=click/dt=2026-06-01/hour=00/someone-000001-0123456789abcdef.parquet"
    source.put_if_absent(planted, b"of nobody")
    assert planted not in copy_lake(source, writer.log.chain, tmp_path / "copy")


@pytest.mark.parametrize("change", ["altered", "gone"])
def test_a_damaged_log_is_not_copied(source, writer, tmp_path, change):
    (key, *_) = source.list("events")
    path = tmp_path / "lake" / key
    path.write_bytes(b"altered") if change == "altered" else path.unlink()
    with pytest.raises(IntegrityError, match=r"mlife log verify.*--without-lake"):
        copy_lake(source, writer.log.chain, tmp_path / "copy")


def test_a_log_of_release_010_is_copied_whole(unpacked_0_1_0: Path, tmp_path):
    lake = ObstoreObjectStore.local(unpacked_0_1_0 / "lake")
    assert set(copy_lake(lake, ParquetEventLog(lake).chain, tmp_path / "copy")) == set(lake.list(""))
    found = verify(ObstoreObjectStore.local(tmp_path / "copy"))
    assert (found.findings, found.heads) == ((), verify(lake).heads)
    assert found.files > 100


def filled(lake: ObstoreObjectStore, copied: dict[str, str], copy: Path) -> list[str]:
    missing = missing_in(lake, copied)
    fill_up(lake, ObstoreObjectStore.local(copy).get, copied, missing)
    return missing


def test_an_empty_lake_and_one_that_was_filled_in_part_are_filled_up(source, copied, tmp_path):
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "copy").rglob("*") if path.is_file()} == {0o600}
    target = ObstoreObjectStore.local(tmp_path / "new")
    half = sorted(copied)[::2]
    fill_up(target, ObstoreObjectStore.local(tmp_path / "copy").get, copied, half)
    assert filled(target, copied, tmp_path / "copy") == sorted(copied.keys() - set(half))
    assert contents(target) == contents(source)
    assert filled(target, copied, tmp_path / "copy") == []


def test_a_lake_in_a_bucket_is_copied_and_filled_up_alike(source, writer, s3_place: Bucket, tmp_path):
    bucket = ObstoreObjectStore.in_bucket(s3_place)
    for key, data in contents(source).items():
        bucket.put_if_absent(key, data)
    copied = copy_lake(bucket, ParquetEventLog(bucket).chain, tmp_path / "copy")
    assert set(copied) == set(source.list(""))
    other = ObstoreObjectStore.in_bucket(Bucket(**{**vars(s3_place), "prefix": f"{s3_place.prefix}/restored"}))
    filled(other, copied, tmp_path / "copy")
    assert contents(other) == contents(source)


def test_a_lake_that_went_on_keeps_what_it_has(source, writer, copied, tmp_path):
    writer.step()
    source.replace("models/v0/card.html", b"a later card")
    before = contents(source)
    assert filled(source, copied, tmp_path / "copy") == []
    assert contents(source) == before


@pytest.mark.parametrize("folder", ["events", "manifests", "models", "fold_models", "rejected"])
def test_another_history_is_refused_by_its_first_key_and_nothing_is_changed(source, copied, tmp_path, folder):
    target = ObstoreObjectStore.local(tmp_path / "new")
    first, second = [key for key in sorted(copied) if key.startswith(f"{folder}/") and not key.endswith("html")][:2]
    target.put_if_absent(second, b"another's")
    target.put_if_absent(first, b"another's")
    with pytest.raises(ContentConflictError, match=first) as caught:
        missing_in(target, copied)
    assert second not in str(caught.value)
    assert target.list("") == [first, second]


def test_what_does_not_read_back_is_an_error(copied, tmp_path):
    with pytest.raises(IntegrityError, match="read back"):
        fill_up(
            ObstoreObjectStore.local(tmp_path / "new"),
            ObstoreObjectStore.local(tmp_path / "copy").get,
            copied | {"dashboard.html": "0"},
            list(copied),
        )


@pytest.fixture
def both(tmp_path: Path) -> tuple[ObstoreObjectStore, ObstoreObjectStore, LakeWithLogApart]:
    lake, log = (ObstoreObjectStore.local(tmp_path / name) for name in ("lake", "log"))
    return lake, log, LakeWithLogApart(lake, log)


def test_each_key_lies_where_it_belongs_and_is_found_there(both) -> None:
    lake, log, store = both
    for key in (EVENT, MANIFEST, TABLE, VERSION):
        assert store.put_if_absent(key, key.encode())
        assert not store.put_if_absent(key, key.encode())
        assert (store.get(key), store.exists(key)) == (key.encode(), True)
        assert store.written_at(key).tzinfo is not None
        with pytest.raises(ContentConflictError):
            store.put_if_absent(key, b"other")
    store.replace(TABLE, b"anew")
    pruned = "tables/candidate_pairs/as_of_date=2026-06-10/part.parquet"
    store.replace(pruned, b"old")
    store.delete(pruned)
    assert (log.list(""), lake.list("")) == ([EVENT, MANIFEST], [VERSION, TABLE])
    assert store.list("") == [EVENT, MANIFEST, VERSION, TABLE]
    assert store.folders("") == ["events", "manifests", "models", "tables"]
    assert store.folders("events") == ["event_type=click"]
    assert store.list("events/event_type=click") == [EVENT]
    assert not store.exists("tables/none")
    with pytest.raises(NotFoundError):
        store.get("events/none")


def test_no_way_to_ask_a_store_goes_to_the_lake_unseen() -> None:
    """What the class inherits knows the lake alone."""
    asked = {name for name in vars(ObstoreObjectStore) if not name.startswith("_")} - {
        "at", "in_bucket", "local", "root",
    }  # fmt: skip
    assert asked
    assert asked <= set(vars(LakeWithLogApart))


def test_the_log_is_written_where_its_bucket_takes_it(repository: Path) -> None:
    """The policy of `20-event-log` takes keys below these folders and no others."""
    text = (repository / "infra/templates/20-event-log.yaml").read_text(encoding="utf-8")
    (line,) = (line for line in text.splitlines() if "NotResource" in line)
    named = yaml.safe_load(line.strip().partition(": ")[2].replace("!Sub ", ""))
    assert named == [f"${{EventLogBucket.Arn}}/{folder}/*" for folder in LOG]
