"""A storm: drift that comes and goes for 60 days, and what each retraining policy makes of it.

Concept: all policies see the same market and the same detectors, train with the same function on the same mature labels
and serve what they trained, ungated; only the decision differs. What two policies share (a morning's sample, a look by
the same champion, a training and its limits) is computed once. Five days on, five days off: half of the people move to
another cluster of tastes while pay matters nearly four times as much; what is published of tastes lags a week behind.
The truth is known, so MAP@10 is that of the true probabilities, and the MAP lost is the way to a ranking by these.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from mlife_assets.core.ranking.metrics import rank_rows
from mlife_assets.core.ranking.rows import prepare_ranking_rows
from mlife_assets.core.scoring.scorer import LightGBMScorer
from mlife_assets.core.windows import add_days
from mlife_assets.market.behaviour import mood_of_day, respond
from mlife_assets.market.population import epoch_us
from mlife_assets.market.world import Injection
from mlife_assets.recruiting.candidates import candidate_pairs
from mlife_assets.recruiting.features import feature_matrix, pair_features
from mlife_assets.recruiting.policies import CandidatePolicy, Policies
from monitored_market.champion import Watch, promote, trained
from monitored_market.marts import MonitoredMarket
from monitored_market.monitored import Look, decided, is_called, looked

STORM_USERS, STORM_JOBS = 2_500, 250
STORM_DAYS, PHASE_DAYS = 60, 5
JUDGED_USERS, DRAWS, DEPTH = 500, 4, 10
JUDGED_EVERY = 3
"""Days between two judgements; no divisor of on and off together, so that each day of both is judged as often."""
REFERENCE_EXAMPLES = {"reference_examples": 30_000, "reference_step_examples": 20_000}
DRIFT_KINDS = ("data", "latent", "concept")
GOVERNED, FROZEN = "mlife", "never"


@dataclass(frozen=True)
class StormRun:
    """One policy on one market: trainings, mean true MAP@10 of what served, the mean way to the oracle's, time spent.

    `seconds` are those of trainings with their references, as if the policy were alone.
    """

    policy: str
    seed: int
    trainings: int
    true_map: float
    map_lost: float
    seconds: float


@dataclass
class Contestant:
    """A policy at work; alarm days are those since its last training."""

    name: str
    watch: Watch
    wants: Callable[[list[bool]], bool]
    alarmed: list[bool] = field(default_factory=list)
    trainings: int = 0
    maps: list[float] = field(default_factory=list)
    seconds: float = 0.0
    last_seconds: float = 0.0


def storm_policies() -> Policies:
    """Return the default policies, but that a training is cheaper: a policy without memory trains dozens of times.

    One formulation is fitted by one recipe, and limits of outcomes are learned from fewer examples.
    """
    policies = Policies()
    return replace(
        policies,
        training=replace(policies.training, formulations=("funnel",), recipes=policies.training.recipes[:1]),
        monitoring=replace(policies.monitoring, **REFERENCE_EXAMPLES),
    )


def n_of_m(needed: int, window: int) -> Callable[[list[bool]], bool]:
    """Return the policy that trains as soon as `needed` of the last `window` days alarmed."""
    return lambda alarmed: sum(alarmed[-window:]) >= needed


def never(alarmed: list[bool]) -> bool:
    """Return False, whatever alarmed: the frozen model, and the governor, which is asked otherwise."""
    return len(alarmed) < 0


def injections(market: MonitoredMarket) -> tuple[Injection, ...]:
    """Return the storm that starts on the market's day."""
    starts = [add_days(market.day, offset) for offset in range(0, STORM_DAYS, 2 * PHASE_DAYS)]
    return tuple(
        Injection(name, start, size=size, duration_days=PHASE_DAYS)
        for start in starts
        for name, size in (("new_taste_cluster", 0.5), ("pay_elasticity", 3.0))
    )


