"""Keys that leaked, approvals of something else, and ledgers of an older release.

The attack of row 3 (`tables/message_plan` overwritten after approval under the old plan id) and ways that the row does
not name: the report rewritten with it, a forged decision in the log, texts or jobs swapped between people, a title
changed after planning, a row of the ledger changed, a plan made again after its approval.

Hosts that open it at once and a ledger that is newer: `adapters/send_ledger/migrations/test_versions.py`.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from threading import Thread
from types import ModuleType, SimpleNamespace
from typing import Any

import orjson
import pyarrow as pa
import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from mlife_assets.adapters.dispatcher import sending
from mlife_assets.adapters.event_log import ParquetEventLog
from mlife_assets.adapters.keyring import Keyring
from mlife_assets.adapters.log_heads import FolderHeadStore, KeyPins
from mlife_assets.adapters.log_heads.head import Ed25519Signer, Note, read_head, sign_head
from mlife_assets.adapters.log_heads.sealing import KEYS_REPLACED
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.postgresql import open_schema
from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.adapters.send_ledger.migrations import HEAD
from mlife_assets.adapters.send_ledger.schema import log_files, write
from mlife_assets.cli import app
from mlife_assets.components.messages.sending import PLAN_REPORT, PLANNED_TABLE, read_plan, require_known_ledger
from mlife_assets.core.errors import GateClosedError, IntegrityError
from mlife_assets.core.windows import run_time
from mlife_assets.deployments.sealing import audit_log, rotate_key, seal
from mlife_assets.recruiting.events import EARLIER, EVENT_TYPES
from mlife_assets.recruiting.ids import plan_id_of
from mlife_assets.recruiting.messaging.approve import approve, plan_digest
from mlife_assets.recruiting.messaging.job_wordings import word_jobs
from mlife_assets.recruiting.messaging.plan import MessagePlan
from mlife_tests.reviews import everybody_approved

DAY, NAME = date(2026, 6, 10), "log_manifests"
CLICK = {"user_id": "u3", "job_id": "j", "source": "organic", "exposure_id": "x"}
FORGED = {
    "consent": ({"user_id": "u8", "channel": "sms", "is_granted": True, "source": "signup"}, "landing"),
    "employer_reviewed": ({"employer_id": "evil", "verdict": "approved", "actor": "ann", "reason": "ok"}, "reviewer"),
}
PLANNED_FOR = date(2026, 6, 2)
EVIL = "Your parcel: evil.example/pay"
RELEASED = Path(__file__).parents[1] / "adapters/send_ledger/migrations/releases/0.1.0.postgresql.sql"
SEND = "INSERT INTO sends VALUES ('{0}', '{1}', 'j1', 'job_of_the_day', '{2}', 'b', 'accepted', 1, 'p', {3}, 'w', {3})"
MOVE = (
    "INSERT INTO send_transitions (message_id, user_id, campaign, as_of_date, to_state, attempt, occurred_at, at) "
    "VALUES ('{0}', '{1}', 'job_of_the_day', '{2}', 'submitting', 1, {3}, {3})"
)
REPLY = (
    "INSERT INTO inbound_texts (inbound_id, user_id, keyword, received_at, at) VALUES ('{0}', '{0}', '{1}', {2}, {2})"
)
STOP = "INSERT INTO suppressions VALUES ('{0}', 'inbound_stop', {1})"


@pytest.fixture(scope="module")
def lived_once(backed_up_home: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lived") / "home"
    backed_up_home.live(folder).ledger.close()
    return folder


@pytest.fixture
def leaky_home(backed_up_home: ModuleType, lived_once: Path, tmp_path: Path) -> Iterator[Any]:
    platform = backed_up_home.platform_of(shutil.copytree(lived_once, tmp_path / "home"))
    shutil.copytree(tmp_path / "home" / "private" / "keys", tmp_path / "leaked")
    yield platform
    platform.ledger.close()


@pytest.fixture
def forge(backed_up_home: ModuleType, tmp_path: Path) -> Callable[..., None]:
    leaked = Keyring(tmp_path / "leaked")

    def append(event_type: str, writer: str = "", batch: str | None = None) -> None:
        log = ParquetEventLog(ObstoreObjectStore.local(tmp_path / "home" / "lake"), key=lambda: leaked.key(NAME))
        row, author = FORGED[event_type]
        backed_up_home.append(SimpleNamespace(event_log=log), event_type, row, writer or author, batch=batch)

    return append


def findings(platform: Any) -> set[str]:
    return {finding.kind for finding in audit_log(platform.home).verification.findings}


@pytest.mark.parametrize("event_type", FORGED)
def test_after_a_rotation_nothing_is_added_under_the_old_keys(leaky_home, forge, backed_up_home, tmp_path, event_type):
    head = rotate_key(leaky_home.home, actor="ann", reason="they leaked")
    assert head.manifest_key is not None
    forge(event_type)
    later = backed_up_home.platform_of(tmp_path / "home")
    with pytest.raises(IntegrityError, match="without the key of this home"):
        seal(later.home)
    with pytest.raises(IntegrityError, match="without the key of this home"):
        backed_up_home.append(later, "click", {"user_id": "u", "job_id": "j", "source": "o", "exposure_id": "x"}, "w")
    assert findings(later) == {"foreign_manifest", "ledger_mismatch"}
    later.ledger.close()


def require_nothing_is_sent(home: Any) -> None:
    seal(home.home)  # nothing tells it from ours
    assert findings(home) == {"ledger_mismatch"}
    with pytest.raises(IntegrityError, match="never wrote are in the log: forged, unless it was lost"):
        require_known_ledger(home, DAY)


@pytest.mark.parametrize("event_type", FORGED)
def test_what_the_ledger_has_no_row_of_sends_nothing_although_a_head_signed_it(leaky_home, forge, event_type):
    """Before anybody rotated: it looks like what exporters landed, and like what somebody decided."""
    require_known_ledger(leaky_home, DAY)
    forge(event_type)
    require_nothing_is_sent(leaky_home)


def test_a_start_that_nobody_replied_sends_nothing(leaky_home, forge):
    """Not in the issue's table: it looks like one of those that the ledger publishes."""
    forge("consent", writer="ledger")
    assert "lacks 1 consent" in " ".join(one.detail for one in audit_log(leaky_home.home).verification.findings)
    require_nothing_is_sent(leaky_home)


