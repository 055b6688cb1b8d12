"""Parity in time: the table still gives the scores that were served.

Concept: a model version is a pure function of a row, so the score that it recorded at serving and the one that it gives
to the same row of the training table differ only where the table does. A column that was filled with what came later,
or a table that was rewritten, shows without statistics once rows that were served are mature and in the table. A column
that the model hardly uses shows later: when rows are mature that a refit served which had learned from it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mlife_assets.core.scoring.feature_spec import Array
from mlife_assets.core.training.gate import Condition

NAME = "table_gives_the_scores_that_were_served"
TOLERANCE = 1e-9
"""Of a probability: above the last bits, in which two versions of a library differ, and far below any change of a
feature."""


def parity_in_time(
    rows: Sequence[str], recorded: Array, recomputed: Array, positive: npt.NDArray[np.bool_], share_maximum: float
) -> Condition:
    """Return the condition that rows of a table score as they did when they were served.

    Late corrections of few rows are normal, so a share of the positives and of the negatives may differ, and one row of
    each always may. They are counted apart, since what was filled in after a rare outcome changes few rows of all.

    Args:
        rows: what names the row of each score (n,). A row that was scored more than once counts once, and agrees if
            one of its recorded scores does.
        recorded: probabilities at serving, float64 (n,).
        recomputed: those that the same model versions give to the rows as the table has them now, float64 (n,).
        positive: outcome of the row of each score, bool (n,).
        share_maximum: share of rows that may differ.
    """
    if not len(rows):
        return Condition(NAME, True, "No score of a row that the gate judges was recorded at serving.")
    names, first, row = np.unique(np.asarray(rows), return_index=True, return_inverse=True)
    # What is no number is no agreement.
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
