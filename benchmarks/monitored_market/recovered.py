"""Recovery from a drift: policies on one market, measured by the truth.

Concept: the drift begins on the morning on which the first champion serves. All policies see the same days; what two
of them share (a history, a fit on what was known on a morning) is computed once. `never` keeps the first champion,
`weekly` serves whatever it refits on everything mature, `governed` is the product: detectors, governor, vetoes.
`daily`, in some markets, refits every morning and serves that: the most that this recipe can win back, since nobody can
learn sooner what is not known yet. `born` knows the new world alone: the market lives on after the days that are
measured, and a model of those later days is asked about them. What is fitted in the morning serves from the next day
on.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from mlife_assets.core.training.manifest_facts import last_trained_day
from mlife_assets.core.training.simple_rule import simple_scores
from mlife_assets.core.windows import add_days
from mlife_assets.market.truth import expected_maps
from mlife_assets.market.world import Injection, MarketConfig
from mlife_assets.recruiting.candidates import candidate_pairs
from mlife_assets.recruiting.cohort import recruiter_scores
from mlife_assets.recruiting.features import feature_matrix, pair_features
from mlife_assets.recruiting.policies import Policies
from monitored_market.champion import WARM_UP_DAYS, Watch, promote, sample
from monitored_market.governed import Governed, Models, Served
from monitored_market.marts import MonitoredMarket
from monitored_market.storm import true_probability

NEVER, WEEKLY, DAILY, GOVERNED, BORN = "never", "weekly", "daily", "governed", "born"
HUMAN, SIMPLE = "human", "simple"
REFIT_DAYS = 7
BEGINS = date(2026, 6, 29)
"""A Monday, so that weekly refits are also folds of the first champion and need not be fitted twice."""
REMEMBERED_DAYS = 14
"""Days before the oldest day of a reference or a window on which a sample or a snapshot may still be looked at."""


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
        history_days: after the warm-up, before the first champion.
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


@dataclass(frozen=True)
class History:
    """A market on the morning of its first champion, what is remembered of it, and who serves, behind its folds."""

    market: MonitoredMarket
    watch: Watch
    models: Models
    served: Served
    cpu_seconds: float


@dataclass(frozen=True, eq=False)
class Measured:
    """The candidates of a day that is measured, with their true probabilities and what each policy said of them."""

    number: int
    pairs: pa.Table
    probability: np.ndarray
    scores: dict[str, np.ndarray]


def lived(seed: int, plan: Plan) -> History:
    """Return a market that has lived its history, with its first champion, which nobody judged."""
    start = time.process_time()
    days = WARM_UP_DAYS + plan.history_days
    config = MarketConfig(
        seed=seed, users=plan.users, jobs=plan.jobs, metros=plan.metros, start_date=add_days(BEGINS, -days)
    )
    market, watch = MonitoredMarket(config), Watch(plan.policies)
    first_sample = add_days(market.day, days - plan.policies.monitoring.reference_days)
    for _ in range(days):
        if market.day > first_sample:
            sample(watch, market)
        market.live()
    models = Models(plan.policies)
    served = models.first(market)
    first = served[-1][1]
    promote(watch, market, first, last_trained_day(first.manifest), served)
    print(f"  seed {seed}: history, {time.process_time() - start:.0f} CPU-s", file=sys.stderr, flush=True)
    return History(market, watch, models, served, time.process_time() - start)


def recovered(history: History, kind: Kind, plan: Plan, seed: int, *, has_daily: bool = False) -> dict[str, Any]:
    """Return what each policy did after a drift of a kind, as a record for JSON; `daily`, if asked for, in a drift."""
    start, has_daily = time.process_time(), has_daily and bool(kind.drifts)
    market = history.market.branch(*kind.injections(history.market.day))
    begins, models = market.day, history.models.branch(market.day)
    first = history.served[-1][1].model_version
    governed = Governed(history.watch.branch(), models, list(history.served))
    weekly, daily, measured = first, first, []
    for number in range(1, plan.days + 1):
        governed.morning(market)
        refitted = (weekly, daily)
        if number > 1 and (number - 1) % REFIT_DAYS == 0:
            refitted = (models.fitted(market, market.day).model_version, daily)
        if number > 1 and has_daily:
            fit = models.fitted(market, market.day, governed.watch.faulty, decisions=governed.watch.history)
            refitted = (refitted[0], fit.model_version)
        if (number - 1) % plan.judged_every == 0:
            serving = {NEVER: first, WEEKLY: weekly, GOVERNED: governed.serving}
            if has_daily:
                serving[DAILY] = daily
            measured.append(_measured(number, market, models, serving, plan))
        governed.evening(market)
        weekly, daily = refitted
        market.live()
        _forget(market, governed.watch, plan)
    _add_born(market, models, measured, plan, kind)
    cpu = time.process_time() - start
    print(f"  seed {seed}: {kind.name}, {cpu:.0f} CPU-s", file=sys.stderr, flush=True)
    return {
        "seed": seed,
        "kind": kind.name,
        "days": [one.number for one in measured],
        "maps": _maps(measured, plan, seed),
        "fits": [
            {"day": (day - begins).days + 1, "outcome": outcome, "unmet": unmet}
            for day, (outcome, unmet) in governed.fits.items()
        ],
        "codes": [list(one.codes) for one in governed.watch.history],
        "verdicts": [one.verdict for one in governed.watch.history],
        "alarms": governed.alarms,
        "cpu_seconds": round(cpu, 1),
        "history_cpu_seconds": round(history.cpu_seconds, 1),
    }


def _measured(number: int, market: MonitoredMarket, models: Models, serving: dict[str, str], plan: Plan) -> Measured:
    everybody = market.user_features()
    places = np.linspace(0, everybody.num_rows - 1, min(plan.judged_users, everybody.num_rows)).astype(np.int64)
    asked = everybody.take(pa.array(places))
    found = candidate_pairs(asked, market.job_features(), market.day, plan.policies.candidates)
    pairs = pair_features(found)
    by_version = {version: _probability(models, version, pairs) for version in dict.fromkeys(serving.values())}
    scores = {name: by_version[version] for name, version in serving.items()} | {HUMAN: recruiter_scores(pairs)}
    artifact = models.artifacts[serving[GOVERNED]]
    simple = simple_scores(artifact, feature_matrix(pairs, artifact.feature_spec, exposure_kind="impression"))
    if simple is not None:
        scores[SIMPLE] = simple
    return Measured(number, pairs, true_probability(market, pairs), scores)


def _probability(models: Models, version: str, pairs: pa.Table) -> np.ndarray:
    scorer = models.scorer(version)
    return scorer.score(feature_matrix(pairs, scorer.feature_spec, exposure_kind="impression")).probability


def _add_born(market: MonitoredMarket, models: Models, measured: Sequence[Measured], plan: Plan, kind: Kind) -> None:
    """Ask a model of the new world alone about the days that were measured; without a drift there is none."""
    if not kind.drifts:
        return
    since = market.day
    for _ in range(plan.born_days):
        market.live()
    born = models.fitted(market, market.day, since=since).model_version
    for one in measured:
        one.scores[BORN] = _probability(models, born, one.pairs)


def _maps(measured: Sequence[Measured], plan: Plan, seed: int) -> dict[str, list[float]]:
    depth, maps = plan.policies.promotion.ranking_depth, []
    for one in measured:
        draws = 1_000 * seed + one.number
        maps.append(expected_maps(one.pairs, one.probability, one.scores, depth=depth, seed=draws))
    return {name: [round(day[name], 6) for day in maps] for name in maps[0]}


def _forget(market: MonitoredMarket, watch: Watch, plan: Plan) -> None:
    """Drop what no window or reference of a later day looks at; examples stay, since models learn from them."""
    weeks, maturity = plan.policies.promotion.gate_weeks, plan.policies.label.apply_window_days
    oldest = add_days(market.day, -(7 * weeks + maturity + REMEMBERED_DAYS))
    for held in (market.snapshots, market.exposures):
        for old in [day for day in held if day < oldest]:
            del held[old]
    watch.forget_before(oldest)


def quick_plan() -> Plan:
    """Return a plan that takes a minute: few people and days, little to learn from, and references of few days."""
    policies = one_candidate(Policies())
    return Plan(
        users=600,
        jobs=60,
        metros=3,
        history_days=50,
        days=10,
        born_days=30,
        judged_users=200,
        policies=replace(
            policies,
            training=replace(policies.training, minimum_child_examples=50),
            promotion=replace(policies.promotion, gate_weeks=2),
            monitoring=replace(
                policies.monitoring,
                sample_rows_per_day=500,
                explained_rows_per_day=100,
                domain_classifier_sample_rows=200,
                domain_classifier_entity_reference_rows=500,
            ),
        ),
    )
