"""What each retraining policy is worth on many histories, and whether a recommendation of the past holds in the future.

Run: python benchmarks/replays.py [--data FOLDER] [--processes 2] [--only "late flights"] [--quick]

Histories: New York's flights of 2013 (which are late, which are cancelled), bank marketing and electricity prices where
`--data` has the files, which may not ship, and nine kinds of made-up histories, four seeds each. Each is replayed three
times by `lifecycle.backtest` as `mlife backtest` does it, with NannyML's detectors and default policies:

- the whole: governed against each other policy and against two cron jobs (`replayed.rivals`), by the paired bootstrap
  over blocks of days; of a made-up kind, whose seeds are histories of their own, by Student's t over their means;
- its first half alone, with the labels that were known when it ended: what is recommended;
- its second half, every policy beginning with a first champion of the first half: what the recommended policy loses
  there against the best; the advice was right by a measure where that is at most .01.

A finished replay is a line in `--work`, so a run that was stopped goes on; lines of other code are not used. The
record is `benchmarks/results/replays.json`. Thresholds and seeds below were committed before the first look.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import date, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from replayed.files import FILES, found_files
from replayed.kinds import DAYS, KINDS, SPEC, made_rows
from replayed.rivals import ALL_ROWS, measured_with_rivals
from scipy import stats

from mlife_assets.adapters.backtest_detectors import ReplayDetectors
from mlife_assets.adapters.example_files import read_examples
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.core.monitoring.thresholds import Statistic, Threshold
from mlife_assets.core.ports import ObjectStore
from mlife_assets.core.study import Study
from mlife_assets.lifecycle.backtest import BacktestResult, prepare_history, replay
from mlife_assets.lifecycle.backtest.contestants import GOVERNED, NAIVE
from mlife_assets.lifecycle.backtest.history import History
from mlife_assets.lifecycle.backtest.replay import Replayed

MARGIN = 0.01
"""How much worse than any other policy governed may be, in average precision, by the lower bound."""
POOLED, WITHIN, LOG_LOSS = "average precision", "average precision within periods", "log loss"
SHOWN_WORSE, ESTIMATE_MINIMUM, MEAN_WITHIN = 0.002, -0.007, 0.005
"""Governed against weekly retraining: what it may be shown to be worse by on no history and by no measure, what no
estimate lies below, and what it gains within periods on average at least."""
NEAR, NEAR_HISTORIES, HISTORIES = 0.01, {WITHIN: 11, POOLED: 10, LOG_LOSS: 10}, 13
"""On how many of all histories, by measure, governed is at most so much worse than the best policy."""
KEYS = {POOLED: ("average_precision", 1), WITHIN: ("within_periods", 1), LOG_LOSS: ("log_loss", -1)}
"""Name of each measure in the record of a policy, and whether more of it is better."""
HALVES_MINIMUM = 30
MEAN_REGRET, UPPER_REGRET = 0.01, 0.02
"""What a recommendation of a first half may lose on the second, on average and by the upper 97.5 % bound."""
SEEDS = (301, 302, 303, 304)
WHOLE, FIRST_HALF, SECOND_HALF = "whole", "first half", "second half"
PARTS = (WHOLE, FIRST_HALF, SECOND_HALF)
TODAY = date(2026, 6, 1)
QUICK_DAYS = 200
ROOT = Path(__file__).resolve().parents[1]
RESULT, WORK = ROOT / "benchmarks" / "results" / "replays.json", ROOT / "var" / "replays"


@dataclass(frozen=True)
class Asked:
    """One replay.

    Attributes:
        history: its name.
        part: the whole, the first half or the second.
        seed: of a made-up history; None of one that is in a file.
        path: the file; None of a made-up history.
        days: of a made-up history.
        is_watched: whether NannyML's detectors watch; without them governed retrains by the calendar, which is quick.
    """

    history: str
    part: str
    seed: int | None = None
    path: str | None = None
    days: int = DAYS
    is_watched: bool = True

    @property
    def key(self) -> str:
        """Name of the replay among the recorded ones."""
        return json.dumps([self.history, self.part, self.seed])


class Unwatched:
    """Detectors that see nothing."""

    def limits(self, *_: Any) -> tuple[Threshold, ...]:
        """Return no limits."""
        return ()

    def drift(self, *_: Any) -> tuple[Statistic, ...]:
        """Return no statistics."""
        return ()

    latent = performance = drift


def asked_replays(files: Mapping[str, Path]) -> list[Asked]:
    """Return every replay, the wholes first, those in files before the others, since they take longest."""
    filed = [Asked(name, part, path=str(path)) for name, path in files.items() for part in PARTS]
    made = [Asked(kind, part, seed) for seed in SEEDS for kind in KINDS for part in PARTS]
    return sorted([*filed, *made], key=lambda one: PARTS.index(one.part))


def quick_replays() -> list[Asked]:
    """Return the parts of one short history without detectors."""
    return [Asked("calm", part, SEEDS[0], days=QUICK_DAYS, is_watched=False) for part in PARTS]


def study_and_rows(asked: Asked) -> tuple[Study, pa.Table]:
    """Return how a history is read, and all its rows."""
    if asked.seed is not None:
        return Study.from_json(SPEC), made_rows(KINDS[asked.history], asked.seed, asked.days)
    study = Study.from_json(FILES[asked.history].spec())
    return study, read_examples(Path(str(asked.path)), study)


def replayed(asked: Asked) -> dict[str, Any]:
    """Return what one replay found, as a line of the record."""
    began = time.process_time()
    study, rows = study_and_rows(asked)
    roles = study.model.roles
    first, last = (end(rows[roles.time]).as_py() for end in (pc.min, pc.max))
    half = ((last - first).days + 1) // 2
    middle = first + timedelta(days=half)
    if asked.part == FIRST_HALF:
        rows = rows.filter(
            (pc.field(roles.time) < pa.scalar(middle)) & (pc.field(roles.label_time) <= pa.scalar(middle))
        )
    if asked.part == SECOND_HALF:
        study = study.with_policies(json.dumps({"backtest": {"warmup_days": half}}))
    history = prepare_history(
        rows, study.model, today=TODAY, validation_share=study.validation_share, stated=study.stated
    )
    with tempfile.TemporaryDirectory() as folder:
        store = ObstoreObjectStore.local(Path(folder))
        detectors = ReplayDetectors() if asked.is_watched else Unwatched()
        found = replay(history, detectors, store, stopwatch=time.perf_counter)
        kept = facts(found.result)
        if asked.part == WHOLE:
            kept |= beside_rivals(history, found, store, kept["policies"])
    return {"key": asked.key, "history": asked.history, "part": asked.part, "seed": asked.seed,
            **kept, "cpu_seconds": round(time.process_time() - began, 1)}  # fmt: skip


def beside_rivals(
    history: History, found: Replayed, store: ObjectStore, policies: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Return what is kept of a replay with the cron jobs beside its policies."""
    measured, rivals = measured_with_rivals(history, found, store)
    own = {
        name: {
            "average_precision": measured.average_precision.values[name],
            "within_periods": measured.within_periods.values[name],
            "log_loss": measured.log_loss.values[name],
            "trainings": len(rival.training_days),
            "fits": len(rival.fits),
            "installations": max(0, len(rival.champions) - 1),
            "refusals": 0,
        }
        for name, rival in rivals.items()
    }
    gains = {
        criterion: {
            other: [gain.estimate, gain.lower, gain.upper]
            for other in one.values
            if other != GOVERNED
            for gain in [one.gain(GOVERNED, other)]
        }
        for criterion, one in measured.criteria.items()
    }
    return {"policies": {**policies, **own}, "governed_gains": gains}


