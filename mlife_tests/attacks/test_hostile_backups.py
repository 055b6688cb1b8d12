"""Row 2 of the second attack: a backup that a stranger had in hand is refused, or gives back what was backed up.

A stranger may change every byte of it and knows all code; the public key of the home is known from elsewhere.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import tarfile
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner, Result

from mlife_assets.adapters.backups import read_backup
from mlife_assets.adapters.event_log import ParquetEventLog
from mlife_assets.adapters.keyring import Keyring
from mlife_assets.adapters.log_heads import Ed25519Signer
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.cli import app
from mlife_assets.cli import backup as command
from mlife_assets.core.errors import IntegrityError, InvalidInputError
from mlife_assets.deployments.backup import back_up
from mlife_assets.deployments.sealing import audit_log, rotate_key, seal

OLD = Path(__file__).parents[1] / "golden" / "backup_before_signatures.tar.xz"
EACH, LARGE = 24, 1 << 30
KEYS = "keys/numbers.key"


@pytest.fixture(scope="module")
def lived(backed_up_home: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    """Return a home, a backup of it and the public key that signed it; no test may change them."""
    folder = tmp_path_factory.mktemp("lived")
    platform = backed_up_home.live(folder / "home")
    backup = back_up(platform.home, folder / "backup", now=backed_up_home.NOW)
    platform.ledger.close()
    assert backup.signed_by is not None
    return folder / "home", folder / "backup", backup.signed_by


@pytest.fixture
def backup(lived: tuple[Path, Path, str], tmp_path: Path) -> Path:
    return Path(shutil.copytree(lived[1], tmp_path / "stolen" / "backup"))


@pytest.fixture
def key(lived: tuple[Path, Path, str]) -> str:
    return lived[2]


@pytest.fixture
def restore(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Return what runs `mlife backup restore`; features are not built, which takes minutes."""
    monkeypatch.setenv("MLIFE_ENVIRONMENT", "staging")
    monkeypatch.setattr(command, "_rebuild", lambda _: None)

    def run(source: Path, home: Path, *options: str) -> Result:
        arguments = ["backup", "restore", "--from", str(source), "--home", str(home), *options]
        return CliRunner().invoke(app, arguments, catch_exceptions=False)

    return run


def state(folder: Path) -> dict[str, str]:
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            found[str(path)] = f"-> {path.readlink()}"
        else:
            told = path.stat()
            is_small = path.is_file() and told.st_size < LARGE
            found[str(path)] = sha256(path.read_bytes()).hexdigest() if is_small else f"{told.st_mode:o} {told.st_ino}"
    return found


def add(backup: Path, document: dict[str, Any], name: str, place: Path) -> None:
    """Let a manifest list one more file, which is where its name leads."""
    data = b"0123456789abcdef" * 4
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)
    document["files"][name] = sha256(data).hexdigest()
    document["sizes"][name] = len(data)


NAMES = (
    "keys/../../../x", "../x", "keys/../../ledger.sqlite", "lake/../../x", "lake/a/../../../../x", "./x", "x",
    "keys//x.key", "keys/x.key/", "keys/x.sh", "keys/a/b.key", "heads/1.json", "heads/../x.json", "private/x.key",
    "manifest.json", "ledger.sqlite-wal", "lake/", "lake", "lake//a", "lake/.", "KEYS/x.key", "keys/\u0430.key",
    "keys/x.key\n", "warehouse.duckdb", "world.json/..", "keys\\..\\x.key",
)  # fmt: skip


def with_names(rng: random.Random, backup: Path, document: dict[str, Any], outside: Path) -> None:
    name = rng.choice([*NAMES, f"{outside}/x", f"lake/{outside}/x"])
    add(backup, document, name, Path(os.path.normpath(backup / name.strip("/"))).with_name(f"x{rng.random()}"))
    with_target = Path(os.path.normpath(backup / name))
    if not with_target.exists() and backup.parent in with_target.parents and with_target != backup:
        add(backup, document, name, with_target)


