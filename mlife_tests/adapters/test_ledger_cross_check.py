"""Ledger against log on both databases, and a ledger as a file; whole days are in `attacks/test_lost_ledger.py`."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest
import sqlalchemy as sa

from mlife_assets.adapters.backups import copy_ledger, ledger_facts
from mlife_assets.adapters.event_log import LogFile, ParquetEventLog
from mlife_assets.adapters.ledger_catch_up import catch_up
from mlife_assets.adapters.ledger_cross_check import (
    MARK_FILE,
    UNSETTLED_DAYS,
    move_mark,
    not_compared,
    require_agreement,
)
from mlife_assets.adapters.ledger_outbox import POSITION_KEY, LedgerOutbox
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.send_ledger import SqlLedger, Transition
from mlife_assets.adapters.send_ledger.migrations.revisions import HEAD
from mlife_assets.adapters.send_ledger.schema import metadata
from mlife_assets.core.errors import IntegrityError
from mlife_assets.core.ids import event_id
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.ids import message_id
from mlife_assets.recruiting.messaging.approve import Approval
from mlife_assets.recruiting.messaging.events import approval_events
from mlife_assets.recruiting.messaging_policy import ContactPolicy, MessagingPolicy
from mlife_assets.recruiting.ports import LedgerRow
from mlife_tests.rows import planned_event, planned_row

CONTACT = ContactPolicy()
DAY = date(2026, 6, 2)
NOW = datetime(2026, 6, 2, 18, tzinfo=UTC)
LATER = NOW + timedelta(hours=3)
POLICY = MessagingPolicy()
CAMPAIGN = "c"
APPROVAL = Approval("pln_1", CAMPAIGN, DAY, 3, "me", "pol", "d" * 64, "looked at it")
ON_BOTH = pytest.mark.parametrize("file_ledger", ["ledger.sqlite", "postgresql"], indirect=True)


class Deployment:
    """A ledger, its log, and what was planned."""

    def __init__(self, ledger: SqlLedger, folder: Path) -> None:
        self.ledger, self.store = ledger, ObstoreObjectStore.local(folder / "lake")
        self.mark = folder / MARK_FILE
        self.log = ParquetEventLog(self.store, record=ledger.log_files.record)
        self.outbox = LedgerOutbox(ledger, self.log, self.store, providers={"sms": "console"})

    def plan(self, *users: str) -> list[str]:
        rows = [planned_row(user, CAMPAIGN, DAY, NOW, job_id="j1", body=f"hi {user}") for user in users]
        planned = [
            planned_event(row.message_id, row.user_id, DAY, campaign=CAMPAIGN, body=row.body)
            | {"event_id": event_id("message_planned", row.message_id), "occurred_at": NOW, "observed_at": NOW}
            for row in rows
        ]
        table = pa.Table.from_pylist(planned, schema=EVENT_TYPES["message_planned"].schema)
        self.log.append("message_planned", table, writer="planner")
        self.ledger.approvals.record(APPROVAL, now=NOW)
        self.log.append("plan_approved", approval_events(APPROVAL, now=NOW), writer="planner")
        self.ledger.plan(rows, now=NOW)
        self.ledger.approve(CAMPAIGN, DAY, now=NOW)
        self.ledger.lease(CAMPAIGN, DAY, worker="w", limit=10, now=NOW, until=LATER)
        return [row.message_id for row in rows]

    def submit(self, key: str, *moves: Transition) -> None:
        assert self.ledger.begin_submit(key, worker="w", now=NOW, policy=POLICY, contact=CONTACT, day=DAY) is None
        self.ledger.transition_many(moves, now=NOW + timedelta(minutes=1))

    def check(self, **signed: int) -> None:
        require_agreement(
            self.ledger, self.outbox, signed=signed, mark=self.mark, since=DAY - timedelta(days=7), until=DAY
        )

    def lose(self) -> None:
        """Empty the ledger and forget the position."""
        with self.ledger.engine.begin() as connection:
            for table in reversed(metadata.sorted_tables):
                connection.execute(table.delete())
        (self.store.root / POSITION_KEY).unlink(missing_ok=True)

    def catch_up(self, find: Any = lambda channel, key: None, **signed: int) -> Any:
        return catch_up(self.ledger, self.outbox, find=find, signed=signed, now=LATER)


@pytest.fixture
def deployment(file_ledger, tmp_path) -> Deployment:
    """Return one that sent three texts: delivered, throttled and to be tried again, still in the call."""
    ledger, found = file_ledger, Deployment(file_ledger, tmp_path)
    done, throttled, hanging = found.plan("a", "b", "d")
    found.submit(done, Transition(done, "accepted", "p-a"), Transition(done, "delivered", occurred_at=NOW))
    found.submit(throttled, Transition(throttled, "throttled"), Transition(throttled, "approved"))
    found.submit(hanging)
    ledger.replies.record("in-1", "a", "STOP", received_at=NOW, now=LATER)
    ledger.switches.pause(actor="me", reason="doubt", now=NOW)
    ledger.switches.resume(actor="me", reason="fine", now=LATER)
    return found


@ON_BOTH
def test_what_is_not_published_yet_is_no_disagreement(deployment):
    deployment.check()
    deployment.outbox.publish()
    deployment.check(**deployment.ledger.positions())


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("DELETE FROM sends WHERE user_id = 'a'", "1 texts were handed to the provider"),
        ("UPDATE sends SET state = 'approved' WHERE user_id = 'a'", "1 texts were handed to the provider"),
        ("UPDATE sends SET attempts = 0 WHERE user_id = 'b'", "1 texts were handed to the provider"),
        ("UPDATE sends SET attempts = 2 WHERE user_id = 'd'", "1 texts that it published are not in the log"),
        ("DELETE FROM inbound_texts", "1 of its inbound were published"),
        ("DELETE FROM inbound_texts", "texts from people, STOPs perhaps, are unknown"),
        ("DELETE FROM suppressions", "people are not listed although they said STOP"),
        ("DELETE FROM switches WHERE is_paused", "1 switches of sending \\(by me\\)"),
        ("DELETE FROM approvals", "the approval of pln_1"),
        ("UPDATE approvals SET plan_digest = 'x'", "the approval of pln_1"),
        ("DELETE FROM send_transitions", "of its transitions were published"),
    ],
)
def test_each_thing_that_a_ledger_forgot_is_named_with_the_remedy(deployment, statement, why):
    deployment.outbox.publish()
    with deployment.ledger.engine.begin() as connection:
        connection.exec_driver_sql(statement)
    with pytest.raises(IntegrityError, match=why) as caught:
        deployment.check()
    assert "mlife backup restore" in str(caught.value)


def _old_texts(deployment: Deployment) -> None:
    """Let three people say STOP on days that are settled, and one in the last week; publish and compare them."""
    for number, days in enumerate((40, 30, 20, 2)):
        at = NOW - timedelta(days=days)
        deployment.ledger.replies.record(f"old-{number}", f"u{number}", "STOP", received_at=at, now=at)
    deployment.outbox.publish()
    deployment.check()


def test_texts_of_settled_days_are_read_once(deployment, monkeypatch):
    _old_texts(deployment)
    read: list[date] = []
    whole = ParquetEventLog.read_file

    def noting(log: ParquetEventLog, file: Any, columns: Any = None) -> Any:
        if file.event_type == "inbound_message":
            read.append(file.day)
        return whole(log, file, columns)

    monkeypatch.setattr(ParquetEventLog, "read_file", noting)
    deployment.check()
    assert sorted(set(read)) == [DAY - timedelta(days=2), DAY]


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM inbound_texts WHERE inbound_id = 'old-1'",
        "DELETE FROM inbound_texts WHERE inbound_id = 'old-3'",
        "UPDATE inbound_texts SET inbound_id = 'other' WHERE inbound_id = 'old-0'",
    ],
)
def test_a_ledger_that_forgot_an_old_text_is_found_by_its_digest(deployment, statement):
    _old_texts(deployment)
    with deployment.ledger.engine.begin() as connection:
        connection.exec_driver_sql(statement)
    with pytest.raises(IntegrityError, match="1 texts from people, STOPs perhaps, are unknown"):
        deployment.check()


@pytest.mark.parametrize("days", [365, -9])
def test_a_clock_that_was_off_once_hides_no_text(deployment, days):
    """Neither a file of next year makes days of this year look compared, nor does one come late to a compared day."""
    _old_texts(deployment)
    off = NOW + timedelta(days=days)
    deployment.ledger.replies.record("off", "z", "STOP", received_at=NOW, now=off)
    for name, at in (("then", NOW - timedelta(days=10)), ("now", NOW)):
        deployment.outbox.publish()
        deployment.check()
        deployment.ledger.replies.record(name, name, "STOP", received_at=NOW, now=at)
    deployment.outbox.publish()
    deployment.check()
    for name in ("now", "then", "off"):
        with deployment.ledger.engine.begin() as connection:
            connection.exec_driver_sql(f"DELETE FROM inbound_texts WHERE inbound_id = '{name}'")
        with pytest.raises(IntegrityError, match="texts from people, STOPs perhaps, are unknown"):
            deployment.check()


def test_a_start_lifts_what_a_stop_asked_for_and_a_ledger_behind_its_newest_head_is_refused(deployment):
    deployment.ledger.replies.record("in-2", "a", "START", received_at=NOW + timedelta(hours=1), now=LATER)
    deployment.outbox.publish()
    assert not deployment.ledger.people.is_suppressed("a", at=LATER)
    deployment.check()
    with pytest.raises(IntegrityError, match="newest signed head knows 99 of its transitions"):
        deployment.check(transitions=99)


def test_approvals_of_release_0_1_0_carry_no_digest_and_are_not_missed(file_ledger, tmp_path):
    from dataclasses import replace

    found = Deployment(file_ledger, tmp_path)
    old = approval_events(replace(APPROVAL, plan_digest=None), now=NOW)  # type: ignore[arg-type]
    found.log.append("plan_approved", old, writer="planner")
    found.check()


@ON_BOTH
def test_a_lost_ledger_is_rebuilt_from_the_log_as_it_was(deployment):
    ledger = deployment.ledger
    deployment.outbox.publish()
    states = {row.message_id: (row.state, row.attempts, row.body) for row in ledger.sends.rows()}
    switches, files = ledger.switches.rows().to_pylist(), deployment.store.list("events")
    reached = ledger.positions()
    deployment.lose()
    with pytest.raises(IntegrityError):
        deployment.check()
    result = deployment.catch_up(**reached)
    assert (result.sends, result.inbound, result.switches, result.approvals) == (3, 1, 2, 1)
    again = {row.message_id: (row.state, row.attempts, row.body) for row in ledger.sends.rows()}
    throttled = message_id("b", CAMPAIGN, DAY)
    assert again == {**states, throttled: ("throttled", 1, "hi b")}, "what was to be tried again stays as it was"
    assert ledger.switches.rows().to_pylist() == switches
    assert ledger.people.is_suppressed("a", at=LATER)
    assert deployment.store.list("events") == files
    assert ledger.positions()["transitions"] >= reached["transitions"]
    deployment.check(**reached)
    assert not any(vars(deployment.catch_up(**reached)).values())


@ON_BOTH
def test_a_lost_plan_that_left_no_events_still_counts_as_caught_up(file_ledger, tmp_path):
    found = Deployment(file_ledger, tmp_path)
    found.check()  # an empty ledger and an empty log agree
    found.plan("a")
    found.lose()
    found.catch_up(transitions=40, switches=9)
    found.check(transitions=40)
    file_ledger.switches.pause(actor="me", reason="again", now=LATER)
    assert file_ledger.positions() == {"inbound": 0, "switches": 10, "transitions": 40}, "no number is given twice"


def test_a_ledger_of_another_deployment_or_without_a_plan_is_not_brought_forward(deployment, tmp_path):
    deployment.outbox.publish()
    other = Deployment(deployment.ledger, tmp_path / "other")
    with pytest.raises(IntegrityError, match="another deployment's"):
        other.catch_up()
    for file in deployment.log.files("message_planned"):
        (deployment.store.root / file.key).unlink()
    deployment.lose()
    with pytest.raises(IntegrityError, match="lacks the plan of 3 texts"):
        deployment.catch_up()


SENT = date(2026, 6, 20)
SETTLED = SENT - timedelta(days=UNSETTLED_DAYS)
TEXTS = ["in-a", "in-b", "in-c"]


def file(days: int, name: str = "f") -> LogFile:
    day = SETTLED - timedelta(days=days)
    return LogFile(f"events/event_type=inbound_message/dt={day}/{name}", "inbound_message", day, 5, "ledger", "1", name)


OLD, NEW = [file(30), file(2), file(0)], [file(-1), file(-UNSETTLED_DAYS)]


def move(place: Path, files: list[LogFile], texts: list[str], day: date = SENT) -> None:
    move_mark(place, files, texts, not_compared(place, files, texts), day=day)


@pytest.fixture
def marked(tmp_path: Path) -> Path:
    place = tmp_path / MARK_FILE
    move(place, NEW, TEXTS)
    assert not place.exists(), "without a settled file there is none"
    move(place, OLD + NEW, TEXTS)
    return place


def test_settled_files_of_texts_are_not_compared_again(marked: Path) -> None:
    assert marked.stat().st_mode & 0o777 == 0o600
    assert not_compared(marked, OLD + NEW, TEXTS) == NEW
    more = [*NEW, file(-UNSETTLED_DAYS, "another")]
    assert not_compared(marked, OLD + more, [*TEXTS, "in-d"]) == more


def test_the_mark_moves_on_and_not_back(marked: Path) -> None:
    kept = marked.read_bytes()
    for day in (SENT, SENT - timedelta(days=3)):
        move(marked, OLD + NEW, [*TEXTS, "in-d"], day)
        assert marked.read_bytes() == kept
    move(marked, OLD + NEW, [*TEXTS, "in-d"], SENT + timedelta(days=1))
    assert not_compared(marked, OLD + NEW, [*TEXTS, "in-d"]) == NEW[1:]


@pytest.mark.parametrize("texts", [[], TEXTS[:2], ["in-a", "in-c"], ["in-a", "in-x", "in-c", "in-d"]])
def test_for_a_ledger_that_lost_a_text_all_is_compared(marked: Path, texts: list[str]) -> None:
    assert not_compared(marked, OLD + NEW, texts) == OLD + NEW


@pytest.mark.parametrize("files", [OLD[1:], [*OLD, file(12, "late")], [*OLD, file(0, "late")]])
def test_where_an_old_day_has_other_files_all_is_compared(marked: Path, files: list[LogFile]) -> None:
    assert not_compared(marked, files + NEW, TEXTS) == files + NEW


def test_a_mark_that_does_not_hold_is_replaced(marked: Path) -> None:
    """Also where it is newer than the day, as after a clock that was ahead."""
    move(marked, OLD + NEW, TEXTS, SENT + timedelta(days=365))
    more = [*OLD, *NEW, file(-2, "late")]
    assert not_compared(marked, more, TEXTS) == more
    move(marked, more, TEXTS, SENT)
    assert not_compared(marked, more, TEXTS) == [*NEW, more[-1]]


@pytest.mark.parametrize(
    "broken", [b"", b"[]", b"{}", b"null", orjson.dumps({"until": "x", "files": "", "count": 0, "texts": ""})]
)
def test_a_mark_that_cannot_be_read_is_none(marked: Path, broken: bytes) -> None:
    marked.write_bytes(broken)
    assert not_compared(marked, OLD + NEW, TEXTS) == OLD + NEW


@pytest.mark.parametrize("place", ["ledger.sqlite", "postgresql"])
def test_a_copy_holds_all_of_a_ledger_wherever_it_is_and_needs_no_file_beside_it(
    open_at, fill, contents, next_numbers, tmp_path, place
):
    ledger, path = open_at(place), tmp_path / "copy" / "ledger.sqlite"
    fill(ledger)
    copy_ledger(ledger, path)
    assert [one.name for one in path.parent.iterdir()] == ["ledger.sqlite"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_bytes()[18:20] == b"\1\1", "no write-ahead log, which a disk that is read only could not have"
    assert (ledger_facts(path).revision, ledger_facts(path).last_transition) == (HEAD, 7)
    copied = open_at("copy/ledger.sqlite")
    assert contents(copied) == contents(ledger)
    assert next_numbers(ledger) == next_numbers(copied), "and the ledger can be written as before"


@pytest.mark.parametrize("table", ["accounts", "sends", "switches"])
def test_a_copy_of_a_database_is_of_one_moment_whenever_somebody_writes(
    open_at, fill, contents, next_numbers, tmp_path, table
):
    ledger, other = open_at("postgresql"), open_at("postgresql")
    fill(ledger)
    before, now = contents(ledger), datetime(2026, 7, 1, tzinfo=UTC)

    def writes(connection: Any, __: Any, statement: str, *___: Any) -> None:
        if statement.startswith(f"SELECT {table}."):
            other.plan([LedgerRow("m", "u", "j", "c", date(2026, 7, 1), "hi", "planned", 0, None, now)], now=now)
            other.switches.pause(actor="me", reason="r", now=now)
            other.people.suppress("u", now=now, reason="asked by post")
            is_read_only = connection.connection.cursor()
            is_read_only.execute("SHOW transaction_read_only")
            assert is_read_only.fetchone() == ("on",)

    sa.event.listen(ledger.engine, "before_cursor_execute", writes)
    copy_ledger(ledger, tmp_path / "copy.sqlite")
    sa.event.remove(ledger.engine, "before_cursor_execute", writes)
    copied = open_at("copy.sqlite")
    assert contents(copied) == before
    assert contents(ledger)["switches"] != before["switches"]
    assert next_numbers(copied) == [8, 8, 8]


@pytest.mark.parametrize("data", [b"no database" * 1000, b""])
def test_what_is_no_ledger_is_said(tmp_path, data):
    (tmp_path / "x.sqlite").write_bytes(data)
    with pytest.raises(IntegrityError, match="is no ledger"):
        ledger_facts(tmp_path / "x.sqlite")
