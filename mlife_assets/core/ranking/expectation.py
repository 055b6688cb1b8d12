"""What a ranking that knows nothing gets on average: the floor that every ranker is compared with.

Belongs here: expected metrics of a uniformly random order, in closed form. Does not belong here: metrics of an order
(`metrics`).

Concept: in a random order of n rows, m of them relevant, each rank is relevant with probability m / n, and two ranks
with probability m (m - 1) / (n (n - 1)). Sums over ranks 1..K, K = min(depth, n), follow.
"""

from __future__ import annotations

import math

import numpy as np

from mlife_assets.core.errors import InvalidInputError


def random_ranking_expectation(candidates: np.ndarray, positives: np.ndarray, depth: int) -> np.ndarray:
    """Return the expected AP@`depth` of a uniformly random order of `candidates` rows, `positives` of them relevant.

    With K = min(depth, n) and H_K the harmonic number, E = m / (n min(m, depth)) (H_K + (m-1)/(n-1) (K - H_K)).

    Args:
        candidates: n of each group, integers >= 1.
        positives: m of each group, 1 <= m <= n.
        depth: k.

    Raises:
        InvalidInputError: `depth` is below 1, or a group has m < 1 or m > n; names the group.
    """
    n, m = _checked(candidates, positives, depth)
    ranks = np.minimum(n, depth)
    harmonic = _sums(1.0 / np.arange(1, int(ranks.max(initial=0)) + 1))[ranks]
    others = (m - 1) / np.maximum(n - 1, 1)
    return np.asarray(m / n * (harmonic + others * (ranks - harmonic)) / np.minimum(m, depth))


def random_ndcg_expectation(candidates: np.ndarray, positives: np.ndarray, depth: int) -> np.ndarray:
    """Return the expected NDCG@`depth` of a random order: (m / n) D_K / D_min(m, depth), D_i = sum of discounts.

    Arguments and errors are those of `random_ranking_expectation`.
    """
    n, m = _checked(candidates, positives, depth)
    ideals = ideal_gains(min(depth, int(n.max(initial=0))))
    return np.asarray(m / n * ideals[np.minimum(n, depth)] / ideals[np.minimum(m, depth)])


def random_recall_expectation(candidates: np.ndarray, positives: np.ndarray, depth: int) -> np.ndarray:
    """Return the expected recall@`depth` of a random order: min(depth, n) / n.

    Arguments and errors are those of `random_ranking_expectation`.
    """
    n, _ = _checked(candidates, positives, depth)
    return np.asarray(np.minimum(n, depth) / n)


def discounts(depth: int) -> np.ndarray:
    """Return 1 / log2(rank + 1) of the ranks 1..`depth` (Järvelin and Kekäläinen 2002), shape (depth,)."""
    return np.array([1.0 / math.log2(rank + 1) for rank in range(1, depth + 1)])


def ideal_gains(depth: int) -> np.ndarray:
    """Return the DCG of h relevant rows at the ranks 1..h, for h = 0..`depth`, shape (depth + 1,)."""
    return _sums(discounts(depth))


def _sums(values: np.ndarray) -> np.ndarray:
    return np.concatenate([[0.0], np.cumsum(values)])


def _checked(candidates: np.ndarray, positives: np.ndarray, depth: int) -> tuple[np.ndarray, np.ndarray]:
    if depth < 1:
        raise InvalidInputError(f"depth is {depth}; use 1 or more")
    n, m = np.atleast_1d(np.asarray(candidates, dtype=np.int64)), np.atleast_1d(np.asarray(positives, dtype=np.int64))
    wrong = np.flatnonzero((m < 1) | (m > n))
    if len(wrong):
        group = int(wrong[0])
        raise InvalidInputError(f"group {group} has {m[group]} positives of {n[group]}; pass 1 to n positives")
    return n, m
