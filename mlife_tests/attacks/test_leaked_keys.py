"""Row 3 of the second attack: keys that leaked, rights on the lake, and what a rotation takes from who has both."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from threading import Thread
from types import ModuleType, SimpleNamespace
from typing import Any

import orjson
import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from mlife_assets.adapters.event_log import ParquetEventLog
from mlife_assets.adapters.keyring import Keyring
from mlife_assets.adapters.log_heads import FolderHeadStore, KeyPins
from mlife_assets.adapters.log_heads.head import Note, read_head, sign_head
from mlife_assets.adapters.log_heads.sealing import KEYS_REPLACED
from mlife_assets.adapters.log_heads.signing import Ed25519Signer
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.send_ledger.schema import log_files, write
from mlife_assets.cli import app
from mlife_assets.components.messages.sending import require_known_ledger
from mlife_assets.components.platform.sealing import audit_log, rotate_key, seal
from mlife_assets.core.errors import IntegrityError
from mlife_assets.recruiting.events import EARLIER

DAY, NAME = date(2026, 6, 10), "log_manifests"
CLICK = {"user_id": "u3", "job_id": "j", "source": "organic", "exposure_id": "x"}
FORGED = {
    "consent": ({"user_id": "u8", "channel": "sms", "is_granted": True, "source": "signup"}, "landing"),
    "employer_reviewed": ({"employer_id": "evil", "verdict": "approved", "actor": "ann", "reason": "ok"}, "reviewer"),
}


@pytest.fixture
def home(backed_up_home: ModuleType, tmp_path: Path) -> Iterator[Any]:
    """Return a platform, whose keys leaked."""
    platform = backed_up_home.live(tmp_path / "home")
    shutil.copytree(tmp_path / "home" / "private" / "keys", tmp_path / "leaked")
    yield platform
    platform.ledger.close()


@pytest.fixture
def forge(backed_up_home: ModuleType, tmp_path: Path) -> Callable[..., None]:
    """Return what appends a forged event with the leaked key, chained and hashed as ours are."""
    leaked = Keyring(tmp_path / "leaked")

    def append(event_type: str, writer: str = "", batch: str | None = None) -> None:
        log = ParquetEventLog(ObstoreObjectStore.local(tmp_path / "home" / "lake"), key=lambda: leaked.key(NAME))
        row, author = FORGED[event_type]
        backed_up_home.append(SimpleNamespace(event_log=log), event_type, row, writer or author, batch=batch)

    return append


def findings(platform: Any) -> set[str]:
    return {finding.kind for finding in audit_log(platform).verification.findings}


@pytest.mark.parametrize("event_type", FORGED)
def test_after_a_rotation_nothing_is_added_under_the_old_keys(home, forge, backed_up_home, tmp_path, event_type):
    head = rotate_key(home, actor="ann", reason="they leaked")
    assert head.manifest_key is not None
    forge(event_type)
    later = backed_up_home.platform_of(tmp_path / "home")
    with pytest.raises(IntegrityError, match="without the key of this home"):
        seal(later)
    with pytest.raises(IntegrityError, match="without the key of this home"):
        backed_up_home.append(later, "click", {"user_id": "u", "job_id": "j", "source": "o", "exposure_id": "x"}, "w")
    assert findings(later) == {"foreign_manifest", "ledger_mismatch"}
    later.ledger.close()


def require_nothing_is_sent(home: Any) -> None:
    seal(home)  # nothing tells it from ours
    assert findings(home) == {"ledger_mismatch"}
    with pytest.raises(IntegrityError, match="never wrote are in the log: forged, unless it was lost"):
        require_known_ledger(home, DAY)


@pytest.mark.parametrize("event_type", FORGED)
def test_what_the_ledger_has_no_row_of_sends_nothing_although_a_head_signed_it(home, forge, event_type):
    """Before anybody rotated: it looks like what exporters landed, and like what somebody decided."""
    require_known_ledger(home, DAY)
    forge(event_type)
    require_nothing_is_sent(home)


def test_a_start_that_nobody_replied_sends_nothing(home, forge):
    """Not in the issue's table: it looks like one of those that the ledger publishes."""
    forge("consent", writer="ledger")
    assert "lacks 1 consent" in " ".join(one.detail for one in audit_log(home).verification.findings)
    require_nothing_is_sent(home)


def test_a_consent_in_the_name_of_a_file_that_landed_sends_nothing(home, forge, backed_up_home):
    """Not in the issue's table: the file landed, and does not hold it."""
    row = FORGED["consent"][0] | {"user_id": "u5"}
    backed_up_home.append(home, "consent", row, "landing", batch="abcdef")
    require_known_ledger(home, DAY)
    assert findings(home) == set()
    forge("consent", batch="abcdef")
    require_nothing_is_sent(home)


