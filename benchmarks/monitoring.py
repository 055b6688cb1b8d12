"""How often monitoring cries wolf, and how soon it finds what is there: the real detectors and the real governor.

Run: python benchmarks/monitoring.py [--seeds 20] [--only "new city"] [--json FILE] [--processes 2]

Each seed is a simulated market of its own. It lives 60 days, trains a champion, builds the monitoring reference, and is
monitored for 14 quiet days. Then it branches: one branch stays quiet, every other gets one drift or fault. The verdict
of each morning and its delay (days since the first day on which something was wrong) are what is measured, with
95 % Wilson intervals. A storm and a growing market follow.

Real: market, injections and exporter faults, candidates, pair features, hash samples, the fit, NannyML and the other
detectors, limits, reports, quality rules, importance and the governor, all with default policies. Bypassed: landing
files, event log, dbt and Dagster (`monitored_market/marts.py` counts the same windows in memory), the gate (what is
trained serves), texts of our own (the recruiters' tool texts throughout), row recompute, and duplicates.

What is expected of every row is declared in `monitored_market/rows.py` before the run; a row that is not met is an
error. That a row cannot be found is an expectation too, and is printed as such.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import traceback
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import asdict
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent))

from monitored_market.rows import CONTROL, QUIET_DAYS, ROWS, prepared, seed_runs, watched
from monitored_market.storm import STORM_JOBS, STORM_USERS, StormRun, storm, storm_policies
from monitored_market.tables import STORM, TRAFFIC, print_declared, report_rows, report_storm, report_traffic
from monitored_market.traffic import traffic

FIRST_SEED = 5_001
"""Expectations were declared after looking at other seeds, none of these."""
ROW_MARKETS = "runs"
STORM_SEEDS, TRAFFIC_SEEDS = 4, 6


def storm_runs(seed: int) -> list[StormRun]:
    """Return what each policy did in the storm of one market, which starts after its quiet days."""
    market, watch = prepared(seed, storm_policies(), STORM_USERS, STORM_JOBS)
    watched(market, watch, QUIET_DAYS)
    return storm(seed, market, watch)


def main() -> int:
    """Print what was measured; returns 1 when an expectation is not met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20, help="markets for rows, quiet days")
    parser.add_argument("--storm-seeds", type=int, default=STORM_SEEDS)
    parser.add_argument("--traffic-seeds", type=int, default=TRAFFIC_SEEDS)
    parser.add_argument("--only", action="append", choices=[*(row.name for row in ROWS), CONTROL, STORM, TRAFFIC])
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write the results to this file")
    asked = parser.parse_args()
    wanted = tuple(asked.only or [*(row.name for row in ROWS), CONTROL, STORM, TRAFFIC])
    rows = tuple(row.name for row in ROWS if row.name in wanted)
    start = time.perf_counter()
    print_declared(rows, wanted)
    markets = {
        ROW_MARKETS: asked.seeds if rows or CONTROL in wanted else 0,
        STORM: asked.storm_seeds if STORM in wanted else 0,
        TRAFFIC: asked.traffic_seeds if TRAFFIC in wanted else 0,
    }
    measure = {ROW_MARKETS: partial(seed_runs, wanted=rows), STORM: storm_runs, TRAFFIC: traffic}
    report = {ROW_MARKETS: partial(report_rows, rows), STORM: report_storm, TRAFFIC: report_traffic}
    results: dict[str, list[Any]] = {kind: [] for kind in markets}
    broken: list[str] = []
    with ProcessPoolExecutor(asked.processes, mp_context=get_context("spawn")) as pool:
        work = {
            kind: {pool.submit(measure[kind], FIRST_SEED + place): FIRST_SEED + place for place in range(count)}
            for kind, count in markets.items()
        }
        for kind, futures in work.items():  # what is measured first is printed at once, whatever happens to the rest
            broken += collect(pool, kind, futures, results[kind])
            broken += report[kind](results[kind])
            sys.stdout.flush()
            if asked.json:
                facts = {name: [asdict(one) for one in values] for name, values in results.items()}
                asked.json.write_text(json.dumps(facts | {"broken": broken}, indent=1))
    print(f"\n{(time.perf_counter() - start) / 60:.0f} minutes on {asked.processes} processes")
    if broken:
        print("expectations that are not met: " + "; ".join(broken))
    return 1 if broken else 0


def collect(pool: ProcessPoolExecutor, kind: str, futures: dict[Future[Any], int], results: list[Any]) -> list[str]:
    """Add what the markets of a kind showed to `results`, by seed; return which failed, their errors printed."""
    failed = []
    try:
        for future in as_completed(futures):
            error = None if future.cancelled() else future.exception()
            if future.cancelled():
                failed.append(f"{kind} of seed {futures[future]} was not measured")
            elif error is None:
                results += future.result()
            else:
                traceback.print_exception(error)
                failed.append(f"{kind} of seed {futures[future]} failed")
    except KeyboardInterrupt:
        failed.append(f"{kind} was interrupted")
        pool.shutdown(wait=False, cancel_futures=True)
    results.sort(key=lambda run: run.seed)
    return sorted(failed)


if __name__ == "__main__":
    sys.exit(main())
