"""Faults of a machine: a disk that refuses, links that anybody could write, private files that others read.

The disks are real: small file systems in memory, in a mount namespace of their own, so that nothing of them is left.

The tests read modes: whoever runs them as root would be refused nothing.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from stat import S_IMODE, S_ISDIR
from typing import Any

import orjson
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.private_files import made_private
from mlife_assets.cli import app
from mlife_assets.cli.serve import endpoint_token
from mlife_assets.deployments.board_ports import BoardPorts, board_ports
from mlife_assets.recruiting.ids import message_id
from mlife_assets.recruiting.messaging.job_wordings import word_jobs
from mlife_assets.recruiting.messaging_policy import JOB_OF_THE_DAY, MessagingPolicy
from mlife_assets.recruiting.ports import OutboundMessage
from mlife_assets.settings import Settings
from mlife_tests.reviews import everybody_approved
from mlife_tests.rows import planned_row

SENT_ON = date(2026, 6, 2)
NOW = datetime(2026, 6, 2, 18, tzinfo=UTC)
KEY = message_id("usr_0000001", "job_of_the_day", SENT_ON)


def body_of(home: Path, **changes: Any) -> str:
    settings = Settings(home=home, **changes)
    platform = board_ports(settings)
    job = {"job_id": "j1", "title": "Cook", "employer_name": "Inn", "pay_usd_per_hour": 20.0, "openings": 1}
    table = pa.Table.from_pylist([job])
    worded, _ = word_jobs(
        table, MessagingPolicy(), link_key=platform.home.private.link_key, reviews=everybody_approved(table)
    )
    return worded["j1"].body(message_id("usr_0000001", JOB_OF_THE_DAY, SENT_ON))


def test_nobody_without_the_key_can_write_the_link_of_a_text(tmp_path: Path) -> None:
    body = body_of(tmp_path / "a")
    assert body_of(tmp_path / "b") == body, "same seed, same bytes"
    assert body_of(tmp_path / "c", seed=7) != body
    staged = {name: body_of(tmp_path / name, environment="staging") for name in ("d", "e")}
    assert len({body, *staged.values()}) == 3, "elsewhere each home has a key of its own"
    assert body_of(tmp_path / "d", environment="staging") == staged["d"]


REFUSING = """
import subprocess, sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
import orjson, pyarrow as pa
from typer.testing import CliRunner
from mlife_assets.adapters.console_gateway import ConsoleGateway
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.private_files import private_file, private_folder, write_private
from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.adapters.tables import TableStore
from mlife_assets.cli import app

now = datetime(2026, 6, 2, 18, tzinfo=UTC)
large = b"x" * 50_000

def refused(disk, kind):
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], check=True)
    store = ObstoreObjectStore.local(disk / "home" / "lake")
    store.replace("events/x", b"1")
    ledger = SqlLedger(f"sqlite:///{private_file(disk / 'home' / 'private' / 'ledger.sqlite')}")
    if kind == "read-only":
        ledger.close()
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    else:
        with suppress(OSError), open(disk / "filler", "wb", buffering=0) as filler:
            while filler.write(b"x" * 4096):
                pass
    found = {}

    def attempt(name, call):
        try:
            found[name] = ["nothing", str(call())]
        except Exception as error:
            found[name] = [type(error).__mro__[1].__name__ + " " + type(error).__name__, str(error)]

    tables = TableStore(store)
    attempt("put", lambda: store.put_if_absent("events/y", large))
    attempt("replace", lambda: store.replace("events/x", large))
    attempt("table", lambda: tables.write("a", now.date(), pa.table({"a": [str(n) for n in range(9999)]})))
    attempt("store", lambda: ObstoreObjectStore.local(disk / "new").replace("a", large))
    attempt("key", lambda: write_private(disk / "home" / "private" / "key", large))
    attempt("ledger", lambda: ledger.switches.pause(actor="a" * 99_999, reason="r", now=now))
    attempt("gateway", lambda: ConsoleGateway(disk / "home" / "gateway.sqlite", seed=1, hash_key=b"k" * 32))
    asked = ["messages", "pause", "--reason", "because " * 9999, "--home", str(disk / "home")]
    result = CliRunner().invoke(app, asked)
    return found | {"mlife": [result.exit_code, result.stderr]}

