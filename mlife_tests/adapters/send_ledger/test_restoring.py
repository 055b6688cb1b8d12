"""Sends brought back: whole, once, numbered after what was. Exercises `mlife_assets.adapters.send_ledger.restoring`."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from mlife_assets.adapters.send_ledger import Move, RestoredSend, Transition
from mlife_assets.recruiting.messaging.states import SendState
from mlife_assets.recruiting.ports import LedgerRow

DAY = date(2026, 6, 2)
NOW = datetime(2026, 6, 2, 18, tzinfo=UTC)
SUBMITTED = Move(SendState.SUBMITTING, 1, None, None, NOW, NOW)
ACCEPTED = Move(SendState.ACCEPTED, 1, "p-1", None, NOW, NOW + timedelta(minutes=1))
SEND = RestoredSend("m1", "a", "j", "c", DAY, "hi", (SUBMITTED, ACCEPTED))


def test_a_send_is_added_with_its_moves_and_once(ledger):
    assert ledger.restore_sends([SEND]) == 1
    assert ledger.restore_sends([SEND]) == 0
    (row,) = ledger.rows()
    assert (row.state, row.attempts, row.provider_message_id, row.body) == ("accepted", 1, "p-1", "hi")
    moves = ledger.transitions().to_pylist()
    assert [(m["from_state"], m["to_state"], m["attempt"]) for m in moves] == [
        (None, "submitting", 1),
        ("submitting", "accepted", 1),
    ]


def test_a_send_that_waits_moves_on_and_one_that_is_further_stays(ledger):
    ledger.plan([LedgerRow("m1", "a", "j", "c", DAY, "hi", "planned", 0, None, NOW)], now=NOW)
    assert ledger.restore_sends([SEND]) == 1
    ledger.transition_many([Transition("m1", "delivered")], now=NOW)
    assert ledger.restore_sends([replace(SEND, moves=(SUBMITTED,))]) == 0
    assert ledger.rows()[0].state == "delivered"
    assert ledger.submitted(DAY) == {"m1": 1}


@pytest.mark.parametrize("first", ["a", "b"])
def test_two_accounts_of_one_person_whom_an_earlier_release_texted_both_come_back(ledger, first):
    """Whichever comes first: `a` gave the person its id."""
    ledger.register({"a": "hash", "b": "hash"}, now=NOW)
    both = [replace(SEND, user_id=first), replace(SEND, message_id="m2", user_id="ab".replace(first, ""))]
    assert ledger.restore_sends(both) == 2
    assert {row.user_id for row in ledger.rows()} == {"a", "b"}


def test_switches_keep_their_numbers_and_new_rows_go_on_after_what_was_reached(ledger):
    ledger.restore_switch(7, is_paused=True, actor="me", reason="doubt", at=NOW)
    assert ledger.is_paused()
    ledger.continue_after({"transitions": 100, "inbound": 30})
    ledger.resume(actor="me", reason="fine", now=NOW)
    ledger.record_inbound("in-1", "a", "HELP", received_at=NOW, now=NOW)
    ledger.restore_sends([SEND])
    assert ledger.switches()["sequence"].to_pylist() == [7, 8]
    assert ledger.inbound()["sequence"].to_pylist() == [31]
    assert ledger.transitions()["sequence"].to_pylist() == [101, 102]
    ledger.mark_caught_up(102, now=NOW)
    assert ledger.positions()["transitions"] == 102
    ledger.mark_caught_up(200, now=NOW)
    assert ledger.positions()["transitions"] == 200


def test_numbering_never_goes_back(ledger):
    """A restored ledger may have been numbered further than its newest row and than the newest head."""
    ledger.continue_after({"switches": 100})
    ledger.continue_after({"switches": 50})
    ledger.pause(actor="me", reason="doubt", now=NOW)
    assert ledger.positions()["switches"] == 101