def with_links(rng: random.Random, backup: Path, document: dict[str, Any], outside: Path) -> None:
    names = sorted({*document["files"], "keys", "heads", "lake", "lake/events", "manifest.json"})
    path = backup / rng.choice(names)
    target = outside / "moved"
    shutil.move(path, target)
    kind = rng.choice(["absolute", "relative", "pipe", "to itself"])
    if kind == "pipe" and target.is_file():
        os.mkfifo(path)
    else:
        to = {"absolute": target, "relative": Path(os.path.relpath(target, path.parent)), "pipe": target}
        path.symlink_to(to.get(kind, path))


def with_sizes(rng: random.Random, backup: Path, document: dict[str, Any], _: Path) -> None:
    name, sizes = rng.choice(sorted(document["files"])), document["sizes"]
    path = backup / name
    acts: list[Callable[[], object]] = [
        lambda: path.write_bytes(path.read_bytes() + b"\0"), lambda: path.write_bytes(path.read_bytes()[:-1]),
        path.unlink, lambda: os.truncate(path, 1 << 40),
        lambda: sizes.update({name: sizes[name] + rng.choice([-1, 1, 1 << 62])}),
        lambda: sizes.update({name: rng.choice([None, "1", [], -1, 0.5])}),
    ]  # fmt: skip
    rng.choice(acts)()


def with_hashes(rng: random.Random, backup: Path, document: dict[str, Any], _: Path) -> None:
    files = document["files"]
    one, other = rng.sample(sorted(files), 2)
    document["files"] = rng.choice(
        [
            files | {one: files[other], other: files[one]}, files | {one: sha256(other.encode()).hexdigest()},
            files | {one: rng.choice(["", "0", "\0" * 64])}, files | {one: rng.choice([None, 1, ["a"], {}])}, {},
            rng.choice([None, [], "x", 1]), files | {one: files[one].upper()},
            {name: digest for name, digest in files.items() if name != one} | {other: files[one]},
            {name: digest for name, digest in files.items() if name != "ledger.sqlite"},
        ]
    )  # fmt: skip


def with_ledgers(rng: random.Random, backup: Path, document: dict[str, Any], _: Path) -> None:
    """Hash, size and rows are made to fit: the signature alone can tell."""
    path = backup / "ledger.sqlite"
    statement = rng.choice(
        [
            "DELETE FROM suppressions", "DELETE FROM suppressions WHERE person_id = 'u8'", "DELETE FROM sends",
            "UPDATE suppressions SET person_id = 'nobody' WHERE person_id = 'u8'",
            "UPDATE sends SET user_id = 'u9', person_id = 'u9'",
            "DELETE FROM log_heads", "INSERT INTO approvals VALUES ('p', 'c', '2026-06-11', 'd', 1, 'ann', 'r', 1)",
            "DROP TABLE suppressions", "UPDATE send_transitions SET sequence = sequence + 1000",
            "CREATE TRIGGER t AFTER INSERT ON suppressions BEGIN "
            "DELETE FROM suppressions; END",
        ]
    )  # fmt: skip
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()
        counted = connection.execute("SELECT name FROM sqlite_master WHERE name = 'suppressions'").fetchone()
        rows = connection.execute("SELECT count(*) FROM suppressions").fetchone()[0] if counted else 0
    data = path.read_bytes()
    document["files"]["ledger.sqlite"], document["sizes"]["ledger.sqlite"] = sha256(data).hexdigest(), len(data)
    document["rows"]["suppressions"] = rows


def with_keys(rng: random.Random, backup: Path, document: dict[str, Any], _: Path) -> None:
    """A key, a pin, a head or the signature is the stranger's."""
    ours = Ed25519Signer(rng.randbytes(32))
    name = rng.choice([KEYS, "keys/links.key", "keys/log_heads.pub", "keys/log_heads.key", "heads/00000000.json"])
    data = {"keys/log_heads.pub": ours.public_key.hex(), "heads/00000000.json": "{}"}.get(name, rng.randbytes(32).hex())
    (backup / name).write_text(f"{data}\n")
    digest = sha256((backup / name).read_bytes()).hexdigest()
    document["files"][name], document["sizes"][name] = digest, (backup / name).stat().st_size
    content = {name: value for name, value in document.items() if name != "signed"}
    whole = sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()
    signature = ours.sign(b"mlife backup\n" + whole.encode()).hex()
    document["signed"] = rng.choice(
        [
            {"key": ours.public_key.hex(), "signature": signature},
            {"key": document["signed"]["key"], "signature": signature},
            {"key": document["signed"]["key"], "signature": ""},
            document["signed"],
            None,
        ]
    )


