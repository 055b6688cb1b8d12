"""Smaller faults: links anybody could write, one question that ended all, a late receipt, a disk that refuses.

The disks are real: small file systems in memory, in a mount namespace of their own, so that nothing of them is left.
"""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from mlife_assets.adapters.clock import SimulatedClock
from mlife_assets.adapters.console_gateway import ConsoleGateway, GatewayFaults
from mlife_assets.adapters.dispatcher import Dispatcher, Recipient
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.people_register import PeopleRegister
from mlife_assets.adapters.send_ledger import SqlLedger, Transition
from mlife_assets.cli import app
from mlife_assets.components.platform.resources import Platform
from mlife_assets.core.ids import digest
from mlife_assets.recruiting.applications import job_of_the_day
from mlife_assets.recruiting.ids import message_id
from mlife_assets.recruiting.link_tokens import ALPHABET, TOKEN_LENGTH
from mlife_assets.recruiting.messaging.job_wordings import word_jobs
from mlife_assets.recruiting.messaging_policy import JOB_OF_THE_DAY, ContactPolicy, MessagingPolicy
from mlife_assets.recruiting.policies import Policies
from mlife_assets.recruiting.ports import LedgerRow, Receipt
from mlife_assets.settings import Settings
from mlife_tests.reviews import everybody_approved

CONTACT = ContactPolicy()
DAY = date(2026, 6, 2)
NOW = datetime(2026, 6, 2, 18, tzinfo=UTC)
POLICY = MessagingPolicy()

# Link tokens ---------------------------------------------------------------------------------------------------------


def unkeyed(message: str) -> str:
    """Return the token that anybody could write: that of a hash of the message id, which follows from user and day."""
    number, characters = int(digest(("link", message), 16), 16), []
    for _ in range(TOKEN_LENGTH):
        number, place = divmod(number, len(ALPHABET))
        characters.append(ALPHABET[place])
    return "".join(characters)


def body_of(home: Path, **changes: Any) -> tuple[str, str]:
    """Return the id and the body of one text of a home."""
    settings = Settings(home=home, **changes)
    platform = Platform(settings=settings, policies=settings.policies())
    job = {"job_id": "j1", "title": "Cook", "employer_name": "Inn", "pay_usd_per_hour": 20.0, "openings": 1}
    table = pa.Table.from_pylist([job])
    worded, _ = word_jobs(table, POLICY, link_key=platform.link_key, reviews=everybody_approved(table))
    key = message_id("usr_0000001", JOB_OF_THE_DAY, DAY)
    return key, worded["j1"].body(key)


def test_nobody_without_the_key_can_write_the_link_of_a_text(tmp_path: Path) -> None:
    key, body = body_of(tmp_path / "a")
    assert unkeyed(key) not in body
    assert body_of(tmp_path / "b")[1] == body, "same seed, same bytes"
    assert body_of(tmp_path / "c", seed=7)[1] != body
    staged = {name: body_of(tmp_path / name, environment="staging")[1] for name in ("d", "e")}
    assert len({body, *staged.values()}) == 3, "elsewhere each home has a key of its own"
    assert body_of(tmp_path / "d", environment="staging")[1] == staged["d"]


# Reconciling ---------------------------------------------------------------------------------------------------------


class Flaky:
    """A provider that fails on some questions."""

    def __init__(self, gateway: ConsoleGateway, failing: Callable[[str], bool]) -> None:
        self._gateway, self._failing = gateway, failing
        self.late: Sequence[Receipt] = ()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gateway, name)

    def find(self, key: str) -> Any:
        if self._failing(key):
            raise ConnectionResetError("+12125550142")
        return self._gateway.find(key)

    def receipts(self, *, until: datetime, since: datetime, of: Collection[str] = ()) -> Sequence[Receipt]:
        return [*self._gateway.receipts(until=until, since=since, of=of), *self.late]


class Contacts:
    def phone_numbers(self, user_ids: Sequence[str]) -> dict[str, str | None]:
        return dict.fromkeys(user_ids, "+12125550142")


@pytest.fixture
def ambiguous(tmp_path: Path) -> Any:
    """Return 40 sends into an outage, about half of which the provider took, and what dispatches."""
    faults = GatewayFaults(timeout_from=NOW, timeout_until=NOW + timedelta(days=1))
    gateway = ConsoleGateway(tmp_path / "gateway.sqlite", seed=3, hash_key=b"k" * 32, faults=faults)
    ledger = SqlLedger(f"sqlite:///{tmp_path}/ledger.sqlite")
    rows = [
        LedgerRow(message_id(f"u{n:02d}", JOB_OF_THE_DAY, DAY), f"u{n:02d}", "j", JOB_OF_THE_DAY, DAY, "hi",
                  "planned", 0, None, NOW)
        for n in range(40)
    ]  # fmt: skip
    ledger.plan(rows, now=NOW)
    ledger.approve(JOB_OF_THE_DAY, DAY, now=NOW)
    ledger.lease(JOB_OF_THE_DAY, DAY, worker="w", limit=40, now=NOW, until=NOW + timedelta(minutes=5))
    for row in rows:
        assert ledger.begin_submit(row.message_id, worker="w", now=NOW, policy=POLICY, contact=CONTACT, day=DAY) is None
        ledger.transition_many([Transition(row.message_id, "ambiguous")], now=NOW)
    yield gateway, ledger
    ledger.close()
    gateway.close()


