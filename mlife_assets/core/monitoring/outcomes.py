"""Statistics of scored examples with outcomes: how well probabilities fit outcomes, along which features they do not,
and the limits of each statistic without drift.

Concept: residuals (outcome minus probability) are compared with the reference: their level, their slope along the
score, and along the rank of each feature (one Newton step of a logistic regression, which names the changed feature).
Ranks, because otherwise a few outliers (people who search a thousand kilometres away) would carry the whole statistic,
and one conversion among them would decide it. A rare value still can, so slope and residuals come with the expected
positives behind them. Each step of a funnel is an outcome with statistics of its own.

Limits come from resampling the reference by clusters (days, entities, items) and by single rows, whichever varies most,
and widen as positives get fewer: items turn over, so a week is judged on other items than the reference, each with an
appeal of its own. Those of slope and residuals are never narrower than the probabilities imply, of the reference and of
the window. Statistics with few expected positives are not judged, because a small count is not normally distributed;
with the minimum, the error of one statistic is two to four times its share of the day's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.monitoring.columns import LABEL, prefix_of
from mlife_assets.core.monitoring.reference import MonitoringReference, numbers
from mlife_assets.core.monitoring.thresholds import Threshold
from mlife_assets.core.policies import MonitoringPolicy
from mlife_assets.core.threads import one_thread

RESAMPLES = 200
EXPECTED_POSITIVES_MINIMUM = 5
"""A statistic with fewer is not judged."""
SHORTFALL = "performance_shortfall"
LEVEL = "calibration_level"
SLOPE = "calibration_slope"
RESIDUAL = "residual_score"
METRICS = {"roc_auc": "ROC AUC", "average_precision": "average precision"}
MINIMUM_INFORMATION = 1e-9
"""A feature with less has no spread to learn a step from."""
Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Usual:
    """The reference's values of one outcome's statistics, `deviations` being those of a sample of one positive."""

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
    """Return the limits of all outcome statistics with enough evidence; none of an outcome with too few positives.

    `mean` is the reference's own value, `standard_deviation` that of a sample with one positive, `upper` the largest
    distance from `mean` allowed for a window with the minimum of positives, unless its own probabilities imply more.
    The day's false alarm rate is divided by the number of statistics of all outcomes (two-sided for all but the
    shortfalls). An estimate may be too high even without drift; `usual_shortfalls`, (method, column) -> estimated minus
    realised on days that the estimator was not fitted on, is the mean of a shortfall, never below 0.
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
    """Return which statistics have enough expected positives to be judged, bool, in the order of `keys_of`."""
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

    `deviation` is that of a sample with one positive, `least_deviation` the minimum implied by the window's
    probabilities (`Evidence`).
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


@dataclass(frozen=True, eq=False)
class Evidence:
    """The information of scored examples about each statistic, in the order of `keys_of`, at the observed rate.

    `least_deviation`: standard deviation if outcomes were drawn from the probabilities, the inverse root of Fisher's
    information. If few rows deviate from the mode, perhaps none of the few positives expected there came, and
    resampling shows no scatter. `expected_positives`: the effective number behind the statistic, (sum of v c^2)^2 / sum
    of v c^4 with v the variance of a row and c the feature less its mean. Performance and level have 0 and infinity:
    they use all positives, which the policy bounds.
    """

    least_deviation: Array
    expected_positives: Array