# A stranger can take the signature away from anything; what is no matter of trust is refused all the same.
MUTATIONS: dict[str, tuple[Callable[..., None], bool]] = {
    "names": (with_names, True), "links": (with_links, True), "sizes": (with_sizes, True),
    "hashes": (with_hashes, True), "ledgers": (with_ledgers, False), "keys": (with_keys, False),
}  # fmt: skip


@pytest.mark.parametrize(("mutate", "unsigned_too"), MUTATIONS.values(), ids=MUTATIONS)
def test_a_mutated_backup_is_refused_and_nothing_was_touched(
    lived, key, restore, backed_up_home, tmp_path, mutate, unsigned_too
):
    for number in range(EACH):
        rng = random.Random(f"{mutate.__name__} {number}")
        place = tmp_path / str(number)
        backup, outside = place / "in" / "backup", place / "outside"
        shutil.copytree(lived[1], backup)
        outside.mkdir()
        # Every third into a home that is there: it holds the backup against its own key.
        home, options = place / "target" / "home", ["--signed-by", key]
        if number % 3 == 0:
            shutil.copytree(lived[0], home)
            shutil.rmtree(home / "lake")
            options = []
        document = backed_up_home.manifest_of(backup)
        mutate(rng, backup, document, outside)
        manifest = backup / "manifest.json"
        is_stripped = unsigned_too and number % 2 == 0
        if is_stripped:
            document["signed"] = None
            options = ["--unsigned"]
        if manifest.is_file() and not manifest.is_symlink():
            backed_up_home.put_manifest(backup, document)
        before = state(place)
        result = restore(backup, home, *options)
        words = f"{mutate.__name__} {number}: {result.output}"
        assert result.exit_code == 1, words
        assert "Traceback" not in result.output, words
        assert str(backup) in result.output.replace("\n", ""), words
        assert state(place) == before, words
        shutil.rmtree(place)


def test_a_name_that_leads_outside_is_not_followed_although_the_backup_is_taken_on_trust(
    backup, restore, backed_up_home, tmp_path
):
    """As it was seen: a name, a file that is there, a hash that fits."""
    document = backed_up_home.manifest_of(backup)
    add(backup, document, "keys/../../../x", backup.parent.parent / "x")
    (backup.parent.parent / "x").rename(backup / "x")
    shutil.copy(backup / "x", backup.parent.parent / "x")
    del document["signed"]
    backed_up_home.put_manifest(backup, document)
    before = (backup.parent.parent / "x").stat().st_mtime_ns
    result = restore(backup, tmp_path / "a" / "b" / "home", "--unsigned")
    assert (result.exit_code, "which no backup holds" in result.output) == (1, True)
    assert not (tmp_path / "a").exists()
    assert (backup.parent.parent / "x").stat().st_mtime_ns == before


@pytest.mark.parametrize("name", ["lake/" + "a" * 300, "lake/" + "a/" * 3000 + "b"])
def test_a_name_that_no_disk_takes_is_refused(backup, restore, backed_up_home, tmp_path, name):
    document = backed_up_home.manifest_of(backup)
    document["files"][name] = "0" * 64
    del document["signed"]
    backed_up_home.put_manifest(backup, document)
    result = restore(backup, tmp_path / "home", "--unsigned")
    assert (result.exit_code, "cannot be read (File name too long)" in result.output.replace("\n", " ")) == (1, True)
    assert not (tmp_path / "home").exists()


