"""Pages of messages: a list to find one, and the trace of one.

Belongs here: what the two pages say. Does not belong here: following a message (`adapters.message_trace`), how pages
look (`core.pages`).

Concept: the trace shows the facts that `mlife trace` prints. Each hop names the event that proves it and both of its
times.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from mlife_assets.core.pages import Markup, render
from mlife_assets.core.pictures import data_uri
from mlife_assets.core.training.explain import plot_waterfall
from mlife_assets.recruiting.features import PAIR_WORDS
from mlife_assets.recruiting.mail.shown import body_line, mail_of
from mlife_assets.recruiting.message_trace import CONVERSIONS, Hop, MessageLine, MessageTrace

NEWEST, CONVERTED, RANKED = 20, 10, 5
FARTHEST = tuple(reversed(CONVERSIONS.values()))
SHOWN_APART = {"body", "reasons"}
STAGES = {
    "raw events": "What was known",
    "model": "The model",
    "prediction": "The score",
    "plan": "The plan",
    "send": "The send",
    "conversion": "What came of it",
}


def messages_body(lines: Sequence[MessageLine], note: str = "") -> Markup:
    """Return the content of the page that finds a message; `note` says why there is none."""
    farthest = sorted((line for line in lines if line.outcome in FARTHEST), key=_how_far)
    return render(
        "messages.html",
        package="mlife_assets.serving.site",
        note=note,
        lists=[
            ("Led to something", "an application or a hire, or else a click", farthest[:CONVERTED]),
            ("Newest", "the last that were planned", list(lines[:NEWEST])),
        ],
        body_line=body_line,
    )


def trace_body(found: MessageTrace, cards: Mapping[str, str], plan_href: str | None) -> Markup:
    """Return the content of the page of one message.

    Args:
        found: the trace.
        cards: model version -> link to its card, where there is one.
        plan_href: link to the plan in the Dagster UI.
    """
    prediction = next((hop for hop in found.hops if hop.event_type == "prediction"), None)
    stages = dict.fromkeys(hop.stage for hop in found.hops)
    outcome, is_converted = _outcome(found)
    body = str(_planned(found).details["body"])
    return render(
        "trace.html",
        package="mlife_assets.serving.site",
        message_id=found.message_id,
        outcome=outcome,
        is_converted=is_converted,
        text=body_line(body),
        mail=mail_of(body),
        stages=[
            (name, STAGES.get(name, name.capitalize()), [_hop(hop, cards) for hop in found.hops if hop.stage == name])
            for name in stages
        ],
        prediction_id=None if prediction is None else prediction.details["prediction_id"],
        reasons=found.reasons,
        waterfall=None if found.parts is None else data_uri(plot_waterfall(found.parts, PAIR_WORDS)),
        features=[(name, f"{value:.4g}") for name, value in found.features.items()],
        ranked=found.alternatives[:RANKED],
        ranked_in_all=len(found.alternatives),
        plan_href=plan_href,
    )


def planned_day(found: MessageTrace) -> str:
    """Return the day that planned a message, which is the partition of its plan."""
    return f"{_planned(found).observed_at:%Y-%m-%d}"


def _planned(found: MessageTrace) -> Hop:
    return next(hop for hop in found.hops if hop.event_type == "message_planned")


def _how_far(line: MessageLine) -> tuple[int, int]:
    return FARTHEST.index(line.outcome), -line.as_of_date.toordinal()


def _hop(hop: Hop, cards: Mapping[str, str]) -> dict[str, Any]:
    facts = [
        {"name": name.replace("_", " "), "lines": _lines(value), "href": cards.get(str(value))}
        for name, value in hop.details.items()
        if value is not None and name not in SHOWN_APART
    ]
    return {
        "event_type": hop.event_type,
        "event_id": hop.event_id,
        "occurred": _moment(hop.occurred_at),
        "observed": _moment(hop.observed_at),
        "facts": facts,
    }


def _lines(value: Any) -> list[str]:
    """Return a fact as lines of text."""
    if isinstance(value, list | tuple):
        return [str(one) for one in value]
    if isinstance(value, bool):
        return ["yes" if value else "no"]
    return [f"{value:.6g}" if isinstance(value, float) else str(value)]


def _outcome(found: MessageTrace) -> tuple[str, bool]:
    """Return the farthest thing that happened, and whether it is a conversion."""
    last = found.hops[-1]
    if last.stage == "conversion":
        return CONVERSIONS[last.event_type], True
    return str(last.details.get("status") or last.event_type.replace("_", " ")), False


def _moment(value: datetime) -> str:
    return f"{value:%Y-%m-%d %H:%M:%S}Z"
