"""Parity in time: the table still gives the scores that were served.

Concept: a model version is a pure function of a row, so its score recorded at serving and its score of the same row of
the training table differ only if the table changed. A column filled with later knowledge, or a rewritten table, shows
without statistics once served rows are mature and in the table. For a column that the model hardly uses this takes
longer: until a refit has learned from it, and rows served by that refit are mature.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mlife_assets.core.scoring.feature_spec import Array
from mlife_assets.core.training.gate import Condition

NAME = "table_gives_the_scores_that_were_served"
TOLERANCE = 1e-9
"""Tolerance of a probability: above the last bits, in which library versions differ, and far below any real change."""


def parity_in_time(
    rows: Sequence[str], recorded: Array, recomputed: Array, positive: npt.NDArray[np.bool_], share_maximum: float
) -> Condition:
    """Return the condition that rows of a table still have their served scores.

    Late corrections of few rows are normal, so a share of the positives and of the negatives may differ, and one row of
    each always may. They are counted apart, since values filled in after a rare outcome change only a few of all rows.

    Args:
        rows: name of the row of each score (n,). A row that was scored more than once counts once, and agrees if one of
            its recorded scores does.
        recorded: probabilities at serving, float64 (n,).
        recomputed: scores of the table's current rows by the same model versions, float64 (n,).
        positive: outcome of the row of each score, bool (n,).
        share_maximum: share of rows that may differ.
    """
    if not len(rows):
        return Condition(NAME, True, "No score of a row that the gate judges was recorded at serving.")
    names, first, row = np.unique(np.asarray(rows), return_index=True, return_inverse=True)
    # NaN never agrees.
    apart = np.nan_to_num(np.abs(recomputed - recorded), nan=np.inf)
    nearest = np.full(len(names), np.inf)
    np.minimum.at(nearest, row, apart)
    differs, counted, too_many = nearest > TOLERANCE, [], np.zeros(len(names), dtype=np.bool_)
    for outcome, of in (("positive", positive[first]), ("negative", ~positive[first])):
        allowed, found = max(1, int(share_maximum * of.sum())), differs & of
        counted.append(f"{found.sum():,} of {of.sum():,} {outcome} rows differ ({allowed:,} may)")
        too_many |= found & (found.sum() > allowed)
    if not too_many.any():
        return Condition(NAME, True, f"The table gives the scores that were served: {', '.join(counted)}.")
    one = int(np.flatnonzero(too_many)[0])
    place = int(np.flatnonzero((row == one) & (apart == nearest[one]))[0])
    text = (
        f"The table does not give the scores that were served: {', '.join(counted)}; the first is {names[one]} with a "
        f"probability of {recomputed[place]:.4f} now and {recorded[place]:.4f} at serving. The table was rewritten, or "
        "knows what came later: deliver these rows again with the values of their day. If the change is right and "
        "stays, set promotion.rewritten_share_maximum to 1 until rows that were served with it are mature."
    )
    return Condition(NAME, False, text)