def test_a_consent_in_the_name_of_a_file_that_landed_sends_nothing(leaky_home, forge, backed_up_home):
    """Not in the issue's table: the file landed, and does not hold it."""
    row = FORGED["consent"][0] | {"user_id": "u5"}
    backed_up_home.append(leaky_home, "consent", row, "landing", batch="abcdef")
    require_known_ledger(leaky_home, DAY)
    assert findings(leaky_home) == set()
    forge("consent", batch="abcdef")
    require_nothing_is_sent(leaky_home)


@pytest.mark.parametrize("event_type", FORGED)
def test_a_file_that_was_overwritten_under_its_name_sends_nothing(leaky_home, backed_up_home, tmp_path, event_type):
    """Not in the issue's table: it needs no key, and the ledger knows the name."""
    backed_up_home.append(leaky_home, event_type, *FORGED[event_type])
    require_known_ledger(leaky_home, DAY)
    (tmp_path / "home" / "lake" / leaky_home.event_log.files(event_type)[-1].key).write_bytes(b"forged")
    with pytest.raises(IntegrityError, match="is not what its name says, so nothing is sent"):
        require_known_ledger(leaky_home, DAY)


def test_catching_up_believes_what_was_forged_only_if_somebody_vouches(
    leaky_home, forge, backed_up_home, tmp_path, monkeypatch
):
    """Not in the issue's table: the refusal names the command, and that would have believed it."""
    monkeypatch.setenv("MLIFE_ENVIRONMENT", "staging")
    backed_up_home.append(leaky_home, "consent", FORGED["consent"][0] | {"user_id": "u5"}, "landing")
    forge("consent")
    catch_up = ["backup", "catch-up", "--home", str(tmp_path / "home")]
    refused = CliRunner().invoke(app, catch_up)
    assert (refused.exit_code, "look at them, then say --vouch" in " ".join(refused.stderr.split())) == (1, True)
    require_nothing_is_sent(leaky_home)
    assert CliRunner().invoke(app, [*catch_up, "--vouch"]).exit_code == 0
    require_known_ledger(leaky_home, DAY)


def test_what_an_earlier_release_wrote_is_taken_over_once(leaky_home, forge):
    forge("consent")
    with write(leaky_home.ledger.engine) as connection:
        connection.execute(sa.insert(log_files).values(key=EARLIER, origin="earlier"))  # as the migration does
    assert findings(leaky_home) == set()
    require_known_ledger(leaky_home, DAY)
    with leaky_home.ledger.engine.connect() as connection:
        assert [row.origin for row in connection.execute(sa.select(log_files))] == ["taken_over"]
    forge("employer_reviewed")
    require_nothing_is_sent(leaky_home)


