"""How often the promotion gate errs, and how often it finds what is there: the real `decide_promotion`, simulated data.

Run: python benchmarks/gate.py [--quick] [--only PART] [--work var/gate] [--json benchmarks/results/gate.json]

Prints one line per measurement with its 95 % Wilson interval, then the off-policy benchmark. Exits with an error when
a claim does not hold: an error rate may exceed its claim by Monte Carlo error, so its interval decides; power must
reach its claim. Seeds are fixed. The full run takes about 50 CPU-minutes and leaves a record. With `--work` each part
is kept there by commit as it ends, and a run that was stopped goes on where it was.

A year is a changed configuration at a gate every week. Gates look at four weeks of cohorts, so neighbours share three
of them, and users, jobs and the champion's luck persist. A year errs when a challenger that is no better than the
champion beats it at any gate, whatever the human says. A refit of the champion's configuration need not win: measured
is how often its probabilities keep it from serving.

The simulated rankings are of the size of the demo's: about 12 jobs shown to a user in each of four weekly cohorts, 840
users with a positive, MAP .26 by chance. Users recur, and numbers of positives differ between users. A ranker sees the
true utility plus noise; how much noise sets its MAP. Two models share a part of their noise, as two refits on like data
do. An A/A challenger has the champion's noise level exactly.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from scipy.special import expit

from mlife_assets.core.policies import PromotionPolicy
from mlife_assets.core.ranking.metrics import rank_rows
from mlife_assets.core.ranking.rows import prepare_ranking_rows
from mlife_assets.core.statistics import Interval, wilson_interval
from mlife_assets.core.training.gate import (
    CHALLENGER,
    Comparison,
    Contender,
    GateExamples,
    Hearing,
    PromotionDecision,
    Terms,
    decide_promotion,
    on_examples,
)
from mlife_assets.core.training.gate.comparing import average_precision
from mlife_assets.core.training.reliability import Calibration, calibration, log_loss_gain

USERS_WITH_POSITIVES = 840
POLICY = PromotionPolicy(minimum_users_with_positives=USERS_WITH_POSITIVES)
TWICE = replace(POLICY, gates_per_year=2)
"""A win errs at 2.5 % of gates: an error that a few hundred single gates can show."""
PLANTED = (("odds doubled", 2.0, 1.0), ("twice as bold", 1.0, 2.0))
"""Refits whose probabilities are worse: factors of the odds, and of the effect of what is seen."""
GATE_DAY = date(2026, 6, 22)
TRAINED_UNTIL, FIRST_COHORT = date(2026, 1, 1), date(2026, 5, 18)
WELL_CALIBRATED = Calibration(1.0, 0.95, 1.05, 0.0, -0.05, 0.05, 0.01, 500, 20_000, ())

COHORTS = 4
CANDIDATES = (8, 16)
PRESENT_SHARE = 0.6
INTERCEPT, SLOPE, USER_SPREAD = -4.3, 1.5, 0.9
CHAMPION_MAP, CHALLENGER_MAP, HUMAN_MAP = 0.51, 0.54, 0.41
DRAWN_PER_USER = 1.9
"""Users are drawn until enough have a positive: 58 of 100 have."""

OWN_NOISE_SHARE = 0.2
"""Share of a model's noise variance that a refit draws anew; two refits of LightGBM were measured at about this."""

PERSISTENCE = 0.5
"""Correlation of a user's utility and of a model's error between two cohorts: half of the jobs stay open."""

POOLED_ROWS, DAY_SPREAD, DAY_ERROR, BASE_LOG_ODDS = 40_000, 0.5, 0.15, -3.6
"""Without an item: rows of a window, spread of the days' log-odds, spread by day of the log of a model's noise."""
POOLED_DELTA = 0.03

QUARTER_WEEKS = 13
YEAR_USERS, YEAR_POOLED_ROWS, YEAR_RESAMPLES = 400, 5_000, 400
"""A gate of a simulated year. The error that is claimed does not depend on its size, and 20,800 of them have to run."""
FAST = replace(POLICY, bootstrap_resamples=YEAR_RESAMPLES, minimum_users_with_positives=30)
YEAR_WEEKS = 52


