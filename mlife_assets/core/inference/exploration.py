"""Exploration: a small share of users gets a random candidate, so that outcomes can be learned without our own bias.

Belongs here: who explores, what they get, how likely each choice was. Does not belong here: capacity
(`messaging.assignment`).

Concept: assignment is a pure hash of user and day. An exploring user's job is uniform over their candidates. The
logged propensity is that of the ranking policy before job capacity: share / K for each candidate, plus 1 - share for
the top one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mlife_assets.core.ids import unit_interval
from mlife_assets.core.row_keys import tie_keys


@dataclass(frozen=True, eq=False)
class Exploration:
    """Choices for n candidate rows.

    Attributes:
        rank: place by score among the user's candidates, 1 is best, int64 (n,).
        is_exploration: the one random pick of an exploring user, bool (n,).
        propensity: probability of this row under the ranking policy, float64 (n,).
    """

    rank: npt.NDArray[np.int64]
    is_exploration: npt.NDArray[np.bool_]
    propensity: npt.NDArray[np.float64]


def explore(
    user_ids: pa.ChunkedArray,
    job_ids: pa.ChunkedArray,
    scores: npt.NDArray[np.float64],
    *,
    share: float,
    salt: str,
    as_of: date,
) -> Exploration:
    """Return ranks, picks and propensities of n rows in any order; one row per (user, job), higher scores first.

    Raw scores keep apart what a calibrator with plateaus would tie.
    """
    rows = len(scores)
    if rows == 0:
        return Exploration(np.zeros(0, np.int64), np.zeros(0, bool), np.zeros(0))
    encoded = user_ids.combine_chunks().dictionary_encode()
    user = np.asarray(encoded.indices)
    ties = tie_keys(user_ids, job_ids, as_of.toordinal())
    order = np.lexsort((ties, -scores, user))
    sizes = np.bincount(user, minlength=len(encoded.dictionary))
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    rank = np.empty(rows, dtype=np.int64)
    rank[order] = np.arange(rows) - starts[user[order]] + 1
    ids = encoded.dictionary.to_pylist()
    draws = np.array([unit_interval(salt, "explore", as_of.isoformat(), user_id) for user_id in ids])
    by_tie = np.lexsort((ties, user))
    pick_place = np.array([unit_interval(salt, "pick", as_of.isoformat(), user_id) for user_id in ids])
    picked = by_tie[starts + np.minimum((pick_place * sizes).astype(np.int64), sizes - 1)]
    is_exploration = np.zeros(rows, dtype=bool)
    is_exploration[picked[draws < share]] = True
    propensity = share / sizes[user] + (1 - share) * (rank == 1)
    return Exploration(rank, is_exploration, propensity)