@pytest.mark.parametrize("event_type", FORGED)
def test_a_file_that_was_overwritten_under_its_name_sends_nothing(home, backed_up_home, tmp_path, event_type):
    """Not in the issue's table: it needs no key, and the ledger knows the name."""
    backed_up_home.append(home, event_type, *FORGED[event_type])
    require_known_ledger(home, DAY)
    (tmp_path / "home" / "lake" / home.event_log.files(event_type)[-1].key).write_bytes(b"forged")
    with pytest.raises(IntegrityError, match="is not what its name says, so nothing is sent"):
        require_known_ledger(home, DAY)


def test_catching_up_believes_what_was_forged_only_if_somebody_vouches(
    home, forge, backed_up_home, tmp_path, monkeypatch
):
    """Not in the issue's table: the refusal names the command, and that would have believed it."""
    monkeypatch.setenv("MLIFE_ENVIRONMENT", "staging")
    backed_up_home.append(home, "consent", FORGED["consent"][0] | {"user_id": "u5"}, "landing")
    forge("consent")
    catch_up = ["backup", "catch-up", "--home", str(tmp_path / "home")]
    refused = CliRunner().invoke(app, catch_up)
    assert (refused.exit_code, "look at them, then say --vouch" in " ".join(refused.stderr.split())) == (1, True)
    require_nothing_is_sent(home)
    assert CliRunner().invoke(app, [*catch_up, "--vouch"]).exit_code == 0
    require_known_ledger(home, DAY)


def test_what_an_earlier_release_wrote_is_taken_over_once(home, forge):
    forge("consent")
    with write(home.ledger.engine) as connection:
        connection.execute(sa.insert(log_files).values(key=EARLIER, origin="earlier"))  # as the migration does
    assert findings(home) == set()
    require_known_ledger(home, DAY)
    with home.ledger.engine.connect() as connection:
        assert [row.origin for row in connection.execute(sa.select(log_files))] == ["taken_over"]
    forge("employer_reviewed")
    require_nothing_is_sent(home)


def test_a_process_that_was_open_goes_on_under_the_new_key(home, backed_up_home, tmp_path):
    """Not in the issue's table: it would add a manifest under the old key, which looks like the thief's."""
    row = {"user_id": "u3", "job_id": "j", "source": "organic", "exposure_id": "x"}
    running, idle = (backed_up_home.platform_of(tmp_path / "home") for _ in range(2))
    backed_up_home.append(running, "click", row, "w")
    idle.event_log.chain.open()
    seal(home)
    for number in range(2):
        rotate_key(home, actor="ann", reason="yearly")
        backed_up_home.append(running, "click", row | {"exposure_id": f"y{number}"}, "w")
        assert findings(home) == set(), "by the key that everybody else knows"
        assert seal(running) is not None
        assert seal(idle) is None
        assert findings(home) == set()
    names = sorted(path.name for path in (tmp_path / "home" / "private" / "keys").glob("log_*.key"))
    assert names == [f"log_{name}{end}.key" for name in ("heads", "manifests") for end in ("", "_1", "_2")]
    for platform in (running, idle):
        platform.ledger.close()


def test_a_head_under_the_old_key_and_one_that_calls_it_lost_are_refused(home, backed_up_home, tmp_path):
    """Not in the issue's table: the thief also wrote into a place of heads."""
    rotated = rotate_key(home, actor="ann", reason="they leaked")
    thief = Ed25519Signer(Keyring(tmp_path / "leaked").key("log_heads"))
    body = home.head_store.get(rotated.sequence)
    honest = read_head(rotated.sequence, body, home.head_pins.by_id(), "head")
    for note in (None, Note(KEYS_REPLACED, "ann", "r")):
        forged = replace(
            honest.head, sequence=rotated.sequence + 1, previous=honest.sha256, manifests=(), rows={}, next_key=None,
            note=note,
        )  # fmt: skip
        home.head_store.put(forged.sequence, sign_head(forged, thief).body, at=None, replaces=True)
        assert "altered_head" in findings(home)
        require_stopped(home, backed_up_home, tmp_path)


def test_heads_under_the_old_key_in_the_ledgers_place_rule_nothing(home, forge, backed_up_home, tmp_path):
    """Not in the issue's table: the thief has the database of the ledger, and introduces the new key again."""
    rotated = rotate_key(home, actor="ann", reason="they leaked")
    thief = Ed25519Signer(Keyring(tmp_path / "leaked").key("log_heads"))
    before = read_head(rotated.sequence, home.head_store.get(rotated.sequence), home.head_pins.by_id(), "head")
    for next_key in (None, home.head_pins.keys()[-1].hex()):
        forged = replace(before.head, sequence=before.head.sequence + 1, previous=before.sha256, next_key=next_key)
        before = sign_head(replace(forged, manifests=(), rows={}, note=None, manifest_key=None), thief)
        home.ledger.heads.put(forged.sequence, before.body, at=backed_up_home.NOW)
        forge("consent")
        require_stopped(home, backed_up_home, tmp_path)


