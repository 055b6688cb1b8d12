"""A day's recorded decision about retraining, and the runs still to launch.

Concept: requests are stateless. A day with the verdict `retrain` needs a run; a failed run needs another attempt after
a wait, up to a limit, and then a person. A run trains the partition of its day, so runs and attempts belong to the day.
The request's key names day and attempt, so repeated requests launch one run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from mlife_assets.core.errors import InvalidInputError

RunState = Literal["active", "succeeded", "failed"]
Verdict = Literal["retrain", "wait", "block"]
VERDICTS: tuple[Verdict, ...] = ("retrain", "wait", "block")
KINDS = ("data", "latent", "concept")
QUALITY_FAULT = "quality_fault"
QUALITY_UNKNOWN = "quality_unknown"
NO_CHAMPION = "no_champion"
NEW_LABELS = "new_labels"
DRIFT_BREACHED = "drift_breached"
NO_DRIFT = "no_drift"
DRIFT_UNIMPORTANT = "drift_unimportant"
IN_FLIGHT = "retraining_in_flight"
FIT_TOO_SOON = "fit_too_soon"
LABELS_IMMATURE = "labels_immature"
ALARM_SUFFIX = "_alarm"
CONFIRMED_SUFFIX = "_drift_confirmed"
UNIMPORTANT_SUFFIX = "_alarm_unimportant"


@dataclass(frozen=True)
class DecisionFacts:
    """A recorded decision: its id, its day and its verdict."""

    decision_id: str
    as_of_date: date
    verdict: str

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise InvalidInputError(f"verdict of {self.decision_id} is {self.verdict!r}; use {', '.join(VERDICTS)}")


@dataclass(frozen=True)
class RunFacts:
    """A run launched for a cause: its state and end. `ended_at` may be None while it is active."""

    state: RunState
    ended_at: datetime | None = None

    def __post_init__(self) -> None:
        if self.state == "failed" and (self.ended_at is None or self.ended_at.tzinfo is None):
            raise InvalidInputError(f"a failed run ended at {self.ended_at}; pass an aware time")


@dataclass(frozen=True)
class Attempt:
    """The next attempt for a cause.

    Attributes:
        number: of the attempt to launch; None when none is due.
        due_at: end of the wait for the next attempt; None when it is due or there is none.
        is_exhausted: whether all allowed attempts failed, so that a person must look.
    """

    number: int | None
    due_at: datetime | None = None
    is_exhausted: bool = False


@dataclass(frozen=True)
class RetrainingRequest:
    """One run to request."""

    run_key: str
    decision_id: str
    as_of_date: date
    attempt: int


@dataclass(frozen=True)
class Outlook:
    """Runs to request now, and a sentence for the log; `exhausted` decisions need a person."""

    requests: tuple[RetrainingRequest, ...]
    exhausted: tuple[DecisionFacts, ...]
    sentence: str


def next_attempt(runs: Sequence[RunFacts], *, now: datetime, retry_wait_minutes: Sequence[int]) -> Attempt:
    """Return the next attempt for a cause, from its runs so far in any order.

    There is one attempt more than waits. A wait is counted from the end of the latest failed run.
    """
    if any(run.state != "failed" for run in runs):
        return Attempt(None)
    if len(runs) > len(retry_wait_minutes):
        return Attempt(None, is_exhausted=True)
    ended = [run.ended_at for run in runs if run.ended_at is not None]
    if ended:
        due_at = max(ended) + timedelta(minutes=retry_wait_minutes[len(runs) - 1])
        if now < due_at:
            return Attempt(None, due_at=due_at)
    return Attempt(len(runs) + 1)


def outstanding_retrainings(
    decisions: Sequence[DecisionFacts],
    runs: Mapping[date, Sequence[RunFacts]],
    *,
    now: datetime,
    retry_wait_minutes: Sequence[int],
) -> Outlook:
    """Return the runs that are missing.

    Args:
        decisions: recent decisions, one per day, oldest first.
        runs: day -> the runs that were launched for any decision of that day.
        now: the present, aware.
        retry_wait_minutes: how long after each failure the next attempt waits.
    """
    wanted = [decision for decision in decisions if decision.verdict == "retrain"]
    attempts = {
        one.as_of_date: next_attempt(runs.get(one.as_of_date, ()), now=now, retry_wait_minutes=retry_wait_minutes)
        for one in wanted
    }
    requests = tuple(
        RetrainingRequest(f"retrain-{one.as_of_date}-attempt-{number}", one.decision_id, one.as_of_date, number)
        for one in wanted
        if (number := attempts[one.as_of_date].number) is not None
    )
    exhausted = tuple(one for one in wanted if attempts[one.as_of_date].is_exhausted)
    waits = [due for attempt in attempts.values() if (due := attempt.due_at) is not None]
    if requests:
        sentence = f"{len(requests)} retraining runs requested."
    elif waits:
        sentence = f"Retraining failed and is tried again at {min(waits):%Y-%m-%d %H:%M} UTC."
    elif exhausted:
        given_up = ", ".join(one.as_of_date.isoformat() for one in exhausted)
        sentence = f"Retraining failed {len(retry_wait_minutes) + 1} times for {given_up}; a person must look."
    elif wanted:
        sentence = f"Every decision to retrain has its run; the newest is of {wanted[-1].as_of_date}."
    elif decisions:
        sentence = f"The newest verdict, of {decisions[-1].as_of_date}, is {decisions[-1].verdict}."
    else:
        sentence = "No decision was recorded yet."
    return Outlook(requests, exhausted, sentence)


@dataclass(frozen=True)
class RetrainDecision:
    """The verdict of one day, with the fields of the `retrain_decided` event: history is a fold over events."""

    as_of_date: date
    verdict: Verdict
    codes: tuple[str, ...]
    sentences: tuple[str, ...]
    model_version: str | None

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise InvalidInputError(f"RetrainDecision.verdict is {self.verdict!r}; use one of {', '.join(VERDICTS)}")

    @property
    def alarms(self) -> tuple[str, ...]:
        """The kinds of drift that alarmed and mattered that day, in fixed order, whether or not the day counts."""
        return tuple(kind for kind in KINDS if kind + ALARM_SUFFIX in self.codes)

    @property
    def unimportant_alarms(self) -> tuple[str, ...]:
        """The kinds of drift that alarmed that day only by columns of little importance, in fixed order."""
        return tuple(kind for kind in KINDS if kind + UNIMPORTANT_SUFFIX in self.codes)
