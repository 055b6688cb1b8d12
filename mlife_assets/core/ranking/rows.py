"""Rows to rank, in contiguous groups, one per (user, window), each with its tie key.

Concept: an item may occur once in a group. Two rows of one group that share a tie key are the same item, since the key
is a bijection of the hash of the item; they are found in a hash table of the group.

Groups are ordered by user, then window. Where every group is one run of the input, as in a table in order of users, the
rows stay where they are. Otherwise an arrangement lists the rows group by group; it is found by counting. Rows that are
mixed well are first staged: moved into a few hundred buckets of neighbouring groups, which the processor does with
orderly writes. Later steps stay within a bucket, which fits the cache. A single pass would miss the cache on every row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.quoting import quoted
from mlife_assets.core.ranking.kernels import (
    arranged_tie_keys,
    compiled,
    counting_order,
    counting_positions,
    expand_runs,
    positives_and_repeats,
    read_only,
)
from mlife_assets.core.row_keys import IdColumn, IdValues, encode_ids, read_ids, tie_keys, user_hashes

_BUCKET_BITS = 8
_STAGED_FROM_ROWS = 1 << 16
_NO_ROWS = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class RowGroups:
    """n rows in g groups. An arranged row is a position in which each group is contiguous.

    Attributes:
        users: distinct user ids, ascending, shape (u,).
        group_users: position in `users` of each group, ascending, int64 of shape (g,).
        starts: first arranged row of each group, int64 of shape (g,).
        sizes: rows of each group, int64 of shape (g,).
        arrangement: staged row of each arranged row, int64 of shape (n,); empty where that is the same row.
        slots: staged row of each input row, int64 of shape (n,); empty where that is the same row.
    """

    users: np.ndarray
    group_users: np.ndarray
    starts: np.ndarray
    sizes: np.ndarray
    arrangement: np.ndarray
    slots: np.ndarray

    def staged(self, column: np.ndarray) -> np.ndarray:
        """Return an input column of shape (n,) by staged row."""
        return _staged(column, self.slots)

    def arranged(self, column: np.ndarray) -> np.ndarray:
        """Return an input column of shape (n,) by arranged row."""
        column = self.staged(column)
        return column[self.arrangement] if len(self.arrangement) else column


def group_rows(users: IdValues, windows: IdValues | None) -> RowGroups:
    """Return the groups of n rows by user, and by window where windows are given.

    Raises:
        InvalidInputError: windows differ in number from users.
    """
    rows = len(users.values)
    is_start = np.ones(rows, dtype=np.bool_)
    np.not_equal(users.values[1:], users.values[:-1], out=is_start[1:])
    if windows is not None:
        if len(windows.values) != rows:
            raise InvalidInputError(f"{len(windows.values)} windows for {rows} rows; pass one per row")
        is_start[1:] |= windows.values[1:] != windows.values[:-1]
    runs = np.flatnonzero(is_start) if 2 * np.count_nonzero(is_start) < rows else None
    owners = users.encode(runs)
    codes, group_users = owners.codes, np.arange(len(owners.ids))
    if windows is not None:
        window = windows.encode(runs)
        width = max(1, len(window.ids))
        pairs = encode_ids(codes * width + window.codes)
        codes, group_users = pairs.codes, pairs.ids // width
    if runs is None:
        slots = _stage(codes, len(group_users))
        arrangement, sizes = _counting_order(_staged(codes, slots), len(group_users))
        return RowGroups(owners.ids, group_users, np.cumsum(sizes) - sizes, sizes, arrangement, slots)
    lengths = np.diff(runs, append=rows)
    if len(runs) == len(group_users):
        starts, sizes = np.empty_like(group_users), np.empty_like(group_users)
        starts[codes], sizes[codes] = runs, lengths
        return RowGroups(owners.ids, group_users, starts, sizes, _NO_ROWS, _NO_ROWS)
    order, counts = _counting_order(codes, len(group_users))
    sizes = np.add.reduceat(lengths[order], np.cumsum(counts) - counts)
    arrangement = np.empty(rows, dtype=np.int64)
    compiled(expand_runs)(runs[order], lengths[order], arrangement)
    return RowGroups(owners.ids, group_users, np.cumsum(sizes) - sizes, sizes, arrangement, _NO_ROWS)


def _stage(codes: np.ndarray, distinct: int) -> np.ndarray:
    """Return the position of each row in the stable order of the leading bits of `codes`; empty for few rows."""
    if len(codes) < _STAGED_FROM_ROWS:
        return _NO_ROWS
    buckets = codes >> max(0, (distinct - 1).bit_length() - _BUCKET_BITS)
    counts = np.bincount(buckets)
    slots = np.empty(len(codes), dtype=np.int64)
    compiled(counting_positions)(buckets, np.cumsum(counts) - counts, slots)
    return slots


def _staged(column: np.ndarray, slots: np.ndarray) -> np.ndarray:
    if not len(slots):
        return column
    staged = np.empty_like(column)
    staged[slots] = column
    return staged


def _counting_order(codes: np.ndarray, distinct: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the stable ascending order of `codes` in 0..distinct-1, and how often each occurs."""
    counts = np.bincount(codes, minlength=distinct)
    order = np.empty(len(codes), dtype=np.int64)
    compiled(counting_order)(codes, np.cumsum(counts) - counts, order)
    return order, counts


