"""Would a label that is complete sooner teach more of a new world? Two fits of a morning, asked about that morning.

Run: python benchmarks/shorter_label.py [--seeds 7201 ...] [--users 6000] [--json FILE]

Each seed is a market of its own. It lives 60 days after its warm-up, then people begin to weigh pay more, or do not.
So many days later two models are fitted, both by the product's functions and default policies, and by the half-life
that the product has in a drift of that age:

- *product*: clicks of exposures that are 3 days old, applications of those that are 8 days old.
- *shorter label*: both of exposures that are 3 days old. Only applications that were known by then count. Its level is
  too low, so it could only rank.

Both rank the candidates of the same 500 people that morning. Compared is expected MAP@10 on true probabilities, in
pairs, by market: the mean difference with its 95 % interval (Student's, over markets).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import pyarrow as pa
from monitored_market.champion import WARM_UP_DAYS, learned_from
from monitored_market.marts import WINDOW_DAYS, MonitoredMarket
from monitored_market.recovered import BEGINS, Kind, one_candidate
from monitored_market.recovery_tables import bounds
from monitored_market.storm import true_probability

from mlife_assets.core.monitoring.named_outcomes import LABEL
from mlife_assets.core.policies import TrainingPolicy
from mlife_assets.core.scoring.scorer import scorer_of
from mlife_assets.core.training.drifting import with_half_life
from mlife_assets.core.training.fit import fit_model
from mlife_assets.core.training.training_set import TrainingSet, split_examples
from mlife_assets.core.windows import add_days, last_mature_exposure_day
from mlife_assets.market.true_map import expected_maps
from mlife_assets.market.world import MarketConfig
from mlife_assets.recruiting.candidates import candidate_pairs
from mlife_assets.recruiting.features import feature_matrix, pair_features
from mlife_assets.recruiting.job_applications import job_applications
from mlife_assets.recruiting.policies import Policies

SEEDS = (7_201, 7_202, 7_203, 7_204)
KINDS = (
    Kind("none", ()),
    Kind("pay 2.5", (("pay_elasticity", 2.5),)),
    Kind("pay 5", (("pay_elasticity", 5.0),)),
)
FITTED_AFTER = (5, 8, 12, 16, 20)
"""Days after the change; a confirmed drift is about five days old when the first challenger can answer it."""
ALARM_DAY = 4
"""The first alarm of a large drift is on its fifth morning (docs/adr/0032_evidence.md); its age counts from there."""
HISTORY_DAYS, JUDGED_USERS, USERS, JOBS, METROS = 60, 500, 6_000, 500, 10
PRODUCT, SHORTER = "product", "shorter label"
RESULT = Path(__file__).resolve().parent / "results" / "shorter_label.json"


def first_day(market: MonitoredMarket) -> date:
    """Return the first day that is learned from."""
    return add_days(market.config.start_date, WARM_UP_DAYS)


def shorter_training(market: MonitoredMarket, policies: Policies) -> TrainingSet:
    """Return what is learned this morning if only applications count that were known when clicks were complete."""
    roles = replace(job_applications(policies).roles, funnel_times=())
    last = last_mature_exposure_day(market.day, WINDOW_DAYS["click"])
    rows = market.mature_examples(first_day(market), last, "click")
    named = f"{market.config.fingerprint}/{market.day}/shorter"
    return split_examples(rows, roles, known_on=market.day, policy=policies.training, data_hash=named)


def known_sooner(market: MonitoredMarket) -> float:
    """Return the share of a complete label's positives that the shorter label has."""
    last = last_mature_exposure_day(market.day, WINDOW_DAYS[LABEL])
    long, short = (market.mature_examples(first_day(market), last, outcome) for outcome in (LABEL, "click"))
    positives = [int(np.sum(rows["is_applied"].to_numpy(zero_copy_only=False))) for rows in (short, long)]
    return positives[0] / positives[1]


def training_policy(policies: Policies, kind: Kind, after: int) -> TrainingPolicy:
    """Return how a model is fitted so many days after a change: as usual, or as in a drift of that age."""
    usual = policies.training
    if not kind.drifts:
        return usual
    return with_half_life(usual, min(usual.half_life_days, max(usual.half_life_days_in_drift, (after - ALARM_DAY) / 2)))