def require_stopped(home: Any, backed_up_home: ModuleType, tmp_path: Path) -> None:
    home.ledger.close()
    later = backed_up_home.platform_of(tmp_path / "home")
    for act in (lambda: seal(later), lambda: backed_up_home.append(later, "click", CLICK, "w")):
        with pytest.raises(IntegrityError, match="is not signed by a key"):
            act()
    later.ledger.close()


def test_a_writer_waits_while_a_rotation_replaces_the_keys(home, backed_up_home, tmp_path, monkeypatch):
    """Not in the issue's table: its manifest came between, under the old key, and stopped the home for ever."""
    running = backed_up_home.platform_of(tmp_path / "home")
    running.event_log.chain.open()
    writers: list[Thread] = []

    def between(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            row = CLICK | {"exposure_id": f"x{len(writers)}"}
            writers.append(Thread(target=backed_up_home.append, args=(running, "click", row, "w")))
            writers[-1].start()
            writers[-1].join(0.5)
            return real(*given, **named)

        return call

    monkeypatch.setattr(FolderHeadStore, "put", between(FolderHeadStore.put))
    monkeypatch.setattr(KeyPins, "pin", between(KeyPins.pin))
    rotate_key(home, actor="ann", reason="yearly")
    monkeypatch.undo()
    for writer in writers:
        writer.join()
    assert len(writers) == 2
    assert findings(home) == set()
    assert seal(home).rows == {"click": 2}
    running.ledger.close()


def test_a_rotation_that_died_is_followed_by_a_process_that_was_open(home, backed_up_home, tmp_path, monkeypatch):
    """Not in the issue's table: its head is there, and nobody has pinned the key that it introduces."""
    running = backed_up_home.platform_of(tmp_path / "home")
    running.event_log.chain.open()

    def dies(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(KeyPins, "pin", dies)
    with pytest.raises(KeyboardInterrupt):
        rotate_key(home, actor="ann", reason="yearly")
    monkeypatch.undo()
    backed_up_home.append(running, "click", CLICK, "w")
    assert findings(home) == set()
    assert seal(running).rows == {"click": 1}
    running.ledger.close()


def test_lost_signs_nothing_of_a_thief_while_no_key_is_lost(home, forge, backed_up_home, tmp_path, monkeypatch):
    """Not in the issue's table: the home is stopped, and the command that ends it vouches for everything."""
    monkeypatch.setenv("MLIFE_ENVIRONMENT", "staging")
    rotate_key(home, actor="ann", reason="they leaked")
    forge("consent")
    lost = ["log", "rotate-key", "--lost", "--reason", "r", "--home", str(tmp_path / "home")]
    result = CliRunner().invoke(app, lost)
    assert (result.exit_code, "no key of this home is lost" in result.output) == (1, True)
    (foreign,) = (one for one in audit_log(home).verification.findings if one.kind == "foreign_manifest")
    entries = orjson.loads(home.lake.get(foreign.key))["entries"]
    for key in (foreign.key, *(entry["key"] for entry in entries)):
        (tmp_path / "home" / "lake" / key).rename(tmp_path / Path(key).name)  # what the refusal asks for
    later = backed_up_home.platform_of(tmp_path / "home")
    backed_up_home.append(later, "click", CLICK, "w")
    assert seal(later).rows == {"click": 1}
    assert findings(later) == set()
    later.ledger.close()


def test_the_command_replaces_both_and_keys_that_are_not_lost_are_not_replaced(home, tmp_path, monkeypatch):
    monkeypatch.setenv("MLIFE_ENVIRONMENT", "staging")

    def mlife(*arguments: str) -> Any:
        return CliRunner().invoke(app, [*arguments, "--reason", "r", "--home", str(tmp_path / "home")])

    assert "no key of this home is lost" in mlife("log", "rotate-key", "--lost").output
    assert orjson.loads(mlife("log", "rotate-key", "--json").stdout)["sequence"] == 1
    for name in ("log_heads_1.key", "log_manifests_1.key"):
        assert (tmp_path / "home" / "private" / "keys" / name).exists()
    (tmp_path / "home" / "private" / "keys" / "log_manifests_1.key").unlink()
    verified = CliRunner().invoke(app, ["log", "verify", "--home", str(tmp_path / "home")])
    assert (verified.exit_code, "rotate-key --lost" in verified.output) == (1, True)
    assert mlife("log", "rotate-key", "--lost").exit_code == 0
    assert CliRunner().invoke(app, ["log", "verify", "--home", str(tmp_path / "home")]).exit_code == 0
