"""One message of any application, followed from raw event to conversion.

Concept: nothing is stored for tracing. Every hop is found through an id that the previous hop carries. Score and
reasons are computed again from the logged feature row and the artifact and must equal the logged ones, so a trace also
proves that the log is complete.

In a list of messages the outcome is the farthest thing that is known: a conversion outweighs the word of the provider,
which outweighs our own acts; of two words of the provider the later one counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import IntegrityError, NotFoundError
from mlife_assets.core.model_events import IMPORTED
from mlife_assets.core.ports import EventLog
from mlife_assets.core.quoting import quoted
from mlife_assets.core.scoring.feature_spec import feature_hashes
from mlife_assets.core.scoring.reasons import (
    ExplainableScorer,
    ScoreParts,
    first_step_probabilities,
    score_parts,
    strongest_reasons,
)
from mlife_assets.core.windows import add_days
from mlife_assets.recruiting.features import PAIR_WORDS
from mlife_assets.recruiting.message_trace import CONVERSIONS, Hop, MessageLine, MessageTrace

CONVERSION_DAYS = 45
"""How long after a text conversions are looked for: the hire window and some days for late exports."""

APPROVED = ("plan_id", "planned_count", "approved_by", "policy_version", "plan_digest")


PLANNED = ("message_id", "campaign", "channel", "slice", "cohort", "propensity", "body")
PREDICTED = (
    "prediction_id",
    "application",
    "model_version",
    "feature_hash",
    "raw_score",
    "probability",
    "click_probability",
    "rank",
    "propensity",
    "candidate_set_hash",
    "reasons",
)
_REIGN = ("model_version", "previous_version", "actor", "reason")
_GATE = ("outcome", "delta_map", "delta_map_lower", "delta_map_upper", "users_with_positives", "sentences")
_TRAINING = ("model_version", "training_start_date", "training_end_date", "examples", "positives")
_IMPORT = ("environment", "outcome", "judged_at", "sentences", "signed_by", "actor", "reason")
_LAST = slice(-1, None)
OF_MODEL: tuple[tuple[str, slice, tuple[str, ...]], ...] = (
    ("model_registered", slice(1), _TRAINING),
    (IMPORTED, slice(None), _IMPORT),
    ("promotion_decided", _LAST, _GATE),
    ("model_promoted", _LAST, _REIGN),
    ("model_rolled_back", _LAST, _REIGN),
)
"""Event types about a model, which rows of each are shown, and their facts."""
SENT = {
    "message_submitted": ("attempt", "provider"),
    "message_status": ("status", "provider_message_id", "detail"),
    "message_suppressed": ("reason", "stage"),
}


class ScorerSource(Protocol):
    """Loads the scorer of a model version."""

    def __call__(self, model_version: str) -> ExplainableScorer:
        """Return the scorer; raises NotFoundError or IntegrityError."""


def _rows(log: EventLog, event_type: str, start: date | None, end: date | None, **equal: str) -> list[dict[str, Any]]:
    table = log.read(event_type, start=start, end=end)
    mask: pa.ChunkedArray | None = None
    for column, value in equal.items():
        hit = pc.equal(table[column], value)
        mask = hit if mask is None else pc.and_(mask, hit)
    selected = table if mask is None else table.filter(mask)
    return list(selected.to_pylist())


def _hop(stage: str, event_type: str, row: Mapping[str, Any], *names: str) -> Hop:
    return Hop(
        stage=stage,
        event_type=event_type,
        event_id=row["event_id"],
        occurred_at=row["occurred_at"],
        observed_at=row["observed_at"],
        details={name: row[name] for name in names},
    )


def _raw_hops(log: EventLog, planned: Mapping[str, Any]) -> list[Hop]:
    """Return the events of the user and the jobs known when the day's features were built."""
    known_until = add_days(planned["as_of_date"], -1)
    user, hops = planned["user_id"], []
    for item in planned["items"]:
        for row in _rows(log, "job_posted", None, known_until, job_id=item["job_id"])[-1:]:
            hops.append(_hop("raw events", "job_posted", row, "job_id", "title", "employer_name", "pay_usd_per_hour"))
    for row in _rows(log, "user_snapshot", known_until, known_until, user_id=user)[-1:]:
        hops.append(_hop("raw events", "user_snapshot", row, "user_id", "occupation_group", "metro_code"))
    for row in _rows(log, "consent", None, known_until, user_id=user, channel=planned["channel"])[-1:]:
        hops.append(_hop("raw events", "consent", row, "channel", "is_granted", "source"))
    return hops


def _model_hops(log: EventLog, model_version: str, until: date) -> list[Hop]:
    """Return where the model comes from and how it came to serve: imports, the last verdict, promotion, rollback."""
    return [
        _hop("model", event_type, row, *names)
        for event_type, which, names in OF_MODEL
        for row in _rows(log, event_type, None, until, model_version=model_version)[which]
    ]


