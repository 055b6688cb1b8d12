"""Average precision of pooled rows, and its paired resamples by day: the objective where nothing is ranked per user.

Belongs here: AP over all rows of a gate window and what it is in each resample of days. Does not belong here: AP of a
user's items (`core.ranking`), intervals (`core.statistics`), the verdict (`core.training.gate.decide`).

Concept: AP = sum over thresholds of (recall gained) x (precision there), with one threshold per distinct score, so rows
of equal score enter together and their order cannot matter; a constant score gets the base rate. A resample of days
only changes how often each day's rows count. So rows are sorted once, counted per threshold and day, and every
resample is a weighted sum of those counts. Only thresholds that gain a positive matter; the others are merged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError

_CELLS_PER_CHUNK = 1 << 20


@dataclass(frozen=True, eq=False)
class DayCounts:
    """Counts at the t thresholds of one score that gain a positive, highest first, for d days.

    Attributes:
        rows: rows of each day at or above the threshold, whole numbers in float64, shape (t, d).
        positives: positive rows of each day at or above the threshold, shape (t, d).
    """

    rows: np.ndarray
    positives: np.ndarray


def average_precision(scores: np.ndarray, is_positive: np.ndarray) -> float:
    """Return the average precision of n rows, stepwise without interpolation, as scikit-learn defines it.

    Args:
        scores: higher comes first, finite, shape (n,).
        is_positive: the outcome, bool of shape (n,).

    Raises:
        InvalidInputError: lengths differ or a score is not finite; names the row.
        NotEnoughEvidenceError: no row is positive.
    """
    if not np.any(is_positive):
        raise NotEnoughEvidenceError("0 positives, at least 1 needed for an average precision")
    counts = day_counts(scores, is_positive, np.zeros(len(scores), dtype=np.int64), 1)
    return float(weighted_average_precision(counts, np.ones((1, 1)))[0])


def day_counts(scores: np.ndarray, is_positive: np.ndarray, day_codes: np.ndarray, days: int) -> DayCounts:
    """Count n rows per threshold of `scores` and day; `day_codes` lie within 0 to `days` - 1.

    Raises:
        InvalidInputError: lengths differ or a score is not finite; names the row.
    """
    values, positive = np.asarray(scores, dtype=np.float64), np.asarray(is_positive, dtype=np.bool_)
    if not values.shape == positive.shape == day_codes.shape or values.ndim != 1:
        raise InvalidInputError(
            f"{values.shape} scores, {positive.shape} outcomes, {day_codes.shape} days; pass one of each per row"
        )
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        raise InvalidInputError(f"score is {values[wrong[0]]} in row {int(wrong[0])}; score every row")
    order = np.argsort(-values, kind="stable")
    ordered = values[order]
    step = np.cumsum(np.append(False, ordered[1:] != ordered[:-1])) if len(ordered) else np.zeros(0, dtype=np.int64)
    gains = np.bincount(step, weights=positive[order]) > 0
    threshold: np.ndarray = (np.cumsum(gains) - gains)[step]
    cells = threshold * days + day_codes[order]
    used = int(np.count_nonzero(gains))

    def cumulative(chosen: np.ndarray) -> np.ndarray:
        counted = np.bincount(chosen, minlength=(used + 1) * days).reshape(used + 1, days)[:used]
        return np.cumsum(counted, axis=0).astype(np.float64)

    return DayCounts(cumulative(cells), cumulative(cells[positive[order]]))


def weighted_average_precision(counts: DayCounts, multiplicities: np.ndarray) -> np.ndarray:
    """Return the average precision in each of b resamples, shape (b,); 0 where a resample holds no positive.

    Args:
        counts: of one score.
        multiplicities: how often each day counts, whole numbers in float64, shape (b, d).
    """
    thresholds = len(counts.rows)
    result = np.zeros(len(multiplicities))
    if thresholds == 0:
        return result
    step = max(1, _CELLS_PER_CHUNK // thresholds)
    for begin in range(0, len(multiplicities), step):
        # Sums of whole numbers are exact in float64; einsum keeps off the threads of BLAS, which stall on a busy core.
        weights = np.ascontiguousarray(multiplicities[begin : begin + step])
        rows = np.einsum("td,bd->tb", counts.rows, weights)
        positives = np.einsum("td,bd->tb", counts.positives, weights)
        gained = np.diff(positives, axis=0, prepend=0.0)
        total = np.sum(gained * positives / np.maximum(rows, 1.0), axis=0)
        result[begin : begin + step] = total / np.maximum(positives[-1], 1.0)
    return result
