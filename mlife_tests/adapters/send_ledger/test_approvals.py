"""Approvals and noted plans: one plan a day, by its digest. Exercises `mlife_assets.adapters.send_ledger.approvals`."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.adapters.send_ledger.schema import accounts, inbound_texts, suppressions, write
from mlife_assets.core.errors import GateClosedError
from mlife_assets.recruiting.messaging.approve import Approval, Rejection
from mlife_assets.recruiting.ports import LedgerRow

DAY = date(2026, 6, 2)
NOW = datetime(2026, 6, 2, 18, tzinfo=UTC)
APPROVAL = Approval("pln_1", "c", DAY, 3, "ann", "pol", "d" * 64, "looked at it")
REJECTION = Rejection("pln_1", "c", DAY, "d" * 64, "ann", "the wording is off")


def test_a_day_is_approved_once(ledger):
    assert ledger.approval("c", DAY) is None
    assert ledger.record_approval(APPROVAL, now=NOW)
    assert not ledger.record_approval(APPROVAL, now=NOW + timedelta(hours=1))
    recorded = ledger.approval("c", DAY)
    assert (recorded.plan_id, recorded.plan_digest, recorded.at) == ("pln_1", "d" * 64, NOW)
    assert (recorded.approved_by, recorded.reason, recorded.planned_count) == ("ann", "looked at it", 3)
    for other in (replace(APPROVAL, plan_id="pln_2"), replace(APPROVAL, plan_digest="e" * 64)):
        with pytest.raises(GateClosedError, match="a day has one plan"):
            ledger.record_approval(other, now=NOW)
    assert ledger.record_approval(replace(APPROVAL, plan_id="pln_3", as_of_date=DAY + timedelta(days=1)), now=NOW)


def test_a_plan_is_rejected_once_and_never_approved(ledger):
    assert ledger.rejection(REJECTION.plan_digest) is None
    assert ledger.record_rejection(REJECTION, now=NOW)
    assert not ledger.record_rejection(replace(REJECTION, actor="bob"), now=NOW + timedelta(hours=1))
    assert ledger.rejection(REJECTION.plan_digest) == REJECTION, "the first one holds"
    with pytest.raises(GateClosedError, match="pln_1 was rejected by ann: the wording is off"):
        ledger.record_approval(APPROVAL, now=NOW)
    assert ledger.approval("c", DAY) is None
    assert ledger.record_approval(replace(APPROVAL, plan_id="pln_2", plan_digest="e" * 64), now=NOW)


def test_an_approved_plan_is_not_rejected_and_another_of_the_day_may_be(ledger):
    assert ledger.record_approval(APPROVAL, now=NOW)
    with pytest.raises(GateClosedError, match="was approved by ann, so it cannot be rejected any more"):
        ledger.record_rejection(REJECTION, now=NOW)
    assert ledger.record_rejection(replace(REJECTION, plan_id="pln_2", plan_digest="e" * 64), now=NOW)


def test_the_plan_that_was_made_last_is_noted(ledger):
    assert ledger.noted_plan("c", DAY) is None
    ledger.note_plan("c", DAY, plan_id="pln_1", plan_digest="a", now=NOW)
    ledger.note_plan("d", DAY, plan_id="pln_9", plan_digest="z", now=NOW)
    ledger.note_plan("c", DAY, plan_id="pln_2", plan_digest="b", now=NOW)
    assert ledger.noted_plan("c", DAY) == ("pln_2", "b")


def test_attempts_are_those_of_sends_that_there_are(ledger):
    rows = [LedgerRow(f"m{n:04d}", f"u{n}", "j", "c", DAY, "hi", "planned", 0, None, NOW) for n in range(600)]
    ledger.plan(rows, now=NOW)
    assert len(ledger.attempts([row.message_id for row in rows])) == 600
    assert ledger.attempts(["m0001", "other"]) == {"m0001": ("planned", 0)}
    assert ledger.submitted(DAY) == {}


def test_a_stop_that_was_reviewed_is_settled(ledger):
    ledger.record_inbound("in-1", "a", "STOP", received_at=NOW, now=NOW)
    assert ledger.unlisted_stops() == []
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM suppressions")
    assert ledger.unlisted_stops() == ["a"]
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE inbound_texts SET reviewed_at = 1, reviewed_by = 'ann', review = 'no'")
    assert ledger.unlisted_stops() == []


def test_looking_for_unlisted_stops_costs_as_much_as_there_are_stops_not_their_square(tmp_path):
    """It is looked for before every sending, and every STOP of history counts; half were lifted by a START."""

    def steps(count: int) -> int:
        ledger = SqlLedger(f"sqlite:///{tmp_path}/{count}.sqlite", survives_power_cut=False)
        texts = [
            {"inbound_id": f"{word}{n}", "user_id": f"u{n}", "keyword": word, "received_at": NOW + later, "at": NOW}
            for n in range(count)
            for word, later in (("STOP", timedelta()), ("START", timedelta(hours=1)))[: 1 + n % 2]
        ]
        with write(ledger.engine) as connection:
            people = [{"user_id": f"u{n}", "person_id": f"u{n}", "at": NOW} for n in range(count)]
            listed = [
                {"person_id": f"u{n}", "reason": "inbound_stop", "channel": "sms", "at": NOW}
                for n in range(0, count, 2)
            ]
            for table, rows in ((accounts, people), (inbound_texts, texts), (suppressions, listed)):
                connection.execute(sa.insert(table), rows)
        ticks = Counter()

        def tick() -> None:
            ticks["all"] += 1

        sa.event.listen(ledger.engine, "checkout", lambda raw, *_: raw.set_progress_handler(tick, 10))
        assert ledger.unlisted_stops() == []
        ledger.close()
        return ticks["all"]

    assert steps(1_600) < 6 * steps(400)
