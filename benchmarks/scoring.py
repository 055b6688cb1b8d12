"""Scores of rows: mlife's machine code against LightGBM, on the same rows, with the same bits.

Run: python benchmarks/scoring.py [--json benchmarks/results/scoring.json]

Prints CPU microseconds per row, one thread each, in turns, the best of `REPEATS`; then of one row alone. `lightgbm` is
`Booster.predict`'s own C function, without the package's conversions. Forests are of noisy made-up rows. The funnel has
two steps of trees on 25 curves with three smoothed rates and calibrators, as the demo's; before, LightGBM and numpy
scored it.

Claimed: identical bits everywhere; 12 times as fast for 500 trees of 63 leaves, 6 times for 7 to 255 leaves with splits
of categories, and the funnel in at most .7 microseconds a row. Exits with an error when a claim does not hold.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import lightgbm
import numpy as np
import orjson

from mlife_assets.core.scoring.artifact import BaseCurve, LinearBase, ModelArtifact, ModelStage
from mlife_assets.core.scoring.calibrator import Calibrator
from mlife_assets.core.scoring.feature_spec import FeatureSpec, SmoothedRate
from mlife_assets.core.scoring.forest import read_forest
from mlife_assets.core.scoring.forest_kernel import raw
from mlife_assets.core.scoring.scorer import LightGBMScorer, Trees

ROWS, COLUMNS, REPEATS, SEED = 8_192, 40, 9, 3
SHAPES = {
    "500x63": (63, 500, 0, 12.0),
    "100x7": (7, 100, 4, 6.0),
    "300x31": (31, 300, 4, 6.0),
    "200x255": (255, 200, 4, 6.0),
}
"""Leaves, trees, columns of categories, and how many times as fast it is claimed to be."""
FUNNEL_MICROSECONDS = 0.7
Row = dict[str, float | bool]


def made_rows(count: int, categories: int, rng: np.random.Generator) -> np.ndarray:
    """Return rows, (count, COLUMNS), of which a twentieth of the values is missing."""
    rows = rng.normal(size=(count, COLUMNS))
    rows[:, :categories] = rng.integers(0, 40, (count, categories))
    rows[rng.random(rows.shape) < 0.05] = np.nan
    return rows


def forest_text(leaves: int, trees: int, categories: int, rng: np.random.Generator) -> str:
    """Return the text of a trained forest."""
    rows = made_rows(60_000, categories, rng)
    seen = np.nan_to_num(rows)
    seen[:, :categories] = rng.normal(size=40)[seen[:, :categories].astype(int)]
    signal = seen[:, :10].sum(axis=1) + np.sin(3 * seen[:, 4]) + rng.normal(size=len(rows))
    asked = {"objective": "binary", "num_leaves": leaves, "verbosity": -1, "num_threads": 1, "seed": SEED}
    data = lightgbm.Dataset(rows, signal > 0, categorical_feature=list(range(categories)), params=asked)
    return str(lightgbm.train(asked, data, trees).model_to_string())


def funnel(rng: np.random.Generator) -> ModelArtifact:
    """Return a model of the demo's shape: two steps of 7 leaves on 25 curves, three rates."""
    names = tuple(f"c{column}" for column in range(COLUMNS - 3))
    knots = [np.sort(rng.normal(size=rng.integers(2, 5))) for _ in range(25)]
    curves = [BaseCurve(names[place], tuple(at), tuple(rng.normal(size=len(at)))) for place, at in enumerate(knots)]
    level, log_odds = np.sort(rng.normal(size=40)), np.sort(rng.normal(size=40))
    calibrator = Calibrator("centred_isotonic", tuple(level), log_odds=tuple(log_odds))
    stages = tuple(
        ModelStage(step, forest_text(7, trees, 4, rng), calibrator, base=LinearBase(-2.0, tuple(curves)))
        for step, trees in (("is_clicked", 85), ("is_applied", 14))
    )
    rates = tuple(SmoothedRate(f"rate{place}", names[place], names[place + 1], 0.1, 20.0) for place in range(3))
    return ModelArtifact(stages, FeatureSpec(names, (), rates), "made up", {})