def test_suppressions_that_were_deleted_are_missed(backup, restore, backed_up_home, key, tmp_path):
    with closing(sqlite3.connect(backup / "ledger.sqlite")) as connection:
        connection.execute("DELETE FROM suppressions")
        connection.commit()
    document = backed_up_home.manifest_of(backup)
    backed_up_home.fit(backup, document, "ledger.sqlite")
    backed_up_home.put_manifest(backup, document)
    result = restore(backup, tmp_path / "home", "--signed-by", key)
    assert (result.exit_code, "signature" in result.output) == (1, True)
    del document["signed"]
    backed_up_home.put_manifest(backup, document)
    result = restore(backup, tmp_path / "home", "--signed-by", key)
    assert "suppressions may be missing" in result.output
    result = restore(backup, tmp_path / "home", "--unsigned")
    assert "has other rows than its manifest.json says" in result.output, "who recomputes a hash may forget the counts"
    assert not (tmp_path / "home").exists()


def test_a_journal_beside_the_ledger_is_not_played_into_it(backup, restore, backed_up_home, key, tmp_path):
    """Not in the issue's table: SQLite takes a file for what a log or a journal beside it makes of it."""
    changed = tmp_path / "changed" / "ledger.sqlite"
    changed.parent.mkdir()
    shutil.copy(backup / "ledger.sqlite", changed)
    connection = sqlite3.connect(changed)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("DELETE FROM suppressions")
    connection.commit()
    shutil.copy(f"{changed}-wal", backup / "ledger.sqlite-wal")
    connection.close()
    before = (backup / "ledger.sqlite").read_bytes()
    result = restore(backup, tmp_path / "home", "--signed-by", key)
    assert result.exit_code == 0, result.output
    ledger = backed_up_home.platform_of(tmp_path / "home").ledger
    assert all(ledger.people.is_suppressed(user, at=backed_up_home.NOW) for user in backed_up_home.BY_POST)
    ledger.close()
    assert (backup / "ledger.sqlite").read_bytes() == before


def test_what_is_exchanged_after_it_was_checked_is_not_restored(lived, backup, key, restore, tmp_path, monkeypatch):
    """Not in the issue's table: the backup lies on a share, and its files change while it is restored."""
    from mlife_assets.deployments import backup as deployment_backup

    real = deployment_backup.restore_backup

    def exchanged(*given: Any, **named: Any) -> Any:
        (backup / KEYS).write_text("ab" * 32)
        return real(*given, **named)

    monkeypatch.setattr(deployment_backup, "restore_backup", exchanged)
    result = restore(backup, tmp_path / "home", "--signed-by", key)
    assert (result.exit_code, "was changed after the backup" in result.output) == (1, True)
    assert not (tmp_path / "home" / "private" / KEYS).exists()
    assert not (tmp_path / "home" / "private" / "ledger.sqlite").exists()


def test_a_backup_holds_no_key_that_signs_the_log(lived, backed_up_home):
    home, backup, _ = lived
    secrets = [path.read_text().strip() for path in (home / "private" / "keys").glob("log_*.key")]
    assert len(secrets) == 2
    for path in backup.rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        assert not any(secret.encode() in data or bytes.fromhex(secret) in data for secret in secrets), path
    thief = Keyring(backup / "keys")
    assert not any(thief.has(name) for name in ("log_heads", "log_manifests"))
    assert thief.has("numbers"), "without it nobody who asked to be left alone would be known"


def test_a_home_that_lost_its_keys_goes_on_under_new_ones(lived, backup, key, restore, backed_up_home, tmp_path):
    home = tmp_path / "home"
    refused = restore(backup, home)
    assert (refused.exit_code, "--signed-by" in refused.output) == (1, True)
    done = restore(backup, home, "--signed-by", key, "--json")
    assert done.exit_code == 0, done.output
    new = orjson.loads(done.stdout)["new_key"]
    assert new not in (None, key)
    platform = backed_up_home.platform_of(home)
    assert sorted(one.hex() for one in platform.home.private.heads.pins.by_id().values()) == sorted([key, new])
    backed_up_home.text(platform, "u2")
    seal(platform.home)
    assert audit_log(platform.home).verification.findings == ()
    again = restore(backup, home, "--signed-by", key, "--json")
    assert orjson.loads(again.stdout)["new_key"] is None, "nothing is lost any more"
    later = back_up(platform.home, tmp_path / "later", now=backed_up_home.NOW)
    assert later.signed_by == new
    assert read_backup(tmp_path / "later", signed_by=bytes.fromhex(new)).rows["sends"] == 2
    with pytest.raises(IntegrityError, match="is signed with the key"):
        read_backup(tmp_path / "later", signed_by=bytes.fromhex(key))
    platform.ledger.close()


