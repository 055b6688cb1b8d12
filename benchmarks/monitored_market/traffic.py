"""Does the alarm rate grow with traffic? One drift-free market, seen with 5,000, 50,000 and 500,000 pairs a day.

Concept: a user's candidates depend on the user and the jobs alone, so the first n users are the same process with less
traffic: the same jobs, days and behaviour. Each size has a reference and limits of its own, from the same champion.
Mornings of one week judge nearly the same outcomes, so an alarm lasts; what is counted for the comparison are weeks.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mlife_assets.core.windows import add_days
from mlife_assets.market.world import MarketConfig
from mlife_assets.recruiting.policies import Policies
from monitored_market.champion import WARM_UP_DAYS, Watch, promote, sample, trained
from monitored_market.marts import MonitoredMarket
from monitored_market.monitored import looked

PAIRS_PER_DAY = (5_000, 50_000, 500_000)
PAIRS_PER_USER = 30
JOBS = 800
HISTORY_DAYS, WEEKS = WARM_UP_DAYS + 60, 4
WEEK_DAYS = 7
DRIFT_KINDS = ("data", "latent", "concept")


@dataclass(frozen=True)
class TrafficRun:
    """One size on one market: pairs a day as counted, watched days, days and weeks with an alarm, days by report."""

    seed: int
    nominal_pairs: int
    pairs: int
    days: int
    alarm_days: int
    weeks: int
    alarm_weeks: int
    alarms: dict[str, int]


def alarming_weeks(alarms: Sequence[set[str]]) -> int:
    """Return how many weeks of days have a day with an alarm."""
    return sum(any(alarms[start : start + WEEK_DAYS]) for start in range(0, len(alarms), WEEK_DAYS))


def traffic(seed: int, sizes: tuple[int, ...] = PAIRS_PER_DAY, jobs: int = JOBS) -> list[TrafficRun]:
    """Return the alarms of one drift-free market at several sizes."""
    start = time.perf_counter()
    policies = Policies()
    policies = replace(policies, training=replace(policies.training, formulations=("funnel",)))
    users = [size // PAIRS_PER_USER for size in sizes]
    market = MonitoredMarket(MarketConfig(seed=seed, users=max(users), jobs=jobs))
    watches = [Watch(policies, users=count) for count in users]
    first_sample = add_days(market.day, HISTORY_DAYS - policies.monitoring.reference_days)
    for _ in range(HISTORY_DAYS):
        if market.day > first_sample:
            for watch in watches:
                sample(watch, market)
        market.live()
    model = trained(market, policies)
    for watch in watches:
        promote(watch, market, *model)
    print(f"  seed {seed}: traffic: promoted after {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    alarms: list[list[set[str]]] = [[] for _ in watches]
    pairs = [0 for _ in watches]
    for _ in range(WEEKS * WEEK_DAYS):
        for place, watch in enumerate(watches):
            reports = looked(watch, market).reports
            alarms[place].append({kind for kind in DRIFT_KINDS if reports[kind].status == "alarm"})
            pairs[place] += watch.samples[market.day].population_rows
        market.live()
    print(f"seed {seed}: traffic: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    return [
        TrafficRun(
            seed=seed,
            nominal_pairs=size,
            pairs=pairs[place] // len(alarms[place]),
            days=len(alarms[place]),
            alarm_days=sum(bool(day) for day in alarms[place]),
            weeks=WEEKS,
            alarm_weeks=alarming_weeks(alarms[place]),
            alarms={kind: sum(kind in day for day in alarms[place]) for kind in DRIFT_KINDS},
        )
        for place, size in enumerate(sizes)
    ]
