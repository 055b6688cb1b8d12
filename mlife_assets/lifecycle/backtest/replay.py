"""The replay: one morning after the other, five policies side by side.

Concept: on each morning every policy decides on current knowledge, then its champion serves the day. Costly steps are
stored by their inputs, so policies share them and a killed replay resumes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt

from mlife_assets.core.errors import NotEnoughEvidenceError
from mlife_assets.core.model import Model
from mlife_assets.core.policies import fields_that_count
from mlife_assets.core.ports import Detectors, ObjectStore
from mlife_assets.core.scoring.estimators import parameters
from mlife_assets.core.training.label_times import label_times
from mlife_assets.core.training.manifest_facts import OWN_ESTIMATOR, manifest_facts
from mlife_assets.core.windows import add_days, days_between
from mlife_assets.lifecycle.backtest.checkpoints import Checkpoints, Timings
from mlife_assets.lifecycle.backtest.contestants import (
    CONSTANT,
    EVERY_ALARM,
    FROZEN,
    GOVERNED,
    NAIVE,
    Constant,
    Contestant,
    EveryAlarm,
    Frozen,
    Naive,
    Start,
    Watching,
)
from mlife_assets.lifecycle.backtest.governed import Governed
from mlife_assets.lifecycle.backtest.history import WINDOWS_MINIMUM, History
from mlife_assets.lifecycle.backtest.judging import Judge, Judged, holdout_window
from mlife_assets.lifecycle.backtest.learning import Learner
from mlife_assets.lifecycle.backtest.measure import BLOCKS_MINIMUM, Measured, Ranking, log_loss, measure
from mlife_assets.lifecycle.backtest.result import BacktestResult, Cost, Period, PolicyResult, Score, Work, recommend
from mlife_assets.lifecycle.backtest.watching import Watcher

Progress = Callable[[int, int], None]
"""Called with (mornings done, in all)."""
CONTESTANTS: dict[str, type[Contestant]] = {
    GOVERNED: Governed,
    FROZEN: Frozen,
    NAIVE: Naive,
    EVERY_ALARM: EveryAlarm,
    CONSTANT: Constant,
}
PERIODS_WANTED = 52
HELD = (
    "A weekly refit is recommended whatever less work lost here. On second halves of 40 recorded histories, it was "
    "within 0.01 of the best: on 31 in average precision, on 39 within periods, on 40 in log loss; the least work that "
    "was as good on the first half, on 20, 27 and 25."
)
"""Success rate of the recommendation (`benchmarks/results/replays.json`)."""
WEEK_DAYS = 7


@dataclass(frozen=True, eq=False)
class Replayed:
    """A finished replay.

    Attributes:
        result: the same for the same inputs.
        cost: measured seconds, which differ.
        contestants: the policies with their records.
        probabilities: policy -> probability served for each row since the start, float64 (n,).
        resumed_steps: costly steps taken from an earlier run.
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
    """Replay a history through training, maturity, monitoring, governor and gate under five policies.

    Args:
        history: the history to replay.
        detectors: computations of monitoring.
        store: storage of costly steps; the same store and inputs resume an earlier run.
        stopwatch: returns seconds from any start; used only for costs.
        progress: called after each morning.

    Raises:
        NotEnoughEvidenceError: no first champion could be trained and monitored, or too few days are left after it.
    """
    checkpoints = Checkpoints(store, history.content_hash)
    learner = Learner(history, checkpoints, Timings(store, history.content_hash, stopwatch))
    watcher = Watcher(history, learner, detectors, checkpoints)
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
    probabilities = {name: contestant.served_probability() for name, contestant in contestants.items()}
    result = _result(history, start, contestants, probabilities)
    cost = Cost({name: sum(map(learner.seconds, one.fits), 0.0) for name, one in contestants.items()})
    return Replayed(result, cost, contestants, probabilities, checkpoints.found)