def dispatcher(ledger: SqlLedger, gateway: Any) -> Dispatcher:
    return Dispatcher(
        ledger,
        gateway,
        PeopleRegister(ledger, Contacts(), key=b"k" * 32),
        job_of_the_day(Policies(messaging=POLICY)),
        ContactPolicy(holdout_share=0.0),
        recheck=lambda users: dict.fromkeys(users, Recipient(True, "TX", "America/Chicago")),
        clock=SimulatedClock(NOW),
        sleep=lambda _: None,
    )


def test_one_failing_question_ends_nothing_and_closes_nothing(ambiguous: Any) -> None:
    gateway, ledger = ambiguous
    ids = sorted(row.message_id for row in ledger.rows())
    later = NOW + timedelta(hours=POLICY.ambiguous_close_hours)
    report = dispatcher(ledger, Flaky(gateway, lambda key: key in ids[::4])).reconcile(later)
    assert (report.unreadable, report.still_ambiguous, report.unknown) == (10, 10, 30)
    assert sorted(row.message_id for row in ledger.rows(state="ambiguous")) == ids[::4]


def test_what_was_closed_as_unknown_takes_a_late_receipt(ambiguous: Any) -> None:
    gateway, ledger = ambiguous
    later = NOW + timedelta(hours=POLICY.ambiguous_close_hours)
    provider = Flaky(gateway, lambda _: False)
    assert dispatcher(ledger, provider).reconcile(later).unknown == 40
    first, second, *rest = [row.message_id for row in ledger.rows(state="unknown")]
    provider.late = [Receipt(first, "con_1", True, later), Receipt(second, "con_2", False, later)]
    assert dispatcher(ledger, provider).collect_receipts(later) == 2
    states = {row.message_id: row.state for row in ledger.rows()}
    assert (states[first], states[second]) == ("delivered", "undelivered")
    assert {states[key] for key in rest} == {"unknown"}


# A disk that refuses -------------------------------------------------------------------------------------------------

REFUSING = """
import os, subprocess, sys
from datetime import UTC, date, datetime
from pathlib import Path
import orjson, pyarrow as pa
from typer.testing import CliRunner
from mlife_assets.adapters.console_gateway import ConsoleGateway
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.private_files import private_file, private_folder, write_private
from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.adapters.tables import TableStore
from mlife_assets.cli import app

disk, kind = Path(sys.argv[1]), sys.argv[2]
now = datetime(2026, 6, 2, 18, tzinfo=UTC)
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], check=True)
store = ObstoreObjectStore.local(disk / "home" / "lake")
store.replace("events/x", b"1")
ledger = SqlLedger(f"sqlite:///{private_file(disk / 'home' / 'private' / 'ledger.sqlite')}")
if kind == "read-only":
    ledger.close()
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
else:
    with open(disk / "filler", "wb", buffering=0) as filler:
        try:
            while filler.write(b"x" * 4096):
                pass
        except OSError:
            pass

found = {}
def attempt(name, call):
    try:
        found[name] = ["nothing", str(call())]
    except Exception as error:
        found[name] = [type(error).__mro__[1].__name__ + " " + type(error).__name__, str(error)]

large = b"x" * 50_000
attempt("put", lambda: store.put_if_absent("events/y", large))
attempt("replace", lambda: store.replace("events/x", large))
attempt("table", lambda: TableStore(store).write("a", date(2026, 6, 2), pa.table({"a": [str(n) for n in range(9999)]})))
attempt("store", lambda: ObstoreObjectStore.local(disk / "new").replace("a", large))
attempt("key", lambda: write_private(disk / "home" / "private" / "key", large))
attempt("ledger", lambda: ledger.pause(actor="a" * 99_999, reason="r", now=now))
attempt("gateway", lambda: ConsoleGateway(disk / "home" / "gateway.sqlite", seed=1, hash_key=b"k" * 32))
result = CliRunner().invoke(app, ["messages", "pause", "--reason", "because " * 9999, "--home", str(disk / "home")])
found["mlife"] = [result.exit_code, result.stderr]
print(orjson.dumps(found).decode())
"""


def refusals(disk: Path, kind: str) -> dict[str, tuple[Any, str]]:
    """Return what was raised, and said, on a disk that is read-only or full."""
    apart = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
    if subprocess.run([*apart, "mount", "-t", "tmpfs", "tmpfs", disk], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount a disk; the injected refusals below say the same")
    command = [*apart, sys.executable, "-c", REFUSING, str(disk), kind]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode == 0, ran.stderr
    return {name: (what, said) for name, (what, said) in orjson.loads(ran.stdout.splitlines()[-1]).items()}


@pytest.mark.parametrize(
    ("kind", "type_name", "words"),
    [
        ("read-only", "MlifeError PermanentError", "the file system is read-only"),
        ("full", "MlifeError TransientError", "no space is left on the disk"),
    ],
)
def test_a_disk_that_refuses_is_reported_with_path_and_remedy(
    tmp_path: Path, kind: str, type_name: str, words: str
) -> None:
    found = refusals(tmp_path, kind)
    code, told = found.pop("mlife")
    assert {name: what for name, (what, _) in found.items()} == dict.fromkeys(found, type_name)
    assert [name for name, (_, said) in found.items() if words not in said or str(tmp_path) not in said] == []
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


def test_a_defect_keeps_its_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lake" / "events").mkdir(parents=True)

    def fail(*_: Any, **__: Any) -> Any:
        raise OSError("a defect")

    monkeypatch.setattr(ObstoreObjectStore, "list", fail)
    result = CliRunner().invoke(app, ["status", "--home", str(tmp_path)])
    assert str(result.exception) == "a defect"