def facts(result: BacktestResult) -> dict[str, Any]:
    """Return what is kept of a result."""
    return {
        "replayed": f"{result.start_day} to {result.last_day}",
        "rows": result.rows,
        "positives": result.positives,
        "recommended": result.recommendation.policy,
        "policies": {
            one.name: {
                "average_precision": one.score.average_precision.estimate,
                "within_periods": one.score.within_periods.estimate,
                "log_loss": one.score.log_loss,
                "trainings": one.trainings,
                "fits": one.fits,
                "installations": one.installations,
                "refusals": one.refusals,
            }
            for one in result.policies
        },
        "governed_gains": {
            criterion: {other: [gain.estimate, gain.lower, gain.upper] for other, gain in gains.items()}
            for criterion, gains in result.gains.items()
        },
        "notes": list(result.notes),
    }


def recorded(path: Path) -> dict[str, dict[str, Any]]:
    """Return the replays that an earlier run kept, by key; a line cut off by its end is not one."""
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    found = [json.loads(line) for line in lines if line.endswith("\n")]
    return {one["key"]: one for one in found}


def run(asked: Sequence[Asked], kept: Path, processes: int) -> dict[str, dict[str, Any]]:
    """Replay what is not recorded yet; return all by key."""
    done = recorded(kept)
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text("".join(json.dumps(one) + "\n" for one in done.values()))
    waiting = [one for one in asked if one.key not in done]
    print(f"{len(asked)} replays, {len(asked) - len(waiting)} recorded before", file=sys.stderr, flush=True)
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for future in as_completed([pool.submit(replayed, one) for one in waiting]):
            found = future.result()
            with kept.open("a") as file:
                file.write(json.dumps(found) + "\n")
            done[found["key"]] = found
            gain = found["governed_gains"][WITHIN][NAIVE][0]
            shown = f"governed minus naive within periods {gain:+.4f}, recommended {found['recommended']}"
            print(f"  {found['key']}: {shown}, {found['cpu_seconds']} s", file=sys.stderr, flush=True)
    return {one.key: done[one.key] for one in asked}


