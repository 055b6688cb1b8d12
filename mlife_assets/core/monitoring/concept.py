"""Concept drift: does the same input still lead to the same outcome?

Belongs here: limits for outcome statistics, the report and the words. Does not belong here: CBPE and realised
performance (`adapters.nannyml_calculators`), the choice of exposures (use the exploration slice or a same-policy
reference).

Concept: P(y|x) moves, which no detector on inputs can see. On mature labels only, realised performance is held against
what CBPE expects without labels, and residuals (outcome minus probability) are held against the reference: their level,
their slope along the score, and along each feature (one Newton step of a logistic regression, which names what
changed). Limits come from resampling the reference, whole days and single rows, whichever varies more, and widen as
positives get fewer. With fewer positives than the policy asks for, the only honest answer is "not enough evidence".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import InvalidInputError, UpstreamMismatchError
from mlife_assets.core.monitoring.reference import MonitoringReference, check_examples, numbers
from mlife_assets.core.monitoring.reports import Finding, MonitoringReport, conclude
from mlife_assets.core.monitoring.thresholds import Statistic, Threshold, by_key
from mlife_assets.core.policies import MonitoringPolicy

REPORT = "concept_drift_report"
KIND = "concept"
SHORTFALL = "performance_shortfall"
LEVEL = "calibration_level"
SLOPE = "calibration_slope"
RESIDUAL = "residual_score"
METRICS = {"roc_auc": "ROC AUC", "average_precision": "average precision"}
WINDOW_DAYS = 7
"""Whole weeks, so that the rhythm of the week cancels."""
RESAMPLES = 200

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Outcomes:
    """Arrays of scored examples: outcome and probability of shape (n,), standardised features of shape (n, k)."""

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
        # Residuals are taken after rescaling to the observed rate, so a moved level does not show in every feature.
        expected = np.clip(self.probability * np.exp(level), 1e-6, 1 - 1e-6)
        variance = weights * expected * (1 - expected)
        logit = np.log(expected / (1 - expected))
        design = np.column_stack([logit, self.features])
        centred = design - (variance @ design) / variance.sum()
        information = variance @ centred**2
        score = (weights * (self.outcome - expected)) @ centred
        steps = np.divide(score, information, out=np.zeros_like(score), where=information > 1e-9)
        values: Array = np.concatenate([[auc, average_precision, level], steps])
        return values


def concept_window(
    examples: pa.Table, *, reference: MonitoringReference, as_of: date, days: int = WINDOW_DAYS
) -> pa.Table:
    """Return the examples of the latest `days` mature exposure days that lie after the reference's own examples.

    Immature rows are left out here, on purpose and by date; `concept_drift_report` refuses them.
    """
    last = pc.max(reference.examples["exposure_date"])
    mature = examples.filter(
        pc.and_(
            pc.less_equal(examples["label_mature_date"], pa.scalar(as_of, pa.date32())),
            pc.greater(examples["exposure_date"], last),
        )
    )
    recent = sorted(set(mature["exposure_date"].to_pylist()))[-days:]
    return mature.filter(pc.is_in(mature["exposure_date"], value_set=pa.array(recent, pa.date32())))


def has_enough_positives(examples: pa.Table, policy: MonitoringPolicy) -> bool:
    """Return whether scored examples hold the mature positives (and a negative) that a statement needs."""
    positives = int(examples["is_positive"].to_numpy().sum()) if examples.num_rows else 0
    return bool(policy.minimum_mature_positives <= positives < examples.num_rows)


def learn_concept_thresholds(reference: MonitoringReference, policy: MonitoringPolicy) -> tuple[Threshold, ...]:
    """Return the limits of all outcome statistics, none when the reference itself has too few positives.

    `mean` is the reference's own value (0 for a shortfall), `standard_deviation` that of a sample with one positive,
    `upper` the largest distance from `mean` allowed for a window with the minimum of positives. The day's false alarm
    rate is divided by the number of statistics (two-sided for all but the shortfalls).
    """
    if not has_enough_positives(reference.examples, policy):
        return ()
    outcomes = _outcomes(reference, reference.examples)
    rows, positives = len(outcomes.outcome), float(outcomes.outcome.sum())
    days = np.unique(reference.examples["exposure_date"].to_numpy(), return_inverse=True)[1]
    rng = np.random.default_rng(policy.seed)
    observed = outcomes.statistics(np.ones(rows))
    by_row = np.array([outcomes.statistics(rng.poisson(1.0, rows).astype(float)) for _ in range(RESAMPLES)])
    count = int(days.max()) + 1
    picks = [np.bincount(rng.integers(0, count, count), minlength=count)[days] for _ in range(RESAMPLES)]
    by_day = np.array([outcomes.statistics(pick.astype(float)) for pick in picks])
    deviation = np.maximum(by_row.std(axis=0, ddof=1), by_day.std(axis=0, ddof=1)) * np.sqrt(positives)
    keys = _keys(outcomes.names)
    learned = []
    for (method, column), value, unit in zip(keys, observed, deviation, strict=True):
        mean = 0.0 if method == SHORTFALL else float(value)
        threshold = Threshold(method, column, mean, float(unit), 0.0, count)
        upper = _limit(threshold, len(keys), policy.minimum_mature_positives, positives, policy)
        learned.append(Threshold(method, column, mean, float(unit), upper, count))
    return tuple(learned)


def concept_drift_report(
    *,
    as_of: date,
    reference: MonitoringReference,
    examples: pa.Table,
    statistics: Sequence[Statistic],
    policy: MonitoringPolicy,
) -> MonitoringReport:
    """Return the concept drift report of day `as_of`.

    `examples` is the window (`concept_window`) scored by the reference's model, `statistics` its estimated and realised
    performance (`performance_statistics`; empty when `has_enough_positives` is false). Raises InvalidInputError on an
    immature label and UpstreamMismatchError when performance is missing although there is enough evidence.
    """
    check_examples(examples, as_of)
    limits = by_key(reference.thresholds)
    keys = [key for key in limits if key[0] in (SHORTFALL, LEVEL, SLOPE, RESIDUAL)]
    positives = float(examples["is_positive"].to_numpy().sum()) if examples.num_rows else 0.0
    if not has_enough_positives(examples, policy) or not keys:
        whose = (
            "the window has" if keys else "the reference has too few mature positives to learn limits; the window has"
        )
        return MonitoringReport(
            REPORT, as_of, reference.model_version, examples.num_rows, "not_enough_evidence", (),
            f"Not enough mature labels: {whose} {positives:,.0f} positives in {examples.num_rows:,} exposures, "
            f"{policy.minimum_mature_positives:,} needed.",
        )  # fmt: skip
    outcomes = _outcomes(reference, examples)
    values = dict(zip(_keys(outcomes.names), outcomes.statistics(np.ones(examples.num_rows)), strict=True))
    base = float(reference.examples["is_positive"].to_numpy().sum())
    performance = {(statistic.method, statistic.column): statistic.value for statistic in statistics}
    findings = []
    for key in keys:
        limit = _limit(limits[key], len(keys), positives, base, policy)
        if key[0] == SHORTFALL:
            findings.append(_shortfall(key[1], performance, limit))
        else:
            findings.append(_residual(key, float(values[key]), limits[key].mean, limit))
    first, last = pc.min(examples["exposure_date"]).as_py(), pc.max(examples["exposure_date"]).as_py()
    basis = f"{positives:,.0f} positives in {examples.num_rows:,} exposures of {first} to {last}, all mature"
    return conclude(
        REPORT,
        as_of=as_of,
        model_version=reference.model_version,
        sample_rows=examples.num_rows,
        findings=findings,
        ok=f"Outcomes follow the model's expectation ({basis}).",
        alarm=" ".join([*(f.sentence for f in findings if f.is_alarm), f"Basis: {basis}."]),
    )


def _limit(threshold: Threshold, family: int, positives: float, base: float, policy: MonitoringPolicy) -> float:
    from scipy.stats import norm

    sides = 1 if threshold.method == SHORTFALL else 2
    quantile = float(norm.ppf(1 - policy.false_alarm_rate_per_day / family / sides))
    return quantile * threshold.standard_deviation * float(np.sqrt(1 / positives + 1 / base))


def _shortfall(metric: str, performance: dict[tuple[str, str], float], limit: float) -> Finding:
    try:
        estimated, realised = performance["estimated", metric], performance["realised", metric]
    except KeyError as error:
        raise UpstreamMismatchError(f"no {error} performance; compute performance_statistics on the window") from error
    is_alarm = estimated - realised > limit
    verb = "falls short of" if is_alarm else "agrees with"
    return Finding(
        KIND, metric, SHORTFALL, estimated - realised, limit, is_alarm,
        f"Realised {METRICS[metric]} {realised:.3f} {verb} the estimate {estimated:.3f} (may be {limit:.3f} less).",
    )  # fmt: skip


def _residual(key: tuple[str, str], value: float, mean: float, limit: float) -> Finding:
    method, column = key
    change = value - mean
    is_alarm = abs(change) > limit
    suffix = f"(change {change:+.3f}, limit {limit:.3f})"
    if method == LEVEL:
        text = f"Outcomes are {np.exp(change):.2f} times as frequent as the model expects {suffix}."
    elif method == SLOPE:
        more = "more" if change > 0 else "less"
        text = f"Outcomes separate {more} along the score than in the reference {suffix}."
    else:
        more = "more" if change > 0 else "less"
        text = f"Higher {column} converts {more} often than the model expects {suffix}."
    if not is_alarm:
        text = f"{'Level' if method == LEVEL else 'Slope' if method == SLOPE else column} as in the reference {suffix}."
    return Finding(KIND, column, method, abs(change), limit, is_alarm, text)


def _keys(names: Sequence[str]) -> list[tuple[str, str]]:
    return [
        *((SHORTFALL, metric) for metric in METRICS),
        (LEVEL, ""),
        (SLOPE, ""),
        *((RESIDUAL, name) for name in names),
    ]


def _outcomes(reference: MonitoringReference, examples: pa.Table) -> _Outcomes:
    names = reference.columns.residual
    columns = []
    for name in names:
        if name not in examples.column_names:
            raise InvalidInputError(
                f"the scored examples lack feature {name}; pass the columns of the reference examples"
            )
        usual = numbers(reference.examples, name)
        spread = float(np.nanstd(usual)) or 1.0
        # Beyond four deviations a row says more about itself than about a slope.
        columns.append(np.clip(np.nan_to_num((numbers(examples, name) - np.nanmean(usual)) / spread), -4, 4))
    probability = examples["probability"].to_numpy().astype(np.float64)
    return _Outcomes(
        examples["is_positive"].to_numpy().astype(np.float64),
        probability,
        np.unique(probability, return_inverse=True)[1].astype(np.int64),
        np.column_stack(columns) if columns else np.zeros((len(probability), 0)),
        names,
    )
