"""Parity in time: the table still gives the scores that were served.

Concept: a model version is a pure function of a row, so the score that it recorded at serving and the one that it gives
to the same row of the training table differ only where the table does. A column that was filled with what came later,
or a table that was rewritten, shows in the week in which it begins, without statistics. A column that the model hardly
uses shows a week later: when a refit has learned from it and serves.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlife_assets.core.scoring.feature_spec import Array
from mlife_assets.core.training.gate import Condition

NAME = "table_gives_the_scores_that_were_served"
TOLERANCE = 1e-9
"""Of a probability: above the last bits, in which two versions of a library differ, and far below any change of a
feature."""


def parity_in_time(rows: Sequence[str], recorded: Array, recomputed: Array, share_maximum: float) -> Condition:
    """Return the condition that rows of a table score as they did when they were served.

    Late corrections of few rows are normal, so a share of them may differ, and one row always may.

    Args:
        rows: what names the row of each score (n,). A row that was scored more than once counts once, and agrees if
            one of its recorded scores does.
        recorded: probabilities at serving, float64 (n,).
        recomputed: those that the same model versions give to the rows as the table has them now, float64 (n,).
        share_maximum: share of rows that may differ.
    """
    if not len(rows):
        return Condition(NAME, True, "No score of a row that the gate judges was recorded at serving.")
    names, row = np.unique(np.asarray(rows), return_inverse=True)
    # What is no number is no agreement.
    apart = np.nan_to_num(np.abs(recomputed - recorded), nan=np.inf)
    nearest = np.full(len(names), np.inf)
    np.minimum.at(nearest, row, apart)
    differing = np.flatnonzero(nearest > TOLERANCE)
    allowed = max(1, int(share_maximum * len(names)))
    counted = f"{len(differing):,} of {len(names):,} rows"
    if len(differing) <= allowed:
        return Condition(
            NAME, True, f"The table gives the scores that were served: {counted} differ ({allowed:,} may)."
        )
    first = int(np.flatnonzero((row == differing[0]) & (apart == nearest[differing[0]]))[0])
    text = (
        f"The table does not give the scores that were served: {counted} differ, {allowed:,} may; the first is "
        f"{names[differing[0]]} with a probability of {recomputed[first]:.4f} now and {recorded[first]:.4f} at "
        "serving. The table was rewritten, or knows what came later: deliver these rows again with the values of their "
        "day. If the change is right and stays, set promotion.rewritten_share_maximum to 1 until rows that were served "
        "with it are mature."
    )
    return Condition(NAME, False, text)
