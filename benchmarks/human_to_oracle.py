"""How far a model gets from the recruiters' rule to the oracle: the first champion of a simulated market, per seed.

Run: python benchmarks/human_to_oracle.py [--seeds 5] [--users 10000] [--history-days 60] [--json FILE]

Each seed is a market of its own. Its history is landed and transformed by the real jobs, the first challenger is
trained and gated by the real retraining job, and what it learned is ranked on days too young to be learned from. The
*oracle cohort* is what only a simulator knows: all candidates of all users, each relevant with its true probability of
an application if it were shown first (`market.truth`).

Beside the rule and the model stands the simple rule that was fitted on the model's rows, a logistic regression on a
handful of columns. Two rows say what bounds the share: a model of the same kind that is fitted to the true
probabilities of other days with the same features, and the same with what people keep to themselves (their true tastes,
what they weigh, the appeal of a posting).

Jobs without history are those that nobody has looked at yet; the model ranks them by what is written in them.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date, timedelta
from pathlib import Path
from platform import machine, python_version
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import lightgbm
import numpy as np
import pyarrow as pa
from demos import ROOT, checked_out

from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.components.model.challengers import PROMOTION_REPORT, challenger_version
from mlife_assets.components.model.contenders import ORGANIC_EXPOSURE, ranking_scores, simple_rule_scores
from mlife_assets.components.running.demo_summary import Demo, prepare_home
from mlife_assets.components.running.instance import open_instance
from mlife_assets.core.windows import add_days
from mlife_assets.definitions import build_definitions
from mlife_assets.deployments.board_ports import BoardPorts
from mlife_assets.market.truth import MarketTruth, expected_maps, pair_probabilities, read_truth
from mlife_assets.recruiting.candidates import candidate_pairs
from mlife_assets.recruiting.cohort import recruiter_scores
from mlife_assets.recruiting.features import feature_matrix, pair_features
from mlife_assets.recruiting.policies import Policies
from mlife_assets.settings import Settings

WORK, RESULT = ROOT / "var" / "human_to_oracle", ROOT / "benchmarks" / "results" / "human_to_oracle.json"
FIRST_SEED = 101
DEPTH = 10
JUDGED_DAYS_AGO = (1, 2)
"""Days that are ranked, before the day of training: a Saturday and a Sunday of which not even clicks are complete."""
BOUND_DAYS_AGO = (14, 21, 28, 35, 42)
"""Days whose truth the bounds are fitted to."""
BOUND_USERS = 2_500
BOUND_PARAMETERS = {
    "objective": "regression",
    "learning_rate": 0.05,
    "num_leaves": 63,
    "min_data_in_leaf": 100,
    "verbosity": -1,
    "num_threads": 1,
    "deterministic": True,
    "seed": 1,
}
BOUND_TREES = 500
GOAL = 0.8
GOAL_COLD = 0.0
DIGITS = 4


@dataclass(frozen=True)
class SeedResult:
    """What one market showed; shares are of the way from the rule's MAP to the oracle's."""

    outcome: str
    human_map: float
    simple_rule_map: float
    champion_map: float
    oracle_map: float
    share: float
    bound_by_features: float
    bound_with_hidden: float
    cold_human_map: float
    cold_champion_map: float


@dataclass(frozen=True)
class JudgedDay:
    """All candidates of all users of a day, n rows, with their true probabilities."""

    pairs: pa.Table
    truth: MarketTruth
    probability: np.ndarray


def judged_day(platform: BoardPorts, day: date, users: int | None = None) -> JudgedDay:
    """Return the candidates of a day; with `users`, of so many of its users, evenly spread."""
    asked = platform.warehouse.read("user_features", as_of=day)
    if users is not None:
        asked = asked.take(np.linspace(0, asked.num_rows - 1, min(users, asked.num_rows)).astype(np.int64))
    jobs = platform.warehouse.read("job_features", as_of=day)
    pairs = pair_features(candidate_pairs(asked, jobs, day, platform.policies.candidates))
    truth = read_truth(ObstoreObjectStore.local(platform.settings.places.truth), day)
    return JudgedDay(pairs, truth, pair_probabilities(truth, pairs))


def true_map(judged: JudgedDay, scores: dict[str, np.ndarray], kept: np.ndarray, seed: int) -> dict[str, float]:
    """Return the expected MAP of each ranking of the kept rows, and the oracle's."""
    return expected_maps(
        judged.pairs.filter(pa.array(kept)),
        judged.probability[kept],
        {name: values[kept] for name, values in scores.items()},
        depth=DEPTH,
        seed=seed + judged.truth.day.toordinal(),
    )


