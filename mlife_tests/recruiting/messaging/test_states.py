from __future__ import annotations

import pytest

from mlife_assets.core.errors import PermanentError
from mlife_assets.recruiting.messaging.states import BEFORE_SUBMITTING, EDGES, MAY_HAVE_REACHED, SendState, check_edge


def reachable(start: SendState) -> set[SendState]:
    seen: set[SendState] = set()
    front = {start}
    while front:
        front = {after for state in front for after in EDGES[state]} - seen
        seen |= front
    return seen


def test_every_state_has_edges_and_is_reachable_from_planned():
    assert set(EDGES) == set(SendState)
    assert reachable(SendState.PLANNED) | {SendState.PLANNED} == set(SendState)


@pytest.mark.parametrize("state", [SendState.ACCEPTED, SendState.AMBIGUOUS, SendState.UNKNOWN, SendState.DELIVERED])
def test_what_may_have_been_sent_never_comes_back_to_submitting(state):
    assert SendState.SUBMITTING not in reachable(state)


def test_only_a_throttle_leads_from_submitting_back_to_approved():
    assert [s for s in EDGES[SendState.SUBMITTING] if SendState.APPROVED in EDGES[s]] == [SendState.THROTTLED]


def test_stop_can_suppress_exactly_what_has_not_left():
    assert {s for s in SendState if SendState.SUPPRESSED in EDGES[s]} == BEFORE_SUBMITTING
    assert not BEFORE_SUBMITTING & MAY_HAVE_REACHED


@pytest.mark.parametrize(("old", "new"), [("ambiguous", "approved"), ("delivered", "leased"), ("planned", "nonsense")])
def test_forbidden_edges_raise_and_name_the_message(old, new):
    with pytest.raises(PermanentError, match="msg_1 cannot go from"):
        check_edge("msg_1", old, new)


def test_what_was_closed_as_unknown_still_takes_its_receipt():
    assert EDGES[SendState.UNKNOWN] == {SendState.DELIVERED, SendState.UNDELIVERED}