def test_a_process_that_was_open_goes_on_under_the_new_key(leaky_home, backed_up_home, tmp_path):
    """Not in the issue's table: it would add a manifest under the old key, which looks like the thief's."""
    row = {"user_id": "u3", "job_id": "j", "source": "organic", "exposure_id": "x"}
    running, idle = (backed_up_home.platform_of(tmp_path / "home") for _ in range(2))
    backed_up_home.append(running, "click", row, "w")
    idle.event_log.chain.open()
    seal(leaky_home.home)
    for number in range(2):
        rotate_key(leaky_home.home, actor="ann", reason="yearly")
        backed_up_home.append(running, "click", row | {"exposure_id": f"y{number}"}, "w")
        assert findings(leaky_home) == set(), "by the key that everybody else knows"
        assert seal(running.home) is not None
        assert seal(idle.home) is None
        assert findings(leaky_home) == set()
    names = sorted(path.name for path in (tmp_path / "home" / "private" / "keys").glob("log_*.key"))
    assert names == [f"log_{name}{end}.key" for name in ("heads", "manifests") for end in ("", "_1", "_2")]
    for platform in (running, idle):
        platform.ledger.close()


def test_a_head_under_the_old_key_and_one_that_calls_it_lost_are_refused(leaky_home, backed_up_home, tmp_path):
    """Not in the issue's table: the thief also wrote into a place of heads."""
    rotated = rotate_key(leaky_home.home, actor="ann", reason="they leaked")
    thief = Ed25519Signer(Keyring(tmp_path / "leaked").key("log_heads"))
    body = leaky_home.home.private.heads.store.get(rotated.sequence)
    honest = read_head(rotated.sequence, body, leaky_home.home.private.heads.pins.by_id(), "head")
    for note in (None, Note(KEYS_REPLACED, "ann", "r")):
        forged = replace(
            honest.head, sequence=rotated.sequence + 1, previous=honest.sha256, manifests=(), rows={}, next_key=None,
            note=note,
        )  # fmt: skip
        leaky_home.home.private.heads.store.put(forged.sequence, sign_head(forged, thief).body, at=None, replaces=True)
        assert "altered_head" in findings(leaky_home)
        require_stopped(leaky_home, backed_up_home, tmp_path)


def test_heads_under_the_old_key_in_the_ledgers_place_rule_nothing(leaky_home, forge, backed_up_home, tmp_path):
    """Not in the issue's table: the thief has the database of the ledger, and introduces the new key again."""
    rotated = rotate_key(leaky_home.home, actor="ann", reason="they leaked")
    thief = Ed25519Signer(Keyring(tmp_path / "leaked").key("log_heads"))
    heads = leaky_home.home.private.heads
    before = read_head(rotated.sequence, heads.store.get(rotated.sequence), heads.pins.by_id(), "head")
    for next_key in (None, heads.pins.keys()[-1].hex()):
        forged = replace(before.head, sequence=before.head.sequence + 1, previous=before.sha256, next_key=next_key)
        before = sign_head(replace(forged, manifests=(), rows={}, note=None, manifest_key=None), thief)
        leaky_home.ledger.heads.put(forged.sequence, before.body, at=backed_up_home.NOW)
        forge("consent")
        require_stopped(leaky_home, backed_up_home, tmp_path)


def require_stopped(home: Any, backed_up_home: ModuleType, tmp_path: Path) -> None:
    home.ledger.close()
    later = backed_up_home.platform_of(tmp_path / "home")
    for act in (lambda: seal(later.home), lambda: backed_up_home.append(later, "click", CLICK, "w")):
        with pytest.raises(IntegrityError, match="is not signed by a key"):
            act()
    later.ledger.close()


def test_a_writer_waits_while_a_rotation_replaces_the_keys(leaky_home, backed_up_home, tmp_path, monkeypatch):
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
    rotate_key(leaky_home.home, actor="ann", reason="yearly")
    monkeypatch.undo()
    for writer in writers:
        writer.join()
    assert len(writers) == 2
    assert findings(leaky_home) == set()
    assert seal(leaky_home.home).rows == {"click": 2}
    running.ledger.close()


