"""MAP@10 of grouped rows: mlife against vectorised pandas, on the same rows and with the same result.

Run: python benchmarks/ranking.py [--rows 10000000] [--repeats 3] [--shuffle]

Prints the CPU time per repeat (median), rows per second and the ratio to pandas. Two times are given for mlife: `rank`
for rows that are prepared already (every further ranker of one evaluation) and `prepare + rank` for the first.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import pandas as pd

from mlife_assets.core.ranking import prepare_ranking_rows, rank_rows

DEPTH = 10
MEAN_CANDIDATES = 10


def make_rows(count: int, is_shuffled: bool) -> pd.DataFrame:
    """Return about `count` rows: 1 to ~25 candidates per user, one in ten relevant, distinct scores."""
    rng = np.random.default_rng(0)
    sizes = rng.poisson(MEAN_CANDIDATES - 1, count // MEAN_CANDIDATES) + 1
    users = np.repeat(np.arange(len(sizes)), sizes)
    rows = len(users)
    frame = pd.DataFrame(
        {
            "user": users,
            "item": np.arange(rows) - np.repeat(np.cumsum(sizes) - sizes, sizes),
            "relevant": rng.random(rows) < 0.1,
            "score": rng.permutation(rows) / rows,
        }
    )
    return frame.take(rng.permutation(rows)).reset_index(drop=True) if is_shuffled else frame


def pandas_map(frame: pd.DataFrame) -> float:
    """MAP@10 without a Python loop: sort, cumulative counts, group sums."""
    ordered = frame.sort_values(["user", "score"], ascending=[True, False], kind="stable")
    rank = ordered.groupby("user", sort=False).cumcount() + 1
    relevant = ordered["relevant"].astype("int64")
    hits = relevant.groupby(ordered["user"], sort=False).cumsum()
    gain = np.where((relevant > 0) & (rank <= DEPTH), hits / rank, 0.0)
    parts = pd.DataFrame({"user": ordered["user"].to_numpy(), "gain": gain, "m": relevant.to_numpy()})
    sums = parts.groupby("user", sort=False).sum()
    sums = sums[sums["m"] > 0]
    return float((sums["gain"] / np.minimum(sums["m"], DEPTH)).mean())


def cpu_seconds(call: Callable[[], float], repeats: int) -> tuple[float, float]:
    """Return the median CPU time of `call` and its value."""
    times, value = [], 0.0
    for _ in range(repeats):
        start = time.process_time()
        value = call()
        times.append(time.process_time() - start)
    return statistics.median(times), value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--shuffle", action="store_true")
    arguments = parser.parse_args()
    frame = make_rows(arguments.rows, arguments.shuffle)
    users, items, relevant, scores = (frame[name].to_numpy() for name in ("user", "item", "relevant", "score"))
    prepared = prepare_ranking_rows(users, items, relevant, 1)
    timed = {
        "pandas": cpu_seconds(lambda: pandas_map(frame), arguments.repeats),
        "mlife prepare + rank": cpu_seconds(
            lambda: rank_rows(prepare_ranking_rows(users, items, relevant, 1), scores, DEPTH).mean, arguments.repeats
        ),
        "mlife rank": cpu_seconds(lambda: rank_rows(prepared, scores, DEPTH).mean, arguments.repeats),
    }
    base, expected = timed["pandas"]
    print(f"{len(frame):,} rows, {len(prepared.starts):,} users, shuffled: {arguments.shuffle}")
    for name, (seconds, value) in timed.items():
        if abs(value - expected) > 1e-12:
            raise SystemExit(f"{name} gives {value!r}, pandas {expected!r}")
        speed = len(frame) / seconds / 1e6
        print(
            f"{name:22s} {seconds:7.3f} s CPU {speed:7.2f} M rows/s  {base / seconds:6.1f} x pandas  MAP {value:.12f}"
        )


if __name__ == "__main__":
    main()