def first_champion(history: History, learner: Learner, watcher: Watcher) -> Start:
    """Return the first champion, at the first window's end at which it can be trained and monitored.

    Raises:
        NotEnoughEvidenceError: no such day leaves enough blocks of days; names the missing part.
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
        if isinstance(gate, str):
            why = f"on {day}: {gate}"
            continue
        try:
            twin, serving = Judged({gate.first_day: learner.fit(gate.first_day)}), learner.fit(day)
            watcher.reference(serving, twin, day)
        except NotEnoughEvidenceError as error:
            why = f"on {day}: {error}"
            continue
        return Start(day, serving, twin)
    span = (history.last_day - history.first_day).days + 1
    raise NotEnoughEvidenceError(
        f"the history of {span} days ({history.first_day} to {history.last_day}) is too short for a first champion and "
        f"{BLOCKS_MINIMUM * policy.bootstrap_block_days} days to compare on; {why}. Bring a longer history, or state "
        "in the spec the evidence that fits it (monitoring.sample_rows_per_day, training.minimum_examples)"
    )


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
    length = WEEK_DAYS * max(1, -(-days // (WEEK_DAYS * PERIODS_WANTED)))
    measured = measure(probabilities, outcome, codes, days, policy, period_days=length)
    work = {name: Work(len(one.training_days), max(0, len(one.champions) - 1)) for name, one in contestants.items()}
    others = [name for name in contestants if name != GOVERNED]
    gains = {
        name: {other: criterion.gain(GOVERNED, other) for other in others}
        for name, criterion in measured.criteria.items()
    }
    model = history.model
    times = label_times(history.rows, model.roles, history.as_of)
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
        policies=tuple(_policy_result(name, one, measured, work[name]) for name, one in contestants.items()),
        differences=gains["average precision"],
        gains=gains,
        margin=policy.margin_average_precision,
        periods=tuple(_periods(history, start.day, length, probabilities)),
        recommendation=recommend(measured, work),
        label_times=times,
        notes=tuple(filter(None, (times.remark, history.sizes.sentence))),
        settings=_settings(model),
        limits=limits(history, contestants[GOVERNED]),
    )


def _settings(model: Model) -> dict[str, dict[str, Any]]:
    training = fields_that_count(model.training, is_boosted=model.estimator is None)
    others = {name: asdict(getattr(model, name)) for name in ("promotion", "monitoring", "retrain", "backtest")}
    own = {} if model.estimator is None else {OWN_ESTIMATOR: manifest_facts(parameters(model.estimator()))}
    return {"training": training, **others, **own}


def _policy_result(name: str, one: Contestant, measured: Measured, work: Work) -> PolicyResult:
    return PolicyResult(
        name=name,
        score=Score(
            measured.average_precision.interval(name),
            measured.within_periods.interval(name),
            measured.log_loss.values[name],
        ),
        trainings=work.trainings,
        fits=len(one.fits),
        fitted_rows=sum(fit.rows for fit in one.fits),
        installations=work.installations,
        refusals=sum(decision.action == "refused" for decision in one.decisions),
        decisions=tuple(one.decisions),
    )


def _periods(
    history: History, start: date, length: int, probabilities: dict[str, npt.NDArray[np.float64]]
) -> list[Period]:
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


def limits(history: History, governed: Contestant) -> tuple[str, ...]:
    """Return the limits of a replay in sentences, governed's blind spots first."""
    policy = history.model.backtest
    return (
        *_unjudged(history, governed),
        "A replay shows the policies on this one history. Another history may favour another.",
        "Served scores change nothing in a replay: outcomes are those of the file, whatever a model would have chosen.",
        "The first champion was installed ungated, the same for all policies, "
        f"after at least {policy.warmup_days} days.",
        HELD,
        "Quality checks see the file alone: missing values and closed vocabularies. Rows that landed late or twice "
        "are not in it.",
        "Normal variation is learned from the weeks before a model serves. Where these hold the change that it was "
        "trained for, monitoring of it is blunt until its next training; of every_alarm most, whose weeks are older.",
    )


def _unjudged(history: History, governed: Contestant) -> list[str]:
    """Return a sentence on windows with too few outcomes to monitor, and the requirement; none without such windows."""
    if not isinstance(governed, Watching) or not governed.windows_without_outcomes:
        return []
    needed = history.model.monitoring.minimum_mature_positives
    days = history.sizes.days_for(needed)
    rate = "" if days is None else f", about {days:,.0f} days of this history"
    return [
        f"In {governed.windows_without_outcomes:,} of {governed.windows:,} windows governed retraining had too few "
        f"mature outcomes to see a concept drift: that takes {needed:,} positives since its model serves{rate} "
        "(monitoring.minimum_mature_positives)."
    ]