def storm(seed: int, market: MonitoredMarket, watch: Watch) -> list[StormRun]:
    """Return what each policy did in a storm that starts this morning, all with the same champion."""
    market = market.branch(*injections(market))
    contestants = [
        Contestant(GOVERNED, watch.branch(), never),
        Contestant("1 of 1", watch.branch(), n_of_m(1, 1)),
        Contestant("2 of 5", watch.branch(), n_of_m(2, 5)),
        Contestant(FROZEN, watch.branch(), never),
    ]
    for one in contestants[1:]:
        _share(contestants[0].watch, one.watch)
    oracle = []
    for number in range(STORM_DAYS):
        _morning(market, contestants)
        if number % JUDGED_EVERY == 0:
            oracle.append(_judged(market, contestants, seed))
        market.live()
        if number % 10 == 9:
            told = ", ".join(f"{one.name} {one.trainings}" for one in contestants)
            print(f"  seed {seed}: storm day {number + 1}, trainings: {told}", file=sys.stderr, flush=True)
    best = float(np.mean(oracle))
    return [
        StormRun(one.name, seed, one.trainings, float(np.mean(one.maps)), best - float(np.mean(one.maps)), one.seconds)
        for one in contestants
    ]


def _share(first: Watch, other: Watch) -> None:
    """Make two watches of the same champion hold the same samples, people and scores: what one adds, the other has."""
    for name in ("samples", "people", "nights", "scored", "scores"):
        setattr(other, name, getattr(first, name))


def _morning(market: MonitoredMarket, contestants: list[Contestant]) -> None:
    """Let every policy look and, if it wants to, train; a look or a training that two share is made once."""
    looks: dict[str, Look] = {}
    trainer: Contestant | None = None
    for one in contestants:
        if one.name == FROZEN:
            continue
        version = one.watch.champion.scorer.model_version
        if version not in looks:
            looks[version] = looked(one.watch, market)
        look = looks[version]
        one.alarmed.append(any(look.reports[kind].status == "alarm" for kind in DRIFT_KINDS))
        is_governed = one.name == GOVERNED
        wants = is_called(decided(one.watch, market, look).decision) if is_governed else one.wants(one.alarmed)
        if not wants:
            continue
        if trainer is None:
            start = time.perf_counter()
            model = trained(market, one.watch.policies)
            promote(one.watch, market, *model)
            one.last_seconds, trainer = time.perf_counter() - start, one
        else:
            one.watch.serving = trainer.watch.serving
            _share(trainer.watch, one.watch)
        one.seconds += trainer.last_seconds
        one.trainings += 1
        one.alarmed.clear()


def _judged(market: MonitoredMarket, contestants: list[Contestant], seed: int) -> float:
    """Note the true MAP of what every policy serves today; return the oracle's."""
    everybody = market.user_features()
    asked = everybody.take(np.linspace(0, everybody.num_rows - 1, min(JUDGED_USERS, everybody.num_rows)).astype(int))
    pairs = pair_features(candidate_pairs(asked, market.job_features(), market.day, CandidatePolicy()))
    probability = true_probability(market, pairs)
    scorers: dict[str, LightGBMScorer] = {}
    for one in contestants:
        scorers[one.watch.champion.scorer.model_version] = one.watch.champion.scorer
    scores = {"oracle": probability}
    for version, scorer in scorers.items():
        matrix = feature_matrix(pairs, scorer.feature_spec, exposure_kind="impression")
        scores[version] = scorer.score(matrix).probability
    rng = np.random.default_rng((seed, market.day.toordinal()))
    users, jobs = (np.array(pairs[name].to_pylist(), dtype=object) for name in ("user_id", "job_id"))
    found: dict[str, list[float]] = {name: [] for name in scores}
    for _ in range(DRAWS):
        rows = prepare_ranking_rows(users, jobs, rng.random(len(probability)) < probability, seed)
        for name, values in scores.items():
            found[name].append(rank_rows(rows, values, DEPTH).mean)
    for one in contestants:
        one.maps.append(float(np.mean(found[one.watch.champion.scorer.model_version])))
    return float(np.mean(found["oracle"]))


def true_probability(market: MonitoredMarket, pairs: pa.Table) -> np.ndarray:
    """Return the true probability of an application to each pair if it is shown first today, float64 (n,)."""
    person, job = (np.array([int(one[4:]) for one in pairs[name].to_pylist()]) for name in ("user_id", "job_id"))
    config, people = market.config, market.market.people
    response = respond(
        config.calibration,
        people,
        market.market.state.vacancies,
        mood_of_day(config, people, market.day),
        person,
        job,
        epoch_us(market.day),
    )
    return response.click * response.apply
