"""What a model does to each user: selects them, scores them high, shows them what is worth most.

Belongs here: measures per user, computed without knowing any group. Does not belong here: comparing groups (`audit`).

Concept: a user's score is that of their best candidate, since who is selected is offered one item. Exposure is what a
ranking gives to items: the first rank counts 1, rank r counts 1 / log2(1 + r) (Singh & Joachims, KDD 2018, with the
discount of Jarvelin & Kekalainen's DCG). What an item is worth, the caller says. Valued is relative to the user's own
candidates, so a group whose candidates are all worth little is not counted as treated worse by the ranking.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.row_keys import IdColumn, encode_ids, encoded_tie_keys

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class UserOutcomes:
    """What a model does to each of n users.

    Attributes:
        user_ids: ascending, shape (n,).
        is_selected: whether the user is among the best `budget`, bool (n,).
        is_above_median: whether the user's score is above the median of all users, bool (n,).
        valued_exposure: share of the exposure of the user's first `depth` items that goes to items worth at least the
            median of the user's candidates, in [0, 1]; NaN where all candidates are worth the same, so that no
            ranking could matter; shape (n,).
    """

    user_ids: np.ndarray
    is_selected: np.ndarray
    is_above_median: np.ndarray
    valued_exposure: Array


def user_outcomes(
    user_ids: IdColumn, item_ids: IdColumn, scores: np.ndarray, worth: np.ndarray, *, budget: int, depth: int, seed: int
) -> UserOutcomes:
    """Return what `scores` do to each user of m (user, item) rows; the order of rows changes nothing.

    Args:
        user_ids: shape (m,).
        item_ids: shape (m,), each (user, item) once.
        scores: higher is better, finite, shape (m,).
        worth: of the item, in any unit, finite, shape (m,).
        budget: users that are selected, those with the highest best score; ties by a seeded hash.
        depth: ranks of a user that count as exposure.
        seed: of the hash that orders ties.

    Raises:
        InvalidInputError: columns differ in length, a score or worth is not finite (names the row), `budget` is below 0
            or `depth` below 1.
    """
    users, items = encode_ids(user_ids, "user_ids"), encode_ids(item_ids, "item_ids")
    columns = {"item_ids": items.codes, "score": scores, "worth": worth}
    for name, column in columns.items():
        if len(column) != len(users.codes):
            raise InvalidInputError(f"{len(column)} values of {name} for {len(users.codes)} rows; pass one per row")
    if budget < 0 or depth < 1:
        raise InvalidInputError(f"budget is {budget} and depth {depth}; use 0 or more and 1 or more")
    score, value = _finite(scores, "score"), _finite(worth, "worth")
    keys = encoded_tie_keys(users, items, seed)
    order = np.lexsort((keys, -score, users.codes))
    owner = users.codes[order]
    starts = np.flatnonzero(np.diff(owner, prepend=-1))
    best, best_key = score[order][starts], keys[order][starts]
    is_selected = np.zeros(len(starts), dtype=bool)
    is_selected[np.lexsort((best_key, -best))[:budget]] = True
    middle = float(np.median(best)) if len(best) else 0.0
    exposure = _valued_exposure(owner, starts, value[order], depth)
    return UserOutcomes(users.ids, is_selected, best > middle, exposure)


def _finite(values: np.ndarray, name: str) -> Array:
    numbers = np.asarray(values, dtype=np.float64)
    wrong = np.flatnonzero(~np.isfinite(numbers))
    if len(wrong):
        raise InvalidInputError(f"{name} is {numbers[wrong[0]]} in row {int(wrong[0])}; pass finite numbers")
    return numbers


def _valued_exposure(owner: np.ndarray, starts: np.ndarray, worth: Array, depth: int) -> Array:
    """Return the share per user of rows in the order (user, rank); `starts` is the first row of each user."""
    if len(owner) == 0:
        return np.zeros(0)
    sizes = np.diff(starts, append=len(owner))
    ordered = worth[np.lexsort((worth, owner))]
    lowest, highest = ordered[starts], ordered[starts + sizes - 1]
    median = (ordered[starts + (sizes - 1) // 2] + ordered[starts + sizes // 2]) / 2
    place = np.arange(len(owner)) - np.repeat(starts, sizes)
    weight = np.where(place < depth, 1.0 / np.log2(place + 2.0), 0.0)
    is_valued = worth >= np.repeat(median, sizes)
    gained = np.add.reduceat(np.where(is_valued, weight, 0.0), starts)
    share: Array = gained / np.add.reduceat(weight, starts)
    return np.where(highest > lowest, share, np.nan)
