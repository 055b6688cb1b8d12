"""Do the off-policy intervals hold? 200 small worlds, each with a known answer.

Run: `python benchmarks/off_policy.py [RUNS]`. In each world, people get candidates on several days by the project's own
rule; `explore` draws and logs texts under a champion; the market's true probabilities decide who applies; the logs
alone are used to estimate what another ranking would earn. The exact answer is the mean true probability of what that
ranking would choose, over all decisions, explored or not. Printed: how often the 95 % interval of each estimator holds
it (with Wilson's interval of that share), mean width, bias, effective sample. Claimed: each interval holds the truth in
90 to 98 % of worlds, and no more than 5 % of worlds are refused, because coverage among the few that pass says little.
Exits with an error when a claim does not hold. Of fewer than 200 worlds, where one more or less moves a share too far,
a claim is broken only when Wilson's interval excludes it.

The champion ranks as recruiters do, with noise; the target ranks by the truth with noise. The reward model of the
doubly robust estimate is wrong on purpose: a third too high and noisy. What is not in it: capacity, budget, fatigue,
delivery. To have enough explored texts from few people, half of all users explore each day, not one in twenty: the
effective sample counts, not the share. For the same reason there are 15 candidates a user, not 30.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa

from mlife_assets.core.errors import NotEnoughEvidenceError
from mlife_assets.core.policies import PromotionPolicy
from mlife_assets.core.statistics import Interval, wilson_interval
from mlife_assets.core.windows import add_days
from mlife_assets.market.behaviour import mood_of_day, pair_distance_km, respond
from mlife_assets.market.catalogue import load_catalogue
from mlife_assets.market.population import MICROSECONDS_PER_DAY, Population, draw_population, epoch_us
from mlife_assets.market.traffic import recruiter_rule
from mlife_assets.market.vacancies import Vacancies, first_postings, job_ids, new_postings
from mlife_assets.market.world import MarketConfig
from mlife_assets.recruiting.candidates import candidate_pairs
from mlife_assets.recruiting.events import OCCUPATION_GROUPS
from mlife_assets.recruiting.messaging.audience import explore
from mlife_assets.recruiting.messaging_policy import MessagingPolicy
from mlife_assets.recruiting.off_policy import estimates as ope
from mlife_assets.recruiting.off_policy.estimates import OffPolicyValue, estimate_value, logged_decisions
from mlife_assets.recruiting.policies import CandidatePolicy

USERS, JOBS, METROS, DAYS, CANDIDATES = 4_000, 240, 6, 8, 15
EXPLORATION_SHARE = 0.5
CHAMPION_NOISE, TARGET_NOISE, REWARD_MODEL_NOISE, REWARD_MODEL_FACTOR = 0.6, 0.5, 0.3, 4 / 3
TYPICAL_PROBABILITY = 0.01
ESTIMATORS = ("ips", "snips", "doubly_robust")
RUNS = 200
COVERAGE_MINIMUM, COVERAGE_MAXIMUM, REFUSED_SHARE_MAXIMUM = 0.90, 0.98, 0.05


@dataclass(frozen=True)
class WorldResult:
    """One world: the exact value of the target and its estimates."""

    truth: float
    found: OffPolicyValue

    def interval(self, name: str) -> Interval:
        """Return the interval of an estimator."""
        interval: Interval = getattr(self.found, name)
        return interval

    def holds(self, name: str) -> bool:
        """Whether the interval holds the truth."""
        return self.interval(name).lower <= self.truth <= self.interval(name).upper


@dataclass(frozen=True)
class Coverage:
    """What one estimator did over all worlds.

    Attributes:
        name: of the estimator.
        coverage: share of worlds whose interval holds the truth, with Wilson's 95 % interval.
        missed_below, missed_above: worlds whose interval lies wholly below and above the truth.
        mean_width: of the interval, rewards per text.
        bias: mean estimate minus mean truth.
        bias_error: standard error of the bias.
        mean_truth: what is estimated, on average.
    """

    name: str
    coverage: Interval
    missed_below: int
    missed_above: int
    mean_width: float
    bias: float
    bias_error: float
    mean_truth: float


@dataclass(frozen=True)
class BenchmarkResult:
    """All worlds with an estimate, those whose evidence was refused as too thin, and coverage by estimator."""

    worlds: tuple[WorldResult, ...]
    refused: int
    coverages: tuple[Coverage, ...]

    @property
    def broken(self) -> tuple[str, ...]:
        """The claims that do not hold, in words; none when all do."""
        runs = len(self.worlds) + self.refused
        found = [
            f"{one.name} covers {one.coverage.estimate:.1%}, claimed {COVERAGE_MINIMUM:.0%} to {COVERAGE_MAXIMUM:.0%}"
            for one in self.coverages
            if _is_outside(one.coverage, COVERAGE_MINIMUM, COVERAGE_MAXIMUM, runs)
        ]
        if _is_outside(wilson_interval(self.refused, runs), 0.0, REFUSED_SHARE_MAXIMUM, runs):
            found.append(f"{self.refused} of {runs} worlds refused, claimed at most {REFUSED_SHARE_MAXIMUM:.0%}")
        return tuple(found)


def _is_outside(share: Interval, low: float, high: float, runs: int) -> bool:
    if runs >= RUNS:
        return not low <= share.estimate <= high
    return share.upper < low or share.lower > high


def _pairs(people: Population, jobs: Vacancies, day: date) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of people and of postings of the day's candidates."""
    stock = jobs.open_at(epoch_us(day))
    members = np.flatnonzero((people.signed_up_us >= 0) & people.is_consented_at_signup)
    groups = np.array(OCCUPATION_GROUPS)
    users = pa.table(
        {
            "as_of_date": pa.array([day] * len(members), pa.date32()),
            "user_id": people.user_ids[members],
            "latitude": people.latitude[members],
            "longitude": people.longitude[members],
            "user_occupation_group": groups[people.group[members]],
            "user_seniority": people.seniority[members],
        }
    )
    postings = pa.table(
        {
            "as_of_date": pa.array([day] * len(stock), pa.date32()),
            "job_id": job_ids(stock),
            "job_latitude": jobs.latitude[stock],
            "job_longitude": jobs.longitude[stock],
            "job_occupation_group": groups[jobs.group[stock]],
            "job_seniority": jobs.seniority[stock],
        }
    )
    pairs = candidate_pairs(users, postings, day, CandidatePolicy(candidates_per_user=CANDIDATES))
    person = np.searchsorted(people.user_ids, pairs["user_id"].to_numpy().astype(str))
    job = stock[np.searchsorted(job_ids(stock), pairs["job_id"].to_numpy().astype(str))]
    return person, job


