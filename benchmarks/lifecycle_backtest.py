"""What governed retraining is worth beside weekly retraining, on made-up histories whose law changes in known ways.

Run: python benchmarks/lifecycle_backtest.py [--seeds 4] [--first-seed 101] [--processes 2]

Each history is replayed by `core.backtest` as `mlife backtest` does it: NannyML's detectors, the governor, the
prequential gate and `BacktestPolicy` as they are; only the evidence asked for fits 80 rows a day. Printed by kind of
history: average precision of governed minus naive, averaged over seeds with its 95 % t-interval, the share of
histories on which governed is shown not to be worse by more than the margin, and trainings and fits beside naive's.

Claimed: without a change of the law the margin is met on every history, and over all kinds governed decides to train
at most half as often as naive. Not claimed: that the margin is met whatever changes. After an abrupt and total change
whoever retrains blindly every week recovers first, and the table says by how much.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import date
from multiprocessing import get_context
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy import stats

from mlife_assets.adapters.backtest_detectors import NannyMLDetectors
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.core.backtest import prepare_history, replay
from mlife_assets.core.backtest.contestants import GOVERNED, NAIVE
from mlife_assets.core.study import Study

DAYS, ROWS_PER_DAY, LABEL_DAYS = 330, 80, 3
FIRST, TODAY = np.datetime64("2025-01-01"), date(2026, 6, 1)
CHANGE_DAY, RETURN_DAY, EPISODE_DAYS = 150, 220, 14
LAW_STRENGTH, BASE_LOG_ODDS = 1.5, -1.0
SPEC = """{
  "title": "Who wins", "outcome": "somebody wins", "source": "made up",
  "roles": {"entity": "who", "time": "day", "label": "won", "label_time": "known",
            "features": ["strength", "noise"], "categoricals": ["kind"]},
  "training": {"formulations": ["binary"], "trees_maximum": 100, "learning_rate": 0.1, "minimum_child_examples": 40,
               "minimum_examples": 500, "validation_days": 14},
  "promotion": {"minimum_users_with_positives": 200},
  "monitoring": {"sample_rows_per_day": 250},
  "retrain": {"minimum_new_mature_positives": 100}
}"""

Days = npt.NDArray[np.float64]
Change = Callable[[Days], Days]


@dataclass(frozen=True)
class Kind:
    """A way in which a history changes.

    Attributes:
        other_law: day -> share in [0, 1] of the law in which `noise` decides instead of `strength`.
        log_odds: day -> change of the log-odds of the outcome.
        shift: day -> change of `strength`, the law staying what it is.
        is_drift: whether the law or its level changes.
    """

    other_law: Change = np.zeros_like
    log_odds: Change = np.zeros_like
    shift: Change = np.zeros_like
    is_drift: bool = True


def _between(first: int, last: int) -> Change:
    return lambda day: ((day >= first) & (day < last)).astype(np.float64)


KINDS: Mapping[str, Kind] = {
    "calm": Kind(is_drift=False),
    "inputs shift": Kind(shift=lambda day: 2.0 * (day >= CHANGE_DAY), is_drift=False),
    "abrupt": Kind(other_law=_between(CHANGE_DAY, DAYS)),
    "there and back": Kind(other_law=_between(CHANGE_DAY, RETURN_DAY)),
    "gradual": Kind(other_law=lambda day: np.clip((day - 80) / 200, 0, 1)),
    "to and fro": Kind(other_law=lambda day: (np.sin(day / 25) + 1) / 2),
    "rate rises": Kind(log_odds=lambda day: -1.5 + 3.5 * day / DAYS),
    "rate swings": Kind(log_odds=lambda day: np.sin(day / 20)),
    "bad fortnight": Kind(other_law=_between(CHANGE_DAY, CHANGE_DAY + EPISODE_DAYS)),
}


@dataclass(frozen=True)
class Compared:
    """Governed beside naive on one history."""

    kind: str
    difference: float
    is_met: bool
    trainings: int
    naive_trainings: int
    fits: int
    naive_fits: int


def history_rows(kind: Kind, seed: int) -> pa.Table:
    """Return a history: `strength` decides, `noise` does not, until the kind says otherwise."""
    rng = np.random.default_rng(seed)
    rows = DAYS * ROWS_PER_DAY
    number = np.repeat(np.arange(DAYS), ROWS_PER_DAY)
    day = number.astype(np.float64)
    strength, noise, share = rng.normal(size=rows) + kind.shift(day), rng.normal(size=rows), kind.other_law(day)
    log_odds = BASE_LOG_ODDS + kind.log_odds(day) + LAW_STRENGTH * ((1 - share) * strength + share * noise)
    return pa.table(
        {
            "who": [f"w{row}" for row in range(rows)],
            "day": pa.array(FIRST + number),
            "won": pa.array(rng.random(rows) < 1 / (1 + np.exp(-log_odds))),
            "known": pa.array(FIRST + number + LABEL_DAYS),
            "strength": strength,
            "noise": noise,
            "kind": np.array(["a", "b"])[rng.integers(0, 2, rows)].tolist(),
        }
    )


def compared(asked: tuple[str, int]) -> Compared:
    """Replay the history of a kind and a seed."""
    name, seed = asked
    history = prepare_history(history_rows(KINDS[name], seed), Study.from_json(SPEC).model, today=TODAY)
    with tempfile.TemporaryDirectory() as folder:
        store = ObstoreObjectStore.local(Path(folder))
        result = replay(history, NannyMLDetectors(), store, stopwatch=time.perf_counter).result
    governed, naive = (next(one for one in result.policies if one.name == who) for who in (GOVERNED, NAIVE))
    difference = result.differences[NAIVE]
    return Compared(
        name,
        difference.estimate,
        difference.lower > -result.margin,
        governed.trainings,
        naive.trainings,
        governed.fits,
        naive.fits,
    )


def report(found: Sequence[Compared]) -> list[str]:
    """Print the table; return the claims that do not hold."""
    print(f"{'history':<16}{'governed minus naive':>30}{'margin met':>12}{'trainings':>16}{'fits':>16}")
    for name in KINDS:
        _print_line(name, [one for one in found if one.kind == name])
    _print_line("all", found)
    broken = [
        f"the margin is not met on a history without drift ({name})"
        for name, kind in KINDS.items()
        if not kind.is_drift and not all(one.is_met for one in found if one.kind == name)
    ]
    if 2 * sum(one.trainings for one in found) > sum(one.naive_trainings for one in found):
        broken.append("governed trains more than half as often as naive")
    return broken


def _print_line(name: str, ones: Sequence[Compared]) -> None:
    differences = np.array([one.difference for one in ones])
    mean = float(np.mean(differences))
    half = float("nan")
    if len(ones) > 1:
        half = float(stats.t.ppf(0.975, len(ones) - 1) * np.std(differences, ddof=1) / np.sqrt(len(ones)))
    shown = f"{mean:+.4f} ({mean - half:+.4f} to {mean + half:+.4f})"
    met = f"{sum(one.is_met for one in ones)}/{len(ones)}"
    trainings = (
        f"{np.mean([one.trainings for one in ones]):.1f} of {np.mean([one.naive_trainings for one in ones]):.0f}"
    )
    fits = f"{np.mean([one.fits for one in ones]):.1f} of {np.mean([one.naive_fits for one in ones]):.0f}"
    print(f"{name:<16}{shown:>30}{met:>12}{trainings:>16}{fits:>16}")


def main() -> int:
    """Print the table; returns 1 when a claim does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--first-seed", type=int, default=101)
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    seeds = range(given.first_seed, given.first_seed + given.seeds)
    asked = [(name, seed) for name in KINDS for seed in seeds]
    found = []
    with ProcessPoolExecutor(given.processes, mp_context=get_context("spawn")) as pool:
        for done, one in enumerate(pool.map(compared, asked), 1):
            found.append(one)
            print(f"  {done} of {len(asked)}: {one.kind} {one.difference:+.4f}", file=sys.stderr, flush=True)
    broken = report(found)
    if broken:
        print("claims that do not hold: " + "; ".join(broken))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
