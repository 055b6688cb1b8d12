"""States of one send and the edges between them.

Concept: `submitting` is committed before the provider is called, so a crash leaves a trace that something may have been
sent. No edge leads from `submitting` or `ambiguous` back to `approved`: what may have been sent is never sent again.
`unknown` closes the search, not the book: a receipt that comes later still says what became of the text.
"""

from __future__ import annotations

from enum import StrEnum

from mlife_assets.core.errors import PermanentError


class SendState(StrEnum):
    """Where one send is."""

    PLANNED = "planned"
    APPROVED = "approved"
    LEASED = "leased"
    SUBMITTING = "submitting"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    THROTTLED = "throttled"
    AMBIGUOUS = "ambiguous"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    UNKNOWN = "unknown"
    SUPPRESSED = "suppressed"


_S = SendState

EDGES: dict[SendState, frozenset[SendState]] = {
    _S.PLANNED: frozenset({_S.APPROVED, _S.SUPPRESSED}),
    _S.APPROVED: frozenset({_S.LEASED, _S.SUPPRESSED}),
    _S.LEASED: frozenset({_S.SUBMITTING, _S.SUPPRESSED}),
    _S.SUBMITTING: frozenset({_S.ACCEPTED, _S.REJECTED, _S.THROTTLED, _S.AMBIGUOUS}),
    _S.ACCEPTED: frozenset({_S.DELIVERED, _S.UNDELIVERED}),
    _S.REJECTED: frozenset(),
    _S.THROTTLED: frozenset({_S.APPROVED}),
    _S.AMBIGUOUS: frozenset({_S.ACCEPTED, _S.UNKNOWN}),
    _S.DELIVERED: frozenset(),
    _S.UNDELIVERED: frozenset(),
    _S.UNKNOWN: frozenset({_S.DELIVERED, _S.UNDELIVERED}),
    _S.SUPPRESSED: frozenset(),
}
"""Allowed next states of each state."""

BEFORE_SUBMITTING: frozenset[SendState] = frozenset({_S.PLANNED, _S.APPROVED, _S.LEASED})
"""States in which nothing has left yet, so a STOP still prevents the text."""

MAY_HAVE_REACHED: frozenset[SendState] = frozenset(
    {_S.SUBMITTING, _S.ACCEPTED, _S.AMBIGUOUS, _S.DELIVERED, _S.UNDELIVERED, _S.UNKNOWN}
)
"""States that count against the frequency caps: the person may have got the text."""


def check_edge(message_id: str, from_state: str, to_state: str) -> None:
    """Raise PermanentError unless `from_state` -> `to_state` is an allowed edge."""
    allowed = EDGES[SendState(from_state)]
    if to_state not in allowed:
        named = ", ".join(sorted(allowed)) or "nothing, it is final"
        raise PermanentError(
            f"send {message_id} cannot go from {from_state} to {to_state}; after {from_state} comes {named}"
        )