@dataclass(frozen=True)
class ScoredOutcomes:
    """Arrays of scored examples: outcome and probability of shape (n,), standardised ranks of shape (n, k)."""

    outcome: Array
    probability: Array
    groups: npt.NDArray[np.int64]
    features: Array
    names: tuple[str, ...]

    def statistics(self, weights: Array | None = None) -> Array:
        """Return roc_auc, average_precision, level, slope, then one residual per feature.

        Rows count by `weights`, shape (n,); without them once each.
        """
        is_plain = weights is None
        weights = np.ones(len(self.outcome)) if weights is None else weights
        positive = np.bincount(self.groups, weights * self.outcome)[::-1]
        negative = np.bincount(self.groups, weights * (1 - self.outcome))[::-1]
        above, total = np.cumsum(positive), max(float(positive.sum()), 1e-12)
        auc = float((negative * (above - positive / 2)).sum() / (total * max(float(negative.sum()), 1e-12)))
        seen = np.cumsum(positive + negative)
        precision = np.divide(above, seen, out=np.zeros_like(above), where=seen > 0)
        average_precision = float((positive * precision).sum() / total)
        residual, variance, centred = self._unweighted if is_plain else self._beside_an_intercept(weights)
        with one_thread():
            score, information = residual @ centred, variance @ np.square(centred, out=self._rooms[2])
        steps = np.divide(score, information, out=np.zeros_like(score), where=information > MINIMUM_INFORMATION)
        values: Array = np.concatenate([[auc, average_precision, self._level(weights)], steps])
        return values

    def evidence(self) -> Evidence:
        """Return the minimum scatter of each statistic, and the expected positives behind it."""
        _, variance, centred = self._unweighted
        squared = centred**2
        with one_thread():
            information, spread = variance @ squared, variance @ squared**2
        known = information > MINIMUM_INFORMATION
        deviation = np.divide(1, np.sqrt(information), out=np.zeros_like(information), where=known)
        positives = np.divide(information**2, spread, out=np.zeros_like(information), where=known)
        others = len(METRICS) + 1
        return Evidence(
            np.concatenate([np.zeros(others), deviation]), np.concatenate([np.full(others, np.inf), positives])
        )

    @cached_property
    def _unweighted(self) -> tuple[Array, Array, Array]:
        residual, variance, centred = self._beside_an_intercept(np.ones(len(self.outcome)))
        return residual, variance, centred.copy()

    @cached_property
    def _rooms(self) -> npt.NDArray[np.float64]:
        """Room for three matrices of slope and features: allocating it each time costs more than the sums."""
        rooms = np.empty((3, len(self.outcome), 1 + self.features.shape[1]))
        rooms[0, :, 1:] = self.features
        return rooms

    def _level(self, weights: Array) -> float:
        positives, expected = float((weights * self.outcome).sum()), float((weights * self.probability).sum())
        return float(np.log(max(positives, 1e-12) / max(expected, 1e-12)))

    def _beside_an_intercept(self, weights: Array) -> tuple[Array, Array, Array]:
        """Return residuals and variances of rows (n,), and slope and features less their means, shape (n, 1 + k).

        The next call overwrites the last of these.
        """
        # Residuals are taken after rescaling to the observed rate, so a moved level does not show in every feature.
        expected = np.clip(self.probability * np.exp(self._level(weights)), 1e-6, 1 - 1e-6)
        variance = weights * expected * (1 - expected)
        design, centred, _ = self._rooms
        design[:, 0] = np.log(expected / (1 - expected))
        with one_thread():
            means = (variance @ design) / variance.sum()
        np.subtract(design, means, out=centred)
        return weights * (self.outcome - expected), variance, centred


def scored_outcomes(reference: MonitoringReference, examples: pa.Table, outcome: str = LABEL) -> ScoredOutcomes:
    """Return the arrays of scored `examples`, features as ranks among the reference's examples of the same outcome.

    Raises InvalidInputError when a feature of the reference is missing.
    """
    names = reference.columns.residual
    usual_examples = reference.scored(outcome)
    columns = []
    for name in names:
        if name not in examples.column_names:
            raise InvalidInputError(
                f"the scored examples lack feature {name}; pass the columns of the reference examples"
            )
        usual = numbers(usual_examples, name)
        columns.append(standardised_ranks(numbers(examples, name), usual))
    probability = examples["probability"].to_numpy().astype(np.float64)
    return ScoredOutcomes(
        examples["is_positive"].to_numpy().astype(np.float64),
        probability,
        np.unique(probability, return_inverse=True)[1].astype(np.int64),
        np.column_stack(columns) if columns else np.zeros((len(probability), 0)),
        names,
    )


def standardised_ranks(values: Array, usual: Array) -> Array:
    """Return the mid-ranks of `values` among the known `usual` ones, scaled so that these have mean 0, deviation 1.

    A missing value is 0, and so is every value if all usual ones are equal.
    """
    known, counts = np.unique(usual[~np.isnan(usual)], return_counts=True)
    if len(known) < 2:
        return np.zeros(len(values))
    below = np.concatenate([[0], np.cumsum(counts)])
    middle = (below[:-1] + below[1:]) / 2
    deviation = np.sqrt(np.average((middle - below[-1] / 2) ** 2, weights=counts))
    order = np.argsort(values)  # sorted values are looked up three times as fast
    ordered = values[order]
    first = np.searchsorted(known, ordered)
    after = first + (known[np.minimum(first, len(known) - 1)] == ordered)
    ranks = np.empty(len(values))
    ranks[order] = ((below[first] + below[after]) / 2 - below[-1] / 2) / deviation
    return np.where(np.isnan(values), 0.0, ranks)


def keys_of(names: Sequence[str], outcome: str = LABEL) -> list[tuple[str, str]]:
    """Return (method, column) of every statistic of an outcome, in the order of `ScoredOutcomes.statistics`."""
    prefix = prefix_of(outcome)
    return [
        *((prefix + SHORTFALL, metric) for metric in METRICS),
        (prefix + LEVEL, ""),
        (prefix + SLOPE, ""),
        *((prefix + RESIDUAL, name) for name in names),
    ]


def has_enough_positives(examples: pa.Table | None, policy: MonitoringPolicy) -> bool:
    """Return whether scored examples hold the minimum of mature positives, and a negative."""
    positives = positives_of(examples)
    return bool(examples is not None and policy.minimum_mature_positives <= positives < examples.num_rows)


def positives_of(examples: pa.Table | None) -> int:
    """Number of positive scored examples."""
    return int(examples["is_positive"].to_numpy().sum()) if examples is not None and examples.num_rows else 0