def interval_of(values: Sequence[float]) -> list[float]:
    """Return mean, lower and upper bound of Student's t at 95 %; without a second value the bounds are unknown."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return [mean, float("-inf"), float("inf")]
    half = float(stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return [mean, mean - half, mean + half]


def governed_on(name: str, wholes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return governed beside each other policy on one history, or on the seeds of one kind."""
    gains = {}
    for criterion, by_other in wholes[0]["governed_gains"].items():
        gains[criterion] = {
            other: wholes[0]["governed_gains"][criterion][other]
            if len(wholes) == 1
            else interval_of([one["governed_gains"][criterion][other][0] for one in wholes])
            for other in by_other
        }
    work = {
        what: {who: float(np.mean([one["policies"][who][what] for one in wholes])) for who in wholes[0]["policies"]}
        for what in ("installations", "trainings", "fits")
    }
    worst = min(gains[POOLED], key=lambda other: gains[POOLED][other][1])
    return {
        "history": name,
        "seeds": [one["seed"] for one in wholes],
        "governed_gains": gains,
        **work,
        "worst_rival": worst,
        "is_margin_met": gains[POOLED][worst][1] > -MARGIN,
    }


def against_weekly(governed: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what is claimed of governed beside weekly retraining, and beside the best policy, and does not hold."""
    broken = []
    for measure, needed in NEAR_HISTORIES.items():
        near = 0
        for one in governed:
            estimate, _, upper = one["governed_gains"][measure][ALL_ROWS]
            if upper < -SHOWN_WORSE or estimate < ESTIMATE_MINIMUM:
                broken.append(f"{one['history']}: {measure} {estimate:+.4f} against {ALL_ROWS}, {upper:+.4f} at most")
            near += min(gain for gain, *_ in one["governed_gains"][measure].values()) >= -NEAR
        if near < needed:
            broken.append(f"{measure}: within {NEAR:g} of the best on {near} histories, {needed} of {HISTORIES} needed")
    mean = float(np.mean([one["governed_gains"][WITHIN][ALL_ROWS][0] for one in governed]))
    return broken + ([f"{mean:+.4f} within periods on average, {MEAN_WITHIN:+g} needed"] if mean < MEAN_WITHIN else [])


def regrets(done: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return, for each history of which both halves were replayed, what the recommendation of the first lost."""
    halves: dict[tuple[str, int | None], dict[str, Mapping[str, Any]]] = {}
    for one in done.values():
        halves.setdefault((one["history"], one["seed"]), {})[one["part"]] = one
    found = []
    for (history, seed), parts in halves.items():
        if not {FIRST_HALF, SECOND_HALF} <= parts.keys():
            continue
        policies = parts[SECOND_HALF]["policies"]
        scores = {name: one["average_precision"] for name, one in policies.items()}
        chosen, best = parts[FIRST_HALF]["recommended"], max(scores, key=lambda name: scores[name])
        found.append(
            {
                "history": history,
                "seed": seed,
                "recommended": chosen,
                "is_right": {
                    measure: max(sign * one[key] for one in policies.values()) - sign * policies[chosen][key] <= NEAR
                    for measure, (key, sign) in KEYS.items()
                },
                "best": best,
                "regret": scores[best] - scores[chosen],
                "regret_of_each": {name: scores[best] - value for name, value in scores.items()},
            }
        )
    return found


def summary(done: Mapping[str, Mapping[str, Any]], commit: str, left_out: Sequence[str]) -> dict[str, Any]:
    """Return the record: thresholds, commit, seeds, machine, governed by history, recommendations, every replay."""
    wholes: dict[str, list[Mapping[str, Any]]] = {}
    for one in done.values():
        if one["part"] == WHOLE:
            wholes.setdefault(one["history"], []).append(one)
    halves = regrets(done)
    policies = list(halves[0]["regret_of_each"]) if halves else []
    return {
        "commit": commit,
        "thresholds": {
            "margin": MARGIN, "shown_worse": SHOWN_WORSE, "estimate_minimum": ESTIMATE_MINIMUM,
            "mean_within": MEAN_WITHIN, "near": [NEAR, NEAR_HISTORIES], "halves_minimum": HALVES_MINIMUM,
            "mean_regret": MEAN_REGRET, "upper_regret": UPPER_REGRET,
        },
        "machine": {"cpus": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()},
        "cpu_seconds": round(sum(one["cpu_seconds"] for one in done.values())),
        "left_out": list(left_out),
        "governed": [governed_on(name, ones) for name, ones in wholes.items()],
        "regret": interval_of([one["regret"] for one in halves]) if halves else None,
        "regret_of_always": {
            name: interval_of([one["regret_of_each"][name] for one in halves]) for name in policies
        },
        "halves": halves,
        "replays": list(done.values()),
    }  # fmt: skip


def report(record: Mapping[str, Any]) -> list[str]:
    """Print the tables; return the claims that do not hold."""
    broken = []
    measures = "".join(f"{f'minus {ALL_ROWS}, {measure}':>56}" for measure in NEAR_HISTORIES)
    print(f"{'history':<20}{measures}{'worst rival':>42}{'installed':>14}")
    for one in record["governed"]:
        gains, worst, done = one["governed_gains"], one["worst_rival"], one["installations"]
        told = "".join(f"{_range(gains[measure][ALL_ROWS]):>56}" for measure in NEAR_HISTORIES)
        print(
            f"{one['history']:<20}{told}{worst + ' ' + _range(gains[POOLED][worst]):>42}"
            f"{done[GOVERNED]:>7.1f} of {done[NAIVE]:.0f}"
        )
        if not one["is_margin_met"]:
            broken.append(f"{one['history']}: governed may lose more than {MARGIN:g} to {worst}")
    broken += against_weekly(record["governed"])
    halves = record["halves"]
    print(f"\n{'first half':<20}{'seed':>6}  {'recommended':<14}{'best on second':<16}{'regret':>8}")
    for one in halves:
        seed = "" if one["seed"] is None else one["seed"]
        print(f"{one['history']:<20}{seed:>6}  {one['recommended']:<14}{one['best']:<16}{one['regret']:>8.4f}")
    if len(halves) < HALVES_MINIMUM:
        broken.append(f"{len(halves)} halves were replayed, {HALVES_MINIMUM} needed")
    if halves:
        mean, _, upper = record["regret"]
        print(f"\nregret of the recommendation {_range(record['regret'])} over {len(halves)} halves; of always:")
        for name, regret in record["regret_of_always"].items():
            print(f"  {name:<14}{_range(regret)}")
        right = [f"{measure} {sum(one['is_right'][measure] for one in halves)}" for measure in KEYS]
        print(f"the advice was right on so many of {len(halves)} halves: {', '.join(right)}")
        if not mean <= MEAN_REGRET or not upper <= UPPER_REGRET:
            broken.append(f"a recommendation loses {mean:.4f} on average, at most {upper:.4f}")
    broken += [f"{name} was left out" for name in record["left_out"]]
    return broken


def _range(values: Sequence[float]) -> str:
    return f"{values[0]:+.4f} ({values[1]:+.4f} to {values[2]:+.4f})"


def code_of(root: Path) -> str:
    """Return a hash of what the figures follow from: this program, what it imports of ours, and the specs of files."""
    waiting, texts = [root / "benchmarks" / "replays.py", *(root / "benchmarks" / "replayed").glob("*.py")], {}
    while waiting:
        path = waiting.pop()
        if path in texts or not path.is_file():
            continue
        texts[path] = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(texts[path])):
            if isinstance(node, ast.ImportFrom):
                names = [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]
                bases = [root / name.replace(".", "/") for name in names]
                waiting += [where for base in bases for where in (base.with_suffix(".py"), base / "__init__.py")]
    told = {str(path.relative_to(root)): text for path, text in texts.items()}
    told |= {name: file.spec() for name, file in FILES.items()}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def main() -> int:
    """Write and print the record; returns 1 when a claim does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of bank_marketing.parquet and electricity_prices.parquet")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", action="append", choices=[*KINDS, *FILES], help="a history; may be repeated")
    parser.add_argument("--quick", action="store_true", help="one short history without detectors: does it run")
    parser.add_argument("--work", type=Path, default=WORK, help="where finished replays are kept")
    parser.add_argument("--json", type=Path, default=RESULT, help="write the record to this file")
    given = parser.parse_args()
    files = {} if given.quick else found_files(given.data)
    left_out = [] if given.quick else [name for name in FILES if name not in files]
    for name in left_out:
        print(f"LEFT OUT: {name}, whose file is not there; name its folder with --data", file=sys.stderr, flush=True)
    asked = asked_replays(files)
    if given.quick:
        asked = quick_replays()
    if given.only:
        asked = [one for one in asked if one.history in given.only]
        left_out += [name for name in (*KINDS, *files) if name not in given.only]
    git = ["git", "rev-parse", "HEAD"]
    commit = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    kept = given.work / f"{code_of(ROOT)}{'-quick' if given.quick else ''}.jsonl"
    record = {"code": code_of(ROOT), **summary(run(asked, kept, given.processes), commit, left_out)}
    broken = report(record)
    if not given.quick:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps(record, indent=1) + "\n")
    if broken:
        print("claims that do not hold: " + "; ".join(broken))
    return 1 if broken and not given.quick else 0


if __name__ == "__main__":
    sys.exit(main())