def asked_this_morning(
    market: MonitoredMarket, trainings: Mapping[str, TrainingSet], policy: TrainingPolicy, policies: Policies, seed: int
) -> dict[str, float]:
    """Return the expected MAP of a fit of each training set on this morning's candidates."""
    everybody = market.user_features()
    places = np.linspace(0, everybody.num_rows - 1, min(JUDGED_USERS, everybody.num_rows)).astype(np.int64)
    found = candidate_pairs(everybody.take(pa.array(places)), market.job_features(), market.day, policies.candidates)
    pairs, scores = pair_features(found), {}
    for name, training in trainings.items():
        scorer = scorer_of(fit_model(training, policy), threads=1)
        scores[name] = scorer.score(feature_matrix(pairs, scorer.feature_spec, exposure_kind="impression")).raw
    depth = policies.promotion.ranking_depth
    return expected_maps(pairs, true_probability(market, pairs), scores, depth=depth, seed=seed)


def run_market(seed: int, users: int) -> tuple[list[dict[str, Any]], float]:
    """Return what both fits of each kind and day did in one market, and the CPU-seconds that it took."""
    start = time.process_time()
    policies, jobs = one_candidate(Policies()), JOBS * users // USERS
    days = WARM_UP_DAYS + HISTORY_DAYS
    config = MarketConfig(seed=seed, users=users, jobs=jobs, metros=METROS, start_date=add_days(BEGINS, -days))
    past = MonitoredMarket(config)
    for _ in range(days):
        past.live()
    rows = []
    for kind in KINDS:
        market = past.branch(*kind.injections(past.day))
        for after in range(1, max(FITTED_AFTER) + 1):
            market.live()
            if after not in FITTED_AFTER:
                continue
            trainings = {
                PRODUCT: learned_from(market, policies, market.day),
                SHORTER: shorter_training(market, policies),
            }
            maps = asked_this_morning(
                market, trainings, training_policy(policies, kind, after), policies, 1_000 * seed + after
            )
            print(f"  seed {seed}: {kind.name}, {after} days", file=sys.stderr, flush=True)
            rows.append(
                {
                    "seed": seed,
                    "kind": kind.name,
                    "after": after,
                    "known_sooner": round(known_sooner(market), 4),
                    **{name: round(value, 6) for name, value in maps.items()},
                }
            )
    return rows, time.process_time() - start


def compared(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return by kind and day, and by kind alone, what the shorter label wins over the product, over markets."""
    found = []
    for kind in KINDS:
        for after in (*FITTED_AFTER, None):
            own = [row for row in rows if row["kind"] == kind.name and after in (None, row["after"])]
            seeds = sorted({row["seed"] for row in own})
            gains = np.array(
                [np.mean([row[SHORTER] - row[PRODUCT] for row in own if row["seed"] == seed]) for seed in seeds]
            )
            limits = bounds(gains)
            found.append(
                {
                    "kind": kind.name,
                    "after": after,
                    "markets": len(seeds),
                    PRODUCT: round(float(np.mean([row[PRODUCT] for row in own])), 5),
                    SHORTER: round(float(np.mean([row[SHORTER] for row in own])), 5),
                    "gain": round(float(np.mean(gains)), 5),
                    "bounds": None if limits is None else [round(one, 5) for one in limits],
                }
            )
    return found


def main() -> int:
    """Print what the shorter label wins."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="*", type=int, default=SEEDS)
    parser.add_argument("--users", type=int, default=USERS)
    parser.add_argument("--processes", type=int, default=1, help="markets at a time")
    parser.add_argument("--json", type=Path, default=None, help=f"write the record to this file, as {RESULT.name}")
    asked = parser.parse_args()
    with ProcessPoolExecutor(asked.processes, mp_context=get_context("spawn")) as pool:
        markets = list(pool.map(run_market, asked.seeds, [asked.users] * len(asked.seeds)))
    rows = [row for market, _ in markets for row in market]
    table = compared(rows)
    known = float(np.mean([row["known_sooner"] for row in rows]))
    print(f"{known:.0%} of applications are known when clicks are complete")
    print(f"{'drift':10}{'days after':>11}{'markets':>9}{PRODUCT:>10}{SHORTER:>15}{'gain':>9}  95 %")
    for one in table:
        limits = "" if one["bounds"] is None else f"{one['bounds'][0]:+.4f} to {one['bounds'][1]:+.4f}"
        print(
            f"{one['kind']:10}{one['after'] or 'all':>11}{one['markets']:>9}{one[PRODUCT]:>10.4f}{one[SHORTER]:>15.4f}"
            f"{one['gain']:>+9.4f}  {limits}"
        )
    if asked.json:
        head = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=RESULT.parent, capture_output=True, text=True, check=True
        )
        record = {
            "commit": head.stdout.strip(),
            "seeds": list(asked.seeds),
            "users": asked.users,
            "machine": {"cpus": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()},
            "cpu_seconds": round(sum(seconds for _, seconds in markets)),
            "known_sooner": round(known, 4),
            "compared": table,
            "runs": rows,
        }
        asked.json.write_text(json.dumps(record, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
