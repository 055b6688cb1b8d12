"""`mlife trace`: one text, hop by hop.

Belongs here: printing a trace. Does not belong here: following it (`adapters.message_trace`).

Concept: read from top to bottom it is the answer to "why did this person get this text, and what came of it?".
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mlife_assets.cli.session import Session

if TYPE_CHECKING:
    import numpy as np

    from mlife_assets.core.inference.scoring import LightGBMScorer

ALTERNATIVES_SHOWN = 5
LABEL_WIDTH = 24


def _reasons(scorer: LightGBMScorer, row: np.ndarray) -> list[str]:
    from mlife_assets.core.training.explain import reasons

    return reasons(scorer.contributions(row)[0], row[0], scorer.feature_spec)


def tell_trace(session: Session, message_id: str) -> None:
    """Print the trace of a text.

    Raises:
        NotFoundError: no such text.
        IntegrityError: the log contradicts itself.
    """
    from mlife_assets.adapters.message_trace import trace_message

    platform = session.platform
    trace = trace_message(platform.event_log, message_id, platform.scorer, _reasons)  # type: ignore[arg-type]
    session.answer(asdict(trace))
    if session.is_json:
        return
    session.tell(f"{message_id}", style="bold")
    stage = ""
    for hop in trace.hops:
        if hop.stage != stage:
            stage = hop.stage
            session.tell(f"\n{stage}", style="bold cyan")
        session.tell(
            f"  {hop.event_type:<20} {hop.event_id}  occurred {hop.occurred_at:%Y-%m-%d %H:%M:%S}  "
            f"observed {hop.observed_at:%Y-%m-%d %H:%M:%S}"
        )
        for name, value in hop.details.items():
            session.tell(f"      {name:<{LABEL_WIDTH}} {_shown(value)}")
        if hop.stage == "prediction":
            session.tell("      features, as logged:")
            row = ", ".join(f"{name} {value:.4g}" for name, value in trace.features.items())
            session.tell(f"        {row}")
            session.tell("      why, recomputed from the logged feature row and the artifact:")
            for reason in trace.reasons:
                session.tell(f"        {reason}")
            session.tell(f"      why not the others ({len(trace.alternatives)} candidates, best first):")
            for other in trace.alternatives[:ALTERNATIVES_SHOWN]:
                chosen = "  <- chosen" if other["prediction_id"] == hop.details["prediction_id"] else ""
                session.tell(f"        {other['rank']:>2}. {other['job_id']}  {other['probability']:.4f}{chosen}")


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "; ".join(str(one) for one in value)
    if isinstance(value, float):
        return f"{value:.6g}"
    return "none" if value is None else str(value)
