"""Statistics of scored examples with outcomes, and the limits of what is usual.

Belongs here: performance, level, slope and residuals under row weights; limits by resampling the reference. Does not
belong here: the report and its words (`concept`), CBPE (`adapters.nannyml_calculators`).

Concept: residuals (outcome minus probability) are held against the reference: their level, their slope along the score,
and along the rank of each feature (one Newton step of a logistic regression, which names what changed). Ranks, because
a few rows far out (people who look a thousand kilometres away) would otherwise carry the whole statistic, and whether
one of them converted would decide it. Limits come from resampling the reference by what makes rows alike (days, users,
jobs) and by single rows, whichever varies most, and widen as positives get fewer: jobs turn over, so a week is judged
on other jobs than the reference, each with an appeal of its own. A funnel has two outcomes, clicks and applies, each
with statistics of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.monitoring.reference import IDS, MonitoringReference, numbers
from mlife_assets.core.monitoring.thresholds import Threshold
from mlife_assets.core.policies import MonitoringPolicy

Outcome = Literal["apply", "click"]
OUTCOMES: tuple[Outcome, ...] = ("apply", "click")
"""The label that the model is about, and the first step of a funnel: sooner mature and more frequent."""
PREFIXES: dict[Outcome, str] = {"apply": "", "click": "click_"}
SHORTFALL = "performance_shortfall"
LEVEL = "calibration_level"
SLOPE = "calibration_slope"
RESIDUAL = "residual_score"
METRICS = {"roc_auc": "ROC AUC", "average_precision": "average precision"}
RESAMPLES = 200
MINIMUM_INFORMATION = 1e-9
"""Below it a feature has no spread to learn a step from."""

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ScoredOutcomes:
    """Arrays of scored examples: outcome and probability of shape (n,), standardised ranks of shape (n, k)."""

    outcome: Array
    probability: Array
    groups: npt.NDArray[np.int64]
    features: Array
    names: tuple[str, ...]

    def statistics(self, weights: Array) -> Array:
        """Return roc_auc, average_precision, level, slope, then one residual per feature, under row `weights`."""
        positive = np.bincount(self.groups, weights * self.outcome)[::-1]
        negative = np.bincount(self.groups, weights * (1 - self.outcome))[::-1]
        above, total = np.cumsum(positive), max(float(positive.sum()), 1e-12)
        auc = float((negative * (above - positive / 2)).sum() / (total * max(float(negative.sum()), 1e-12)))
        seen = np.cumsum(positive + negative)
        precision = np.divide(above, seen, out=np.zeros_like(above), where=seen > 0)
        average_precision = float((positive * precision).sum() / total)
        level = float(np.log(total / max(float((weights * self.probability).sum()), 1e-12)))
        score, information = self._score_and_information(weights, level)
        steps = np.divide(score, information, out=np.zeros_like(score), where=information > MINIMUM_INFORMATION)
        values: Array = np.concatenate([[auc, average_precision, level], steps])
        return values

    def expected_deviations(self) -> Array:
        """Return the standard deviation of each statistic if outcomes were drawn from the probabilities; 0: not known.

        Known of slope and residuals, whose information it is. Where a feature is rarely anything but usual, perhaps
        none of its few expected positives came, and resampling what came shows no scatter at all.
        """
        weights = np.ones(len(self.outcome))
        level = float(np.log(self.outcome.sum() / self.probability.sum()))
        _, information = self._score_and_information(weights, level)
        known = information > MINIMUM_INFORMATION
        steps = np.divide(1, np.sqrt(information), out=np.zeros_like(information), where=known)
        deviations: Array = np.concatenate([np.zeros(3), steps])
        return deviations

    def _score_and_information(self, weights: Array, level: float) -> tuple[Array, Array]:
        """Return the score and the information of slope and features, each beside an intercept, shape (1 + k,)."""
        # Residuals are taken after rescaling to the observed rate, so a moved level does not show in every feature.
        expected = np.clip(self.probability * np.exp(level), 1e-6, 1 - 1e-6)
        variance = weights * expected * (1 - expected)
        logit = np.log(expected / (1 - expected))
        design = np.column_stack([logit, self.features])
        centred = design - (variance @ design) / variance.sum()
        return (weights * (self.outcome - expected)) @ centred, variance @ centred**2


def scored_outcomes(reference: MonitoringReference, examples: pa.Table, outcome: Outcome = "apply") -> ScoredOutcomes:
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
    """Return where `values` lie among the `usual` ones (n,): mid-ranks, of which the usual have mean 0 and deviation 1.

    A missing value, and every value where all that is usual is one value, is 0.
    """
    known, counts = np.unique(usual[~np.isnan(usual)], return_counts=True)
    if len(known) < 2:
        return np.zeros(len(values))
    below = np.concatenate([[0], np.cumsum(counts)])
    middle = (below[:-1] + below[1:]) / 2
    deviation = np.sqrt(np.average((middle - below[-1] / 2) ** 2, weights=counts))
    first = np.searchsorted(known, values, side="left")
    after = np.searchsorted(known, values, side="right")
    ranks: Array = ((below[first] + below[after]) / 2 - below[-1] / 2) / deviation
    return np.where(np.isnan(values), 0.0, ranks)


def keys_of(names: Sequence[str], outcome: Outcome = "apply") -> list[tuple[str, str]]:
    """Return (method, column) of every statistic of an outcome, in the order of `ScoredOutcomes.statistics`."""
    prefix = PREFIXES[outcome]
    return [
        *((prefix + SHORTFALL, metric) for metric in METRICS),
        (prefix + LEVEL, ""),
        (prefix + SLOPE, ""),
        *((prefix + RESIDUAL, name) for name in names),
    ]


def has_enough_positives(examples: pa.Table | None, policy: MonitoringPolicy) -> bool:
    """Return whether scored examples hold the mature positives (and a negative) that a statement needs."""
    positives = positives_of(examples)
    return bool(examples is not None and policy.minimum_mature_positives <= positives < examples.num_rows)


def positives_of(examples: pa.Table | None) -> int:
    """Return how many scored examples are positive."""
    return int(examples["is_positive"].to_numpy().sum()) if examples is not None and examples.num_rows else 0


def learn_concept_thresholds(
    reference: MonitoringReference,
    policy: MonitoringPolicy,
    usual_shortfalls: Mapping[tuple[str, str], float] | None = None,
) -> tuple[Threshold, ...]:
    """Return the limits of all outcome statistics; none of an outcome that has too few positives in the reference.

    `mean` is the reference's own value, `standard_deviation` that of a sample with one positive, `upper` the largest
    distance from `mean` allowed for a window with the minimum of positives. The day's false alarm rate is divided by
    the number of statistics of all outcomes (two-sided for all but the shortfalls). An estimate may be too high where
    nothing changed; `usual_shortfalls`, (method, column) -> estimated minus realised on days that the estimator was not
    fitted on, is the mean of a shortfall, never below 0.
    """
    usual = usual_shortfalls or {}
    known = [outcome for outcome in OUTCOMES if _is_known(reference, outcome, policy)]
    family = len(known) * len(keys_of(reference.columns.residual))
    return tuple(one for outcome in known for one in _learned(reference, outcome, family, policy, usual))


def limit_for(
    method: str, deviation: float, family: int, positives: float, base: float, policy: MonitoringPolicy
) -> tuple[float, float]:
    """Return the limit of one statistic of `family` for a window of `positives`, and its error rate, both sides.

    `deviation` is that of a sample with one positive, `base` the number of positives of the reference.
    """
    from scipy.stats import norm

    rate = policy.false_alarm_rate_per_day / family
    sides = 1 if method.endswith(SHORTFALL) else 2
    quantile = float(norm.ppf(1 - rate / sides))
    return quantile * deviation * float(np.sqrt(1 / positives + 1 / base)), rate


def _is_known(reference: MonitoringReference, outcome: Outcome, policy: MonitoringPolicy) -> bool:
    return reference.has(outcome) and has_enough_positives(reference.scored(outcome), policy)


def _learned(
    reference: MonitoringReference,
    outcome: Outcome,
    family: int,
    policy: MonitoringPolicy,
    usual: Mapping[tuple[str, str], float],
) -> list[Threshold]:
    examples = reference.scored(outcome)
    outcomes = scored_outcomes(reference, examples, outcome)
    rows, positives = len(outcomes.outcome), float(outcomes.outcome.sum())
    rng = np.random.default_rng(policy.seed)
    observed = outcomes.statistics(np.ones(rows))
    by_row = np.array([outcomes.statistics(rng.poisson(1.0, rows).astype(float)) for _ in range(RESAMPLES)])
    deviations = [by_row.std(axis=0, ddof=1), outcomes.expected_deviations()]
    clusters = [name for name in ("exposure_date", *IDS) if name in examples.column_names]
    for name in clusters:
        labels = np.asarray(examples[name].combine_chunks().dictionary_encode().indices)
        groups = int(labels.max()) + 1
        picks = (np.bincount(rng.integers(0, groups, groups), minlength=groups)[labels] for _ in range(RESAMPLES))
        drawn = np.array([outcomes.statistics(pick.astype(float)) for pick in picks])
        deviations.append(drawn.std(axis=0, ddof=1))
    deviation = np.max(deviations, axis=0) * np.sqrt(positives)
    count = len(examples["exposure_date"].unique())
    learned = []
    for (method, column), value, unit in zip(keys_of(outcomes.names, outcome), observed, deviation, strict=True):
        is_shortfall = method.endswith(SHORTFALL)
        mean = max(0.0, usual.get((method, column), 0.0)) if is_shortfall else float(value)
        upper, rate = limit_for(method, float(unit), family, policy.minimum_mature_positives, positives, policy)
        learned.append(Threshold(method, column, mean, float(unit), upper, count, rate))
    return learned
