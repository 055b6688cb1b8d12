"""The trigger: which retraining runs the governor's decisions still need. Pure.

Belongs here: from decisions and runs to requests. Does not belong here: the decision (`governor`), launching (a
sensor).

Concept: stateless. Whatever was lost in between, the decisions and the runs that exist tell what is missing: a
decision to retrain without a run needs one, one whose run failed needs another attempt, up to a limit, and then a
person. The request's key names decision and attempt, so asking twice is asking once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.monitoring.governor import VERDICTS

ATTEMPTS_MAXIMUM = 3

RunState = Literal["active", "succeeded", "failed"]


@dataclass(frozen=True)
class DecisionFacts:
    """A recorded decision: its id, its day and its verdict."""

    decision_id: str
    as_of_date: date
    verdict: str

    def __post_init__(self) -> None:
        """Refuse a verdict that no governor gives."""
        if self.verdict not in VERDICTS:
            raise InvalidInputError(f"verdict of {self.decision_id} is {self.verdict!r}; use {', '.join(VERDICTS)}")


@dataclass(frozen=True)
class RetrainingRequest:
    """One run to ask for."""

    run_key: str
    decision_id: str
    as_of_date: date
    attempt: int


@dataclass(frozen=True)
class Outlook:
    """What to request now, and a sentence for the log; `exhausted` decisions need a person."""

    requests: tuple[RetrainingRequest, ...]
    exhausted: tuple[str, ...]
    sentence: str


def outstanding_retrainings(decisions: Sequence[DecisionFacts], runs: Mapping[str, Sequence[RunState]]) -> Outlook:
    """Return the runs that are missing.

    Args:
        decisions: recent decisions, oldest first.
        runs: decision id -> states of the runs that were launched for it, oldest first.
    """
    requests, exhausted = [], []
    wanted = [decision for decision in decisions if decision.verdict == "retrain"]
    for decision in wanted:
        states = runs.get(decision.decision_id, ())
        if any(state in ("active", "succeeded") for state in states):
            continue
        if len(states) >= ATTEMPTS_MAXIMUM:
            exhausted.append(decision.decision_id)
            continue
        attempt = len(states) + 1
        key = f"retrain-{decision.decision_id}-attempt-{attempt}"
        requests.append(RetrainingRequest(key, decision.decision_id, decision.as_of_date, attempt))
    if requests:
        sentence = f"{len(requests)} retraining runs requested."
    elif exhausted:
        sentence = f"Retraining failed {ATTEMPTS_MAXIMUM} times for {', '.join(exhausted)}; a person must look."
    elif wanted:
        sentence = f"Every decision to retrain has its run; the newest is of {wanted[-1].as_of_date}."
    elif decisions:
        sentence = f"The newest verdict, of {decisions[-1].as_of_date}, is {decisions[-1].verdict}."
    else:
        sentence = "No decision was recorded yet."
    return Outlook(tuple(requests), tuple(exhausted), sentence)