@dataclass(frozen=True)
class Line:
    """One measurement: a share of runs with its interval, and what is claimed of it."""

    name: str
    share: Interval
    claim: str = ""
    at_most: float = 1.0
    at_least: float = 0.0
    note: str = ""

    @property
    def holds(self) -> bool:
        """Whether the claim holds: for an error within Monte Carlo error, for power by the share itself."""
        return bool(self.share.lower <= self.at_most and self.share.estimate >= self.at_least)


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows (user, job, cohort): ids, outcome, true utility, and the standard normal noise that models share."""

    users: np.ndarray
    jobs: np.ndarray
    cohorts: np.ndarray
    relevant: np.ndarray
    utility: np.ndarray
    shared: np.ndarray

    def examples(self) -> GateExamples:
        """Return the rows as the gate takes them; cohorts are a week apart."""
        days = np.datetime64(FIRST_COHORT, "D") + 7 * self.cohorts
        return GateExamples(self.users, self.jobs, days, self.relevant, days + 8, cohort="simulated")


def draw_rows(rng: np.random.Generator, users: int) -> Rows:
    """Draw cohorts of `users` users that have a positive; the others, who change no MAP, are left out."""
    drawn = int(DRAWN_PER_USER * users)
    shape = (drawn, COHORTS, CANDIDATES[1])
    utility, shared = rng.normal(size=shape), rng.normal(size=shape)
    level = INTERCEPT + USER_SPREAD * rng.normal(size=(drawn, 1, 1))
    relevant = rng.random(shape) < 1 / (1 + np.exp(-(level + SLOPE * utility)))
    sizes = rng.integers(CANDIDATES[0], CANDIDATES[1] + 1, size=shape[:2])
    listed = (np.arange(shape[2]) < sizes[:, :, None]) & (rng.random(shape[:2]) < PRESENT_SHARE)[:, :, None]
    chosen = np.flatnonzero(np.any(relevant & listed, axis=(1, 2)))[:users]
    if len(chosen) < users:
        raise SystemExit(f"{len(chosen)} of {drawn} simulated users have positives, {users} needed; draw more")
    keep = listed & np.isin(np.arange(drawn), chosen)[:, None, None]
    user, cohort, job = np.nonzero(keep)
    return Rows(user, job, cohort, relevant[keep], utility[keep], shared[keep])


def scored(rng: np.random.Generator, rows: Rows, noise: float, own: float = OWN_NOISE_SHARE) -> np.ndarray:
    """Return scores of one model: utility plus `noise` times a standard normal, of which the share `own` is its own."""
    mixed = np.sqrt(1 - own) * rows.shared + np.sqrt(own) * rng.normal(size=len(rows.utility))
    return np.asarray(rows.utility + noise * mixed)


def map_of(rows: Rows, scores: np.ndarray) -> float:
    """Return MAP at the depth of the policy."""
    ranking = prepare_ranking_rows(rows.users, rows.jobs, rows.relevant, POLICY.seed, rows.cohorts)
    return rank_rows(ranking, scores, POLICY.ranking_depth).mean


def noises_of_maps(targets: Sequence[float], samples: int) -> list[float]:
    """Return the noise that gives a ranker each population MAP, read from a curve of `samples` large samples."""
    rng = np.random.default_rng(99)
    curve, sizes = np.zeros(25), np.linspace(0.0, 2.0, 25)
    for _ in range(samples):
        rows = draw_rows(rng, 5_000)
        ranking = prepare_ranking_rows(rows.users, rows.jobs, rows.relevant, POLICY.seed, rows.cohorts)
        own = rng.normal(size=len(rows.utility))
        maps = [rank_rows(ranking, rows.utility + size * own, POLICY.ranking_depth).mean for size in sizes]
        curve += np.array(maps) / samples
    return [float(found) for found in np.interp(targets, curve[::-1], sizes[::-1])]


def verdict(
    examples: GateExamples,
    challenger: np.ndarray,
    champion: np.ndarray,
    human: np.ndarray | None,
    *,
    policy: PromotionPolicy = POLICY,
    probabilities: tuple[Calibration, Interval] | None = None,
) -> PromotionDecision:
    """Run the real gate on scores of the rows of `examples`, everything else being in order.

    With `probabilities`, calibration and gain in log loss, the challenger is a refit of the champion's configuration.
    """

    def side(name: str, scores: np.ndarray) -> Contender:
        return on_examples(examples, name, scores, TRAINED_UNTIL)

    sides = {CHALLENGER: side("mdl_challenger", challenger), "champion": side("mdl_champion", champion)}
    if human is not None:
        sides["human"] = side("human", human)
    terms = Terms(max(GATE_DAY, examples.last_day + timedelta(days=8)), is_refit=probabilities is not None)
    measured, gain = probabilities or (WELL_CALIBRATED, None)
    decision = decide_promotion(Hearing(examples, sides, terms, measured, gain), policy)
    if not decision.comparisons or decision.outcome == "not_enough_evidence":
        raise SystemExit(f"the simulation does not test the comparison: {' '.join(decision.sentences)}")
    return decision


def share(flags: Sequence[bool]) -> Interval:
    """Return the share of true flags with its 95 % Wilson interval."""
    return wilson_interval(sum(flags), len(flags))


def promotions(decisions: Sequence[PromotionDecision]) -> Interval:
    """Return the share of promotions."""
    return share([decision.is_promoted for decision in decisions])


def comparisons(decisions: Sequence[PromotionDecision], against: str) -> list[Comparison]:
    """Return the comparison of each decision with one other side."""
    return [found for decision in decisions if (found := decision.against(against)) is not None]


def mean_level(decisions: Sequence[PromotionDecision], against: str) -> float:
    """Return the mean objective of one other side."""
    return float(np.mean([comparison.other_map for comparison in comparisons(decisions, against)]))


def mean_delta(decisions: Sequence[PromotionDecision]) -> float:
    """Return the mean lead over the champion."""
    return float(np.mean([comparison.delta.estimate for comparison in comparisons(decisions, "champion")]))


@dataclass(frozen=True)
class Noise:
    """Noise levels that give champion, better challenger, slightly worse challenger and human their MAP."""

    champion: float
    better: float
    worse: float
    human: float


def single_gates(
    noise: Noise,
    runs: int,
    seed: int,
    challenger: float,
    own: float = OWN_NOISE_SHARE,
    policy: PromotionPolicy = POLICY,
) -> list[PromotionDecision]:
    """Return `runs` independent verdicts about a challenger of a given noise."""
    verdicts = []
    for run in range(runs):
        rng = np.random.default_rng([seed, run])
        rows = draw_rows(rng, USERS_WITH_POSITIVES)
        human = scored(rng, rows, noise.human, own=1.0)
        sides = (scored(rng, rows, challenger, own), scored(rng, rows, noise.champion, own))
        verdicts.append(verdict(rows.examples(), *sides, human, policy=policy))
    return verdicts


def one_gate(noise: Noise, runs: int) -> Iterator[Line]:
    """The errors of one gate and its power."""
    alpha, win = POLICY.one_sided_alpha, POLICY.win_alpha
    equal = single_gates(noise, runs, 1, noise.champion, policy=TWICE)
    note = f"MAP champion {mean_level(equal, 'champion'):.3f}, human {mean_level(equal, 'human'):.3f}"
    won = share([comparison.is_won for comparison in comparisons(equal, "champion")])
    yield Line("A/A: beats the champion, 2 gates a year", won, f"<= {alpha:.1%}", at_most=alpha, note=note)
    worse = promotions(single_gates(noise, runs // 2, 2, noise.worse))
    yield Line("worse by .01: promoted by a win", worse, f"<= {win:.1%}", at_most=win)
    for name, own in (("alike", OWN_NOISE_SHARE), ("unalike", 1.0)):
        better = single_gates(noise, runs // 2, 3, noise.better, own)
        note = f"mean delta {mean_delta(better):+.4f}"
        yield Line(f"better by .03: promoted, {name} models", promotions(better), note=note)


FEATURES, KNOWN = 8, 0.93
"""Columns of the refits, and the correlation of the best score that they allow with the true utility."""


def draw_features(rng: np.random.Generator, users: int) -> tuple[Rows, np.ndarray]:
    """Draw rows whose utility is partly a function of features, and the features."""
    rows = draw_rows(rng, users)
    known = KNOWN * rows.utility + np.sqrt(1 - KNOWN**2) * rows.shared
    matrix = rng.normal(size=(len(known), FEATURES))
    matrix[:, 0] = known - 0.7 * matrix[:, 1] - 0.5 * np.sin(2 * matrix[:, 2]) - 0.4 * matrix[:, 3] * matrix[:, 4]
    return rows, matrix


def refits(runs: int, models: int) -> Iterator[Line]:
    """Pairs of real models fitted on bootstrap samples of one training set."""
    import lightgbm

    rng = np.random.default_rng(7)
    rows, matrix = draw_features(rng, 3_000)
    people = int(rows.users.max()) + 1
    fitted = []
    for _ in range(models):
        counts = np.bincount(rng.integers(0, people, people), minlength=people)[rows.users]
        data = lightgbm.Dataset(matrix, label=rows.relevant, weight=counts, params={"verbosity": -1})
        settings = {"objective": "binary", "num_leaves": 15, "learning_rate": 0.08, "min_child_samples": 100}
        fitted.append(lightgbm.train({**settings, "verbosity": -1, "num_threads": 1, "seed": 7}, data, 60))
    large, large_matrix = draw_features(np.random.default_rng(8), 10_000)
    scores = [np.asarray(model.predict(large_matrix, raw_score=True, num_threads=1)) for model in fitted]
    truth = np.array([map_of(large, values) for values in scores])
    alike = np.mean([np.corrcoef(scores[0], values)[0, 1] for values in scores[1:]])
    promoted, wrongly = [], []
    for run in range(runs):
        draw = np.random.default_rng([9, run])
        sample, features = draw_features(draw, USERS_WITH_POSITIVES)
        first, second = draw.choice(models, 2, replace=False)
        ours, theirs = (np.asarray(fitted[i].predict(features, raw_score=True, num_threads=1)) for i in (first, second))
        human = scored(draw, sample, 3.0, own=1.0)
        promoted.append(verdict(sample.examples(), ours, theirs, human, policy=TWICE).is_promoted)
        wrongly.append(promoted[-1] and truth[first] <= truth[second])
    note = f"MAP {truth.mean():.3f}, spread {truth.std():.4f}, correlation {alike:.2f}"
    yield Line("bootstrapped refits, 2 gates a year: promoted", share(promoted), note=note)
    alpha = TWICE.win_alpha
    yield Line("bootstrapped refits: promoted, not truly better", share(wrongly), f"<= {alpha:.1%}", at_most=alpha)


class Panel:
    """The same users in cohorts of any day: utility, noise and presence persist in part, outcomes are drawn anew."""

    def __init__(self, rng: np.random.Generator, users: int) -> None:
        self._rng, self._shape = rng, (users, CANDIDATES[1])
        self._level = INTERCEPT + USER_SPREAD * rng.normal(size=(users, 1))
        self._lasting: dict[str, np.ndarray] = {}
        self._drawn: dict[tuple[str, int], np.ndarray] = {}
        self._listed: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def noise(self, name: str, day: int) -> np.ndarray:
        """Standard normal values of cohort `day`, correlated by PERSISTENCE with those of any other cohort."""
        if name not in self._lasting:
            self._lasting[name] = self._rng.normal(size=self._shape)
        if (name, day) not in self._drawn:
            fresh = self._rng.normal(size=self._shape)
            self._drawn[name, day] = np.sqrt(PERSISTENCE) * self._lasting[name] + np.sqrt(1 - PERSISTENCE) * fresh
        return self._drawn[name, day]

    def listed(self, day: int) -> tuple[np.ndarray, np.ndarray]:
        """Which cells are candidates on `day`, and which of them are relevant."""
        if day not in self._listed:
            sizes = self._rng.integers(CANDIDATES[0], CANDIDATES[1] + 1, size=(self._shape[0], 1))
            present = self._rng.random((self._shape[0], 1)) < PRESENT_SHARE
            chance = 1 / (1 + np.exp(-(self._level + SLOPE * self.noise("utility", day))))
            self._listed[day] = (np.arange(self._shape[1]) < sizes) & present, self._rng.random(self._shape) < chance
        return self._listed[day]

    def forget_before(self, day: int) -> None:
        """Drop what no later cohort looks at."""
        self._drawn = {key: values for key, values in self._drawn.items() if key[1] >= day}
        self._listed = {key: values for key, values in self._listed.items() if key >= day}

    def gate(
        self, days: Sequence[int], names: Sequence[str], noise: Sequence[float], own_share: float = OWN_NOISE_SHARE
    ) -> tuple[Rows, list[np.ndarray]]:
        """Return the rows of a gate over the cohorts `days` and the scores of models called `names`."""
        parts: list[tuple[np.ndarray, ...]] = []
        scores: list[list[np.ndarray]] = [[] for _ in names]
        for position, day in enumerate(days):
            listed, relevant = self.listed(day)
            users, jobs = np.nonzero(listed)
            utility, shared = self.noise("utility", day)[listed], self.noise("shared", day)[listed]
            parts.append((users, jobs, np.full(len(users), position), relevant[listed], utility, shared))
            for index, (name, size) in enumerate(zip(names, noise, strict=True)):
                own = 1.0 if name == "human" else own_share
                mixed = np.sqrt(1 - own) * shared + np.sqrt(own) * self.noise(name, day)[listed]
                scores[index].append(utility + size * mixed)
        rows = Rows(*(np.concatenate(column) for column in zip(*parts, strict=True)))
        return rows, [np.concatenate(part) for part in scores]


def cohort_days(offset: int) -> list[int]:
    """Return the days of the cohorts that a gate on day `offset` looks at."""
    return [offset - 29 + 7 * week for week in range(COHORTS)]


def years(noise: Noise, runs: int) -> Iterator[Line]:
    """The chance that an equal challenger beats the champion at any of a year's gates.

    All challengers up to the first promotion meet the same champion, so they decide whether there is one.
    """
    policy = replace(POLICY, bootstrap_resamples=YEAR_RESAMPLES, minimum_users_with_positives=YEAR_USERS // 2)
    any_won, any_promoted, each = [], [], []
    for run in range(runs):
        panel = Panel(np.random.default_rng([5, run]), int(1.35 * YEAR_USERS))
        won, promoted = [], []
        for number in range(YEAR_WEEKS):
            days = cohort_days(7 * number)
            panel.forget_before(days[0])
            names = (f"challenger {number}", "champion", "human")
            rows, scores = panel.gate(days, names, (noise.champion, noise.champion, noise.human))
            decision = verdict(rows.examples(), *scores, policy=policy)
            won += [comparison.is_won for comparison in comparisons([decision], "champion")]
            promoted.append(decision.is_promoted)
        each += won
        any_won.append(any(won))
        any_promoted.append(any(promoted))
    year = POLICY.win_alpha_per_year
    note = f"{POLICY.win_alpha:.2%} claimed; gates of one year are dependent"
    yield Line(f"A/A in each of {YEAR_WEEKS} weekly gates: wins", share(each), note=note)
    yield Line("A/A: any win in a year", share(any_won), f"<= {year:.0%}", at_most=year)
    yield Line("A/A: any promotion in a year", share(any_promoted), f"<= {year:.0%}", at_most=year)


def quarters(noise: Noise, runs: int) -> Iterator[Line]:
    """The chance that a challenger that is better by .03 is promoted at any of a quarter's gates."""
    for name, own in (("alike", OWN_NOISE_SHARE), ("unalike", 1.0)):
        waited = []
        for run in range(runs):
            panel = Panel(np.random.default_rng([21, run]), int(DRAWN_PER_USER * USERS_WITH_POSITIVES))
            for week in range(QUARTER_WEEKS):
                names, days = (f"challenger {week}", "champion", "human"), cohort_days(7 * week)
                rows, scores = panel.gate(days, names, (noise.better, noise.champion, noise.human), own)
                if verdict(rows.examples(), *scores).is_promoted:
                    waited.append(week + 1)
                    break
        note = f"after {np.mean(waited):.1f} gates on average" if waited else ""
        found = wilson_interval(len(waited), runs)
        yield Line(f"better by .03: within a quarter, {name}", found, ">= 80%", at_least=0.8, note=note)


