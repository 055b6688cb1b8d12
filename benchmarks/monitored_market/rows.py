"""The rows of the benchmark of monitoring: what is injected, what is expected, and what each branch of a market showed.

Concept: everything until the injection is lived once per seed; each branch then has the same random draws as the quiet
one, so what differs is what was injected.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from mlife_assets.core.windows import add_days
from mlife_assets.market.world import Calibration, Injection, MarketConfig
from mlife_assets.recruiting.policies import Policies
from monitored_market.champion import WARM_UP_DAYS, Watch, promote, sample, trained
from monitored_market.marts import MonitoredMarket
from monitored_market.monitored import Day, is_called, monitored_day, verdict_letter

USERS, JOBS = 6_000, 500
TRAINED_AFTER_DAYS, QUIET_DAYS, CONTROL_DAYS = WARM_UP_DAYS + 60, 14, 26
FAULT, QUICK, MATURE = 5, 7, 16
PUBLISHED = QUICK + Calibration().taste_delay_days
"""Days that a branch is watched: inputs show at once, tastes when they are published; outcomes have to mature (clicks 3
days, applications 8).

Drift of inputs is expected to be answered within a week of its first export, because an earlier retraining, a needless
one too, delays the next by three days.
"""


CONTROL = "no drift"


@dataclass(frozen=True)
class Row:
    """One injection and what is expected of the governor.

    Attributes:
        name: as printed.
        injection: its name.
        size: its strength.
        days: mornings that are watched.
        expected: `retrain`, `block`, `quiet` (no drift alarms, no retrain) or `undetectable` (not claimed to be found).
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
    Row("new city", "new_city", 0.6, QUICK, "retrain", QUICK, "8 % of users, postings of their own"),
    Row("new taste cluster", "new_taste_cluster", 0.25, PUBLISHED, "retrain", PUBLISHED, "25 % of users"),
    Row("correlation only", "correlation_only", 1.0, PUBLISHED, "retrain", PUBLISHED, "all tastes, marginals kept"),
    Row("correlation, half", "correlation_only", 0.5, PUBLISHED, "retrain", PUBLISHED, "tastes of half of the users"),
    Row("embedding reversed", "embedding_reversed", 1.0, FAULT, "block", 1, "all exported tastes"),
    Row("mis-keyed", "mis_keyed_join", 1.0, FAULT, "block", 1, "all snapshots carry the next user's attributes"),
    Row("distance zero", "distance_zero", 1.0, FAULT, "block", 1, "30 % of distances become 0"),
    Row("pay in cents", "pay_in_cents", 1.0, FAULT, "block", 1, "all reservation pays x100"),
    Row("pay elasticity", "pay_elasticity", 3.0, MATURE, "retrain", 14, "0.8 becomes 3"),
    Row("hidden taste", "hidden_taste", 1.5, MATURE, "undetectable", 14, "first true taste +1.5, not exported"),
    Row("labels late", "labels_late", 3.0, MATURE, "quiet", 14, "clicks, applies, hires land 3 days late"),
)


@dataclass(frozen=True)
class Run:
    """What one branch of one seed showed, one entry per watched morning; the first is the one after the injection.

    Attributes:
        row, seed: which.
        verdicts: w(ait), b(lock) or r(etrain).
        alarms: letters of the reports that alarmed: q(uality), d(ata), l(atent), c(oncept).
        positives: mature applications and clicks that concept drift could judge.
        why: codes of the first verdict that was not to wait.
    """

    row: str
    seed: int
    verdicts: str
    alarms: tuple[str, ...]
    positives: tuple[dict[str, int], ...]
    why: tuple[str, ...]

    def delay(self, letter: str) -> int | None:
        """Return the days from the first wrong day to the first verdict of a letter; None when there is none."""
        place = self.verdicts.find(letter)
        return None if place < 0 else place + 1

    def mornings(self, kinds: str) -> int:
        """Return on how many mornings a report of these letters alarmed."""
        return sum(bool(set(kinds) & set(one)) for one in self.alarms)


def prepared(seed: int, policies: Policies, users: int = USERS, jobs: int = JOBS) -> tuple[MonitoredMarket, Watch]:
    """Return a market on the morning of its first champion, which is promoted, and its watch."""
    market, watch = MonitoredMarket(MarketConfig(seed=seed, users=users, jobs=jobs)), Watch(policies)
    first_sample = add_days(market.day, TRAINED_AFTER_DAYS - policies.monitoring.reference_days)
    for _ in range(TRAINED_AFTER_DAYS):
        if market.day > first_sample:
            sample(watch, market)
        market.live()
    promote(watch, market, *trained(market, policies))
    return market, watch


def watched(market: MonitoredMarket, watch: Watch, days: int, *, stops_at_retrain: bool = False) -> list[Day]:
    """Monitor a morning, live the day, and so on."""
    found = []
    for _ in range(days):
        found.append(monitored_day(watch, market))
        market.live()
        if stops_at_retrain and is_called(found[-1].decision):
            break
    return found


def run_of(row: str, seed: int, days: Sequence[Day]) -> Run:
    """Return what the mornings of a branch showed."""
    acted = next((day for day in days if verdict_letter(day.decision) != "w"), None)
    return Run(
        row=row,
        seed=seed,
        verdicts="".join(verdict_letter(day.decision) for day in days),
        alarms=tuple("".join(name[0] for name in day.alarms) for day in days),
        positives=tuple(day.positives for day in days),
        why=() if acted is None else acted.decision.codes,
    )


def seed_runs(seed: int, wanted: tuple[str, ...], users: int = USERS, jobs: int = JOBS) -> list[Run]:
    """Return the runs of the wanted rows on one market, the quiet one first."""
    start = time.perf_counter()
    market, watch = prepared(seed, Policies(), users, jobs)
    quiet = watched(market, watch, QUIET_DAYS)
    runs = []
    for row in (row for row in ROWS if row.name in wanted):
        branch, branch_watch = market.branch(Injection(row.injection, market.day, size=row.size)), watch.branch()
        watched(branch, branch_watch, 1)
        days = watched(branch, branch_watch, row.days, stops_at_retrain=row.expected == "retrain")
        runs.append(run_of(row.name, seed, days))
    runs.insert(0, run_of(CONTROL, seed, [*quiet, *watched(market, watch, CONTROL_DAYS)]))
    for run in runs:
        print(f"  seed {seed}: {run.row}: {run.verdicts} {'|'.join(run.alarms)} {run.why}", file=sys.stderr)
    print(f"seed {seed}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    return runs
