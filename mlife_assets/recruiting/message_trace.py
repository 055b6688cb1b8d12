"""The trace of one message, from raw event to conversion, and its line in a list.

Concept: finding and showing lie in layers that do not know each other; they meet in these types.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from mlife_assets.core.scoring.reasons import ScoreParts

CONVERSIONS = {"click": "clicked", "apply": "applied", "hire": "hired"}
"""Event types in the order of the funnel, and what each is called as the outcome of a message."""


@dataclass(frozen=True)
class Hop:
    """One step of a trace: its event, the event's two times, and its content."""

    stage: str
    event_type: str
    event_id: str
    occurred_at: datetime
    observed_at: datetime
    details: Mapping[str, Any]


@dataclass(frozen=True)
class MessageTrace:
    """A message with every hop that led to it and followed from it, in causal order.

    Fields about one job are about the first job of the message: `features` is the logged feature row by name, `reasons`
    (as logged) and `alternatives` say why this job and not the others, `parts` is the score taken apart. They are
    empty, or None, for a message that no model chose.
    """

    message_id: str
    hops: tuple[Hop, ...]
    features: Mapping[str, float]
    reasons: tuple[str, ...]
    alternatives: tuple[Mapping[str, Any], ...]
    parts: ScoreParts | None = None


@dataclass(frozen=True)
class MessageLine:
    """A message in a list.

    Attributes:
        message_id: the message.
        as_of_date: the day that planned it.
        body: its text.
        outcome: the last thing that is known of it: planned, a state of its send, clicked, applied or hired.
    """

    message_id: str
    as_of_date: date
    body: str
    outcome: str