@dataclass(frozen=True)
class Pool:
    """A window of examples without an item: how long, and how much neighbouring days have in common."""

    days: int = 28
    persistence: float = 0.0

    def effects(self, rng: np.random.Generator) -> np.ndarray:
        """Return standard normal day effects whose neighbours correlate by `persistence`."""
        values = rng.normal(size=self.days)
        for day in range(1, self.days):
            values[day] = self.persistence * values[day - 1] + np.sqrt(1 - self.persistence**2) * values[day]
        return np.asarray(values)

    def draw(self, rng: np.random.Generator, rows: int) -> tuple[GateExamples, np.ndarray, np.ndarray]:
        """Draw examples whose days differ in level; also their true utility and the day of each row."""
        day = np.sort(rng.integers(0, self.days, rows))
        utility = rng.normal(size=rows)
        level = BASE_LOG_ODDS + DAY_SPREAD * self.effects(rng)
        positive = rng.random(rows) < 1 / (1 + np.exp(-(level[day] + SLOPE * utility)))
        days = np.datetime64(FIRST_COHORT, "D") + day
        return GateExamples(np.arange(rows), None, days, positive, days + 8, cohort="simulated"), utility, day

    def scores(self, rng: np.random.Generator, utility: np.ndarray, day: np.ndarray, noise: float) -> np.ndarray:
        """Return scores of a model that also errs by day: on some days it is noisier than on others."""
        size = noise * np.exp(DAY_ERROR * self.effects(rng))
        return np.asarray(utility + size[day] * rng.normal(size=len(day)))