def trace_message(log: EventLog, message_id: str, load_scorer: ScorerSource) -> MessageTrace:
    """Follow one message through the event log; `load_scorer` takes a model version.

    Raises NotFoundError if nothing plans it, IntegrityError if the logged row does not give its scores or reasons.
    """
    plans = _rows(log, "message_planned", None, None, message_id=message_id)
    if not plans:
        raise NotFoundError(
            f"no message_planned event has message_id {quoted(message_id)}; `mlife status --json` names one of the "
            "last day"
        )
    planned = plans[0]
    day: date = planned["as_of_date"]
    hops = _raw_hops(log, planned)
    features: dict[str, float] = {}
    reasons: tuple[str, ...] = ()
    parts: ScoreParts | None = None
    alternatives: list[dict[str, Any]] = []
    if planned["prediction_id"] is not None:
        # Others may have planned on the same scored pairs, for reasons of their own.
        logged = _rows(log, "prediction", day, day, user_id=planned["user_id"])
        scored = [row for row in logged if row["application"] == planned["campaign"]]
        if not any(row["prediction_id"] == planned["prediction_id"] for row in scored):
            scored = [row for row in logged if row["slice"] is None]  # of version 1, which names no application
        by_id = {row["prediction_id"]: row for row in scored}
        lost = [item for item in planned["items"] if item["prediction_id"] not in by_id]
        if lost:
            raise IntegrityError(
                f"message {message_id} names prediction {lost[0]['prediction_id']}, which {planned['campaign']} has "
                "not logged"
            )
        offered = [by_id[item["prediction_id"]] for item in planned["items"]]
        recomputed = [_recomputed(row, load_scorer) for row in offered]
        (features, parts), reasons = recomputed[0], tuple(offered[0]["reasons"])
        alternatives = [
            {name: row[name] for name in ("job_id", "probability", "click_probability", "rank", "prediction_id")}
            for row in sorted(scored, key=lambda row: row["rank"])
        ]
        hops += _model_hops(log, offered[0]["model_version"], day)
        hops += [_hop("prediction", "prediction", row, *PREDICTED) for row in offered]
    for row in _rows(log, "plan_approved", day, day, plan_id=planned["plan_id"])[:1]:
        hops.append(_hop("plan", "plan_approved", row, *APPROVED))
    hops.append(_hop("plan", "message_planned", planned, *PLANNED))
    end = add_days(day, CONVERSION_DAYS)
    for event_type, names in SENT.items():
        for row in _rows(log, event_type, day, end, message_id=message_id):
            hops.append(_hop("send", event_type, row, *names))
    for event_type in ("click", "apply", "hire"):
        for row in _rows(log, event_type, day, end, exposure_id=message_id):
            hops.append(_hop("conversion", event_type, row, "user_id", "job_id", "source", "exposure_id"))
    return MessageTrace(message_id, tuple(hops), features, reasons, tuple(alternatives), parts)


def _recomputed(chosen: Mapping[str, Any], load_scorer: ScorerSource) -> tuple[dict[str, float], ScoreParts]:
    """Score and explain the logged feature row again; return it and its score taken apart, as they were logged."""
    scorer = load_scorer(chosen["model_version"])
    row = np.array([[np.nan if value is None else value for value in chosen["features"]]], dtype=np.float64)
    if feature_hashes(row)[0] != chosen["feature_hash"]:
        raise IntegrityError(
            f"the feature row of prediction {chosen['prediction_id']} does not hash to {chosen['feature_hash']}: it "
            "was changed after it was scored; run `mlife log verify`"
        )
    scores = scorer.score(row)
    click = float(first_step_probabilities(scores)[0])
    gives = {
        "raw_score": float(scores.raw[0]),
        "probability": float(scores.probability[0]),
        "click_probability": None if np.isnan(click) else click,
        "reasons": strongest_reasons(scorer, row, PAIR_WORDS)[0],
    }
    for name, now in gives.items():
        if chosen[name] != now:
            raise IntegrityError(
                f"prediction {chosen['prediction_id']} was logged with {name.replace('_', ' ')} {chosen[name]!r}, but "
                f"model {chosen['model_version']} gives {now!r} for the logged feature row; run `mlife log verify`"
            )
    spec = scorer.feature_spec
    parts = score_parts(scorer.contributions(row)[0], spec.expanded(row)[0], spec)
    return dict(zip(scorer.feature_names, row[0].tolist(), strict=True)), parts


def recent_messages(log: EventLog, *, first: date, last: date) -> list[MessageLine]:
    """Return the messages planned from `first` to `last`, the newest day first, each with its outcome so far."""
    planned = log.read("message_planned", start=first, end=last, columns=["message_id", "as_of_date", "body"])
    outcomes: dict[str, str] = {}
    end = add_days(last, CONVERSION_DAYS)
    for row in log.read("message_suppressed", start=first, end=end, columns=["message_id", "reason"]).to_pylist():
        outcomes[row["message_id"]] = f"suppressed: {row['reason'].replace('_', ' ')}"
    for row in log.read("message_submitted", start=first, end=end, columns=["message_id"]).to_pylist():
        outcomes[row["message_id"]] = "submitted"
    for row in log.read("message_status", start=first, end=end, columns=["message_id", "status"]).to_pylist():
        outcomes[row["message_id"]] = row["status"]
    for event_type, outcome in CONVERSIONS.items():
        for row in log.read(event_type, start=first, end=end, columns=["exposure_id"]).to_pylist():
            outcomes[row["exposure_id"]] = outcome
    lines = {
        row["message_id"]: MessageLine(outcome=outcomes.get(row["message_id"], "planned"), **row)
        for row in planned.to_pylist()
    }
    return sorted(lines.values(), key=lambda line: (-line.as_of_date.toordinal(), line.message_id))
