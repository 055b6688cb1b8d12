"""Scoring parity: a row gets the same bits alone, in a batch, in another order, and after a reload.

Belongs here: the condition that the gate requires of a challenger's scorer. Does not belong here: scoring
(`core.scoring.scorer`), reading artifacts (`adapters.model_registry`), the endpoint (`serving`), which is tested
against the batch where it lives.

Concept: training, batch and endpoint are judged by one number only if the number does not depend on who asks. Equality
is of bits, not within a tolerance: a difference in the last bit shows that two code paths exist.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from mlife_assets.core.ports import Scores
from mlife_assets.core.training.gate_examples import Condition

NAME = "scoring_parity"
ROWS_COMPARED = 5_000
"""Rows that are scored in every other way than in one batch with all: a second code path shows in any few of them."""


class RowScorer(Protocol):
    """What parity needs of a scorer: any object that scores a matrix."""

    def score(self, features: np.ndarray, /) -> Scores:
        """Score n rows: raw score and calibrated probability, both of shape (n,)."""


def parity_condition(
    scorer: RowScorer,
    matrix: np.ndarray,
    rows: int,
    seed: int,
    *,
    reloaded: RowScorer,
    in_batch: Scores | None = None,
) -> Condition:
    """Return the condition that `scorer` gives a row the same bits in every way of asking.

    All rows are scored at once. A seeded sample of them is scored in a shuffled order and by `reloaded`, a part of it
    one by one. The sentence of an unmet condition names the first row that differs, by how much, and where.

    Args:
        scorer: the challenger's, as it was trained or loaded.
        matrix: features, shape (n, features).
        rows: rows that are scored alone; all when fewer are compared.
        seed: of the samples and of the shuffled order.
        reloaded: a second scorer of the same artifact, read back from its files.
        in_batch: what the model said of all rows where they were judged; None to score them here.
    """
    count = len(matrix)
    if count == 0 or rows < 1:
        return Condition(NAME, False, f"Parity was not checked: {count} rows, {rows} to score alone; pass one or more.")
    generator = np.random.default_rng(seed)
    compared = np.sort(generator.choice(count, size=min(ROWS_COMPARED, count), replace=False))
    sample = np.sort(generator.choice(len(compared), size=min(rows, len(compared)), replace=False))
    order, everything = generator.permutation(len(compared)), np.arange(len(compared))
    batch = _values(scorer.score(matrix) if in_batch is None else in_batch)
    if batch.shape != (count, 2):
        return Condition(NAME, False, f"{count} rows got {len(batch)} scores; a scorer gives each row one.")
    batch, matrix = batch[compared], matrix[compared]
    alone = np.concatenate([_values(scorer.score(matrix[row : row + 1])) for row in sample])
    ways = (
        ("alone", sample, alone),
        ("in another order", order, _values(scorer.score(matrix[order]))),
        ("after a reload", everything, _values(reloaded.score(matrix))),
    )
    for way, asked, found in ways:
        fault = _difference(way, asked, found, batch, compared)
        if fault is not None:
            return Condition(NAME, False, fault)
    which = f"{count:,} rows" if len(compared) == count else f"{len(compared):,} of {count:,} rows"
    text = (
        f"{which} score the same bits in a batch, in another order and after a reload, "
        f"{len(sample):,} of them also alone."
    )
    return Condition(NAME, True, text)


def _values(scores: Scores) -> np.ndarray:
    """Raw score and probability side by side, float64 of shape (n, 2)."""
    return np.stack(
        [np.asarray(scores.raw, dtype=np.float64), np.asarray(scores.probability, dtype=np.float64)], axis=1
    )


def _difference(way: str, asked: np.ndarray, found: np.ndarray, batch: np.ndarray, compared: np.ndarray) -> str | None:
    """Compare the scores `found` of the rows `asked` with those of the batch; None when all bits agree.

    `compared` says which rows of the caller the batch holds.
    """
    if found.shape != (len(asked), 2):
        return f"{len(asked):,} rows scored {way} got {len(found):,} scores; a scorer gives each row one."
    expected = np.ascontiguousarray(batch[asked])
    differs = np.any(np.ascontiguousarray(found).view(np.uint64) != expected.view(np.uint64), axis=1)
    if not np.any(differs):
        return None
    position = int(np.flatnonzero(differs)[np.argmin(asked[differs])])
    with np.errstate(invalid="ignore"):
        largest = float(np.max(np.abs(found[differs] - expected[differs])))
    return (
        f"Row {int(compared[asked[position]])} scores {_shown(found[position])} {way} and "
        f"{_shown(expected[position])} in a batch; {int(differs.sum()):,} of {len(asked):,} rows differ, "
        f"by up to {largest:.3g}; find the second code path."
    )


def _shown(pair: np.ndarray) -> str:
    return f"{float(pair[0])!r} (probability {float(pair[1])!r})"