def test_what_was_added_to_a_lake_whose_keys_are_lost_is_signed_by_nobody_unasked(
    lived, backup, key, restore, backed_up_home, tmp_path
):
    """The lake survived, and so did a stranger's rights on it."""
    home = tmp_path / "home"
    shutil.copytree(lived[0] / "lake", home / "lake")
    store = ObstoreObjectStore.local(home / "lake")
    row = {"user_id": "u", "job_id": "j", "source": "organic", "exposure_id": "x"}
    backed_up_home.append(SimpleNamespace(event_log=ParquetEventLog(store)), "click", row, "landing")
    result = restore(backup, home, "--signed-by", key)
    assert (result.exit_code, "mlife log rotate-key --lost" in result.output) == (1, True)
    stopped = CliRunner().invoke(app, ["day", "--home", str(home)])
    assert "has not ended" in stopped.output
    looked = CliRunner().invoke(app, ["log", "rotate-key", "--lost", "--reason", "looked at it", "--home", str(home)])
    assert looked.exit_code == 0, looked.output
    assert restore(backup, home, "--signed-by", key).exit_code == 0


def test_keys_that_are_put_back_after_a_refusal_sign_on(backed_up_home, restore, tmp_path):
    """A writer had died before its seal; the refusal must not have pinned a key that nobody introduced."""
    platform = backed_up_home.live(tmp_path / "running")
    made = back_up(platform.home, tmp_path / "backup", now=backed_up_home.NOW)
    backed_up_home.text(platform, "u2")
    platform.ledger.close()
    home = tmp_path / "home"
    shutil.copytree(tmp_path / "running" / "lake", home / "lake")
    options = ("--signed-by", str(made.signed_by))
    assert "Put the keys of this home back" in restore(tmp_path / "backup", home, *options).output
    for path in (tmp_path / "running" / "private" / "keys").glob("log_*.key"):
        shutil.copy(path, home / "private" / "keys")
    assert orjson.loads(restore(tmp_path / "backup", home, *options, "--json").stdout)["new_key"] is None
    platform = backed_up_home.platform_of(home)
    assert [key.hex() for key in platform.home.private.heads.pins.by_id().values()] == [made.signed_by]
    assert audit_log(platform.home).verification.findings == ()
    platform.ledger.close()


@pytest.mark.parametrize("is_lost", [True, False])
def test_a_backup_of_the_moment_after_a_rotation_is_restored(backed_up_home, restore, tmp_path, is_lost):
    """Nothing was sealed since: the newest head is under the key that was rotated. The home itself lost none."""
    platform = backed_up_home.live(tmp_path / "home")
    rotate_key(platform.home, actor="ann", reason="it may have leaked")
    made = back_up(platform.home, tmp_path / "backup", now=backed_up_home.NOW)
    backed_up_home.append(platform, "click", {"user_id": "u", "job_id": "j", "source": "o", "exposure_id": "x"}, "w")
    platform.ledger.close()
    home = tmp_path / ("new" if is_lost else "home")
    options = ("--signed-by", str(made.signed_by)) if is_lost else ()
    done = restore(tmp_path / "backup", home, *options, "--json")
    assert done.exit_code == 0, done.output
    new = orjson.loads(done.stdout)["new_key"]
    assert (new is not None) == is_lost
    platform = backed_up_home.platform_of(home)
    backed_up_home.text(platform, "u2")
    assert seal(platform.home) is not None
    assert audit_log(platform.home).verification.findings == ()
    assert back_up(platform.home, tmp_path / "later", now=backed_up_home.NOW).signed_by == (new or made.signed_by)
    platform.ledger.close()