print(orjson.dumps({kind: refused(Path(sys.argv[1], kind), kind) for kind in ("read-only", "full")}).decode())
"""


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Return a folder, and what was raised and said on a disk in it that is read-only and on one that is full."""
    disks = tmp_path_factory.mktemp("disks")
    apart = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
    if subprocess.run([*apart, "mount", "-t", "tmpfs", "tmpfs", disks], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount a disk; the injected refusals below say the same")
    command = [*apart, sys.executable, "-c", REFUSING, str(disks)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode == 0, ran.stderr
    return disks, orjson.loads(ran.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("kind", "type_name", "words"),
    [
        ("read-only", "MlifeError PermanentError", "the file system is read-only"),
        ("full", "MlifeError TransientError", "no space is left on the disk"),
    ],
)
def test_a_disk_that_refuses_is_reported_with_path_and_remedy(
    refusals: tuple[Path, dict[str, Any]], kind: str, type_name: str, words: str
) -> None:
    disk, found = refusals[0] / kind, refusals[1][kind]
    code, told = found.pop("mlife")
    assert {name: what for name, (what, _) in found.items()} == dict.fromkeys(found, type_name)
    assert [name for name, (_, said) in found.items() if words not in said or str(disk) not in said] == []
    assert (code, told.count("\n")) == (1, 1)
    assert told.startswith("mlife: ")
    assert words in told


@pytest.mark.parametrize("number", [errno.EROFS, errno.ENOSPC, errno.EACCES])
def test_a_refusal_anywhere_ends_a_command_with_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    (tmp_path / "lake" / "events").mkdir(parents=True)

    def refuse(*_: Any, **__: Any) -> Any:
        raise OSError(number, os.strerror(number), str(tmp_path / "somewhere"))

    monkeypatch.setattr(ObstoreObjectStore, "list", refuse)
    result = CliRunner().invoke(app, ["status", "--home", str(tmp_path)])
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert result.stderr.startswith("mlife: ")
    assert str(tmp_path / "somewhere") in result.stderr


def platform_of(home: Path) -> BoardPorts:
    settings = Settings(home=home, market_users=60, market_jobs=30)
    return board_ports(settings)


def fill(platform: BoardPorts) -> None:
    """Write everything that a home keeps to itself, and leave the databases open, so that their logs are there."""
    platform.ledger.plan([planned_row("usr_0000001", JOB_OF_THE_DAY, SENT_ON, NOW)], now=NOW)
    number = platform.home.messengers.contacts.phone_numbers(["usr_0000001"])["usr_0000001"]
    platform.home.messengers.texts.send(OutboundMessage(KEY, "usr_0000001", str(number), "hi"), now=NOW)
    platform.home.private.audit_attributes.groups_of(["usr_0000001"])
    endpoint_token(platform.settings, makes_token=True)
    with made_private():
        ObstoreObjectStore.local(platform.home.private.private_folder / "backtest").replace("a/b.json", b"{}")


def too_wide(private: Path) -> dict[str, str]:
    found = {}
    for path in [private, *private.rglob("*")]:
        mode = path.lstat().st_mode
        if S_IMODE(mode) != (0o700 if S_ISDIR(mode) else 0o600):
            found[str(path.relative_to(private))] = oct(S_IMODE(mode))
    return found


@pytest.mark.parametrize("umask", [0o000], indirect=True)
def test_whatever_a_home_keeps_to_itself_is_its_owners_alone(tmp_path: Path, umask: int) -> None:
    """Others: `adapters/test_private_files.py`."""
    platform = platform_of(tmp_path / "home")
    private = platform.settings.private_folder
    assert (platform.tables.days("message_plan"), private.exists()) == ([], False), "who only looks makes none"
    fill(platform)
    names = {path.name for path in private.rglob("*")}
    assert {"ledger.sqlite", "ledger.sqlite-wal", "gateway.sqlite", "gateway.sqlite-wal", "gateway.sqlite-shm"} <= names
    assert {"contacts.parquet", "audit_attributes.parquet", "endpoint.key", "b.json"} <= names
    assert too_wide(private) == {}
    platform.ledger.close()
    platform.home.messengers.texts.close()


def test_a_home_that_an_earlier_release_left_open_is_narrowed(tmp_path: Path) -> None:
    before = platform_of(tmp_path / "home")
    fill(before)
    private = before.settings.private_folder
    for path in [private, *private.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    assert len(too_wide(private)) > 8
    after = platform_of(tmp_path / "home")
    assert [row.message_id for row in after.ledger.sends.rows()] == [KEY]
    assert too_wide(private) == {}
    for platform in (before, after):
        platform.ledger.close()
    before.home.messengers.texts.close()


@pytest.mark.parametrize("opened", ["texts", "contacts", "audit_attributes", "keyring"])
def test_whichever_part_is_opened_first_narrows_all(tmp_path: Path, opened: str) -> None:
    private = tmp_path / "home" / "private"
    private.mkdir(parents=True)
    sqlite3.connect(private / "ledger.sqlite").close()
    (private / "leftover.parquet").write_bytes(b"numbers")
    private.chmod(0o755)
    (private / "leftover.parquet").chmod(0o664)
    platform = platform_of(tmp_path / "home")
    part = {
        "texts": lambda: platform.home.messengers.texts,
        "contacts": lambda: platform.home.messengers.contacts,
        "audit_attributes": lambda: platform.home.private.audit_attributes,
        "keyring": lambda: platform.home.private.keyring,
    }[opened]()
    assert too_wide(private) == {}
    if opened == "texts":
        part.close()