def hidden_columns(judged: JudgedDay) -> np.ndarray:
    """Return what no feature holds, shape (n, 4): true match, appeal, and the person's weights of pay and distance."""
    truth = judged.truth
    person = np.searchsorted(truth.people.user_ids, np.array(judged.pairs["user_id"].to_pylist(), dtype=str))
    job = np.searchsorted(truth.jobs.job_ids, np.array(judged.pairs["job_id"].to_pylist(), dtype=str))
    match = np.einsum("ij,ij->i", truth.mood.taste[person], truth.jobs.quality[job])
    weights = (truth.people.pay_weight[person], truth.people.distance_weight[person])
    return np.column_stack([match, truth.jobs.appeal[job], *weights])


def fitted_bounds(
    platform: BoardPorts, version: str, day: date, judged: list[JudgedDay]
) -> list[dict[str, np.ndarray]]:
    """Return, per judged day, the scores of models of the truth: with the features, and with what is hidden as well."""
    spec = platform.of_model().scorers.of(version).feature_spec

    def matrices(one: JudgedDay) -> dict[str, np.ndarray]:
        seen = spec.expanded(feature_matrix(one.pairs, spec, exposure_kind=ORGANIC_EXPOSURE))
        return {"features": seen, "hidden": np.hstack([seen, hidden_columns(one)])}

    taught = [judged_day(platform, add_days(day, -ago), BOUND_USERS) for ago in BOUND_DAYS_AGO]
    target = np.log(np.concatenate([one.probability for one in taught]))
    known = [matrices(one) for one in taught]
    asked = [matrices(one) for one in judged]
    scores: list[dict[str, np.ndarray]] = [{} for _ in judged]
    for name in ("features", "hidden"):
        data = lightgbm.Dataset(np.concatenate([one[name] for one in known]), target)
        model = lightgbm.train(BOUND_PARAMETERS, data, BOUND_TREES)
        for place, one in enumerate(asked):
            scores[place][name] = np.asarray(model.predict(one[name]))
    return scores


def measured(home: Path, seed: int, users: int, history_days: int) -> SeedResult:
    """Live the history of one market and rank what its first challenger learned."""
    for name in [name for name in os.environ if name.startswith("MLIFE_")]:
        del os.environ[name]
    prepare_home(home)
    settings = Settings(home=home, seed=seed, market_users=users, history_days=history_days, demo_faults=False)
    definitions = build_definitions(settings, policies=Policies())
    with open_instance(home) as instance:
        demo = Demo(definitions, instance, definitions.resources["platform"])  # type: ignore[index]
        demo.run_history()
        day = settings.days.first_lived_date - timedelta(days=1)
        demo.driver.run_day("retraining_job", day).require_success()
        platform = demo.platform
        version = challenger_version(platform.of_model(), day)
        verdict = platform.tables.read_report(PROMOTION_REPORT, day)
        print(f"  {' '.join(verdict['sentences'])}", file=sys.stderr)
        days = [judged_day(platform, add_days(day, -ago)) for ago in JUDGED_DAYS_AGO]
        bounds = fitted_bounds(platform, version, day, days)
        every: list[dict[str, float]] = []
        cold: list[dict[str, float]] = []
        for one, bound in zip(days, bounds, strict=True):
            simple = simple_rule_scores(platform, version, one.pairs)
            assert simple is not None, "every fit has one beside it"
            scores = {
                "human": recruiter_scores(one.pairs),
                "simple_rule": simple,
                "champion": ranking_scores(platform, version, one.pairs),
                **bound,
            }
            is_cold = one.pairs["job_impressions_7d"].to_numpy() == 0
            every.append(true_map(one, scores, np.ones(len(is_cold), dtype=bool), seed))
            cold.append(true_map(one, scores, is_cold, seed))
    mean = {name: float(np.mean([one[name] for one in every])) for name in every[0]}
    unseen = {name: float(np.mean([one[name] for one in cold])) for name in cold[0]}

    def share(name: str) -> float:
        return (mean[name] - mean["human"]) / (mean["oracle"] - mean["human"])

    return SeedResult(
        outcome=verdict["outcome"],
        human_map=mean["human"],
        simple_rule_map=mean["simple_rule"],
        champion_map=mean["champion"],
        oracle_map=mean["oracle"],
        share=share("champion"),
        bound_by_features=share("features"),
        bound_with_hidden=share("hidden"),
        cold_human_map=unseen["human"],
        cold_champion_map=unseen["champion"],
    )