def test_a_rotation_that_died_is_followed_by_a_process_that_was_open(leaky_home, backed_up_home, tmp_path, monkeypatch):
    """Not in the issue's table: its head is there, and nobody has pinned the key that it introduces."""
    running = backed_up_home.platform_of(tmp_path / "home")
    running.event_log.chain.open()

    def dies(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(KeyPins, "pin", dies)
    with pytest.raises(KeyboardInterrupt):
        rotate_key(leaky_home.home, actor="ann", reason="yearly")
    monkeypatch.undo()
    backed_up_home.append(running, "click", CLICK, "w")
    assert findings(leaky_home) == set()
    assert seal(running.home).rows == {"click": 1}
    running.ledger.close()


def test_lost_signs_nothing_of_a_thief_while_no_key_is_lost(leaky_home, forge, backed_up_home, tmp_path, monkeypatch):
    """Not in the issue's table: the home is stopped, and the command that ends it vouches for everything."""
    monkeypatch.setenv("MLIFE_ENVIRONMENT", "staging")
    rotate_key(leaky_home.home, actor="ann", reason="they leaked")
    forge("consent")
    lost = ["log", "rotate-key", "--lost", "--reason", "r", "--home", str(tmp_path / "home")]
    result = CliRunner().invoke(app, lost)
    assert (result.exit_code, "no key of this home is lost" in result.output) == (1, True)
    (foreign,) = (one for one in audit_log(leaky_home.home).verification.findings if one.kind == "foreign_manifest")
    entries = orjson.loads(leaky_home.lake.get(foreign.key))["entries"]
    for key in (foreign.key, *(entry["key"] for entry in entries)):
        (tmp_path / "home" / "lake" / key).rename(tmp_path / Path(key).name)  # what the refusal asks for
    later = backed_up_home.platform_of(tmp_path / "home")
    backed_up_home.append(later, "click", CLICK, "w")
    assert seal(later.home).rows == {"click": 1}
    assert findings(later) == set()
    later.ledger.close()


def test_the_command_replaces_both_and_keys_that_are_not_lost_are_not_replaced(leaky_home, tmp_path, monkeypatch):
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


def with_columns(table: pa.Table, **columns: list[Any]) -> pa.Table:
    for name, values in columns.items():
        place = table.schema.get_field_index(name)
        table = table.set_column(place, table.schema.field(name), pa.array(values, table.schema.field(name).type))
    return table


def evil(plan: MessagePlan) -> pa.Table:
    return with_columns(plan.planned, body=[EVIL] * plan.planned.num_rows)


def store(home: Any, plan: MessagePlan, planned: pa.Table, *, forges_id: bool, forges_log: bool) -> MessagePlan:
    """Overwrite the stored plan, as whoever can write the lake can; optionally make its id and the log fit."""
    platform, plan_id = home.platform, plan.plan_id
    if forges_id:
        names = {"messages": "message_id", "job_ids": "job_id", "bodies": "body"}
        columns = {key: planned[name].to_pylist() for key, name in names.items()}
        plan_id = plan_id_of(plan.campaign, PLANNED_FOR, plan.policy_version, **columns)
        planned = with_columns(planned, plan_id=[plan_id] * planned.num_rows)
        report = platform.tables.read_report(PLAN_REPORT, PLANNED_FOR)
        platform.tables.write_report(PLAN_REPORT, PLANNED_FOR, {**report, "plan_id": plan_id})
    platform.tables.write(PLANNED_TABLE, PLANNED_FOR, planned)
    if forges_log:
        log = platform.event_log
        (file,) = log.files("message_planned", start=PLANNED_FOR, end=PLANNED_FOR)
        rows = log.read_file(file)
        shared = [name for name in rows.column_names if name in planned.column_names]
        forged = with_columns(rows, **{name: planned[name].to_pylist() for name in shared})
        (home.folder / "lake" / file.key).unlink()
        log.append("message_planned", forged.cast(EVENT_TYPES["message_planned"].schema), writer="planner")
    return replace(plan, plan_id=plan_id, planned=planned)


def refused(home: Any) -> str:
    with pytest.raises(GateClosedError) as caught:
        home.send()
    return str(caught.value)


@pytest.fixture
def home(planned_home) -> Any:
    return planned_home


@pytest.fixture
def planned(home) -> MessagePlan:
    return read_plan(home.platform, PLANNED_FOR)


@pytest.mark.parametrize("forges_id", [False, True])
@pytest.mark.parametrize("forges_log", [False, True])
def test_a_plan_that_was_overwritten_before_approval_is_not_sent(home, planned, forges_id, forges_log):
    store(home, planned, evil(planned), forges_id=forges_id, forges_log=forges_log)
    assert "worded otherwise" in refused(home)
    assert not home.requests()
    assert home.platform.ledger.approvals.of_day(planned.campaign, PLANNED_FOR) is None


def test_jobs_swapped_between_people_with_fitting_words_are_not_sent(home, planned):
    """Every text is one that the jobs give, plan id and log fit: only what the ledger noted tells."""
    jobs = list(reversed(planned.planned["job_id"].to_pylist()))
    platform = home.platform
    facts = platform.warehouse.read("job_features", as_of=PLANNED_FOR)
    worded, _ = word_jobs(
        facts, platform.policies.messaging, link_key=platform.home.private.link_key, reviews=everybody_approved(facts)
    )
    keys = planned.planned["message_id"].to_pylist()
    bodies = [worded[job].body(key) for job, key in zip(jobs, keys, strict=True)]
    items = [[{"position": 1, "job_id": job, "prediction_id": None}] for job in jobs]
    forged = with_columns(planned.planned, job_id=jobs, body=bodies, items=items)
    store(home, planned, forged, forges_id=True, forges_log=True)
    why = refused(home)
    assert "the ledger noted another plan" in why
    assert "worded otherwise" not in why
    assert not home.requests()


def test_a_plan_that_the_ledger_never_noted_is_not_sent_until_it_is_made_again(home, planned):
    """As release 0.1.0 leaves one that waits."""
    home.sql("DELETE FROM plans")
    assert "noted no plan of the day" in refused(home)
    assert not home.requests()
    assert home.refusal() == ""
    assert len(home.requests()) == planned.planned.num_rows


def test_a_plan_moved_to_another_channel_is_not_sent(home, planned):
    """Where people stopped texts and no mails, rows that claim to be mails would pass their STOP."""
    moved = with_columns(planned.planned, channel=["email"] * planned.planned.num_rows)
    store(home, planned, moved, forges_id=True, forges_log=True)
    assert "of another plan, campaign, day, policy or channel" in refused(home)
    assert not home.requests()


def test_a_title_changed_after_planning_is_not_sent(home, planned):
    home.change_job(planned.planned["job_id"][0].as_py(), "Parcel agent")
    assert "worded otherwise" in refused(home)
    assert not home.requests()


def test_a_decision_that_the_log_says_twice_is_not_sent(home, planned):
    log = home.platform.event_log
    rows = log.read("message_planned")
    forged = with_columns(rows, body=[EVIL] * rows.num_rows)
    log.append("message_planned", forged, writer="aaa")
    assert "not what the event log says" in refused(home)
    assert not home.requests()


@pytest.fixture
def cut_off(home, planned, sending_home) -> None:
    home.die_after(sends=7)
    with pytest.raises(sending_home.Killed):
        home.send()
    home.reopen()


@pytest.mark.parametrize("forges_id", [False, True])
def test_a_plan_that_was_overwritten_after_approval_sends_nothing_more(home, planned, cut_off, forges_id):
    store(home, planned, evil(planned), forges_id=forges_id, forges_log=forges_id)
    assert f"{planned.plan_id} was approved" in refused(home)
    assert len(home.requests()) == 7


def test_a_plan_that_was_overwritten_is_made_again_as_it_was_approved(home, planned, cut_off):
    store(home, planned, evil(planned), forges_id=False, forges_log=False)
    assert home.refusal() == ""
    assert max(home.requests().values()) == 1
    bodies = {row.body for row in home.platform.ledger.sends.rows()}
    assert bodies == set(planned.planned["body"].to_pylist())


@pytest.mark.parametrize(
    "change",
    [
        f"UPDATE sends SET body = '{EVIL}' WHERE state = 'leased'",
        "UPDATE sends SET job_id = 'j0x' WHERE state = 'leased'",
        "UPDATE sends SET message_id = 'msg_' || message_id WHERE state = 'leased'",
    ],
)
def test_a_row_of_the_ledger_that_is_not_of_the_plan_closes_the_gate_for_all(
    home, planned, sending_home, change, monkeypatch
):
    """Also when its turn would come only after others were sent."""
    home.die_after(sends=7)
    with pytest.raises(sending_home.Killed):
        home.send()
    home.reopen()
    monkeypatch.setattr(sending, "CHUNK", 5)
    home.sql(f"{change} AND message_id = (SELECT max(message_id) FROM sends WHERE state = 'leased')")
    assert "not in the approved plan" in home.refusal()
    assert len(home.requests()) == 7


def test_planning_again_after_approval_keeps_what_was_approved_and_an_exchanged_plan_is_refused(home, planned):
    home.send()
    texted = planned.planned["user_id"][0].as_py()
    ledger = home.platform.ledger
    ledger.people.suppress(texted, now=run_time(PLANNED_FOR), reason="asked by post")
    home.change_job(planned.planned["job_id"][1].as_py(), "Parcel agent")
    again = home.plan()
    assert again.metadata["is_kept"] is True
    assert read_plan(home.platform, PLANNED_FOR).planned.equals(planned.planned)
    before = home.requests()
    assert home.refusal() == ""
    assert home.requests() == before
    assert home.platform.event_log.read("plan_approved")["plan_id"].to_pylist() == [planned.plan_id]
    store(home, planned, evil(planned), forges_id=True, forges_log=False)
    with pytest.raises(GateClosedError, match="was approved"):
        home.plan()


def test_a_second_plan_of_an_approved_day_is_refused_and_the_log_carries_the_digest(home, planned):
    home.send()
    platform = home.platform
    approval = approve(
        planned, platform.application, platform.policies.contact, platform.home.messengers.texts, is_quality_ok=True
    )
    with pytest.raises(GateClosedError, match="a day has one plan"):
        platform.ledger.approvals.record(replace(approval, plan_id="pln_other"), now=run_time(PLANNED_FOR))
    (row,) = platform.event_log.read("plan_approved").to_pylist()
    assert row["plan_digest"] == approval.plan_digest == plan_digest(planned.planned)
    recorded = platform.ledger.approvals.of_day(planned.campaign, PLANNED_FOR)
    assert (recorded.plan_digest, recorded.planned_count) == (approval.plan_digest, planned.planned.num_rows)


def open_and_die(url: str, at: int, ends: Any) -> None:
    """Open a ledger and be killed before the statement number `at`."""
    left = iter(range(at - 1))
    engine = open_schema(url, "mlife")
    strike = lambda *_: next(left, None) is None and os.kill(os.getpid(), signal.SIGKILL)  # noqa: E731
    sa.event.listen(engine, "before_cursor_execute", strike)
    SqlLedger(engine).close()
    ends.put(at)


def test_an_old_ledger_loses_nobody_on_its_way(open_home, sending_home, postgres_url):
    home, day = open_home(stated={**sending_home.MARKET, "database": postgres_url}), sending_home.DAY
    home.prepare(day)
    texted, stopped, unclear, *others = home.platform.warehouse.read("user_features", as_of=day)["user_id"].to_pylist()
    now, engine = int(run_time(day).timestamp() * 1e6), open_schema(postgres_url, "mlife")
    with engine.begin() as connection:
        made = (SEND.format("m1", texted, day, now), MOVE.format("m1", texted, day, now), STOP.format(stopped, now))
        replies = (REPLY.format(stopped, "STOP", now), REPLY.format(unclear, "OTHER", now))
        connection.exec_driver_sql("DROP SCHEMA mlife CASCADE; CREATE SCHEMA mlife")  # preparing opened today's
        for statement in (*filter(str.strip, RELEASED.read_text(encoding="utf-8").split(";")), *made, *replies):
            connection.exec_driver_sql(statement)
    fork, at = multiprocessing.get_context("fork"), 0
    ends = fork.SimpleQueue()
    while ends.empty():
        at += 9
        process = fork.Process(target=open_and_die, args=(postgres_url, at, ends))
        process.start()
        process.join()
        assert process.exitcode in (-signal.SIGKILL, 0)
    assert at > 27, "it was killed at some places"
    home.platform.home.messengers.outbox.publish()
    home.plan(day)
    home.send(day)
    with engine.connect() as connection:
        sent = connection.exec_driver_sql("SELECT user_id FROM sends WHERE attempts > 0").scalars().all()
        assert connection.exec_driver_sql("SELECT version_num FROM ledger_version").scalars().all() == [HEAD]
    assert sorted(sent) == sorted([texted, *others])
    assert len(home.requests()) == len(others)
    for statement in (SEND.format("m2", stopped, day, now), STOP.format("x", now)):
        with engine.begin() as connection, pytest.raises(sa.exc.IntegrityError):
            connection.exec_driver_sql(statement)
