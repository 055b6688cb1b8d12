"""The replay: one morning after the other, four policies side by side.

Belongs here: the fold over days, the first champion, serving, the result. Does not belong here: what a policy does
(`contestants`), estimates (`measure`).

Concept: on each morning every policy decides from what is known, then its champion serves the day. Costly steps are
remembered by what they follow from, so policies share them and a replay that was killed goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt

from mlife_assets.core.backtest.checkpoints import Checkpoints, Timings
from mlife_assets.core.backtest.contestants import (
    EVERY_ALARM,
    FROZEN,
    GOVERNED,
    NAIVE,
    Contestant,
    EveryAlarm,
    Frozen,
    Naive,
    Start,
)
from mlife_assets.core.backtest.gate_window import holdout_window
from mlife_assets.core.backtest.governed import Governed
from mlife_assets.core.backtest.history import WINDOWS_MINIMUM, History
from mlife_assets.core.backtest.judging import Judge, Judged
from mlife_assets.core.backtest.learning import Learner, score
from mlife_assets.core.backtest.measure import BLOCKS_MINIMUM, Ranking, Score, log_loss, measure
from mlife_assets.core.backtest.recommendation import recommend
from mlife_assets.core.backtest.result import BacktestResult, Cost, Period, PolicyResult
from mlife_assets.core.backtest.watching import Watcher
from mlife_assets.core.errors import NotEnoughEvidenceError
from mlife_assets.core.model import Model
from mlife_assets.core.policies import fields_that_count
from mlife_assets.core.ports import Detectors, ObjectStore
from mlife_assets.core.scoring.estimators import parameters
from mlife_assets.core.training.manifest_facts import OWN_ESTIMATOR, manifest_facts
from mlife_assets.core.windows import add_days, days_between

Progress = Callable[[int, int], None]
"""Called with (mornings done, in all)."""
CONTESTANTS: dict[str, type[Contestant]] = {
    GOVERNED: Governed,
    FROZEN: Frozen,
    NAIVE: Naive,
    EVERY_ALARM: EveryAlarm,
}
PERIODS_WANTED = 52
WEEK_DAYS = 7


@dataclass(frozen=True, eq=False)
class Replayed:
    """A finished replay.

    Attributes:
        result: the same for the same inputs.
        cost: measured seconds, which are not.
        contestants: the policies with their records.
        probabilities: policy -> probability served for each row since the start, float64 (n,).
        resumed_steps: costly steps that an earlier run had done.
    """

    result: BacktestResult
    cost: Cost
    contestants: dict[str, Contestant]
    probabilities: dict[str, npt.NDArray[np.float64]]
    resumed_steps: int


def replay(
    history: History,
    detectors: Detectors,
    store: ObjectStore,
    *,
    stopwatch: Callable[[], float],
    progress: Progress | None = None,
) -> Replayed:
    """Replay a history through training, maturity, monitoring, governor and gate under four policies.

    Args:
        history: what to replay.
        detectors: what monitoring computes with.
        store: where costly steps are remembered; the same store and inputs go on where an earlier run stopped.
        stopwatch: returns seconds from any start; only costs are measured with it.
        progress: called after each morning.

    Raises:
        NotEnoughEvidenceError: no first champion could be trained and watched, or too few days are left after it.
    """
    checkpoints = Checkpoints(store, history.content_hash)
    learner = Learner(history, checkpoints, Timings(store, history.content_hash, stopwatch))
    watcher = Watcher(history, detectors, checkpoints)
    start = first_champion(history, learner, watcher)
    judge = Judge(history, learner, checkpoints)
    contestants = {name: kind(history, learner, judge, watcher) for name, kind in CONTESTANTS.items()}
    for contestant in contestants.values():
        contestant.begin(start)
    mornings = list(days_between(add_days(start.day, 1), history.last_day))
    for done, day in enumerate(mornings, 1):
        for contestant in contestants.values():
            contestant.on_morning(day)
        if progress is not None:
            progress(done, len(mornings))
    probabilities = {name: served(history, contestant) for name, contestant in contestants.items()}
    result = _result(history, start, contestants, probabilities)
    cost = Cost({name: sum(map(learner.seconds, one.fits)) for name, one in contestants.items()})
    return Replayed(result, cost, contestants, probabilities, checkpoints.found)


def first_champion(history: History, learner: Learner, watcher: Watcher) -> Start:
    """Return the first champion, on the first closing of a window on which it can be trained and watched.

    Raises:
        NotEnoughEvidenceError: there is no such day that leaves enough blocks of days; says what is missing.
    """
    policy = history.model.backtest
    earliest = add_days(history.first_day, policy.warmup_days)
    latest = add_days(history.last_day, 1 - BLOCKS_MINIMUM * policy.bootstrap_block_days)
    why = f"no window of {history.model.monitoring.sample_rows_per_day:,} rows closes between {earliest} and {latest}"
    for number, window in enumerate(history.windows, 1):
        day = window.closed_on
        if day < earliest or day > latest:
            continue
        if number < WINDOWS_MINIMUM:
            why = f"by {day} only {number} windows of rows have closed, {WINDOWS_MINIMUM} needed"
            continue
        gate = holdout_window(history, day, None)
        if gate.first_day is None:
            why = f"on {day}: {gate.sentence}"
            continue
        try:
            twin, serving = Judged.by_one(learner.fit(gate.first_day), gate.first_day), learner.fit(day)
            watcher.reference(serving, twin, day)
        except NotEnoughEvidenceError as error:
            why = f"on {day}: {error}"
            continue
        return Start(day, serving, twin)
    span = (history.last_day - history.first_day).days + 1
    raise NotEnoughEvidenceError(
        f"the history of {span} days ({history.first_day} to {history.last_day}) is too short for a first champion and "
        f"{BLOCKS_MINIMUM * policy.bootstrap_block_days} days to compare on; {why}. Bring a longer history, or state "
        "in the spec the evidence that fits it (promotion.minimum_users_with_positives, "
        "monitoring.sample_rows_per_day, training.minimum_examples)"
    )


def served(history: History, contestant: Contestant) -> npt.NDArray[np.float64]:
    """Return the probability that a policy served for each row since its first reign, float64 (n,)."""
    reigns = contestant.reigns
    ends = [history.place(reign.since) for reign in reigns[1:]] + [len(history.days)]
    parts = [
        score(history, reign.fit.artifact, np.arange(history.place(reign.since), end)).probability
        for reign, end in zip(reigns, ends, strict=True)
    ]
    return np.concatenate(parts)


def _result(
    history: History,
    start: Start,
    contestants: dict[str, Contestant],
    probabilities: dict[str, npt.NDArray[np.float64]],
) -> BacktestResult:
    policy = history.model.backtest
    first = history.place(start.day)
    outcome = history.outcome[first:]
    codes = (history.days[first:] - np.datetime64(start.day, "D")).astype(np.int64)
    days = (history.last_day - start.day).days + 1
    measured = measure(probabilities, outcome, codes, days, policy, first=GOVERNED)
    trainings = {name: len(one.training_days) for name, one in contestants.items()}
    periods = tuple(_periods(history, start.day, probabilities))
    within = {name: within_periods(periods, name) for name in contestants}
    model = history.model
    return BacktestResult(
        title=model.title,
        source=model.source,
        content_hash=history.content_hash,
        first_day=history.first_day,
        start_day=start.day,
        last_day=history.last_day,
        rows=len(outcome),
        positives=int(np.count_nonzero(outcome)),
        windows=sum(start.day < window.closed_on <= history.last_day for window in history.windows),
        policies=tuple(
            _policy_result(name, one, measured.scores[name], within[name]) for name, one in contestants.items()
        ),
        differences=dict(measured.differences),
        margin=policy.margin_average_precision,
        periods=periods,
        recommendation=recommend(measured, trainings, policy, within),
        settings=_settings(model),
        limits=_limits(history),
    )


def _settings(model: Model) -> dict[str, dict[str, Any]]:
    training = fields_that_count(model.training, is_boosted=model.estimator is None)
    others = {name: asdict(getattr(model, name)) for name in ("promotion", "monitoring", "retrain", "backtest")}
    own = {} if model.estimator is None else {OWN_ESTIMATOR: manifest_facts(parameters(model.estimator()))}
    return {"training": training, **others, **own}


def within_periods(periods: Sequence[Period], name: str) -> float:
    """Return a policy's average precision within periods, averaged by positives; 0 where none has both classes."""
    known = [(one.average_precision[name], one.positives) for one in periods]
    total = sum(positives for value, positives in known if value is not None)
    return sum(value * positives for value, positives in known if value is not None) / total if total else 0.0


