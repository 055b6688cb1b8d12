"""Rows in groups, one per (user, window), each contiguous.

Belongs here: bringing n rows into groups without sorting by comparison. Does not belong here: codes of ids
(`core.row_keys`), what makes a row fit to be ranked (`rows`).

Concept: groups are ordered by user, then window. Where every group is one run of the input, as in a table in order of
users, the rows stay where they are. Otherwise an arrangement lists the rows group by group; it is found by counting.
Rows that are mixed well are first staged: moved into a few hundred buckets of neighbouring groups, which the processor
does with orderly writes. What follows then stays within a bucket, which its cache holds. One step from end to end
would miss the cache in every row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.ranking.kernels import compiled, counting_order, counting_positions, expand_runs
from mlife_assets.core.row_keys import IdValues, encode_ids

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