def pooled_noise_for(delta: float, noise: float) -> float:
    """Return the noise of a challenger whose population AP exceeds that of `noise` by `delta`."""
    rng, pool = np.random.default_rng(98), Pool(days=1_000)
    examples, utility, day = pool.draw(rng, 20 * POOLED_ROWS)

    def value(size: float) -> float:
        scores = pool.scores(np.random.default_rng(97), utility, day, size)
        return average_precision(scores, examples.is_relevant)

    target, low, high = value(noise) + delta, 0.0, noise
    for _ in range(16):
        middle = (low + high) / 2
        low, high = (middle, high) if value(middle) > target else (low, middle)
    return (low + high) / 2


def pooled_one_gate(runs: int) -> Iterator[Line]:
    """The gate on average precision of all rows, resampled by day: its error, and its power within a quarter."""
    alpha, noise = POLICY.one_sided_alpha, 1.0

    def verdicts(seed: int, count: int, pool: Pool, block_days: int = 1) -> list[PromotionDecision]:
        found = []
        for run in range(count):
            rng = np.random.default_rng([seed, run])
            examples, utility, day = pool.draw(rng, POOLED_ROWS)
            ours, theirs = (pool.scores(rng, utility, day, noise) for _ in range(2))
            found.append(verdict(examples, ours, theirs, None, policy=replace(TWICE, gate_block_days=block_days)))
        return found

    equal = verdicts(11, runs, Pool())
    levels = f"AP {mean_level(equal, 'champion'):.3f}, base rate {mean_level(equal, 'random'):.3f}"
    note = f"{POOLED_ROWS:,} rows, 28 days, {levels}"
    claim = f"<= {alpha:.1%}"
    yield Line("no item, A/A: promoted, 2 gates a year", promotions(equal), claim, at_most=alpha, note=note)
    dependent = promotions(verdicts(12, runs // 2, Pool(persistence=0.5)))
    yield Line("no item, A/A, dependent days, blocks of 1", dependent, note="effects of neighbours correlate by .5")
    remedy = promotions(verdicts(14, runs // 2, Pool(days=140, persistence=0.5), block_days=7))
    yield Line("no item, A/A, the same, 140 days, blocks of 7", remedy, claim, at_most=alpha)
    better = pooled_noise_for(POOLED_DELTA, noise)
    quarter, _ = pooled_gates(23, runs // 4, QUARTER_WEEKS, better, noise, POOLED_ROWS, POLICY)
    yield Line(f"no item, better by {POOLED_DELTA:g}: within a quarter", quarter, ">= 80%", at_least=0.8)


def pooled_years(runs: int) -> Iterator[Line]:
    """The chance that an equal challenger beats the champion at any of a year's gates without an item."""
    year = POLICY.win_alpha_per_year
    found, each = pooled_gates(24, runs, YEAR_WEEKS, 1.0, 1.0, YEAR_POOLED_ROWS, FAST)
    yield Line("no item, A/A: any win in a year", found, f"<= {year:.0%}", at_most=year, note=f"{each:.2%} of gates")


def pooled_gates(
    seed: int, runs: int, weeks: int, challenger: float, champion: float, rows: int, policy: PromotionPolicy
) -> tuple[Interval, float]:
    """Return how many runs of weekly gates, of 28 days and about `rows` rows each, win at any, and the share of gates.

    Each week has a challenger of its own; the champion is the same, and neighbouring gates share three weeks of rows.
    """
    days = 28 + 7 * (weeks - 1)
    pool, any_won, won = Pool(days=days), [], 0
    for run in range(runs):
        rng = np.random.default_rng([seed, run])
        examples, utility, day = pool.draw(rng, rows * days // 28)
        theirs = pool.scores(rng, utility, day, champion)
        wins = []
        for week in range(weeks):
            ours = pool.scores(rng, utility, day, challenger)
            seen = (day >= 7 * week) & (day < 7 * week + 28)
            decision = verdict(examples.chosen(seen), ours[seen], theirs[seen], None, policy=policy)
            wins += [comparison.is_won for comparison in comparisons([decision], "champion")]
        any_won.append(any(wins))
        won += sum(wins)
    return share(any_won), won / (runs * weeks)


def refits_of_the_champion(runs: int) -> Iterator[Line]:
    """How often a refit is kept from serving: an honest one, and one whose probabilities are worse by planted amounts.

    Champion and refit are logistic regressions on windows of their own, on what is seen of the same utility.
    """
    alpha, pool, cases = POLICY.one_sided_alpha, Pool(), (("honest", 1.0, 1.0), *PLANTED)
    found: dict[str, list[PromotionDecision]] = {name: [] for name, *_ in cases}
    for run in range(runs):
        rng = np.random.default_rng([25, run])
        old, new = (_fitted(rng, pool) for _ in range(2))
        examples, utility, day = pool.draw(rng, POOLED_ROWS)
        seen, days = _seen(rng, utility), day.astype(str)
        theirs = expit(old[0] + old[1] * seen)
        for name, odds, boldness in cases:
            log_odds = new[0] + boldness * new[1] * seen + np.log(odds)
            ours = expit(log_odds)
            measured = calibration(ours, examples.is_relevant, cluster_ids=days)
            gain = log_loss_gain(ours, theirs, examples.is_relevant, cluster_ids=days)
            found[name].append(verdict(examples, ours, theirs, None, policy=FAST, probabilities=(measured, gain)))
    for name, decisions in found.items():
        vetoed = share([not one.is_promoted for one in decisions])
        lost = np.mean([-one.log_loss_gain.estimate for one in decisions if one.log_loss_gain is not None])
        is_honest = name == "honest"
        yield Line(
            f"refit, {name}: refused",
            vetoed,
            f"<= {alpha:.1%}" if is_honest else ">= 80%",
            at_most=alpha if is_honest else 1.0,
            at_least=0.0 if is_honest else 0.8,
            note=f"log loss {lost:+.4f} a row",
        )


def _seen(rng: np.random.Generator, utility: np.ndarray) -> np.ndarray:
    return np.asarray(utility + rng.normal(size=len(utility)))


def _fitted(rng: np.random.Generator, pool: Pool) -> tuple[float, float]:
    """Return intercept and slope of a logistic regression on a window of its own."""
    from sklearn.linear_model import LogisticRegression

    examples, utility, _ = pool.draw(rng, POOLED_ROWS)
    model = LogisticRegression(C=1e6).fit(_seen(rng, utility)[:, None], examples.is_relevant)
    return float(model.intercept_[0]), float(model.coef_[0, 0])


Parts = dict[str, Callable[[], Iterator[Line]]]


def parts(runs: int, simulated_years: int) -> Parts:
    """Return what is measured; `runs` for one gate, `simulated_years` of gates."""
    levels = (CHAMPION_MAP, CHALLENGER_MAP, CHAMPION_MAP - 0.01, HUMAN_MAP)
    noise = Noise(*noises_of_maps(levels, max(1, runs // 40)))
    return {
        "one_gate": lambda: one_gate(noise, runs),
        "refits_of_the_champion": lambda: refits_of_the_champion(runs),
        "years": lambda: years(noise, simulated_years),
        "quarters": lambda: quarters(noise, runs // 4),
        "pooled_years": lambda: pooled_years(simulated_years),
        "pooled_gates": lambda: pooled_one_gate(runs),
        "refits": lambda: refits(runs // 4, models=8),
    }


def measure(measured: Parts, kept: Path | None) -> Iterator[tuple[Line, float]]:
    """Yield all measurements, each with CPU seconds of its part; those of a part that is kept are read."""
    for name, part in measured.items():
        path = None if kept is None else kept / f"{name}.json"
        if path is not None and path.exists():
            told = json.loads(path.read_text())
            lines = [Line(**{**one, "share": Interval(**one["share"])}) for one in told["lines"]]
            yield from ((line, told["cpu_seconds"] / len(lines)) for line in lines)
            continue
        lines, spent, started = [], 0.0, time.process_time()
        for line in part():
            took = time.process_time() - started
            lines.append(line)
            spent += took
            yield line, took
            started = time.process_time()
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"cpu_seconds": spent, "lines": [asdict(line) for line in lines]}))


def off_policy(runs: int) -> Sequence[str]:
    """Run the off-policy benchmark beside this file; returns its claims that do not hold."""
    path = Path(__file__).with_name("off_policy.py")
    specification = importlib.util.spec_from_file_location("off_policy", path)
    if specification is None or specification.loader is None:
        raise SystemExit(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module
    specification.loader.exec_module(module)
    broken: Sequence[str] = module.main(runs=runs).broken
    return broken


def commit() -> str:
    """Return the commit of the checkout, marked when its code differs from it."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    return subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True).stdout.strip()


def record(lines: Sequence[Line], broken: Sequence[str], settings: dict[str, int], seconds: float) -> dict[str, object]:
    """Return what a run leaves: commit, settings, machine, CPU seconds and every figure. Seeds are in the code."""
    return {
        "commit": commit(),
        "settings": settings,
        "machine": {"cpus": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()},
        "cpu_seconds": round(seconds),
        "figures": [
            {
                "name": line.name,
                "runs": line.share.n,
                "share": round(line.share.estimate, 5),
                "lower": round(line.share.lower, 5),
                "upper": round(line.share.upper, 5),
                "claim": line.claim,
                "holds": line.holds,
                "note": line.note,
            }
            for line in lines
        ],
        "broken": list(broken),
    }


def main(
    *,
    runs: int = 400,
    simulated_years: int = 400,
    off_policy_runs: int = 200,
    only: str | None = None,
    work: Path | None = None,
    json_path: Path | None = None,
) -> None:
    """Print the table, leave the record; exit with an error when a claim does not hold. One part leaves no record."""
    started, broken, lines, seconds = time.process_time(), [], [], 0.0
    settings = {"runs": runs, "simulated_years": simulated_years}
    kept = None if work is None else work / commit() / "_".join(map(str, settings.values()))
    known = parts(runs, simulated_years)
    if only is not None and only not in known:
        raise SystemExit(f"no part is named {only}; there are {', '.join(known)}")
    measured = {name: part for name, part in known.items() if only in (None, name)}
    seconds += time.process_time() - started
    print(f"{'measurement':48s} {'runs':>5s} {'share':>6s}  {'95 % interval':15s} {'claim':9s} note")
    for line, spent in measure(measured, kept):
        found, mark = line.share, "" if line.holds else "  BROKEN"
        bounds = f"{found.lower:.1%} to {found.upper:.1%}"
        text = f"{line.name:48s} {found.n:5d} {found.estimate:6.1%}  {bounds:15s} {line.claim:9s} {line.note}{mark}"
        print(text, flush=True)
        lines.append(line)
        seconds += spent
        broken += [] if line.holds else [line.name]
    print(f"{seconds:.0f} CPU-seconds")
    if json_path is not None and only is None:
        json_path.write_text(json.dumps(record(lines, broken, settings, seconds), indent=1) + "\n")
    broken += off_policy(off_policy_runs) if only is None else []
    if broken:
        raise SystemExit(f"claims that do not hold: {'; '.join(broken)}")


QUICK = {"runs": 40, "simulated_years": 2, "off_policy_runs": 20}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few runs: shows that it works, bounds nothing")
    parser.add_argument("--only", metavar="PART", help="one part, such as years; it leaves no record")
    parser.add_argument("--work", type=Path, help="where parts that ended are kept")
    parser.add_argument("--json", type=Path, help="where to leave the record")
    asked = parser.parse_args()
    main(**(QUICK if asked.quick else {}), only=asked.only, work=asked.work, json_path=asked.json)
