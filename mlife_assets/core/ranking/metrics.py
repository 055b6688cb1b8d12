"""Ranking quality of each user: average precision, NDCG and recall at depth k.

Concept: m of the n rows of a group are relevant, and hits are the relevant rows among the first k.
AP@k = sum over hits of precision(rank), divided by min(m, k). NDCG@k = sum over hits of 1 / log2(rank + 1), divided by
the same sum of a perfect ranking. Recall@k = hits / m. Groups with m = 0 have none of the three; they are left out and
counted. Equal scores are ordered by a seeded hash of user and item, so a constant score gets the value of a random
ranking. A group is one user, or one (user, window); a user seen in several windows counts once, with the mean of its
windows. Sums run by user, window and rank, so the order of the input changes no bit.

The floor that every ranker is compared with is a uniformly random order, in closed form: each rank is relevant with
probability m / n, and two ranks with probability m (m - 1) / (n (n - 1)). Sums over ranks 1..K, K = min(depth, n),
follow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.ranking.kernels import compiled, group_metrics, read_only
from mlife_assets.core.ranking.rows import RankingRows


@dataclass(frozen=True)
class RankingResult:
    """Metrics per user, users with at least one relevant item only, in ascending order of user.

    Each metric of a user is the mean over its windows that have a relevant row.

    Attributes:
        users: ids of shape (u,).
        average_precision: AP@depth of each user, float64 of shape (u,).
        random_expectation: AP@depth that a random ranking of the same rows gets on average, float64 of shape (u,).
        positives: relevant rows of each user over its windows, int64 of shape (u,).
        users_total: users in the rows.
        depth: k.
        ndcg: NDCG@depth of each user, float64 of shape (u,).
        recall: recall@depth of each user, float64 of shape (u,).
    """

    users: np.ndarray
    average_precision: np.ndarray
    random_expectation: np.ndarray
    positives: np.ndarray
    users_total: int
    depth: int
    ndcg: np.ndarray
    recall: np.ndarray

    @property
    def mean(self) -> float:
        """MAP@depth over the users with positives."""
        return mean_average_precision(self.average_precision)

    @property
    def random_mean(self) -> float:
        """MAP@depth that a random ranking of the same rows gets on average."""
        return mean_average_precision(self.random_expectation)

    @property
    def mean_ndcg(self) -> float:
        """NDCG@depth over the users with positives."""
        return mean_over_users(self.ndcg, "NDCG")

    @property
    def mean_recall(self) -> float:
        """Recall@depth over the users with positives."""
        return mean_over_users(self.recall, "recall")


def rank_rows(rows: RankingRows, scores: np.ndarray, depth: int) -> RankingResult:
    """Return the metrics at `depth` of each user of `rows` for `scores` of shape (n,) in the input order.

    Higher scores come first.

    Raises:
        InvalidInputError: `scores` has another length or holds NaN (names the row), or `depth` is below 1.
    """
    if depth < 1:
        raise InvalidInputError(f"depth is {depth}; use 1 or more")
    values = np.ascontiguousarray(scores, dtype=np.float64)
    if values.shape != rows.keys.shape:
        raise InvalidInputError(f"{values.shape} scores for {rows.keys.shape} rows; pass one score per row")
    if len(values) and np.isnan(np.min(values)):
        missing = np.flatnonzero(np.isnan(values))
        raise InvalidInputError(f"score is NaN in row {int(missing[0])} ({len(missing)} in all); score every row")
    groups = rows.groups
    ranks = min(depth, int(groups.sizes.max(initial=0)))
    kept = rows.positives > 0
    metrics = compiled(group_metrics)(
        (groups.arrangement, groups.starts, groups.sizes),
        rows.positives,
        rows.positive_rows,
        rows.keys,
        read_only(groups.staged(values)),
        depth,
        discounts(ranks),
        np.concatenate([[0.0], np.cumsum(discounts(ranks))]),  # of 0, 1, ... relevant rows that come first
    )
    sizes, positives, owners = groups.sizes[kept], rows.positives[kept], groups.group_users[kept]
    first = np.flatnonzero(np.diff(owners, prepend=-1))
    windows = np.diff(first, append=len(owners))

    def by_user(values_of_groups: np.ndarray) -> np.ndarray:
        if len(first) == len(owners):
            return values_of_groups
        return np.asarray(np.add.reduceat(values_of_groups, first) / windows)

    return RankingResult(
        users=groups.users[owners[first]],
        average_precision=by_user(metrics[0]),
        random_expectation=by_user(random_ranking_expectation(sizes, positives, depth)),
        positives=positives if len(first) == len(owners) else np.add.reduceat(positives, first),
        users_total=len(groups.users),
        depth=depth,
        ndcg=by_user(metrics[1]),
        recall=by_user(metrics[2]),
    )


def mean_average_precision(average_precision: np.ndarray) -> float:
    """Return the mean of AP over users, summed in the order given.

    Raises:
        NotEnoughEvidenceError: no user has a relevant item.
    """
    return mean_over_users(average_precision, "average precision")


def mean_over_users(values: np.ndarray, metric: str) -> float:
    """Return the mean of a `metric` over users, summed in the order given.

    Raises:
        NotEnoughEvidenceError: no user has a relevant item.
    """
    if len(values) == 0:
        raise NotEnoughEvidenceError(f"0 users with positives, at least 1 needed for a mean {metric}")
    return float(np.sum(values) / len(values))


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
    if depth < 1:
        raise InvalidInputError(f"depth is {depth}; use 1 or more")
    n, m = np.atleast_1d(np.asarray(candidates, dtype=np.int64)), np.atleast_1d(np.asarray(positives, dtype=np.int64))
    wrong = np.flatnonzero((m < 1) | (m > n))
    if len(wrong):
        group = int(wrong[0])
        raise InvalidInputError(f"group {group} has {m[group]} positives of {n[group]}; pass 1 to n positives")
    ranks = np.minimum(n, depth)
    harmonic = np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, int(ranks.max(initial=0)) + 1))])[ranks]
    others = (m - 1) / np.maximum(n - 1, 1)
    return np.asarray(m / n * (harmonic + others * (ranks - harmonic)) / np.minimum(m, depth))


def discounts(depth: int) -> np.ndarray:
    """Return 1 / log2(rank + 1) of the ranks 1..`depth` (Järvelin and Kekäläinen 2002), shape (depth,)."""
    return np.array([1.0 / math.log2(rank + 1) for rank in range(1, depth + 1)])