def _champion_logits(
    people: Population, jobs: Vacancies, person: np.ndarray, job: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    rule = recruiter_rule(
        people.group[person] == jobs.group[job],
        pair_distance_km(people, jobs, person, job),
        np.log(jobs.pay[job] / people.reservation_pay[person]),
        people.shift[person] == jobs.shift[job],
    )
    return rule + rng.normal(0.0, CHAMPION_NOISE, len(rule))


def simulate(seed: int) -> tuple[float, ope.LoggedDecisions]:
    """Return the exact value of the target and the logged decisions of the world of `seed`."""
    config = MarketConfig(seed=seed, users=USERS, jobs=JOBS, metros=METROS)
    catalogue, rng = load_catalogue(), np.random.default_rng([seed, 1])
    people = draw_population(config, catalogue)
    jobs = first_postings(config, catalogue)
    policy = MessagingPolicy(exploration_share=EXPLORATION_SHARE, assignment_salt=f"world-{seed}")
    columns: dict[str, list[np.ndarray]] = {}
    for offset in range(DAYS):
        day = add_days(config.start_date, offset)
        person, job = _pairs(people, jobs, day)
        moment, mood = epoch_us(day), mood_of_day(config, people, day)
        response = respond(config.calibration.choice, people, jobs, mood, person, job, moment, position=None)
        truth = response.click * response.apply
        score = _champion_logits(people, jobs, person, job, rng)
        users, postings = people.user_ids[person], job_ids(job)
        drawn = explore(
            pa.chunked_array([pa.array(users)]),
            pa.chunked_array([pa.array(postings)]),
            1 / (1 + np.exp(-score) / TYPICAL_PROBABILITY),
            (moment - jobs.posted_us[job]) / MICROSECONDS_PER_DAY,
            policy=policy,
            as_of=day,
        )
        days = np.full(len(job), np.datetime64(day, "D"))
        predicted = REWARD_MODEL_FACTOR * truth * np.exp(rng.normal(0.0, REWARD_MODEL_NOISE, len(truth)))
        rows = {
            "user_ids": users,
            "job_ids": postings,
            "as_of_dates": days,
            "exploration_propensity": drawn.exploration_propensity,
            "target_score": np.log(truth / (1 - truth)) + rng.normal(0.0, TARGET_NOISE, len(truth)),
            "is_sent": drawn.is_exploration,
            "reward": rng.random(len(truth)) < truth,
            "predicted_reward": predicted,
            "truth": truth,
            "explores": np.isin(person, person[drawn.is_exploration]),
        }
        for name, values in rows.items():
            columns.setdefault(name, []).append(values)
        jobs = jobs.extended(new_postings(config, catalogue, jobs, day))
    table = {name: np.concatenate(parts) for name, parts in columns.items()}
    truth, explores = table.pop("truth"), table.pop("explores")
    table["target_probability"] = ope.greedy_probabilities(
        table["user_ids"], table["job_ids"], table["as_of_dates"], table.pop("target_score")
    )
    is_chosen = (table["target_probability"] > 0) & (table["exploration_propensity"] > 0)
    return float(truth[is_chosen].mean()), logged_decisions(**{name: v[explores] for name, v in table.items()})


def run_world(seed: int, policy: PromotionPolicy) -> WorldResult | None:
    """Simulate a world and estimate from its logs; None when the evidence is refused."""
    truth, decisions = simulate(seed)
    try:
        return WorldResult(truth, estimate_value(decisions, policy))
    except NotEnoughEvidenceError:
        return None


def coverage_of(name: str, worlds: tuple[WorldResult, ...]) -> Coverage:
    """Return what the estimator `name` did."""
    truths = np.array([one.truth for one in worlds])
    intervals = [one.interval(name) for one in worlds]
    errors = np.array([one.estimate for one in intervals]) - truths
    return Coverage(
        name=name,
        coverage=wilson_interval(sum(one.holds(name) for one in worlds), len(worlds)),
        missed_below=int(sum(one.upper < truth for one, truth in zip(intervals, truths, strict=True))),
        missed_above=int(sum(one.lower > truth for one, truth in zip(intervals, truths, strict=True))),
        mean_width=float(np.mean([one.upper - one.lower for one in intervals])),
        bias=float(errors.mean()),
        bias_error=float(errors.std(ddof=1) / np.sqrt(len(errors))),
        mean_truth=float(truths.mean()),
    )


def main(runs: int = RUNS) -> BenchmarkResult:
    """Run `runs` worlds, print the table and return the numbers; whether claims hold is for the caller to ask."""
    policy = PromotionPolicy()
    results = [run_world(seed, policy) for seed in range(1, runs + 1)]
    worlds = tuple(one for one in results if one is not None)
    refused = runs - len(worlds)
    if len(worlds) < 2:
        raise SystemExit(f"off-policy: {refused} of {runs} worlds were refused as too thin, so nothing was measured")
    coverages = tuple(coverage_of(name, worlds) for name in ESTIMATORS)

    def mean(name: str) -> float:
        return float(np.mean([getattr(one.found, name) for one in worlds]))

    print(f"off-policy: {runs} worlds of {USERS:,} people, {JOBS} jobs, {DAYS} days; {refused} refused as too thin")
    print(
        f"  per world: {mean('decisions'):,.0f} explored decisions of {mean('users'):,.0f} users, effective sample "
        f"{mean('effective_sample_size'):,.0f}, {mean('rewarded_users'):.0f} users with a reward that counts, largest "
        f"weight {mean('largest_weight'):.0f}, {mean('unsupported_share'):.1%} of choices not on offer"
    )
    for one in coverages:
        share = one.coverage
        print(
            f"  {one.name:<14} 95 % interval holds the truth in {share.estimate:6.1%} ({share.lower:.1%} to "
            f"{share.upper:.1%}) of worlds, misses {one.missed_below} below and {one.missed_above} above; mean width "
            f"{one.mean_width:.4f}, bias {one.bias:+.5f} +- {one.bias_error:.5f}, truth {one.mean_truth:.4f}"
        )
    return BenchmarkResult(worlds, refused, coverages)


if __name__ == "__main__":
    result = main(int(sys.argv[1]) if len(sys.argv) > 1 else RUNS)
    if result.broken:
        raise SystemExit(f"claims that do not hold: {'; '.join(result.broken)}")
