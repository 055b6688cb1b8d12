"""Rows to be ranked: in groups, each row with the key that orders its ties.

Belongs here: preparing columns for any number of rankings, and refusing those that cannot be ranked. Does not belong
here: grouping (`groups`), codes and hashes of ids (`core.row_keys`), metrics (`metrics`), which rows and which cohort
(`core.training.evaluate`).

Concept: an item may occur once in a group. Two rows of one group that share a tie key are the same item, since the key
is a bijection of the hash of the item; they are found in a hash table of the group.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.quoting import quoted
from mlife_assets.core.ranking.groups import RowGroups, group_rows
from mlife_assets.core.ranking.kernels import arranged_tie_keys, compiled, positives_and_repeats, read_only
from mlife_assets.core.row_keys import IdColumn, read_ids, user_hashes


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
    slots = np.full(1 << max(4, (2 * int(groups.sizes.max(initial=0)) - 1).bit_length()), -1)
    repeats = np.zeros(3, dtype=np.int64)
    compiled(positives_and_repeats)(
        groups.arrangement,
        groups.starts,
        groups.sizes,
        keys,
        read_only(groups.staged(is_relevant)),
        slots,
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
