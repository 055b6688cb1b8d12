"""The power curve of the domain classifier: what it finds, and what it costs, by the rows that it is given.

Concept: the classifier of the latent report, its folds, settings and limits from A/A days, at several sample sizes, on
features and on embeddings (a champion's SHAP values are left out: they would need a training). Tastes turned as long
before as it takes to publish them, so that each day that is looked at shows the drift.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from mlife_assets.adapters.nannyml_calculators import calculators as drift
from mlife_assets.adapters.nannyml_calculators.engine import frame, quiet_nannyml
from mlife_assets.core.monitoring import thresholds as limits
from mlife_assets.core.monitoring.reference import MonitoringReference, build_reference
from mlife_assets.core.policies import MonitoringPolicy
from mlife_assets.core.windows import add_days
from mlife_assets.market.world import Injection, MarketConfig
from mlife_assets.recruiting.features import JOB_EXAMPLES
from mlife_assets.recruiting.job_applications import PAIR_COLUMNS
from mlife_assets.recruiting.policies import Policies
from monitored_market.champion import Watch, sample
from monitored_market.marts import MonitoredMarket
from monitored_market.rows import JOBS, TRAINED_AFTER_DAYS, USERS

CURVE_ROWS = (500, 1_000, 2_000, 5_000, 20_000)
CURVE_DAYS = 5
CURVE_DRIFTS: dict[str, tuple[str, float] | None] = {
    "no drift": None,
    "new city, 8 %": ("new_city", 0.6),
    "correlated, all": ("correlation_only", 1.0),
    "correlated, half": ("correlation_only", 0.5),
}
EXAMPLES = pa.schema(
    [
        ("exposure_date", pa.date32()),
        ("label_mature_date", pa.date32()),
        ("probability", pa.float64()),
        ("is_positive", pa.bool_()),
    ]
)


@dataclass(frozen=True)
class CurvePoint:
    """The domain classifier at one sample size on one market: seconds a day, days found by drift, days looked at."""

    rows: int
    seconds: float
    limits: dict[str, float]
    found: dict[str, int]
    days: int


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return seconds and result of a call."""
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def sampling_policies(rows: int) -> Policies:
    """Return the default policies with another sample size."""
    policies = Policies()
    return replace(policies, monitoring=replace(policies.monitoring, sample_rows_per_day=rows))


def curve(seed: int) -> list[CurvePoint]:
    """Return what the domain classifier finds on one market at every sample size."""
    policies = sampling_policies(max(CURVE_ROWS))
    market, watch = MonitoredMarket(MarketConfig(seed=seed, users=USERS, jobs=JOBS)), Watch(policies)
    for number in range(TRAINED_AFTER_DAYS):
        if number >= TRAINED_AFTER_DAYS - policies.monitoring.reference_days:
            sample(watch, market)
        market.live()
    days = sorted(watch.samples)
    reference = build_reference(
        columns=PAIR_COLUMNS,
        model_version="none",
        as_of=market.day,
        sample=pa.concat_tables([watch.samples[day].pairs for day in days]),
        pair_rows={day: watch.samples[day].population_rows for day in days},
        examples=EXAMPLES.empty_table(),
        ids=JOB_EXAMPLES.ids,
    )
    drifted = {}
    turned = add_days(market.day, -market.config.calibration.taste_delay_days)
    for name, injected in CURVE_DRIFTS.items():
        since = turned if injected is not None and injected[0] == "correlation_only" else market.day
        wrong = () if injected is None else (Injection(injected[0], since, size=injected[1]),)
        branch, branch_watch = market.branch(*wrong), watch.branch()
        drifted[name] = []
        for _ in range(CURVE_DAYS):
            branch.live()
            drifted[name].append(sample(branch_watch, branch).pairs)
    points = []
    for rows in CURVE_ROWS:
        points.append(curve_point(reference, drifted, replace(policies.monitoring, domain_classifier_sample_rows=rows)))
        print(f"  seed {seed}: {points[-1]}", file=sys.stderr, flush=True)
    return points


def curve_point(
    reference: MonitoringReference, drifted: Mapping[str, Sequence[pa.Table]], policy: MonitoringPolicy
) -> CurvePoint:
    """Return how many days of each drift a classifier of `policy`'s size finds on features or embeddings."""
    blocks = dict(drift.blocks(reference))
    rate = policy.false_alarm_rate_per_day / len(blocks)
    found = {name: np.zeros(len(days), dtype=bool) for name, days in drifted.items()}
    upper, seconds = {}, 0.0
    for block, names in blocks.items():
        most = max(policy.domain_classifier_sample_rows, drift.reference_rows(reference, block, policy))
        values = []
        for analysed, compared in limits.halves(len(reference.days)):
            part = pa.concat_tables([reference.day(reference.days[place]) for place in compared])
            fitted = _classifier(reference, part, names, policy, most)
            values += [fitted(reference.day(reference.days[place])) for place in analysed]
        worth = [
            min(
                _independent(reference, reference.day(reference.days[-1]), names), policy.domain_classifier_sample_rows
            ),
            min(_independent(reference, reference.sample, names), most),
        ]
        bound = limits.auc_bound(worth[0], worth[1], rate)
        threshold = limits.learn_threshold("domain_classifier", block, values, error_rate=rate, sampling_bound=bound)
        upper[block] = threshold.upper
        fitted = _classifier(reference, reference.sample, names, policy, most)
        taken = []
        for name, days in drifted.items():
            for place, day in enumerate(days):
                lasted, auc = timed(partial(fitted, day))
                taken.append(lasted)
                found[name][place] |= auc > threshold.upper
        seconds += float(np.median(taken))
    return CurvePoint(
        rows=policy.domain_classifier_sample_rows,
        seconds=seconds,
        limits=upper,
        found={name: int(one.sum()) for name, one in found.items()},
        days=len(next(iter(drifted.values()))),
    )


def _classifier(
    reference: MonitoringReference, part: pa.Table, names: list[str], policy: MonitoringPolicy, most: int
) -> Callable[[pa.Table], float]:
    """Return a function that gives the AUC of a day against `most` rows of `part`, as the latent report computes it."""
    with quiet_nannyml() as nml:
        classifier = nml.DomainClassifierCalculator(
            feature_column_names=names,
            chunk_number=1,
            cv_folds_num=drift.CLASSIFIER_FOLDS,
            hyperparameters=dict(drift.CLASSIFIER_SETTINGS),
        ).fit(frame(reference, part.take(drift.by_item(reference, part, policy, most)), names))

    def auc(day: pa.Table) -> float:
        with quiet_nannyml():
            result = classifier.calculate(frame(reference, day.take(drift.by_item(reference, day, policy)), names))
            return float(result.filter(period="analysis").to_df().iloc[0][("domain_classifier_auroc", "value")])

    return auc


def _independent(reference: MonitoringReference, table: pa.Table, names: list[str]) -> float:
    """Return how many independent rows the most clustered of some columns is worth."""
    clusters = [np.asarray(table[name].combine_chunks().dictionary_encode().indices) for name in reference.ids]
    worth = []
    for name in names:
        is_text = pa.types.is_string(table[name].type)
        column = table[name].combine_chunks()
        values = (
            np.asarray(column.dictionary_encode().indices) if is_text else column.cast(pa.float64()).to_numpy(False)
        )
        worth.append(limits.effective_rows(values, clusters, is_category=is_text))
    return min(worth)
