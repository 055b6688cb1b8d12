"""Ranking quality: average precision at depth k, its mean, and what a random ranking would get.

Belongs here: metrics of an order of items per user. Does not belong here: intervals (`core.statistics`), which rows
and which cohort (`core.training.evaluate`), whether the result is good enough (`core.training.gate`).

Concept: AP@k = sum over the first k ranks of precision(i) x relevant(i), divided by min(m, k), with m the relevant
items of the group. Groups with m = 0 have no AP; they are left out and counted. Equal scores are ordered by a seeded
hash, so a constant score gets the value of a random ranking. A group is one user, or one (user, window); a user seen
in several windows counts once, with the mean of its windows. Rows are brought into one order (user, window, tie key)
before anything is summed, so the order of the input changes no bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.row_keys import EncodedIds, IdColumn, encode_ids, encoded_tie_keys, tie_keys

__all__ = [
    "RankingResult",
    "RankingRows",
    "average_precision_by_user",
    "mean_average_precision",
    "prepare_ranking_rows",
    "random_ranking_expectation",
    "rank_rows",
    "tie_keys",
]

_CELLS_PER_BLOCK = 1 << 20
_SMALLEST_WIDTH = 8


@dataclass(frozen=True)
class RankingRows:
    """n rows in the order (user, window, tie key), ready to be ranked by any number of scores.

    Attributes:
        users: distinct user ids, ascending, shape (u,).
        group_users: position in `users` of each of g groups, ascending, int64.
        starts: first row of each group in the sorted order, int64 of shape (g,).
        sizes: rows of each group, int64 of shape (g,).
        positives: relevant rows of each group, int64 of shape (g,).
        order: input row of each sorted row, int64 of shape (n,).
        relevant: relevance in the sorted order, bool of shape (n,).
    """

    users: np.ndarray
    group_users: np.ndarray
    starts: np.ndarray
    sizes: np.ndarray
    positives: np.ndarray
    order: np.ndarray
    relevant: np.ndarray


@dataclass(frozen=True)
class RankingResult:
    """Average precision per user, users with at least one relevant item only, in ascending order of user.

    Attributes:
        users: ids of shape (u,).
        average_precision: AP@depth of each user (mean of its windows that have a positive), float64 of shape (u,).
        random_expectation: what a random ranking of the same rows gets on average, float64 of shape (u,).
        positives: relevant rows of each user over its windows, int64 of shape (u,).
        users_total: users in the rows.
        users_without_positives: users that are left out because they have no relevant row.
        depth: k.
    """

    users: np.ndarray
    average_precision: np.ndarray
    random_expectation: np.ndarray
    positives: np.ndarray
    users_total: int
    users_without_positives: int
    depth: int

    @property
    def mean(self) -> float:
        """MAP@depth over the users with positives."""
        return mean_average_precision(self.average_precision)

    @property
    def random_mean(self) -> float:
        """MAP@depth that a random ranking of the same rows gets on average."""
        return mean_average_precision(self.random_expectation)

    @property
    def share_without_positives(self) -> float:
        """Share of users that are left out because they have no relevant row."""
        return self.users_without_positives / self.users_total if self.users_total else 0.0


def prepare_ranking_rows(
    user_ids: IdColumn, item_ids: IdColumn, relevant: np.ndarray, seed: int, windows: IdColumn | None = None
) -> RankingRows:
    """Group n rows by user (and by `windows`, when given) with ties ordered by the seeded hash of user and item.

    Raises:
        InvalidInputError: columns differ in length, an id is missing, relevance is not boolean, or a (user, item) pair
            occurs twice in one window; names the row.
    """
    users, items = encode_ids(user_ids, "user_id"), encode_ids(item_ids, "item_id")
    if len(users.codes) != len(items.codes):
        raise InvalidInputError(
            f"{len(users.codes)} user ids but {len(items.codes)} item ids; pass one of each per row"
        )
    window = None if windows is None else encode_ids(windows, "window")
    return _prepare(users, window, relevant, encoded_tie_keys(users, items, seed))


def average_precision_by_user(
    user_ids: IdColumn, relevant: np.ndarray, scores: np.ndarray, tie_keys: np.ndarray, depth: int
) -> RankingResult:
    """Return AP@`depth` of each user for one score of n rows; higher scores come first.

    Raises:
        InvalidInputError: columns differ in length, a score is NaN, or two rows of one user share a tie key, which
            means that their item is the same; names the row.
    """
    keys = np.asarray(tie_keys)
    if keys.dtype != np.uint64:
        raise InvalidInputError(f"tie_keys holds {keys.dtype}; pass the uint64 keys of row_keys.tie_keys")
    return rank_rows(_prepare(encode_ids(user_ids, "user_id"), None, relevant, keys), scores, depth)


def rank_rows(rows: RankingRows, scores: np.ndarray, depth: int) -> RankingResult:
    """Return AP@`depth` of each user of `rows` for `scores` of shape (n,) in the input order; higher comes first.

    Raises:
        InvalidInputError: `scores` has another length or holds NaN (names the row), or `depth` is below 1.
    """
    if depth < 1:
        raise InvalidInputError(f"depth is {depth}; use 1 or more")
    values = np.asarray(scores, dtype=np.float64)
    if values.shape != rows.order.shape:
        raise InvalidInputError(f"{values.shape} scores for {rows.order.shape} rows; pass one score per row")
    missing = np.flatnonzero(np.isnan(values))
    if len(missing):
        raise InvalidInputError(f"score is NaN in row {int(missing[0])} ({len(missing)} in all); score every row")
    kept = rows.positives > 0
    precision = _group_average_precision(rows, values[rows.order], depth, np.flatnonzero(kept))
    expectation = random_ranking_expectation(rows.sizes[kept], rows.positives[kept], depth)
    owners = rows.group_users[kept]
    first = np.flatnonzero(np.diff(owners, prepend=-1))
    windows = np.diff(first, append=len(owners))
    return RankingResult(
        users=rows.users[owners[first]],
        average_precision=_sum_by_start(precision, first) / windows,
        random_expectation=_sum_by_start(expectation, first) / windows,
        positives=_sum_by_start(rows.positives[kept], first),
        users_total=len(rows.users),
        users_without_positives=len(rows.users) - len(first),
        depth=depth,
    )


def mean_average_precision(average_precision: np.ndarray) -> float:
    """Return the mean of AP over users, summed in the order given.

    Raises:
        NotEnoughEvidenceError: no user has a relevant item.
    """
    if len(average_precision) == 0:
        raise NotEnoughEvidenceError("0 users with positives, at least 1 needed for a mean average precision")
    return float(np.sum(average_precision) / len(average_precision))


def random_ranking_expectation(candidates: np.ndarray, positives: np.ndarray, depth: int) -> np.ndarray:
    """Return the expected AP@`depth` of a uniformly random order of `candidates` rows, `positives` of them relevant.

    With K = min(depth, n) and H_K the harmonic number, E = m / (n min(m, depth)) (H_K + (m-1)/(n-1) (K - H_K)).

    Args:
        candidates: n of each group, integers >= 1.
        positives: m of each group, 1 <= m <= n.
        depth: k.

    Raises:
        InvalidInputError: a group has m < 1 or m > n; names the group.
    """
    n, m = np.atleast_1d(np.asarray(candidates, dtype=np.int64)), np.atleast_1d(np.asarray(positives, dtype=np.int64))
    wrong = np.flatnonzero((m < 1) | (m > n))
    if len(wrong):
        group = int(wrong[0])
        raise InvalidInputError(f"group {group} has {m[group]} positives of {n[group]}; pass 1 to n positives")
    ranks = np.minimum(n, depth)
    harmonic = np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, depth + 1))])[ranks]
    others = (m - 1) / np.maximum(n - 1, 1)
    return np.asarray(m / n * (harmonic + others * (ranks - harmonic)) / np.minimum(m, depth))


def _prepare(users: EncodedIds, windows: EncodedIds | None, relevant: np.ndarray, keys: np.ndarray) -> RankingRows:
    groups, window_count = users.codes, 1
    if windows is not None:
        _same_length(len(groups), len(windows.codes), "windows")
        window_count = max(1, len(windows.ids))
        groups = groups * window_count + windows.codes
    flags = np.asarray(relevant)
    _same_length(len(groups), len(flags), "relevance values")
    _same_length(len(groups), len(keys), "tie keys")
    order = _order_by_group_and_key(groups, keys)
    sorted_groups, sorted_keys = groups[order], keys[order]
    twice = np.flatnonzero((sorted_groups[1:] == sorted_groups[:-1]) & (sorted_keys[1:] == sorted_keys[:-1]))
    if len(twice):
        pair = sorted((int(order[twice[0]]), int(order[twice[0] + 1])))
        user = users.ids[users.codes[pair[0]]]
        raise InvalidInputError(
            f"user_id {user!r} has the same item in rows {pair[0]} and {pair[1]} ({len(twice)} repeats in all); "
            "pass each (user, item) once"
        )
    starts = np.flatnonzero(np.diff(sorted_groups, prepend=-1))
    sorted_relevant = _as_flags(flags)[order]
    return RankingRows(
        users=users.ids,
        group_users=sorted_groups[starts] // window_count,
        starts=starts,
        sizes=np.diff(starts, append=len(order)),
        positives=_sum_by_start(sorted_relevant.astype(np.int64), starts),
        order=order,
        relevant=sorted_relevant,
    )


def _order_by_group_and_key(groups: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Order as `np.lexsort((keys, groups))`: one sort of group bits above leading key bits, while those differ."""
    group_bits = int(groups.max(initial=0)).bit_length()
    packed = (groups.astype(np.uint64) << np.uint64(63 - group_bits)) | (keys >> np.uint64(1 + group_bits))
    order = np.argsort(packed)
    ordered = packed[order]
    return np.lexsort((keys, groups)) if np.any(ordered[1:] <= ordered[:-1]) else order