def test_a_signed_backup_vouches_for_what_no_head_had_signed_yet(backed_up_home, restore, tmp_path):
    """It was made beside a day that ran."""
    platform = backed_up_home.live(tmp_path / "running")
    backed_up_home.text(platform, "u2")
    made = back_up(platform.home, tmp_path / "backup", now=backed_up_home.NOW)
    platform.ledger.close()
    home = tmp_path / "home"
    assert restore(tmp_path / "backup", home, "--signed-by", str(made.signed_by)).exit_code == 0
    restored = backed_up_home.platform_of(home)
    audited = audit_log(restored.home)
    assert (audited.verification.findings, audited.unsigned_manifests) == ((), 0)
    restored.ledger.close()


def test_a_key_that_was_rotated_signs_no_backup_unless_somebody_names_it(lived, restore, backed_up_home, tmp_path):
    home = Path(shutil.copytree(lived[0], tmp_path / "home"))
    platform = backed_up_home.platform_of(home)
    rotate_key(platform.home, actor="ann", reason="it may have leaked")
    platform.ledger.close()
    result = restore(lived[1], home)
    assert (result.exit_code, "from before a key was rotated" in result.output) == (1, True)
    assert restore(lived[1], home, "--signed-by", lived[2]).exit_code == 0


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Return a backup that a version before signatures made, with the keys that lay in it."""
    with tarfile.open(OLD) as archive:
        archive.extractall(tmp_path / "old", filter="data")
    return tmp_path / "old"


def test_a_backup_of_before_signatures_needs_a_flag_and_then_restores(old, restore, backed_up_home, tmp_path):
    home = tmp_path / "home"
    for options in ((), ("--signed-by", "ab" * 32)):
        refused = restore(old, home, *options)
        assert (refused.exit_code, "--unsigned" in refused.output) == (1, True)
        assert not home.exists()
    done = restore(old, home, "--unsigned", "--json")
    assert done.exit_code == 0, done.output
    assert orjson.loads(done.stdout)["new_key"] is None, "its keys were in it"
    platform = backed_up_home.platform_of(home)
    assert audit_log(platform.home).verification.findings == ()
    assert all(platform.ledger.people.is_suppressed(user, at=backed_up_home.NOW) for user in backed_up_home.BY_POST)
    backed_up_home.text(platform, "u2")
    assert seal(platform.home) is not None
    platform.ledger.close()


def test_an_older_backup_in_the_place_of_the_newest_is_refused(backed_up_home, restore, tmp_path):
    """It is signed and whole; only the lake, which survived, knows of another. What nobody asked it forgets."""
    platform, now = backed_up_home.live(tmp_path / "running"), backed_up_home.NOW
    made = back_up(platform.home, tmp_path / "older", now=now)
    platform.ledger.people.suppress("u7", now=now, reason="asked by post")
    back_up(platform.home, tmp_path / "newer", now=now + timedelta(hours=1))
    platform.ledger.close()
    home, trust = tmp_path / "home", ("--signed-by", str(made.signed_by))
    shutil.copytree(tmp_path / "running" / "lake", home / "lake")
    newest = home / "lake" / "backups" / "newest.json"
    for said in (newest.read_bytes(), b"{}", b'{"created_at": "2026-06-10T22:00:00"}'):
        newest.write_bytes(said)
        refused = restore(tmp_path / "older", home, *trust)
        assert (refused.exit_code, "say --older" in refused.output) == (1, True)
        assert "of 2026-06-10 21:00:00Z, until day 2026-06-10, 2 suppressions" in refused.output
    assert not (home / "private" / "ledger.sqlite").exists()
    told = orjson.loads(restore(tmp_path / "older", home, *trust, "--older", "--json").stdout)["backup"]
    assert told == {"created_at": now.isoformat(), "newest_day": "2026-06-10", "suppressions": 2}
    newest.unlink()
    done = restore(tmp_path / "newer", home, *trust)
    assert (done.exit_code, "3 suppressions" in done.output) == (0, True)


def test_flags_that_contradict_each_other_or_the_backup_are_refused(backup, old, key, restore, tmp_path):
    assert restore(backup, tmp_path / "home", "--unsigned", "--signed-by", key).exit_code == 2
    assert "no public key of 64 hex digits" in restore(backup, tmp_path / "home", "--signed-by", "abc").output
    with pytest.raises(InvalidInputError, match="is signed; say --signed-by"):
        read_backup(backup, signed_by=None)
    assert not (tmp_path / "home").exists()
