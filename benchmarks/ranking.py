"""MAP@10 of 10 M rows: mlife against vectorised pandas, on the same rows and with the same result.

Run: python benchmarks/ranking.py [--rows 10000000] [--repeats 3] [--ids integers categories strings]
     [--orders grouped shuffled]

Prints the CPU time (median of the repeats), rows per second and the ratio to pandas, for each kind of id and each order
of rows. What each side does:

- pandas sorts by user and score, takes cumulative counts and sums per user, and returns MAP@10 alone. Equal scores keep
  the order of rows. `pandas by score` sorts by score alone and groups by user after. The ratio is to the faster one.
- mlife `prepare + rank` reads the ids, groups the rows, hashes user and item into tie keys, refuses repeated pairs, and
  returns AP, NDCG and recall at 10 of each user beside what a random ranking gets. `rank` is the same for rows that are
  prepared already, as for every further ranker of one evaluation.

Both get ids in the same form: int64, a pandas Categorical (its codes and categories go to mlife as an Arrow
dictionary, within the time), or Python strings in a column of objects. Compiling and loading the kernels is done
before, and printed as the first call.

Claimed for integer ids and 10 M rows or more: `prepare + rank` is 20 times as fast as pandas on grouped rows, 6 times
on shuffled ones. Exits with an error when that does not hold; fewer rows and other ids are printed only.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from mlife_assets.core.ranking.metrics import RankingResult, rank_rows
from mlife_assets.core.ranking.rows import prepare_ranking_rows

DEPTH = 10
MEAN_CANDIDATES = 10
CLAIMED_FROM_ROWS = 10_000_000
CLAIMED_RATIOS = {"grouped": 20.0, "shuffled": 6.0}
WHOLE = "mlife prepare + rank"


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


def with_ids(frame: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Return `frame` with users and items as integers, categories or strings."""
    if kind == "integers":
        return frame
    made = frame.copy()
    for column, name in (("user", "user_{:08d}"), ("item", "job_{:06d}")):
        names = np.array([name.format(i) for i in range(int(frame[column].max()) + 1)], dtype=object)
        if kind == "categories":
            made[column] = pd.Categorical.from_codes(frame[column].to_numpy(), categories=names)
        else:
            made[column] = names[frame[column].to_numpy()]
    return made


def id_column(column: pd.Series) -> Any:
    """Return the ids of a column as mlife takes them."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        categories = pa.array(column.cat.categories, pa.string())
        return pa.DictionaryArray.from_arrays(pa.array(column.cat.codes.to_numpy()), categories)
    return column.to_numpy()


def pandas_by_user_and_score(frame: pd.DataFrame) -> float:
    """MAP@10 without a Python loop: sort by user and score, cumulative counts, group sums."""
    return _pandas_map(frame.sort_values(["user", "score"], ascending=[True, False], kind="stable"))


def pandas_by_score(frame: pd.DataFrame) -> float:
    """MAP@10 without a Python loop: sort by score, cumulative counts, group sums."""
    return _pandas_map(frame.sort_values("score", ascending=False, kind="stable"))


def _pandas_map(ordered: pd.DataFrame) -> float:
    rank = ordered.groupby("user", sort=False, observed=True).cumcount() + 1
    relevant = ordered["relevant"].astype("int64")
    hits = relevant.groupby(ordered["user"], sort=False, observed=True).cumsum()
    gain = np.where((relevant > 0) & (rank <= DEPTH), hits / rank, 0.0)
    parts = pd.DataFrame({"user": ordered["user"].array, "gain": gain, "m": relevant.to_numpy()})
    sums = parts.groupby("user", sort=False, observed=True).sum()
    sums = sums[sums["m"] > 0]
    return float((sums["gain"] / np.minimum(sums["m"], DEPTH)).mean())


def mlife_result(frame: pd.DataFrame) -> RankingResult:
    rows = prepare_ranking_rows(id_column(frame["user"]), id_column(frame["item"]), frame["relevant"].to_numpy(), 1)
    return rank_rows(rows, frame["score"].to_numpy(), DEPTH)


def cpu_seconds(call: Callable[[], float], repeats: int) -> tuple[float, float]:
    """Return the median CPU time of `call` and its value."""
    times, value = [], 0.0
    for _ in range(repeats):
        start = time.process_time()
        value = call()
        times.append(time.process_time() - start)
    return statistics.median(times), value


def compare(frame: pd.DataFrame, title: str, repeats: int) -> float:
    """Print one table and return how many times faster than pandas all of mlife is; stop where the values differ."""
    prepared = prepare_ranking_rows(id_column(frame["user"]), id_column(frame["item"]), frame["relevant"].to_numpy(), 1)
    scores = frame["score"].to_numpy()
    timed = {
        "pandas by user and score": cpu_seconds(lambda: pandas_by_user_and_score(frame), repeats),
        "pandas by score": cpu_seconds(lambda: pandas_by_score(frame), repeats),
        WHOLE: cpu_seconds(lambda: mlife_result(frame).mean, repeats),
        "mlife rank": cpu_seconds(lambda: rank_rows(prepared, scores, DEPTH).mean, repeats),
    }
    base = min(seconds for name, (seconds, _) in timed.items() if name.startswith("pandas"))
    expected = timed["pandas by user and score"][1]
    print(f"\n{title}: {len(frame):,} rows, {len(prepared.groups.users):,} users")
    for name, (seconds, value) in timed.items():
        if abs(value - expected) > 1e-12:
            raise SystemExit(f"{name} gives {value!r}, pandas {expected!r}")
        print(
            f"{name:25s} {seconds:7.3f} s CPU {len(frame) / seconds / 1e6:7.2f} M rows/s "
            f"{base / seconds:6.1f} x pandas  MAP@{DEPTH} {value:.12f}",
            flush=True,
        )
    return base / timed[WHOLE][0]


def is_claim_broken(kind: str, order: str, rows: int, ratio: float) -> bool:
    """Return whether a measured ratio to pandas contradicts what is claimed; elsewhere nothing is claimed."""
    return kind == "integers" and rows >= CLAIMED_FROM_ROWS and ratio < CLAIMED_RATIOS[order]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--ids", nargs="+", choices=("integers", "categories", "strings"), default=["integers"])
    parser.add_argument("--orders", nargs="+", choices=("grouped", "shuffled"), default=["grouped", "shuffled"])
    arguments = parser.parse_args()
    start = time.perf_counter()
    for is_shuffled in (False, True):
        mlife_result(make_rows(1_000, is_shuffled))
    print(f"first call (imports numba, compiles or loads the kernels): {time.perf_counter() - start:.2f} s")
    broken = []
    for kind in arguments.ids:
        for order in arguments.orders:
            frame = with_ids(make_rows(arguments.rows, order == "shuffled"), kind)
            ratio = compare(frame, f"{kind}, {order}", arguments.repeats)
            if is_claim_broken(kind, order, arguments.rows, ratio):
                broken.append(f"{order} rows {ratio:.1f} x pandas, claimed {CLAIMED_RATIOS[order]:g}")
    if broken:
        raise SystemExit(f"claims that do not hold: {'; '.join(broken)}")


if __name__ == "__main__":
    main()
