"""A backup put where a home has its ledger, over nothing newer; what a home says that it holds."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import pytest
import sqlalchemy as sa

from mlife_assets.adapters import restored_backups
from mlife_assets.adapters.backups import Backup, create_backup, ledger_facts, read_backup
from mlife_assets.adapters.home_files import (
    begin_restore,
    end_restore,
    home_files,
    put_home_files,
    require_restored,
    require_same_world,
    unfinished_restore,
)
from mlife_assets.adapters.log_heads import Ed25519Signer
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.private_files import write_private
from mlife_assets.adapters.restored_backups import Restored, restore_backup
from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.adapters.send_ledger.migrations.revisions import UNVERSIONED, versions
from mlife_assets.adapters.send_ledger.schema import write
from mlife_assets.core import errors
from mlife_assets.core.errors import ContentConflictError, GateClosedError, IntegrityError, MlifeError, PermanentError
from mlife_assets.recruiting.ports import LedgerRow
from mlife_tests.sql import run_sql
from mlife_tests.stores import Killed

NOW = datetime(2026, 6, 2, 18, tzinfo=UTC)
SIGNER = Ed25519Signer(b"s" * 32)
DEPLOYMENT, WORLD = "deployment.json", "world.json"
HEAD = b'{"head": 0}'
RELEASES = Path(__file__).parent / "send_ledger" / "migrations" / "releases"
FILE, DATABASE = "new/ledger.sqlite", "postgresql"


def read(folder: Path) -> Backup:
    return read_backup(folder, signed_by=SIGNER.public_key)


@dataclass
class Place:
    """Where the ledger of a home is; `private` is the folder of its keys."""

    name: str
    private: Path
    database: str | None
    open_at: Callable[[str], SqlLedger]
    opened: list[SqlLedger] = field(default_factory=list)

    def open(self) -> SqlLedger:
        """Open the ledger anew."""
        self.close()
        self.opened.append(self.open_at(self.name))
        return self.opened[-1]

    def close(self) -> None:
        for ledger in self.opened:
            ledger.close()

    def restore(self, backup: Backup, **given: Any) -> Restored:
        """Restore a backup while nobody has the ledger open, and say that this ended."""
        self.close()
        restored = restore_backup(backup, self.private, database=self.database, **given)
        end_restore(self.private)
        return restored

    def files(self) -> dict[str, bytes]:
        found = [path for path in self.private.rglob("*") if path.is_file()]
        return {str(path.relative_to(self.private)): path.read_bytes() for path in found if path.parent != self.private}


@pytest.fixture(params=[FILE, DATABASE], ids=["in a file", "in a database"])
def place(request: pytest.FixtureRequest, tmp_path: Path, open_at: Callable[[str], SqlLedger]) -> Place:
    database = request.getfixturevalue("postgres_url") if request.param == DATABASE else None
    return Place(request.param, tmp_path / "new", database, open_at)


@pytest.fixture
def in_database(postgres_url: str, tmp_path: Path, open_at: Callable[[str], SqlLedger]) -> Place:
    return Place(DATABASE, tmp_path / "new", postgres_url, open_at)


@pytest.fixture
def back_up(tmp_path: Path) -> Callable[[SqlLedger], Backup]:
    """Return what makes a backup of a ledger, with a key and a head, and closes it."""

    def made(ledger: SqlLedger, name: str = "backup") -> Backup:
        old = tmp_path / "old"
        write_private(old / "keys" / "numbers.key", b"00\n")
        write_private(old / "heads" / "00000000.json", HEAD)
        ledger.heads.put(0, HEAD, at=NOW)
        backup = create_backup(ledger, old, tmp_path / name, now=NOW, signer=SIGNER)
        ledger.close()
        return backup

    return made


@pytest.fixture
def backup(open_at: Callable[[str], SqlLedger], fill: Callable[[SqlLedger], None], back_up: Any) -> Backup:
    ledger = open_at("old.sqlite")
    fill_but_heads(ledger, fill)
    return back_up(ledger)


def fill_but_heads(ledger: SqlLedger, fill: Callable[[SqlLedger], None]) -> None:
    fill(ledger)
    with write(ledger.engine) as connection:
        connection.exec_driver_sql("DELETE FROM log_heads WHERE sequence = 0")


def plan(ledger: SqlLedger, user: str = "later") -> None:
    ledger.plan([LedgerRow(f"m-{user}", user, "j", "c", date(2027, 6, 2), "hi", "planned", 0, None, NOW)], now=NOW)


def of_0_1_0(dialect: str) -> list[str]:
    script = (RELEASES / f"0.1.0.{dialect}.sql").read_text(encoding="utf-8")
    return [statement for statement in script.split(";") if statement.strip()]


@pytest.mark.parametrize("source", ["old.sqlite", "postgresql 2"], ids=["from a file", "from a database"])
def test_a_ledger_comes_back_wherever_it_was_and_the_next_numbers_are_those_of_its_twin(
    open_at, fill, contents, next_numbers, back_up, place, source
):
    twin = open_at(source)
    fill_but_heads(twin, fill)
    backup = back_up(twin)
    assert place.restore(backup) == Restored((), 0, has_ledger=True)
    restored, twin = place.open(), open_at(source)
    assert contents(restored) == contents(twin)
    assert next_numbers(restored) == next_numbers(twin) == [8, 8, 8]
    assert place.files() == {"keys/numbers.key": b"00\n", "heads/00000000.json": HEAD}


def test_a_ledger_that_knows_no_more_is_moved_aside_whole_and_replaced(open_at, backup, contents, place):
    plan(place.open())
    before = contents(place.open())
    (moved,) = place.restore(backup).moved_aside
    assert moved == place.private / "replaced-1" / "ledger.sqlite"
    assert moved.stat().st_mode & 0o777 == 0o600
    assert contents(open_at("new/replaced-1/ledger.sqlite")) == before
    assert not list(place.private.glob("restoring-*"))
    again = place.restore(backup)
    assert [path.parent.name for path in again.moved_aside] == ["replaced-2"], "safe to repeat"
    assert contents(place.open()) == contents(open_at("backup/ledger.sqlite"))


def test_a_newer_ledger_stays_unless_asked_and_is_then_moved_aside(backup, contents, place, tmp_path):
    place.restore(backup)
    ledger = place.open()
    plan(ledger)
    newer = contents(ledger)
    with pytest.raises(ContentConflictError, match=r"has rows that the backup's lacks .*send_transitions.*--replace"):
        place.restore(backup)
    assert place.restore(backup, lake=ObstoreObjectStore.local(tmp_path / "lake")) == Restored((), 0, has_ledger=False)
    assert contents(place.open()) == newer
    (moved,) = place.restore(backup, replaces=True).moved_aside
    assert ledger_facts(moved).last_transition == 8
    ledger = place.open()
    assert ledger.positions()["transitions"] == 7
    assert contents(ledger) != newer


def stop(ledger: SqlLedger) -> None:
    ledger.replies.record("link-1", "nobody waits", "STOP", received_at=NOW, now=NOW, channel="email")


LEARNED = {
    "a stop by mail": (stop, "inbound_texts, suppressions"),
    "somebody who asked by post": (
        lambda ledger: ledger.people.suppress("c", now=NOW, reason="asked by post"),
        "suppressions",
    ),
    "a pause": (lambda ledger: ledger.switches.pause(actor="ann", reason="stop", now=NOW), "switches"),
    "a signed head": (lambda ledger: ledger.heads.put(7, b"{}", at=NOW), "log_heads"),
}


@pytest.mark.parametrize(("learn", "tables"), LEARNED.values(), ids=LEARNED)
def test_what_a_ledger_learned_without_a_move_is_not_replaced(backup, contents, place, learn, tables, tmp_path):
    """A backup at night, a STOP in the morning, and at noon the disk of the home is gone, but not its database."""
    place.restore(backup)
    ledger = place.open()
    learn(ledger)
    knows = contents(ledger)
    with pytest.raises(ContentConflictError, match=rf"lacks \({tables}\); keep it"):
        place.restore(backup)
    assert not place.restore(backup, lake=ObstoreObjectStore.local(tmp_path / "lake")).has_ledger
    assert contents(place.open()) == knows


def test_a_ledger_and_a_key_that_are_replaced_lie_in_one_folder(backup, place):
    plan(place.open())
    write_private(place.private / "keys" / "numbers.key", b"22\n")
    with pytest.raises(ContentConflictError, match=r"keys/numbers\.key"):
        place.restore(backup)
    moved = place.restore(backup, replaces=True).moved_aside
    assert {path.relative_to(place.private).as_posix() for path in moved} == {
        "replaced-1/ledger.sqlite",
        "replaced-1/keys-numbers.key",
    }
    assert (place.private / "keys" / "numbers.key").read_bytes() == b"00\n"


def test_a_ledger_of_an_older_release_is_moved_on_and_its_backup_stays_what_it_is(
    backup, contents, place, open_at, tmp_path
):
    path = backup.folder / "ledger.sqlite"
    path.unlink()
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        for statement in of_0_1_0("sqlite"):
            connection.exec_driver_sql(statement)
        connection.exec_driver_sql("INSERT INTO suppressions VALUES ('z', 'complaint', 1)")
        connection.exec_driver_sql(
            "INSERT INTO send_transitions (message_id, user_id, campaign, as_of_date, to_state, attempt, occurred_at, "
            "at) VALUES ('m', 'u', 'c', '2026-06-02', 'planned', 0, 1, 1)"
        )
    engine.dispose()
    before = path.read_bytes()
    old = Backup(backup.folder, NOW, {**backup.files, "ledger.sqlite": sha256(before).hexdigest()}, {})
    assert ledger_facts(path).revision == UNVERSIONED
    assert place.restore(old).has_ledger
    assert path.read_bytes() == before
    assert [one.name for one in backup.folder.glob("ledger*")] == ["ledger.sqlite"]
    shutil.copy(path, tmp_path / "moved_on.sqlite")
    restored = place.open()
    assert contents(restored) == contents(open_at("moved_on.sqlite"))
    assert restored.people.is_suppressed("z", at=NOW)


def test_a_ledger_of_an_older_release_that_is_replaced_is_moved_on_before_it_is_moved_aside(
    in_database, backup, contents, open_at
):
    run_sql(
        in_database.database,
        "CREATE SCHEMA mlife; SET search_path = mlife",
        *of_0_1_0("postgresql"),
        "INSERT INTO suppressions VALUES ('z', 'complaint', 1)",
    )
    assert not in_database.restore(backup).has_ledger, "the backup knows nothing of z"
    (moved,) = in_database.restore(backup, replaces=True).moved_aside
    assert ledger_facts(moved).rows["suppressions"] == 1
    assert open_at("new/replaced-1/ledger.sqlite").people.is_suppressed("z", at=NOW)
    assert contents(in_database.open()) == contents(open_at("backup/ledger.sqlite"))


def test_a_restore_that_was_killed_leaves_the_ledger_that_was_there_and_is_done_by_repeating_it(
    in_database, backup, contents, open_at, monkeypatch
):
    plan(in_database.open())
    before = contents(in_database.open())

    def dies(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(restored_backups, "write_private", dies)
        with pytest.raises(Killed):
            in_database.restore(backup)
    assert contents(in_database.open()) == before
    (in_database.private / "restoring-1").mkdir()
    write_private(in_database.private / "restoring-1" / "backup.sqlite", b"what SIGKILL leaves")
    assert in_database.restore(backup).has_ledger
    assert contents(in_database.open()) == contents(open_at("backup/ledger.sqlite"))
    assert not list(in_database.private.glob("restoring-*"))


def test_a_ledger_is_seen_in_a_database_only_once_the_rest_is_there(in_database, backup, contents, monkeypatch):
    """And nobody writes meanwhile."""
    other = in_database.open_at(DATABASE)
    plan(other)
    before, seen = contents(other), []

    def looks(path: Path, data: bytes) -> None:
        with other.engine.connect() as connection:
            is_free = connection.exec_driver_sql("SELECT pg_try_advisory_xact_lock(7103331)").scalar()
        seen.append((contents(other) == before, is_free))
        write_private(path, data)

    monkeypatch.setattr(restored_backups, "write_private", looks)
    in_database.restore(backup)
    assert set(seen) == {(True, False)}
    assert contents(other) != before


@pytest.fixture
def as_user(postgres_url: str) -> Iterator[Callable[..., str]]:
    name = f"restorer_{sa.make_url(postgres_url).database}"

    def address(*rights: str) -> str:
        run_sql(postgres_url, f"CREATE ROLE {name} LOGIN", *(right.format(user=name) for right in rights))
        return sa.make_url(postgres_url).set(username=name).render_as_string(hide_password=False)

    yield address
    run_sql(postgres_url, f"DROP OWNED BY {name}", f"DROP ROLE {name}")


MAY = "GRANT {} ON ALL TABLES IN SCHEMA mlife TO {{user}}"
USES = ("GRANT USAGE ON SCHEMA mlife TO {user}", "GRANT SELECT, USAGE ON ALL SEQUENCES IN SCHEMA mlife TO {user}")
RIGHTS = {
    "to use the schema": (), "to read": USES, "to delete": (*USES, MAY.format("SELECT, INSERT")),
    "to insert": (*USES, MAY.format("SELECT, DELETE")), "to number": (*USES, MAY.format("SELECT, INSERT, DELETE")),
}  # fmt: skip


@pytest.mark.parametrize("rights", RIGHTS.values(), ids=RIGHTS)
def test_a_right_that_is_missing_is_found_before_anything_changes(in_database, backup, contents, as_user, rights):
    plan(in_database.open())
    before = contents(in_database.open())
    limited = Place(DATABASE, in_database.private, as_user(*rights), in_database.open_at)
    with pytest.raises(PermanentError, match="lacks a right"):
        limited.restore(backup, replaces=True)
    assert contents(in_database.open()) == before
    assert list(in_database.private.rglob("*")) == [], "no key, no head, no copy"


def test_a_right_to_make_the_schema_that_is_missing_is_found_before_anything_changes(in_database, backup, as_user):
    limited = Place(DATABASE, in_database.private, as_user(), in_database.open_at)
    with pytest.raises(PermanentError, match="GRANT CREATE ON DATABASE"):
        limited.restore(backup)
    assert not in_database.private.exists()


def test_a_database_that_cannot_be_reached_changes_nothing(in_database, backup):
    away = "postgresql://u:hidden-pass-word@127.0.0.1:1/mlife"
    with pytest.raises(errors.TransientError, match="cannot be reached") as caught:
        restore_backup(backup, in_database.private, database=away, replaces=True)
    assert "hidden" not in str(caught.value)
    assert not in_database.private.exists()


DAMAGES = {
    "a table is gone": ("DROP TABLE numbers", "no such table: numbers"),
    "a day that is none": ("UPDATE sends SET as_of_date = 'soon' WHERE rowid = 1", "soon"),
    "a state that is none": (
        "PRAGMA ignore_check_constraints = on; UPDATE sends SET state = 'lost' WHERE rowid = 1",
        "known_state",
    ),
    "a byte that PostgreSQL has not": ("UPDATE switches SET reason = 'a' || char(0)", "NUL"),
    "text for a number": ("UPDATE sends SET attempts = 'many' WHERE rowid = 1", "many"),
}


@pytest.mark.parametrize(("change", "words"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_ledger_is_found_before_anything_changes(in_database, backup, contents, change, words):
    """With a hash that fits, as when it was damaged before it was backed up."""
    plan(in_database.open())
    before = contents(in_database.open())
    engine = sa.create_engine(f"sqlite:///{backup.folder / 'ledger.sqlite'}")
    with engine.begin() as connection:
        for statement in change.split("; "):
            connection.exec_driver_sql(statement)
    engine.dispose()
    digest = sha256((backup.folder / "ledger.sqlite").read_bytes()).hexdigest()
    fitting = replace(backup, files={**backup.files, "ledger.sqlite": digest})
    with pytest.raises(IntegrityError, match=f"cannot be put into the database.*{words}.*use another backup"):
        in_database.restore(fitting)
    assert contents(in_database.open()) == before
    assert list(in_database.private.rglob("*")) == []


def test_what_is_no_fault_of_the_backup_is_not_blamed_on_it(in_database, backup):
    plan(in_database.open())
    impatient = f"{in_database.database}&options=-clock_timeout%3D10"
    with in_database.open().engine.connect() as connection:
        connection.exec_driver_sql("LOCK TABLE suppressions IN SHARE MODE")
        with pytest.raises((sa.exc.OperationalError, MlifeError), match="lock timeout") as caught:
            restore_backup(backup, in_database.private, database=impatient)
    assert not isinstance(caught.value, IntegrityError)


@pytest.mark.parametrize(("moves", "replaces"), [(1, False), (8, False), (1, True)])
def test_beside_a_ledger_of_another_home_nothing_is_restored(in_database, backup, contents, tmp_path, moves, replaces):
    """Nor is it replaced, whatever it knows."""
    ledger = in_database.open()
    ledger.heads.put(0, b'{"head": "another"}', at=NOW)
    for number in range(moves):
        plan(ledger, f"user {number}")
    before, lake = contents(ledger), ObstoreObjectStore.local(tmp_path / "lake")
    with pytest.raises(ContentConflictError, match="another home's than the backup's; name a database of its own"):
        in_database.restore(backup, replaces=replaces, lake=lake)
    assert contents(in_database.open()) == before
    assert list(in_database.private.rglob("*")) == []


def test_a_ledger_of_a_newer_release_is_refused_and_once_it_is_renamed_the_backup_comes_back(
    in_database, backup, contents, open_at
):
    in_database.open().close()
    run_sql(in_database.database, f"UPDATE mlife.{versions.name} SET version_num = '9999'")
    for replaces in (False, True):
        with pytest.raises(errors.UpstreamMismatchError, match="rename its schema and restore the backup"):
            in_database.restore(backup, replaces=replaces)
    run_sql(in_database.database, "ALTER SCHEMA mlife RENAME TO mlife_before")
    assert in_database.restore(backup).has_ledger
    assert contents(in_database.open()) == contents(open_at("backup/ledger.sqlite"))


def test_a_file_that_a_home_had_before_its_database_stays(in_database, backup):
    write_private(in_database.private / "ledger.sqlite", b"the former ledger")
    assert in_database.restore(read(backup.folder)).moved_aside == ()
    assert (in_database.private / "ledger.sqlite").read_bytes() == b"the former ledger"


def test_a_restore_is_unfinished_from_its_beginning_to_its_end(tmp_path: Path) -> None:
    private = tmp_path / "private"
    assert unfinished_restore(private) is None
    require_restored(private)
    for _ in range(2):
        begin_restore(private, Path("/mnt/a b"))
        with pytest.raises(GateClosedError, match="run it again: mlife backup restore --from '/mnt/a b'"):
            require_restored(private)
    end_restore(private)
    end_restore(private)
    require_restored(private)


def folder_with(folder: Path, name: str, data: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(data)
    return folder


def reader(folder: Path) -> Callable[[str], bytes]:
    return lambda name: (folder / name).read_bytes()


def begun(first_day: str = "2025-01-15", **kept: str) -> bytes:
    return orjson.dumps({"deployment": "standalone", "first_day": first_day, **kept})


def test_what_is_there_stays_and_what_is_not_comes_back(tmp_path: Path) -> None:
    backup, home = folder_with(tmp_path / "backup", DEPLOYMENT, begun(contacts="c.csv")), tmp_path / "new"
    for _ in range(2):
        put_home_files(home, [DEPLOYMENT], reader(backup))
        assert home_files(home) == {DEPLOYMENT: home / DEPLOYMENT}
        assert (home / DEPLOYMENT).read_bytes() == begun(contacts="c.csv")
    (home / DEPLOYMENT).write_bytes(begun(contacts="moved.csv"))
    require_same_world(home, [DEPLOYMENT], reader(backup))
    put_home_files(home, [DEPLOYMENT], reader(backup))
    assert (home / DEPLOYMENT).read_bytes() == begun(contacts="moved.csv"), "a file of the owner's may have moved"
    assert [path.name for path in home.iterdir()] == [DEPLOYMENT]


@pytest.mark.parametrize(
    ("saved", "saved_data", "name", "data"),
    [
        (DEPLOYMENT, begun(), DEPLOYMENT, begun("2025-01-16")),
        (DEPLOYMENT, begun(), DEPLOYMENT, b"{"),
        (DEPLOYMENT, begun(), WORLD, b"{}"),
        (WORLD, b"{}", DEPLOYMENT, begun()),
        (WORLD, b"{}", WORLD, b'{"seed": 2}'),
    ],
)
def test_another_world_is_refused(tmp_path: Path, saved: str, saved_data: bytes, name: str, data: bytes) -> None:
    backup, home = folder_with(tmp_path / "backup", saved, saved_data), folder_with(tmp_path / "home", name, data)
    with pytest.raises(ContentConflictError, match=f"{name} is of another world"):
        require_same_world(home, [saved], reader(backup))


def test_a_backup_that_says_nothing_or_a_restore_without_a_home_asks_nothing(tmp_path: Path) -> None:
    home = folder_with(tmp_path / "home", DEPLOYMENT, begun())
    require_same_world(home, [], reader(tmp_path))
    backup = folder_with(tmp_path / "backup", WORLD, b"{}")
    require_same_world(None, [WORLD], reader(backup))
    put_home_files(None, [WORLD], reader(backup))
