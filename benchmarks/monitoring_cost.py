"""What a day of monitoring costs, as a share of refitting NannyML on the same reference, and what its samples can see.

Run: python benchmarks/monitoring_cost.py [--repeats 3] [--curve-seeds 4] [--json FILE]

Three measurements on the simulated market (see `monitoring.py` for what is real and what is bypassed):

1. *A day*: quality, data, latent and concept report of 20,000 sampled pairs against a reference of 280,000, from what
   was fitted before. Turn by turn with it, NannyML is fitted on the same reference as its documentation does: columns,
   missing and unseen values, PCA reconstruction, domain classifier (three folds), CBPE and realised performance, one
   chunk per reference day, library defaults, on one thread (on a busy machine the threads of its domain classifier wait
   for each other for minutes). The claim is that a day costs at most 1/20 of all fits. Beside it: the same without the
   domain classifier, and a day that has forgotten its own, smaller fits.
2. *Memory*: the resident set of a process after its 5th and its 50th day of monitoring.
3. *The domain classifier*: seconds a day and the share of drifted days found, by the rows that it is given. Limits are
   learned from A/A days at each size as monitoring learns them; three folds and shallow trees throughout. The drifts: a
   new city with 8 % of the users, and tastes that become correlated, of all or of half of the users.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import psutil
import pyarrow as pa
from monitored_market.champion import Watch, explained, sample
from monitored_market.curve import CURVE_DRIFTS, CURVE_ROWS, CurvePoint, curve, sampling_policies, timed
from monitored_market.marts import MonitoredMarket
from monitored_market.monitored import concept_report, concept_windows, looked, monitored_day, quality_report
from monitored_market.rows import prepared

from mlife_assets.adapters.nannyml_calculators import drift_statistics, forget_fitted, latent_statistics
from mlife_assets.adapters.nannyml_calculators.engine import frame, quiet_nannyml
from mlife_assets.core.monitoring.reference import MonitoringReference
from mlife_assets.core.policies import MonitoringPolicy
from mlife_assets.core.statistics import wilson_interval
from mlife_assets.core.windows import add_days
from mlife_assets.recruiting.policies import Policies

SEED = 401
SAMPLED_ROWS = 20_000
MATURING_DAYS = 8
COST_CLAIM = 1 / 20
CLASSIFIER = "domain classifier"
MEMORY_DAYS, MEMORY_KEPT_DAYS = (5, 50), 45
MEMORY_USERS, MEMORY_JOBS = 4_000, 350
MEMORY_GROWTH_CLAIM = 0.05


@dataclass(frozen=True)
class Cost:
    """Seconds of each turn: a day, one that has forgotten its own fits, every fit of NannyML by calculator."""

    features: int
    sampled_rows: int
    reference_rows: int
    day: tuple[float, ...]
    forgetful_day: tuple[float, ...]
    fits: tuple[dict[str, float], ...]
    drawing: float
    parts: dict[str, float]

    @property
    def ratios(self) -> np.ndarray:
        """A day as a share of all fits, turn by turn."""
        return np.array(self.day) / np.array([sum(fits.values()) for fits in self.fits])

    @property
    def ratios_without_classifier(self) -> np.ndarray:
        """The same, the domain classifier left out of the fits."""
        return np.array(self.day) / np.array([sum(fits.values()) - fits[CLASSIFIER] for fits in self.fits])


def day_cost(repeats: int) -> Cost:
    """Measure a day of monitoring and a refit, turn by turn."""
    market, watch = prepared(SEED, sampling_policies(SAMPLED_ROWS))
    for _ in range(MATURING_DAYS):
        market.live()
    drawing, _ = timed(lambda: sample(watch, market))
    reference = watch.champion.reference
    looked(watch, market)
    day, forgetful, fits = [], [], []
    for turn in range(repeats):
        usual, look = timed(lambda: looked(watch, market))
        forget_fitted()
        anew, _ = timed(lambda: looked(watch, market))
        day.append(usual)
        forgetful.append(anew)
        fits.append(fit_seconds(reference))
        shown = ", ".join(f"{name} {seconds:.1f}" for name, seconds in fits[-1].items())
        print(f"  turn {turn + 1}: day {usual:.2f} s, forgetful {anew:.2f} s, {shown}", file=sys.stderr, flush=True)
    statuses = {name: report.status for name, report in look.reports.items()}
    print(f"  positives judged: {look.positives}; reports {statuses}", file=sys.stderr)
    return Cost(
        features=len(reference.columns.watched),
        sampled_rows=watch.samples[market.day].pairs.num_rows,
        reference_rows=reference.sample.num_rows,
        day=tuple(day),
        forgetful_day=tuple(forgetful),
        fits=tuple(fits),
        drawing=drawing,
        parts=_parts(watch, market),
    )


def fit_seconds(reference: MonitoringReference) -> dict[str, float]:
    """Return how long NannyML takes to fit each calculator on a whole reference, one chunk per day."""
    columns = reference.columns
    pairs = frame(reference, reference.sample, columns.watched)
    outcomes = reference.examples.select(["probability", "is_positive"]).to_pandas()
    outcomes["is_positive"] = outcomes["is_positive"].astype(int)
    shared = {"chunk_number": len(reference.days)}
    judged = {
        "y_pred_proba": "probability",
        "y_true": "is_positive",
        "problem_type": "classification_binary",
        "metrics": ["roc_auc", "average_precision"],
    }
    watched = list(columns.watched)
    with quiet_nannyml() as nml:
        calculators = {
            "columns": lambda: nml.UnivariateDriftCalculator(
                column_names=watched,
                continuous_methods=["kolmogorov_smirnov"],
                categorical_methods=["jensen_shannon"],
                **shared,
            ).fit(pairs),
            "missing": lambda: nml.MissingValuesCalculator(column_names=watched, **shared).fit(pairs),
            "unseen": lambda: nml.UnseenValuesCalculator(column_names=list(columns.categorical), **shared).fit(pairs),
            "PCA": lambda: nml.DataReconstructionDriftCalculator(column_names=watched, **shared).fit(pairs),
            CLASSIFIER: lambda: nml.DomainClassifierCalculator(
                feature_column_names=watched,
                cv_folds_num=3,
                chunk_number=2,
                hyperparameters={"n_jobs": 1, "verbose": -1},
            ).fit(pairs),
            "CBPE": lambda: nml.CBPE(**judged, **shared).fit(outcomes),
            "performance": lambda: nml.PerformanceCalculator(**judged, **shared).fit(outcomes),
        }
        return {name: timed(fit)[0] for name, fit in calculators.items()}


def _parts(watch: Watch, market: MonitoredMarket) -> dict[str, float]:
    """Return the seconds of the parts of a day."""
    champion, policy = watch.champion, watch.policies.monitoring
    pairs = watch.samples[market.day].pairs
    parts = {}
    parts["quality"], _ = timed(lambda: quality_report(watch, market))
    parts["columns"], _ = timed(lambda: drift_statistics(champion.reference, pairs))
    parts["SHAP values"], rows = timed(lambda: explained(champion.scorer, pairs, policy, champion.reference.columns))
    parts["joint"], _ = timed(lambda: latent_statistics(champion.reference, rows, policy))
    parts["outcomes"], _ = timed(lambda: concept_report(watch, market, concept_windows(watch, market)))
    return parts


def memory_growth() -> dict[int, float]:
    """Return the resident MB after some days of monitoring; the harness forgets what no later day needs."""
    market, watch = prepared(SEED, Policies(), MEMORY_USERS, MEMORY_JOBS)
    resident = {}
    for number in range(1, max(MEMORY_DAYS) + 1):
        monitored_day(watch, market)
        market.live()
        market.forget_before(add_days(market.day, -MEMORY_KEPT_DAYS))
        watch.forget_before(add_days(market.day, -MEMORY_KEPT_DAYS))
        if number in MEMORY_DAYS:
            gc.collect()
            pa.default_memory_pool().release_unused()
            resident[number] = psutil.Process().memory_info().rss / 1e6
    return resident


def main() -> int:
    """Print the three measurements; returns 1 when a claim does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--curve-seeds", type=int, default=4)
    parser.add_argument("--processes", type=int, default=2, help="for the power curve")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    asked = parser.parse_args()
    spawn = get_context("spawn")
    cost = day_cost(asked.repeats)
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        resident = pool.submit(memory_growth).result()
    with ProcessPoolExecutor(asked.processes, mp_context=spawn) as pool:
        points = [point for one in pool.map(curve, range(SEED, SEED + asked.curve_seeds)) for point in one]
    broken = [*report_cost(cost), *report_memory(resident)]
    report_curve(points)
    if asked.json:
        facts = {"cost": asdict(cost), "resident_mb": resident, "curve": [asdict(one) for one in points]}
        asked.json.write_text(json.dumps(facts, indent=1))
    if broken:
        print("claims that do not hold: " + "; ".join(broken))
    return 1 if broken else 0


