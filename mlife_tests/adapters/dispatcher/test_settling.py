"""What became of sends, on SQLite and PostgreSQL: a question that fails, a receipt that comes late."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from mlife_assets.adapters.dispatcher.settling import AWAITED_DAYS, collect_receipts, find_forgotten, reconcile
from mlife_assets.adapters.send_ledger import Transition
from mlife_assets.core.errors import GateClosedError
from mlife_assets.core.windows import day_start
from mlife_assets.recruiting.ids import message_id
from mlife_assets.recruiting.messaging.events import transition_events
from mlife_assets.recruiting.messaging_policy import JOB_OF_THE_DAY, ContactPolicy, MessagingPolicy
from mlife_assets.recruiting.ports import Accepted, LedgerRow, Receipt

CONTACT = ContactPolicy()
DAY = date(2026, 6, 2)
NOW = datetime(2026, 6, 2, 18, tzinfo=UTC)
POLICY = MessagingPolicy()
CLOSED = NOW + timedelta(hours=POLICY.ambiguous_close_hours)


@dataclass
class Provider:
    """Knows the accepted ids, fails on the unreadable ones, and has receipts."""

    channel = "sms"
    accepted: frozenset[str] = frozenset()
    unreadable: frozenset[str] = frozenset()
    received: list[Receipt] = field(default_factory=list)
    error: Exception = field(default_factory=lambda: TimeoutError("+12125550142"))
    asked: list[tuple[datetime, frozenset[str]]] = field(default_factory=list)

    def find(self, key: str) -> Accepted | None:
        if key in self.unreadable:
            raise self.error
        return Accepted(f"con_{key}") if key in self.accepted else None

    def receipts(self, *, until: datetime, since: datetime, of: Collection[str] = ()) -> Sequence[Receipt]:
        self.asked.append((since, frozenset(of)))
        return [
            one
            for one in self.received
            if one.received_at <= until and (one.received_at >= since or one.message_id in of)
        ]


def ambiguous(ledger: Any, users: Sequence[str], day: date = DAY) -> list[str]:
    """Leave one ambiguous send a user; return their message ids, sorted."""
    ids, now = [message_id(user, JOB_OF_THE_DAY, day) for user in users], NOW + (day - DAY)
    rows = [
        LedgerRow(key, user, "j", JOB_OF_THE_DAY, day, "hi", "planned", 0, None, now)
        for key, user in zip(ids, users, strict=True)
    ]
    ledger.plan(rows, now=now)
    ledger.approve(JOB_OF_THE_DAY, day, now=now)
    ledger.lease(JOB_OF_THE_DAY, day, worker="w", limit=len(ids), now=now, until=now + timedelta(minutes=5))
    for key in ids:
        assert ledger.begin_submit(key, worker="w", now=now, policy=POLICY, contact=CONTACT, day=day) is None
        ledger.transition_many([Transition(key, "ambiguous")], now=now)
    return sorted(ids)


def states(ledger: Any) -> dict[str, str]:
    return {row.message_id: row.state for row in ledger.rows()}


@pytest.mark.parametrize("error", [TimeoutError("+12125550142"), KeyError("id"), OSError(5, "no route")])
@pytest.mark.parametrize("place", [0, 2, 4])
def test_one_failing_question_does_not_end_reconciling(ledger, caplog, error, place):
    ids = ambiguous(ledger, ["a", "b", "c", "d", "e"])
    others = [key for key in ids if key != ids[place]]
    provider = Provider(frozenset(others[:2]), frozenset({ids[place]}), error=error)
    report = reconcile(ledger, provider, POLICY, CLOSED)
    assert (report.accepted, report.unknown, report.still_ambiguous, report.unreadable) == (2, 2, 1, 1)
    assert states(ledger)[ids[place]] == "ambiguous"
    assert {states(ledger)[key] for key in others[:2]} == {"accepted"}
    assert ids[place] in caplog.text
    assert "2125550142" not in caplog.text


def test_nothing_is_closed_while_the_provider_cannot_be_asked(ledger):
    ids = ambiguous(ledger, [f"u{i:02d}" for i in range(30)])
    report = reconcile(ledger, Provider(unreadable=frozenset(ids)), POLICY, CLOSED + timedelta(days=365))
    assert (report.accepted, report.unknown, report.still_ambiguous, report.unreadable) == (0, 0, 30, 30)
    assert set(states(ledger).values()) == {"ambiguous"}
    assert reconcile(ledger, Provider(), POLICY, CLOSED).unknown == 30


@pytest.mark.parametrize(("is_delivered", "final"), [(True, "delivered"), (False, "undelivered")])
def test_a_receipt_after_the_closing_settles_the_send(ledger, is_delivered, final):
    (key,) = ambiguous(ledger, ["a"])
    assert reconcile(ledger, Provider(), POLICY, CLOSED).unknown == 1
    arrived = CLOSED + timedelta(hours=5)
    provider = Provider(received=[Receipt(key, "con_1", is_delivered, arrived)])
    assert collect_receipts(ledger, provider, arrived - timedelta(hours=1)) == 0
    assert [collect_receipts(ledger, provider, arrived + timedelta(hours=1)) for _ in range(2)] == [1, 0]
    (row,) = ledger.rows()
    assert (row.state, row.provider_message_id) == (final, "con_1")
    moved = [(move["from_state"], move["to_state"]) for move in ledger.transitions().to_pylist()]
    assert moved[-2:] == [("ambiguous", "unknown"), ("unknown", final)]
    told = transition_events(ledger.transitions(), providers={"sms": "console"})["message_status"].to_pylist()
    assert [row["status"] for row in told] == ["ambiguous", "unknown", final]
    assert told[-1]["occurred_at"] == arrived
    assert len({row["event_id"] for row in told}) == 3


def test_a_receipt_that_comes_years_late_or_is_read_years_late_settles_the_send(ledger):
    """Old sends are asked about by their ids: neither when a receipt came nor when anybody looked loses it."""
    old, never = ambiguous(ledger, ["a", "b"])
    assert reconcile(ledger, Provider(), POLICY, CLOSED).unknown == 2
    later = timedelta(days=3 * 365)
    (young,) = ambiguous(ledger, ["c"], DAY + later)
    early, late = Receipt(old, "con_1", True, NOW + timedelta(minutes=1)), Receipt(never, "con_2", True, NOW + later)
    provider = Provider(received=[early, Receipt(young, "con_3", False, NOW + later), late])
    assert collect_receipts(ledger, provider, NOW + later) == 3
    assert states(ledger) == {old: "delivered", never: "delivered", young: "undelivered"}
    assert provider.asked == [(day_start(DAY + later), frozenset({old, never}))]


@pytest.mark.parametrize("days", [0, 1, AWAITED_DAYS, AWAITED_DAYS + 1])
def test_receipts_since_the_oldest_open_send_are_asked_for_and_of_older_ones_alone(ledger, days):
    (key,) = ambiguous(ledger, ["a"])
    now, provider = NOW + timedelta(days=days), Provider(received=[Receipt(key, "con_1", True, NOW)])
    assert collect_receipts(ledger, provider, now) == 1
    is_old = days > AWAITED_DAYS
    assert provider.asked == [(day_start(DAY + timedelta(days=is_old)), frozenset({key} if is_old else ()))]
    assert collect_receipts(ledger, provider, now) == 0
    assert len(provider.asked) == 1, "nothing is open, so nobody is asked"


def test_what_was_settled_late_still_counts_against_the_caps(ledger):
    (key,) = ambiguous(ledger, ["a"])
    reconcile(ledger, Provider(), POLICY, CLOSED)
    collect_receipts(ledger, Provider(received=[Receipt(key, "con_1", True, CLOSED)]), CLOSED)
    assert ledger.count_submitted(JOB_OF_THE_DAY, DAY) == 1


def test_what_waits_and_the_provider_took_is_accepted_and_what_another_process_submits_is_left_to_it(ledger):
    keys = sorted(message_id(user, JOB_OF_THE_DAY, DAY) for user in "abc")
    rows = [LedgerRow(key, key, "j", JOB_OF_THE_DAY, DAY, "hi", "planned", 0, None, NOW) for key in keys]
    ledger.plan(rows, now=NOW)
    ledger.approve(JOB_OF_THE_DAY, DAY, now=NOW)
    ledger.lease(JOB_OF_THE_DAY, DAY, worker="other", limit=1, now=NOW, until=NOW + timedelta(minutes=5))
    provider = Provider(accepted=frozenset(keys[:2]))
    find = provider.find

    def meanwhile(key: str) -> Accepted | None:
        if key == keys[0]:
            assert ledger.begin_submit(key, worker="other", now=NOW, policy=POLICY, contact=CONTACT, day=DAY) is None
        return find(key)

    provider.find = meanwhile  # type: ignore[method-assign]
    assert find_forgotten(ledger, provider, JOB_OF_THE_DAY, DAY, NOW) == 1
    assert [states(ledger)[key] for key in keys] == ["submitting", "accepted", "approved"]
    assert ledger.submitted(DAY) == {keys[0]: 1, keys[1]: 1}


@pytest.mark.parametrize("account", ["a", "a_old"])
def test_who_got_a_message_on_a_day_that_the_ledger_knows_nothing_of_is_left_out(ledger, monkeypatch, account):
    key, eve = message_id("a", JOB_OF_THE_DAY, DAY), DAY - timedelta(days=1)
    ledger.plan([LedgerRow(key, "a", "j", JOB_OF_THE_DAY, DAY, "hi", "planned", 0, None, NOW)], now=NOW)
    ledger.approve(JOB_OF_THE_DAY, DAY, now=NOW)
    monkeypatch.setattr(ledger, "accounts_of", lambda users: {user: (user, f"{user}_old") for user in users})
    provider = Provider(accepted=frozenset({message_id(account, JOB_OF_THE_DAY, eve)}))
    assert find_forgotten(ledger, provider, JOB_OF_THE_DAY, DAY, NOW) == 0
    assert states(ledger) == {key: "approved"}
    assert find_forgotten(ledger, provider, JOB_OF_THE_DAY, DAY, NOW, [eve, DAY]) == 0
    assert states(ledger) == {key: "suppressed"}


def test_nothing_is_taken_for_unsent_while_the_provider_cannot_be_asked(ledger):
    key = message_id("a", JOB_OF_THE_DAY, DAY)
    ledger.plan([LedgerRow(key, "a", "j", JOB_OF_THE_DAY, DAY, "hi", "planned", 0, None, NOW)], now=NOW)
    ledger.approve(JOB_OF_THE_DAY, DAY, now=NOW)
    with pytest.raises(GateClosedError, match="could not be asked what it took") as caught:
        find_forgotten(ledger, Provider(unreadable=frozenset({key})), JOB_OF_THE_DAY, DAY, NOW)
    assert "+1212" not in str(caught.value)