def _same_length(expected: int, found: int, what: str) -> None:
    if expected != found:
        raise InvalidInputError(f"{found} {what} for {expected} rows; pass one per row")


def _as_flags(relevant: np.ndarray) -> np.ndarray:
    if relevant.dtype == np.bool_:
        return relevant
    wrong = np.flatnonzero(~np.isin(relevant, (0, 1)))
    if len(wrong):
        row = int(wrong[0])
        raise InvalidInputError(f"relevance is {relevant[row]!r} in row {row}; use true or false")
    return relevant.astype(np.bool_)


def _sum_by_start(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    return np.add.reduceat(values, starts) if len(starts) else values[:0]


def _group_average_precision(rows: RankingRows, scores: np.ndarray, depth: int, kept: np.ndarray) -> np.ndarray:
    """AP of the groups `kept`, as blocks of a padded matrix: one row per group, groups of a like size together."""
    result = np.empty(len(kept))
    sizes = rows.sizes[kept]
    widths = np.maximum(_SMALLEST_WIDTH, -(-sizes // _SMALLEST_WIDTH) * _SMALLEST_WIDTH)
    large = widths > 8 * _SMALLEST_WIDTH
    widths[large] = 2 ** np.ceil(np.log2(widths[large])).astype(np.int64)
    for width in np.unique(widths):
        members = np.flatnonzero(widths == width)
        step = max(1, _CELLS_PER_BLOCK // int(width))
        for begin in range(0, len(members), step):
            block = members[begin : begin + step]
            result[block] = _block_average_precision(rows, scores, depth, kept[block], int(width))
    return result


def _block_average_precision(
    rows: RankingRows, scores: np.ndarray, depth: int, groups: np.ndarray, width: int
) -> np.ndarray:
    columns = np.arange(width)
    cells = rows.starts[groups][:, None] + columns
    inside = columns < rows.sizes[groups][:, None]
    np.minimum(cells, len(scores) - 1, out=cells)
    descending = np.where(inside, -scores[cells], np.inf)
    ranked = np.argsort(descending, axis=1, kind="stable")[:, :depth]
    hits = np.take_along_axis(rows.relevant[cells] & inside, ranked, axis=1)
    precision = np.cumsum(hits, axis=1) / np.arange(1, ranked.shape[1] + 1)
    total = np.add.reduce(np.where(hits, precision, 0.0), axis=1)
    return np.asarray(total / np.minimum(rows.positives[groups], depth))
