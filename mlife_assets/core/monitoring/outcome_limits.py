"""Limits of outcome statistics: how far one may lie from the reference's own value where nothing changed.

Belongs here: learning limits by resampling the reference, the limit for a window. Does not belong here: the statistics
(`outcomes`), the report and its words (`concept`).

Concept: limits come from resampling the reference by what makes rows alike (days, entities, items) and by single rows,
whichever varies most, and widen as positives get fewer: items turn over, so a week is judged on other items than the
reference, each with an appeal of its own. Those of slope and residuals are never narrower than the probabilities imply,
of the reference and of the window. What hangs on few expected positives is not judged, because a small count is no
normal variable; with as few as are allowed, the error of one statistic is two to four times its share of the day's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlife_assets.core.monitoring.outcomes import (
    SHORTFALL,
    Array,
    Evidence,
    has_enough_positives,
    keys_of,
    scored_outcomes,
)
from mlife_assets.core.monitoring.reference import MonitoringReference
from mlife_assets.core.monitoring.thresholds import Threshold
from mlife_assets.core.policies import MonitoringPolicy

RESAMPLES = 200
EXPECTED_POSITIVES_MINIMUM = 5
"""Below it a statistic is not judged."""


@dataclass(frozen=True, eq=False)
class _Usual:
    """What the reference shows of the statistics of one outcome, `deviations` those of a sample of one positive."""

    keys: list[tuple[str, str]]
    values: Array
    deviations: Array
    is_judged: npt.NDArray[np.bool_]
    positives: float
    days: int


def learn_concept_thresholds(
    reference: MonitoringReference,
    policy: MonitoringPolicy,
    usual_shortfalls: Mapping[tuple[str, str], float] | None = None,
) -> tuple[Threshold, ...]:
    """Return the limits of all outcome statistics that rest on enough; none of an outcome with too few positives.

    `mean` is the reference's own value, `standard_deviation` that of a sample with one positive, `upper` the largest
    distance from `mean` allowed for a window with the minimum of positives, unless its own probabilities imply more.
    The day's false alarm rate is divided by the number of statistics of all outcomes (two-sided for all but the
    shortfalls). An estimate may be too high where nothing changed; `usual_shortfalls`, (method, column) -> estimated
    minus realised on days that the estimator was not fitted on, is the mean of a shortfall, never below 0.
    """
    shortfalls = usual_shortfalls or {}
    known = [
        _usual(reference, outcome, policy)
        for outcome in reference.outcomes
        if has_enough_positives(reference.scored(outcome), policy)
    ]
    family = sum(int(usual.is_judged.sum()) for usual in known)
    learned = []
    for usual in known:
        rows = zip(usual.keys, usual.values, usual.deviations, usual.is_judged, strict=True)
        for (method, column), value, deviation, is_judged in rows:
            if not is_judged:
                continue
            is_shortfall = method.endswith(SHORTFALL)
            mean = max(0.0, shortfalls.get((method, column), 0.0)) if is_shortfall else float(value)
            upper, rate = limit_for(
                method,
                float(deviation),
                family,
                policy,
                positives=policy.minimum_mature_positives,
                reference_positives=usual.positives,
            )
            learned.append(Threshold(method, column, mean, float(deviation), upper, usual.days, rate))
    return tuple(learned)


def rests_on_enough(evidence: Evidence) -> npt.NDArray[np.bool_]:
    """Return which statistics hang on enough expected positives to be judged, bool, in the order of `keys_of`."""
    return evidence.expected_positives >= EXPECTED_POSITIVES_MINIMUM


def limit_for(
    method: str,
    deviation: float,
    family: int,
    policy: MonitoringPolicy,
    *,
    positives: float,
    reference_positives: float,
    least_deviation: float = 0.0,
) -> tuple[float, float]:
    """Return the limit of one statistic of `family` for a window of `positives`, and its error rate, both sides.

    `deviation` is that of a sample with one positive, `least_deviation` what the window's own probabilities imply
    (`Evidence`).
    """
    from scipy.stats import norm

    rate = policy.false_alarm_rate_per_day / family
    sides = 1 if method.endswith(SHORTFALL) else 2
    quantile = float(norm.ppf(1 - rate / sides))
    # Rows of a day, entity or item scatter hardly more than single ones (ADR 6): Fisher's information is not widened.
    variance = deviation**2 / reference_positives + max(deviation**2 / positives, least_deviation**2)
    return quantile * float(np.sqrt(variance)), rate


def _usual(reference: MonitoringReference, outcome: str, policy: MonitoringPolicy) -> _Usual:
    examples = reference.scored(outcome)
    outcomes = scored_outcomes(reference, examples, outcome)
    rows, positives = len(outcomes.outcome), float(outcomes.outcome.sum())
    evidence, rng = outcomes.evidence(), np.random.default_rng(policy.seed)
    by_row = np.array([outcomes.statistics(rng.poisson(1.0, rows).astype(float)) for _ in range(RESAMPLES)])
    deviations = [by_row.std(axis=0, ddof=1), evidence.least_deviation]
    clusters = [name for name in ("exposure_date", *reference.ids) if name in examples.column_names]
    for name in clusters:
        labels = np.asarray(examples[name].combine_chunks().dictionary_encode().indices)
        groups = int(labels.max()) + 1
        picks = (np.bincount(rng.integers(0, groups, groups), minlength=groups)[labels] for _ in range(RESAMPLES))
        drawn = np.array([outcomes.statistics(pick.astype(float)) for pick in picks])
        deviations.append(drawn.std(axis=0, ddof=1))
    return _Usual(
        keys=keys_of(outcomes.names, outcome),
        values=outcomes.statistics(),
        deviations=np.max(deviations, axis=0) * np.sqrt(positives),
        is_judged=rests_on_enough(evidence),
        positives=positives,
        days=len(examples["exposure_date"].unique()),
    )