def _policy_result(name: str, one: Contestant, found: Score, within: float) -> PolicyResult:
    return PolicyResult(
        name=name,
        score=found,
        within_periods=within,
        trainings=len(one.training_days),
        fits=len(one.fits),
        fitted_rows=sum(fit.rows for fit in one.fits),
        installations=len(one.reigns) - 1,
        refusals=sum(decision.action == "refused" for decision in one.decisions),
        decisions=tuple(one.decisions),
    )


def _periods(history: History, start: date, probabilities: dict[str, npt.NDArray[np.float64]]) -> list[Period]:
    total = (history.last_day - start).days + 1
    length = WEEK_DAYS * max(1, -(-total // (WEEK_DAYS * PERIODS_WANTED)))
    offset, periods = history.place(start), []
    mature = np.sort(history.mature[offset:])
    day, matured = start, 0
    while day <= history.last_day:
        last = min(add_days(day, length - 1), history.last_day)
        begin, end = history.place(day) - offset, history.place(add_days(last, 1)) - offset
        outcome = history.outcome[offset + begin : offset + end]
        known = int(np.searchsorted(mature, np.datetime64(last, "D"), side="right"))
        has_both = 0 < np.count_nonzero(outcome) < len(outcome)
        weights = np.ones(len(outcome))
        slices = {name: values[begin:end] for name, values in probabilities.items()}
        periods.append(
            Period(
                first_day=day,
                last_day=last,
                rows=len(outcome),
                positives=int(np.count_nonzero(outcome)),
                matured=known - matured,
                pending=end - known,
                average_precision={
                    name: Ranking.of(values).average_precision(outcome, weights) if has_both else None
                    for name, values in slices.items()
                },
                log_loss={name: log_loss(values, outcome) if has_both else None for name, values in slices.items()},
            )
        )
        day, matured = add_days(last, 1), known
    return periods


def _limits(history: History) -> tuple[str, ...]:
    policy = history.model.backtest
    return (
        "A replay shows what the policies would have done with this one history. Another history may favour another.",
        "What is served changes nothing in a replay: outcomes are those of the file, whatever a model would have "
        "chosen.",
        "The first champion was installed ungated, the same for all policies, "
        f"after at least {policy.warmup_days} days.",
        "Policies are compared by average precision of all rows in one ranking; cost is shown beside it, not weighed "
        "against it.",
        "Quality checks see what a file shows: missing values and closed vocabularies. What landed late or twice is "
        "not in it.",
        "What is normal is learned from the weeks before a model serves. Where these hold the change that it was "
        "trained for, monitoring of it is blunt until its next training; of every_alarm most, whose weeks are older.",
        "A deployment may not judge like this. Here "
        + (
            "the gate refuses a refit that is shown to do harm, and asks again while the reason lasts; the daily "
            "pipeline of mlife promotes only what is proven better on a holdout."
            if policy.gate_is_prequential
            else "the gate promotes only what is proven better on a holdout, as the daily pipeline of mlife does."
        ),
    )