@dataclass(frozen=True)
class RankingRows:
    """n rows in g groups, one per (user, window), ready to be ranked by any number of scores.

    Attributes:
        groups: where the rows of each group are.
        positives: relevant rows of each group, int64 of shape (g,).
        positive_rows: arranged rows that are relevant, group by group, int64.
        keys: tie key of each arranged row, uint64 of shape (n,).
    """

    groups: RowGroups
    positives: np.ndarray
    positive_rows: np.ndarray
    keys: np.ndarray

    @property
    def order(self) -> np.ndarray:
        """Input row of each arranged row, int64 of shape (n,)."""
        return self.groups.arranged(np.arange(len(self.keys)))


def prepare_ranking_rows(
    user_ids: IdColumn, item_ids: IdColumn, relevant: np.ndarray, seed: int, windows: IdColumn | None = None
) -> RankingRows:
    """Group n rows by user (and by `windows`, when given) with ties ordered by the seeded hash of user and item.

    Raises:
        InvalidInputError: columns differ in length, an id is missing, relevance is not boolean, or a (user, item) pair
            occurs twice in one window; names the row.
    """
    users, items = read_ids(user_ids, "user_ids"), read_ids(item_ids, "item_ids")
    if len(users.values) != len(items.values):
        raise InvalidInputError(
            f"{len(users.values)} user ids but {len(items.values)} item ids; pass one of each per row"
        )
    groups = group_rows(users, None if windows is None else read_ids(windows, "window"))
    keys = np.empty(len(items.values), dtype=np.uint64)
    compiled(arranged_tie_keys)(
        groups.arrangement,
        groups.starts,
        groups.sizes,
        user_hashes(groups.users, seed)[groups.group_users],
        read_only(groups.staged(items.values.view(np.uint64))),
        items.name_hashes(),
        keys,
    )
    return _ready(groups, keys, relevant)


def _ready(groups: RowGroups, keys: np.ndarray, relevant: np.ndarray) -> RankingRows:
    is_relevant = _as_flags(np.asarray(relevant), len(keys))
    positives = np.empty_like(groups.sizes)
    positive_rows = np.empty(np.count_nonzero(is_relevant), dtype=np.int64)
    repeats = np.zeros(3, dtype=np.int64)
    compiled(positives_and_repeats)(
        groups.arrangement,
        groups.starts,
        groups.sizes,
        keys,
        read_only(groups.staged(is_relevant)),
        positives,
        positive_rows,
        repeats,
    )
    rows = RankingRows(groups, positives, positive_rows, keys)
    if repeats[0]:
        one, two = sorted(int(row) for row in rows.order[repeats[1:]])
        group = np.flatnonzero((groups.starts <= repeats[1]) & (repeats[1] < groups.starts + groups.sizes))[0]
        raise InvalidInputError(
            f"user {quoted(groups.users[groups.group_users[group]])} has the same item in rows {one} and {two} "
            f"({int(repeats[0])} repeats in all); pass each (user, item) once"
        )
    return rows


def _as_flags(relevant: np.ndarray, rows: int) -> np.ndarray:
    if len(relevant) != rows:
        raise InvalidInputError(f"{len(relevant)} relevance values for {rows} rows; pass one per row")
    if relevant.dtype == np.bool_:
        return np.ascontiguousarray(relevant)
    wrong = np.flatnonzero(~np.isin(relevant, (0, 1)))
    if len(wrong):
        row = int(wrong[0])
        raise InvalidInputError(f"relevance is {quoted(relevant[row])} in row {row}; use true or false")
    return relevant.astype(np.bool_)


def places_by_score(
    user_ids: pa.ChunkedArray, item_ids: pa.ChunkedArray, scores: npt.NDArray[np.float64], seed: int
) -> npt.NDArray[np.int64]:
    """Return the place of each of n rows among the rows of its user, int64 (n,): 1 has the highest score.

    Args:
        user_ids, item_ids: strings, shape (n,); one row per (user, item).
        scores: shape (n,).
        seed: of the keys that order equal scores.
    """
    places = np.empty(len(scores), dtype=np.int64)
    if len(scores) == 0:
        return places
    users = np.asarray(user_ids.combine_chunks().dictionary_encode().indices)
    order = np.lexsort((tie_keys(user_ids, item_ids, seed), -scores, users))
    starts = np.concatenate([[0], np.cumsum(np.bincount(users))[:-1]])
    places[order] = np.arange(len(scores)) - starts[users[order]] + 1
    return places
