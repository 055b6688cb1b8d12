"""Places: who comes first for whom, by score.

Belongs here: the place of each item among those of its user. Does not belong here: how good a ranking is (`metrics`),
how ties are ordered (`core.row_keys`).

Concept: a place depends on the rows of its user alone, so some users ranked by themselves get what all together get.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mlife_assets.core.row_keys import tie_keys


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
