"""Learning limits from the A/A days of a reference, once, when a model is promoted.

Concept: a reference of d days costs two fits and d calculations of each calculator, some seconds; every later day only
compares numbers with numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.adapters.nannyml_calculators import daily
from mlife_assets.adapters.nannyml_calculators.daily import usual_shortfalls
from mlife_assets.adapters.nannyml_calculators.engine import CATEGORICAL_METHOD, NUMERIC_METHOD, Engine, frame
from mlife_assets.adapters.own_calculators import OwnEngine
from mlife_assets.core.monitoring import latent
from mlife_assets.core.monitoring import thresholds as limits
from mlife_assets.core.monitoring.columns import prefix_of
from mlife_assets.core.monitoring.outcomes import SHORTFALL, learn_concept_thresholds
from mlife_assets.core.monitoring.reference import MonitoringReference
from mlife_assets.core.monitoring.thresholds import Threshold, sizes_of
from mlife_assets.core.policies import MonitoringPolicy

JOINT_METHODS = (latent.DOMAIN_CLASSIFIER, latent.RECONSTRUCTION)


def with_learned_thresholds(reference: MonitoringReference, policy: MonitoringPolicy) -> MonitoringReference:
    """Return the reference holding the limits of drift, latent and (with enough positives) concept statistics."""
    usual = {
        (prefix_of(outcome) + SHORTFALL, metric): value
        for outcome in reference.outcomes
        for metric, value in usual_shortfalls(reference, outcome).items()
    }
    return reference.with_thresholds(
        (*learn_thresholds(reference, policy), *learn_concept_thresholds(reference, policy, usual)), sizes_of(policy)
    )


def learn_thresholds(reference: MonitoringReference, policy: MonitoringPolicy) -> tuple[Threshold, ...]:
    """Return the limits of all drift and latent statistics.

    The day's false alarm rate is spent once per report, divided by the number of alarming columns (data drift) or of
    detectors (latent drift).
    """
    days = reference.days
    values: dict[tuple[str, str], list[float]] = {}
    engine = OwnEngine()
    for analysed, compared in limits.halves(len(days)):
        part = pa.concat_tables([reference.day(days[index]) for index in compared])
        columns = daily.fit_univariate(engine, reference, part)
        rows = daily.fit_joint(engine, reference, part, policy)
        for index in analysed:
            day = reference.day(days[index])
            statistics = [
                *daily.univariate(columns, reference, day),
                *daily.joint(rows, reference, day, policy),
            ]
            for statistic in statistics:
                values.setdefault((statistic.method, statistic.column), []).append(statistic.value)
    detectors = sum(method in JOINT_METHODS for method, _ in values)
    newest = reference.day(days[-1])
    learned = []
    for (method, column), series in values.items():
        family = detectors if method in JOINT_METHODS else max(1, len(reference.columns.alarming))
        rate = policy.false_alarm_rate_per_day / family
        bound = _sampling_bound(engine, reference, (method, column), newest, rate, policy)
        learned.append(limits.learn_threshold(method, column, series, error_rate=rate, sampling_bound=bound))
    return tuple(learned)


def _sampling_bound(
    engine: Engine,
    reference: MonitoringReference,
    key: tuple[str, str],
    day: pa.Table,
    rate: float,
    policy: MonitoringPolicy,
) -> float:
    method, column = key
    names = dict(daily.blocks(reference)).get(column, [column]) if method in JOINT_METHODS else [column]
    block = column if method in JOINT_METHODS else ""
    sample = daily.rows_of(reference.sample, reference, block)
    rows = min(_effective_rows(daily.rows_of(day, reference, block), name, reference.ids) for name in names)
    total = min(_effective_rows(sample, name, reference.ids) for name in names)
    if method == NUMERIC_METHOD:
        return limits.kolmogorov_bound(rows, total, rate)
    if method == CATEGORICAL_METHOD:
        return limits.jensen_shannon_bound(rows, total, len(reference.profile(column).values) + 1, rate)
    if method == latent.DOMAIN_CLASSIFIER:
        most = policy.domain_classifier_sample_rows
        return limits.auc_bound(min(rows, most), min(total, daily.reference_rows(reference, block, policy)), rate)
    reconstruction = daily.fit_reconstruction(engine, reference, sample, names)
    deviation = reconstruction.sampling_error * float(np.sqrt(sample.num_rows))
    return limits.mean_bound(_unseen_error(engine, reference, sample, names), deviation, rows, total, rate)


def _unseen_error(engine: Engine, reference: MonitoringReference, sample: pa.Table, names: list[str]) -> float:
    """Return the mean reconstruction error of items that PCA was not fitted on, from two disjoint halves of them."""
    half = daily.item_hashes(reference, sample) % np.uint64(2)
    errors = []
    for part in (0, 1):
        fitted = daily.fit_reconstruction(engine, reference, sample.filter(pa.array(half == part)), names)
        errors.append(fitted.error(frame(reference, sample.filter(pa.array(half != part)), names)))
    return float(np.mean(errors))


def _effective_rows(sample: pa.Table, column: str, ids: Sequence[str]) -> float:
    clusters = [np.asarray(sample[name].combine_chunks().dictionary_encode().indices) for name in ids]
    values = sample[column]
    if pa.types.is_string(values.type):
        codes = pc.fill_null(values, "missing").combine_chunks().dictionary_encode().indices
        return limits.effective_rows(np.asarray(codes), clusters, is_category=True)
    return limits.effective_rows(values.to_numpy(), clusters, is_category=False)