def row_of(seed: int, work: Path, users: int, history_days: int) -> dict[str, Any]:
    """Return what the market of a seed showed, measured if it is not there yet."""
    kept = work / f"{seed}.json"
    if not kept.is_file():
        start = sum(os.times()[:4])
        with tempfile.TemporaryDirectory() as folder:
            result = measured(Path(folder) / "home", seed, users, history_days)
        spent = round(sum(os.times()[:4]) - start)
        partial = kept.with_suffix(".part")
        partial.write_text(json.dumps({"seed": seed, "cpu_seconds": spent, **asdict(result)}), encoding="utf-8")
        partial.rename(kept)
    return dict(json.loads(kept.read_text(encoding="utf-8")))


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return medians over markets, and whether the goals are met."""
    shares = sorted(row["share"] for row in rows)
    cold = sorted(row["cold_champion_map"] - row["cold_human_map"] for row in rows)
    return {
        "median_share": median(shares),
        "share_range": [shares[0], shares[-1]],
        "median_share_of_simple_rule": median(
            (row["simple_rule_map"] - row["human_map"]) / (row["oracle_map"] - row["human_map"]) for row in rows
        ),
        "median_bound_by_features": median(row["bound_by_features"] for row in rows),
        "median_bound_with_hidden": median(row["bound_with_hidden"] for row in rows),
        "median_cold_gain": median(cold),
        "least_cold_gain": cold[0],
        "goals": {
            f"share of {GOAL}": median(shares) >= GOAL,
            "new jobs ranked no worse than by the rule": median(cold) >= GOAL_COLD,
        },
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a row per seed, then the medians; returns 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--history-days", type=int, default=60)
    parser.add_argument("--work", type=Path, default=WORK, help="where rows are kept, one file per seed")
    parser.add_argument("--json", type=Path, default=RESULT, help="write the record here")
    asked = parser.parse_args(arguments)
    commit = checked_out()
    work = asked.work / f"{commit}-{asked.users}-{asked.history_days}"
    if commit.endswith("-dirty"):
        shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True, exist_ok=True)
    names = [field.name for field in fields(SeedResult)]
    print("seed  " + "  ".join(names), flush=True)
    rows: list[dict[str, Any]] = []
    for seed in range(FIRST_SEED, FIRST_SEED + asked.seeds):
        rows.append(row_of(seed, work, asked.users, asked.history_days))
        values = [rows[-1][name] for name in names]
        shown = [f"{value:.3f}" if isinstance(value, float) else value for value in values]
        print(f"{seed}   " + "  ".join(f"{v:>{len(n)}}" for v, n in zip(shown, names, strict=True)), flush=True)
    found = summary(rows)
    low, high = found["share_range"]
    print(f"\nshare of the way from human to oracle: median {found['median_share']:.3f} ({low:.3f} to {high:.3f})")
    print(f"share of the simple rule: median {found['median_share_of_simple_rule']:.3f}")
    bounds = found["median_bound_by_features"], found["median_bound_with_hidden"]
    print(f"bound by the features: median {bounds[0]:.3f}; with true match, weights and appeal: {bounds[1]:.3f}")
    cold = found["median_cold_gain"], found["least_cold_gain"]
    print(f"jobs without history, MAP@{DEPTH} minus the rule's: median {cold[0]:+.3f}, least {cold[1]:+.3f}")
    print("\n".join(f"{'met' if is_met else 'MISSED'}: {goal}" for goal, is_met in found["goals"].items()))
    where = {"cpus": os.cpu_count(), "machine": machine(), "python": python_version()}
    sizes = {"users": asked.users, "history_days": asked.history_days}
    spent = sum(row["cpu_seconds"] for row in rows)
    record = {"commit": commit, "machine": where, "cpu_seconds": spent, **sizes, **found, "rows": rows}
    record = json.loads(json.dumps(record), parse_float=lambda digits: round(float(digits), DIGITS))
    asked.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return 0 if all(found["goals"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
