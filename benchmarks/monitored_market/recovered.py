"""Recovery from a drift: three policies on one market, measured by the truth.

Concept: the drift begins on the morning on which the first champion serves. All policies see the same days. `never`
keeps the first champion, `weekly` serves whatever it refits on everything mature, `governed` is the product: detectors,
governor, gate. `born` knows the new world alone: the market lives on after the days that are measured, and a model of
those later days is asked about them. What is fitted in the morning serves from the next day on.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mlife_assets.core.windows import add_days
from mlife_assets.market.truth import expected_maps
from mlife_assets.market.world import Injection, MarketConfig
from mlife_assets.recruiting.candidates import candidate_pairs
from mlife_assets.recruiting.features import feature_matrix, pair_features
from mlife_assets.recruiting.policies import Policies
from monitored_market.home import MarketHome, lived
from monitored_market.market import JOBS, USERS, WARM_UP_DAYS

NEVER, WEEKLY, GOVERNED, BORN = "never", "weekly", "governed", "born"
REFIT_DAYS = 7
BEGINS = date(2026, 6, 30)
"""A Tuesday: the first champion and each weekly refit are of a Monday, as folds are, and need not be fitted twice."""


@dataclass(frozen=True)
class Kind:
    """A drift: its name, what of it is felt how strongly, and over how many days it comes."""

    name: str
    drifts: tuple[tuple[str, float], ...]
    ramp_days: int = 0

    def injections(self, day: date) -> tuple[Injection, ...]:
        """Return the drift that begins on a day, for good."""
        return tuple(Injection(name, day, ramp_days=self.ramp_days, size=size) for name, size in self.drifts)


def one_candidate(policies: Policies) -> Policies:
    """Return policies by which one formulation and one recipe are fitted: they win here, and the others cost."""
    training = replace(policies.training, formulations=("funnel",), recipes=("recent_linear",))
    return replace(policies, training=training)


@dataclass(frozen=True)
class Plan:
    """How large and how long.

    Attributes:
        users, jobs, metros: of a market.
        history_days: after the warm-up, before the first champion serves.
        days: after the drift.
        born_days: that the market lives on, to fit a model of the new world on.
        judged_every: days between two measurements.
        judged_users: who is asked.
        policies: of everything.
    """

    users: int = 10_000
    jobs: int = 800
    metros: int = 16
    history_days: int = 60
    days: int = 60
    born_days: int = 50
    judged_every: int = 3
    judged_users: int = 500
    policies: Policies = field(default_factory=lambda: one_candidate(Policies()))


@dataclass(frozen=True, eq=False)
class Measured:
    """The candidates of a day that is measured, with their true probabilities and what each policy said of them."""

    number: int
    pairs: pa.Table
    probability: np.ndarray
    scores: dict[str, np.ndarray]


def begun(seed: int, plan: Plan, folder: Path) -> MarketHome:
    """Return a market on the morning on which its first champion serves, which nobody judged."""
    days = WARM_UP_DAYS + plan.history_days
    start = add_days(BEGINS, -days)
    config = MarketConfig(seed=seed, users=plan.users, jobs=plan.jobs, metros=plan.metros, start_date=start)
    return lived(config, days, plan.policies, folder)


def recovered(begun: MarketHome, kind: Kind, plan: Plan, folder: Path) -> dict[str, Any]:
    """Return what each policy did after a drift of a kind, as a record for JSON; the home of governed is a folder."""
    start = time.process_time()
    home = begun.branch(folder, *kind.injections(begun.market.day))
    market, first = home.market, home.serving()
    weekly = first
    measured: list[Measured] = []
    fits, codes, verdicts, alarms = list[dict[str, Any]](), list[list[str]](), list[str](), list[str]()
    for number in range(1, plan.days + 1):
        decision, alarmed = home.morning()
        codes.append(list(decision.codes))
        verdicts.append(decision.verdict)
        alarms.append(alarmed)
        if (number - 1) % plan.judged_every == 0:
            serving = {NEVER: first, WEEKLY: weekly, GOVERNED: home.serving()}
            measured.append(_measured(number, home, serving, plan))
        if decision.verdict == "retrain":
            outcome, unmet = home.retrained()
            fits.append({"day": number, "outcome": outcome, "unmet": unmet})
        if number % REFIT_DAYS == 0:
            weekly = home.refit()
        market.live()
    if kind.drifts:
        since = market.day
        for _ in range(plan.born_days):
            market.live()
        born = home.refit(since)
        for one in measured:
            one.scores[BORN] = _probability(home, born, one.pairs)
    seed, cpu = market.config.seed, time.process_time() - start
    print(f"  seed {seed}: {kind.name}, {cpu:.0f} CPU-s", file=sys.stderr, flush=True)
    days, maps = [one.number for one in measured], _maps(measured, plan, seed)
    told = {"fits": fits, "codes": codes, "verdicts": verdicts, "alarms": alarms, "cpu_seconds": round(cpu, 1)}
    return {"seed": seed, "kind": kind.name, "days": days, "maps": maps, **told}


def _measured(number: int, home: MarketHome, serving: dict[str, str], plan: Plan) -> Measured:
    market = home.market
    everybody = market.read(USERS, as_of=market.day)
    places = np.linspace(0, everybody.num_rows - 1, min(plan.judged_users, everybody.num_rows)).astype(np.int64)
    asked, jobs = everybody.take(pa.array(places)), market.read(JOBS, as_of=market.day)
    pairs = pair_features(candidate_pairs(asked, jobs, market.day, plan.policies.candidates))
    by_version = {version: _probability(home, version, pairs) for version in dict.fromkeys(serving.values())}
    scores = {name: by_version[version] for name, version in serving.items()}
    return Measured(number, pairs, market.true_probability(pairs), scores)


def _probability(home: MarketHome, version: str, pairs: pa.Table) -> np.ndarray:
    scorer = home.of_model().scorers.of(version)
    return scorer.score(feature_matrix(pairs, scorer.feature_spec, exposure_kind="impression")).probability


def _maps(measured: Sequence[Measured], plan: Plan, seed: int) -> dict[str, list[float]]:
    depth, maps = plan.policies.promotion.ranking_depth, []
    for one in measured:
        draws = 1_000 * seed + one.number
        maps.append(expected_maps(one.pairs, one.probability, one.scores, depth=depth, seed=draws))
    return {name: [round(day[name], 6) for day in maps] for name in maps[0]}


def quick_plan() -> Plan:
    """Return a plan that takes a minute: few people and days, little to learn from, and references of few days."""
    policies = one_candidate(Policies())
    watched = {"sample_rows_per_day": 500, "explained_rows_per_day": 100, "domain_classifier_sample_rows": 200}
    small = replace(
        policies,
        training=replace(policies.training, minimum_child_examples=50),
        promotion=replace(policies.promotion, gate_weeks=2),
        monitoring=replace(policies.monitoring, **watched, domain_classifier_entity_reference_rows=500),
    )
    sizes = {"users": 600, "jobs": 60, "metros": 3, "judged_users": 200}
    return Plan(**sizes, history_days=50, days=9, born_days=30, policies=small)
