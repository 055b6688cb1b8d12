"""What an early label teaches of a new world: three fits of a morning, asked about that morning.

Run: python benchmarks/early_label.py [--seeds 7201 ...] [--users 6000] [--processes 1] [--json FILE]

Each seed is a market of its own. It lives 60 days after its warm-up, then people begin to weigh pay more, or do not.
So many days later three models are fitted by the product's functions and default policies, and by the half-life that
the product has in a drift of that age:

- *complete*: clicks of exposures that are 3 days old, applications of those that are 8 days old, as before there was an
  early label.
- *early*: the product. Of exposures that are 3 to 8 days old, applications count that were known when clicks were
  complete; they teach the final fit.
- *shorter*: both of exposures that are 3 days old, and of all of them only such applications count. Its level is too
  low, so it could only rank.

All rank the candidates of the same 500 people that morning. Compared is expected MAP@10 on true probabilities with the
first, in pairs, by market: the mean difference with its 95 % interval (Student's, over markets).
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
import pyarrow.compute as pc
from monitored_market.champion import WARM_UP_DAYS, learned_from
from monitored_market.marts import WINDOW_DAYS, MonitoredMarket
from monitored_market.recovered import BEGINS, Kind, one_candidate
from monitored_market.recovery_tables import bounds
from monitored_market.storm import true_probability

from mlife_assets.core.monitoring.columns import LABEL
from mlife_assets.core.policies import TrainingPolicy
from mlife_assets.core.scoring.scorer import scorer_of
from mlife_assets.core.training.fit import fit_model
from mlife_assets.core.training.recipes import with_half_life
from mlife_assets.core.training.training_set import TrainingSet, split_examples
from mlife_assets.core.windows import add_days, last_mature_exposure_day
from mlife_assets.market.truth import expected_maps
from mlife_assets.market.world import MarketConfig
from mlife_assets.recruiting.candidates import candidate_pairs
from mlife_assets.recruiting.features import feature_matrix, pair_features
from mlife_assets.recruiting.job_applications import job_applications
from mlife_assets.recruiting.policies import Policies

SEEDS = (7_201, 7_202, 7_203, 7_204)
KINDS = (Kind("none", ()), Kind("pay 2.5", (("pay_elasticity", 2.5),)), Kind("pay 5", (("pay_elasticity", 5.0),)))
FITTED_AFTER = (5, 8, 12, 16, 20)
"""Days after the change; a confirmed drift is about five days old when the first challenger can answer it."""
ALARM_DAY = 4
"""The first alarm of a large drift is on its fifth morning (docs/adr/0032_evidence.md); its age counts from there."""
HISTORY_DAYS, JUDGED_USERS, USERS, JOBS, METROS = 60, 500, 6_000, 500, 10
COMPLETE, EARLY, SHORTER = "complete", "early", "shorter"
RESULT = Path(__file__).resolve().parent / "results" / "early_label.json"


def first_day(market: MonitoredMarket) -> date:
    """Return the first day that is learned from."""
    return add_days(market.config.start_date, WARM_UP_DAYS)


def shorter_training(market: MonitoredMarket, policies: Policies) -> TrainingSet:
    """Return what is learned this morning if only applications count that came early."""
    roles = replace(job_applications(policies).roles, funnel_times=(), early_label=None)
    last = last_mature_exposure_day(market.day, WINDOW_DAYS["click"])
    rows = market.mature_examples(first_day(market), last, "click")
    rows = rows.append_column(roles.label, rows["is_applied_early"])
    named = f"{market.config.fingerprint}/{market.day}/shorter"
    return split_examples(rows, roles, known_on=market.day, policy=policies.training, data_hash=named)


def known_sooner(market: MonitoredMarket) -> float:
    """Return the share of the complete label's positives that the early one has."""
    rows = market.mature_examples(first_day(market), last_mature_exposure_day(market.day, WINDOW_DAYS[LABEL]))
    early, complete = (int(pc.sum(rows[name]).as_py()) for name in ("is_applied_early", "is_applied"))
    return early / complete


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
    """Return what the three fits of each kind and day did in one market, and the CPU-seconds that it took."""
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
            learned = learned_from(market, policies, market.day)
            trainings = {
                COMPLETE: replace(learned, roles=replace(learned.roles, early_label=None)),
                EARLY: learned,
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
    """Return by kind and day, and by kind alone, what either early label wins over the complete one, over markets."""
    found = []
    for kind in KINDS:
        for after in (*FITTED_AFTER, None):
            own = [row for row in rows if row["kind"] == kind.name and after in (None, row["after"])]
            seeds = sorted({row["seed"] for row in own})
            facts = {"kind": kind.name, "after": after, "markets": len(seeds)}
            facts[COMPLETE] = round(float(np.mean([row[COMPLETE] for row in own])), 5)
            for name in (EARLY, SHORTER):
                by_market = [[row[name] - row[COMPLETE] for row in own if row["seed"] == seed] for seed in seeds]
                gains = np.array([np.mean(of_one) for of_one in by_market])
                limits = bounds(gains)
                facts[name] = round(float(np.mean(gains)), 5)
                facts[f"{name}_bounds"] = None if limits is None else [round(one, 5) for one in limits]
            found.append(facts)
    return found


def main() -> int:
    """Print what early labels win."""
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
    print(f"{'drift':10}{'days after':>11}{'markets':>9}{COMPLETE:>10}{EARLY:>30}{SHORTER:>30}")
    for one in table:
        gains = ""
        for name in (EARLY, SHORTER):
            limits = one[f"{name}_bounds"]
            told = "" if limits is None else f" ({limits[0]:+.4f} to {limits[1]:+.4f})"
            gains += f"{f'{one[name]:+.4f}{told}':>30}"
        print(f"{one['kind']:10}{one['after'] or 'all':>11}{one['markets']:>9}{one[COMPLETE]:>10.4f}{gains}")
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