def report_cost(cost: Cost) -> list[str]:
    """Print the ratio with its spread; return what is broken."""

    def shown(values: Sequence[float] | np.ndarray) -> str:
        return f"{np.median(values):.3g} ({np.min(values):.3g}-{np.max(values):.3g})"

    ratio = float(np.median(cost.ratios))
    print(f"a day: {cost.features} features, {cost.sampled_rows:,} rows; reference {cost.reference_rows:,} rows")
    print(f"  a day, s: {shown(cost.day)}; once: " + ", ".join(f"{name} {one:.2f}" for name, one in cost.parts.items()))
    print(f"  a day that has forgotten its own fits, s: {shown(cost.forgetful_day)}")
    for name in cost.fits[0]:
        print(f"  NannyML fits {name}, s: {shown([fits[name] for fits in cost.fits])}")
    print(f"  a day / refit: {shown(cost.ratios)}, at most {COST_CLAIM:.3g} claimed")
    print(f"  a day / refit without the domain classifier: {shown(cost.ratios_without_classifier)}")
    print(f"  drawing the day's sample of pairs: {cost.drawing:.2f} s")
    return [f"a day costs {ratio:.3f} of a refit"] if ratio > COST_CLAIM else []


def report_memory(resident: Mapping[int, float]) -> list[str]:
    """Print the growth of memory; return what is broken."""
    first, last = (resident[day] for day in MEMORY_DAYS)
    print(f"memory: {first:.0f} MB after day {MEMORY_DAYS[0]}, {last:.0f} MB after day {MEMORY_DAYS[1]}")
    growth = last / first - 1
    return [f"memory grew by {growth:.0%}"] if growth > MEMORY_GROWTH_CLAIM else []


def report_curve(points: Sequence[CurvePoint]) -> None:
    """Print power and seconds by sample size."""
    print("\ndomain classifier, share of days found with its 95 % Wilson interval")
    print(f"{'rows':>8}{'s a day':>9}" + "".join(f"{name:>24}" for name in CURVE_DRIFTS))
    for rows in CURVE_ROWS:
        ours = [one for one in points if one.rows == rows]
        shown = []
        for name in CURVE_DRIFTS:
            share = wilson_interval(sum(one.found[name] for one in ours), sum(one.days for one in ours))
            shown.append(f"{share.estimate:.0%} [{share.lower:.0%}, {share.upper:.0%}]")
        mark = " (default)" if rows == MonitoringPolicy().domain_classifier_sample_rows else ""
        seconds = np.median([one.seconds for one in ours])
        print(f"{rows:>8,}{seconds:>9.2f}" + "".join(f"{one:>24}" for one in shown) + mark)


if __name__ == "__main__":
    sys.exit(main())