def in_turns(calls: dict[str, Callable[[], object]], rows: int) -> dict[str, float]:
    """Return the fewest CPU microseconds per row of each call."""
    best = dict.fromkeys(calls, np.inf)
    for _ in range(REPEATS):
        for name, call in calls.items():
            start = time.process_time()
            call()
            best[name] = min(best[name], (time.process_time() - start) / rows * 1e6)
    return best


def repeated(call: Callable[[], object], times: int = 300) -> Callable[[], object]:
    """Return a call that is long enough for the clock."""
    return lambda: [call() for _ in range(times)]


def measured_forest(name: str, rng: np.random.Generator) -> Row:
    """Return figures of one shape of forest."""
    leaves, trees, categories, claimed = SHAPES[name]
    text, rows = forest_text(leaves, trees, categories, rng), made_rows(ROWS, categories, rng)
    forest, reference = read_forest(text), Trees(text)
    one, found, single = rows[:1].copy(), np.zeros(ROWS), np.zeros(1)
    raw(rows, found, forest)
    expected = reference.raw(rows, threads=1)
    many = in_turns(
        {"lightgbm": lambda: reference.raw(rows, threads=1), "mlife": lambda: raw(rows, found, forest)}, ROWS
    )
    alone = in_turns(
        {
            "lightgbm": repeated(lambda: reference.raw(one, threads=1)),
            "mlife": repeated(lambda: raw(one, single, forest)),
        },
        300,
    )
    again = np.zeros(ROWS)
    raw(rows, again, forest)
    ratio = many["lightgbm"] / many["mlife"]
    same = again.tobytes() == expected.tobytes()
    return figures(many, alone) | {
        "ratio": ratio,
        "same_bits": same,
        "claimed": claimed,
        "is_met": same and ratio >= claimed,
    }


def measured_funnel(rng: np.random.Generator) -> Row:
    """Return figures of the funnel, from a matrix to probabilities."""
    made = funnel(rng)
    rows = made_rows(ROWS, 4, rng)[:, : COLUMNS - 3].copy()
    before, warm = LightGBMScorer(made, threads=1), LightGBMScorer(made, threads=1)
    warm.warm()
    many = in_turns({"lightgbm": lambda: before.score(rows), "mlife": lambda: warm.score(rows)}, ROWS)
    alone = in_turns(
        {"lightgbm": repeated(lambda: before.score(rows[:1])), "mlife": repeated(lambda: warm.score(rows[:1]))}, 300
    )
    same = before.score(rows).probability.tobytes() == warm.score(rows).probability.tobytes()
    is_met = same and many["mlife"] <= FUNNEL_MICROSECONDS
    ratio = many["lightgbm"] / many["mlife"]
    return figures(many, alone) | {"ratio": ratio, "same_bits": same, "claimed": FUNNEL_MICROSECONDS, "is_met": is_met}


def figures(many: dict[str, float], alone: dict[str, float]) -> Row:
    """Return microseconds by name."""
    return {f"{name}_row_us": many[name] for name in many} | {f"{name}_alone_us": alone[name] for name in alone}


def main() -> None:
    """Measure, print, and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    rng, start = np.random.default_rng(SEED), time.process_time()
    table = {name: measured_forest(name, rng) for name in SHAPES} | {"funnel": measured_funnel(rng)}
    for name, row in table.items():
        print(
            name,
            *(f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}" for key, value in row.items()),
        )
    if asked.json is not None:
        commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        record = {
            "commit": commit, "seed": SEED, "cpu_seconds": round(time.process_time() - start, 1), "rows": table,
            "machine": {"cpus": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()},
        }  # fmt: skip
        asked.json.write_bytes(orjson.dumps(record, option=orjson.OPT_INDENT_2) + b"\n")
    if not all(row["is_met"] for row in table.values()):
        raise SystemExit("missed a claim")


if __name__ == "__main__":
    main()
