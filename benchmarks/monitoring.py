"""How often monitoring cries wolf, and how soon it finds what is there: the product's reports and governor.

Run: python benchmarks/monitoring.py [--seeds 20] [--only "new city" ...] [--json FILE] [--processes 2] [--quick]

Each seed is a simulated market of its own. It lives 88 days, trains a champion, builds the monitoring reference, and is
monitored for 14 quiet days. Then it branches: one branch stays quiet, every other gets one drift or fault. The champion
stays. The verdict of each morning and its delay (days since the first day on which something was wrong) are what is
measured, with 95 % Wilson intervals. A fit that is due anyway is no alarm.

Reports and governor are the assets of the product with default policies, in a home of each branch
(`monitored_market/home.py` says what is bypassed). Texts are the recruiters' throughout.

What is expected of every row is declared below, before the run; a row that is not met is an error. That a row cannot be
found is an expectation too, and is printed as such.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
from monitored_market.home import MarketHome, lived
from monitored_market.market import WARM_UP_DAYS
from monitored_market.recovered import Plan, one_candidate, quick_plan

from mlife_assets.core.monitoring.retrain_decisions import NEW_LABELS, RetrainDecision
from mlife_assets.core.statistics import wilson_interval
from mlife_assets.market.world import Calibration, Injection, MarketConfig
from mlife_assets.recruiting.policies import Policies

FIRST_SEED = 5_001
"""Expectations were declared after looking at other seeds, none of these."""
PLAN = Plan(users=6_000, jobs=500, metros=MarketConfig(seed=0).metros, policies=one_candidate(Policies()))
QUIET_DAYS, CONTROL_DAYS = 14, 26
FALSE_RETRAINS_PER_100, FOUND_SHARE = 1.0, 19 / 20
FAULT, QUICK, MATURE = 5, 7, 16
PUBLISHED = QUICK + Calibration().people.taste_delay_days
"""Days that a branch is watched: inputs show at once, tastes when they are published; outcomes have to mature (clicks 3
days, applications 8)."""
CONTROL = "no drift"
RETRAIN, BLOCK, QUIET, UNDETECTABLE = "retrain", "block", "quiet", "undetectable"
EXPECTED = {
    RETRAIN: f"retrain within {{}} days in at least {FOUND_SHARE:.0%} of markets",
    BLOCK: "block within {} days in every market, no retrain",
    QUIET: "data and latent alarms those of the quiet branch, no concept alarm, no block, no retrain more",
    UNDETECTABLE: f"not claimed: retrain within {{}} days in less than {FOUND_SHARE:.0%} of markets",
}


@dataclass(frozen=True)
class Row:
    """One injection and what is expected of the governor.

    Attributes:
        name: as printed.
        injection: its name.
        size: its strength.
        days: mornings that are watched.
        expected: one of `EXPECTED`.
        within: days after the first wrong day by which the verdict is expected.
        told: what the size means.
    """

    name: str
    injection: str
    size: float
    days: int
    expected: str
    within: int
    told: str


ROWS = (
    Row("new city", "new_city", 0.6, QUICK, RETRAIN, QUICK, "8 % of users, postings of their own"),
    Row("new taste cluster", "new_taste_cluster", 0.25, PUBLISHED, RETRAIN, PUBLISHED, "25 % of users"),
    Row("correlation only", "correlation_only", 1.0, PUBLISHED, RETRAIN, PUBLISHED, "all tastes, marginals kept"),
    Row("correlation, half", "correlation_only", 0.5, PUBLISHED, RETRAIN, PUBLISHED, "tastes of half of the users"),
    Row("embedding reversed", "embedding_reversed", 1.0, FAULT, BLOCK, 1, "all exported tastes"),
    Row("mis-keyed", "mis_keyed_join", 1.0, FAULT, BLOCK, 1, "all snapshots carry the next user's attributes"),
    Row("distance zero", "distance_zero", 1.0, FAULT, BLOCK, 1, "30 % of distances become 0"),
    Row("pay in cents", "pay_in_cents", 1.0, FAULT, BLOCK, 1, "all reservation pays x100"),
    Row("pay elasticity", "pay_elasticity", 3.0, MATURE, RETRAIN, 14, "0.8 becomes 3"),
    Row("hidden taste", "hidden_taste", 1.5, MATURE, UNDETECTABLE, 14, "first true taste +1.5, not exported"),
    Row("labels late", "labels_late", 3.0, MATURE, QUIET, 14, "clicks, applies, hires land 3 days late"),
)


@dataclass(frozen=True)
class Run:
    """What one branch of one seed showed, one entry per watched morning; the first is the one after the injection.

    Attributes:
        row, seed: which.
        verdicts: w(ait), b(lock) or r(etrain).
        alarms: letters of the reports that alarmed: q(uality), d(ata), l(atent), c(oncept).
    """

    row: str
    seed: int
    verdicts: str
    alarms: tuple[str, ...]

    def delay(self, letter: str) -> int | None:
        """Return the days from the first wrong day to the first verdict of a letter; None when there is none."""
        place = self.verdicts.find(letter)
        return None if place < 0 else place + 1

    def mornings(self, kinds: str) -> int:
        """Return on how many mornings a report of these letters alarmed."""
        return sum(bool(set(kinds) & set(one)) for one in self.alarms)


def verdict_letter(decision: RetrainDecision) -> str:
    """Return r(etrain) where drift asks for it and not the calendar, b(lock), or w(ait)."""
    if decision.verdict == "block":
        return "b"
    return "r" if decision.verdict == "retrain" and NEW_LABELS not in decision.codes else "w"


def watched(home: MarketHome, row: str, days: int, *, stops: bool = False) -> Run:
    """Monitor a morning, live the day, and so on; `stops` at the first retrain that drift asks for."""
    verdicts, alarms = "", list[str]()
    for _ in range(days):
        decision, alarmed = home.morning()
        verdicts += verdict_letter(decision)
        alarms.append(alarmed)
        home.market.live()
        if stops and verdicts[-1] == "r":
            break
    return Run(row, home.market.config.seed, verdicts, tuple(alarms))


def seed_runs(seed: int, wanted: Sequence[str], plan: Plan = PLAN) -> list[Run]:
    """Return the runs of the wanted rows on one market, the quiet one first."""
    config = MarketConfig(seed=seed, users=plan.users, jobs=plan.jobs, metros=plan.metros)
    with tempfile.TemporaryDirectory() as folder:
        home = lived(config, WARM_UP_DAYS + plan.history_days, plan.policies, Path(folder, "quiet"))
        quiet, runs = watched(home, CONTROL, QUIET_DAYS), list[Run]()
        for row in (row for row in ROWS if row.name in wanted):
            branch = home.branch(Path(folder, row.name), Injection(row.injection, home.market.day, size=row.size))
            branch.morning()
            branch.market.live()
            runs.append(watched(branch, row.name, row.days, stops=row.expected == RETRAIN))
        later = watched(home, CONTROL, CONTROL_DAYS if plan is PLAN else plan.days)
    runs.insert(0, Run(CONTROL, seed, quiet.verdicts + later.verdicts, quiet.alarms + later.alarms))
    for run in runs:
        print(f"  seed {seed}: {run.row}: {run.verdicts} {'|'.join(run.alarms)}", file=sys.stderr, flush=True)
    return runs


def judged(row: Row, runs: Sequence[Run], control: Mapping[int, Run]) -> tuple[str, bool]:
    """Return what the seeds say of a row, and whether it is what was expected."""
    letter = "b" if row.expected == BLOCK else "r"
    delays = [delay for run in runs if (delay := run.delay(letter)) is not None and delay <= row.within]
    retrains = sum("r" in run.verdicts for run in runs)
    if row.expected == QUIET:
        usual = {run.seed: control[run.seed].alarms[QUIET_DAYS + 1 :] for run in runs}
        pairs = [pair for run in runs for pair in zip(run.alarms, usual[run.seed], strict=False)]
        unlike = sum(set(one) & set("dl") != set(other) & set("dl") for one, other in pairs)
        outcomes, blocks = sum(run.mornings("c") for run in runs), sum(run.verdicts.count("b") for run in runs)
        more = sum(extra_retrains(run, control[run.seed]) for run in runs)
        told = f"input alarms unlike the quiet branch's on {unlike} mornings, outcomes alarm on {outcomes}, "
        return f"{told}{more} retrains more, {blocks} mornings blocked", not (unlike or outcomes or more or blocks)
    share = wilson_interval(len(delays), len(runs))
    days = f", after {np.median(delays):g} ({min(delays)}-{max(delays)}) days" if delays else ""
    told = f"{len(delays)}/{len(runs)} [{share.lower:.0%}, {share.upper:.0%}]{days}; {retrains} retrain"
    if row.expected == BLOCK:
        return told, len(delays) == len(runs) and not retrains
    return told, (share.estimate >= FOUND_SHARE) == (row.expected == RETRAIN)


def extra_retrains(run: Run, control: Run) -> int:
    """Return how many more retrains there were than in the quiet branch on the same mornings."""
    usual = control.verdicts[QUIET_DAYS + 1 :][: len(run.verdicts)]
    return max(0, run.verdicts.count("r") - usual.count("r"))


def report(rows: Sequence[str], runs: Sequence[Run]) -> list[str]:
    """Print quiet days and injections; return what is broken."""
    control = {run.seed: run for run in runs if run.row == CONTROL}
    mornings = sum(len(run.verdicts) for run in control.values())
    retrains = wilson_interval(sum(run.verdicts.count("r") for run in control.values()), mornings)
    told = f"{100 * retrains.estimate:.1f} [{100 * retrains.lower:.1f}, {100 * retrains.upper:.1f}]"
    print(f"{len(control)} markets, {mornings} drift-free mornings: {told} of 100 retrained falsely; alarms on")
    for name in ("quality", "data", "latent", "concept"):
        print(f"  {name}: {sum(run.mornings(name[0]) for run in control.values())} mornings")
    broken = ["false retrains"] if 100 * retrains.estimate > FALSE_RETRAINS_PER_100 else []
    for row in (row for row in ROWS if row.name in rows):
        told, holds = judged(row, [run for run in runs if run.row == row.name], control)
        print(f"{row.name:20}{row.expected:14}{told}{'' if holds else '  BROKEN'}")
        broken += [] if holds else [row.name]
    return broken


def main() -> int:
    """Print what was measured; returns 1 when an expectation is not met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20, help="markets")
    parser.add_argument("--only", action="append", choices=[row.name for row in ROWS])
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write the results to this file")
    parser.add_argument("--quick", action="store_true", help="one tiny market that nothing is expected of")
    asked = parser.parse_args()
    rows = tuple(asked.only or [row.name for row in ROWS])
    print(f"declared:\n  {CONTROL}: at most {FALSE_RETRAINS_PER_100:g} false retrains per 100 mornings")
    for row in (row for row in ROWS if row.name in rows):
        print(f"  {row.name} ({row.told}): {EXPECTED[row.expected].format(row.within)}", flush=True)
    if asked.quick:
        report(rows, seed_runs(1, rows, quick_plan()))
        return 0
    with ProcessPoolExecutor(asked.processes, mp_context=get_context("spawn")) as pool:
        seeds = range(FIRST_SEED, FIRST_SEED + asked.seeds)
        markets = {seed: pool.submit(seed_runs, seed, rows) for seed in seeds}
    failed = {seed: error for seed, one in markets.items() if (error := one.exception()) is not None}
    for error in failed.values():
        traceback.print_exception(error)
    runs = [run for seed, one in markets.items() if seed not in failed for run in one.result()]
    broken = [*report(rows, runs), *(f"runs of seed {seed} failed" for seed in failed)]
    if asked.json:
        asked.json.write_text(json.dumps({"runs": [asdict(run) for run in runs], "broken": broken}, indent=1))
    if broken:
        print("expectations that are not met: " + "; ".join(broken))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
