"""Calibration: from a raw score to a probability.

Belongs here: fitting a calibrator. Does not belong here: using it (`core.scoring.calibrator`), judging calibration
(`reliability`).

Concept: with enough positives isotonic regression, else a logistic curve of the raw score (Platt 1999). A calibrator
never turns a ranking upside down: where scores say nothing or the contrary, everybody gets the base rate.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.scoring.calibrator import FLOOR, Array, Calibrator

NEWTON_STEPS = 100
NEWTON_STEP_MAXIMUM = 2.0
NEWTON_TOLERANCE = 1e-12
RIDGE = 1e-9


def fit_calibrator(raw: Array, outcome: npt.NDArray[np.bool_], *, isotonic_minimum_positives: int) -> Calibrator:
    """Fit on rows that the model was not fitted on.

    Args:
        raw: raw scores (log-odds), shape (n,).
        outcome: whether each converted, shape (n,).
        isotonic_minimum_positives: fewer positives get a sigmoid.

    Raises:
        InvalidInputError: shapes differ.
        NotEnoughEvidenceError: only one class.
    """
    if raw.shape != outcome.shape:
        raise InvalidInputError(f"{len(raw)} raw scores for {len(outcome)} outcomes; pass one outcome per score")
    positives = int(outcome.sum())
    if not 0 < positives < len(outcome):
        raise NotEnoughEvidenceError(
            f"calibration has {positives} positives in {len(outcome)} rows; both classes needed"
        )
    if positives >= isotonic_minimum_positives:
        return _isotonic(raw, outcome)
    return _sigmoid(raw, outcome)


def _isotonic(raw: Array, outcome: npt.NDArray[np.bool_]) -> Calibrator:
    """Fit a monotone curve; at its lowest and its highest score stands one more row, which has the base rate.

    Without them a run of negatives at the low end, however short, would get a probability of 0 and one of positives at
    the high end 1, which the next outcomes refute (the same reason as Platt's shrunken targets).
    """
    from sklearn.isotonic import IsotonicRegression

    rate = float(np.mean(outcome))
    ends = np.array([raw.min(), raw.max()])
    curve = IsotonicRegression(y_min=FLOOR, y_max=1 - FLOOR, out_of_bounds="clip").fit(
        np.concatenate([raw, ends]), np.concatenate([outcome.astype(float), [rate, rate]])
    )
    return Calibrator(
        "isotonic",
        tuple(float(x) for x in curve.X_thresholds_),
        tuple(float(y) for y in curve.y_thresholds_),
    )


def _sigmoid(raw: Array, outcome: npt.NDArray[np.bool_]) -> Calibrator:
    """Fit slope and intercept by Newton steps; the problem is convex in two numbers.

    Targets are shrunk off 0 and 1 as Platt did, so separable outcomes have a finite answer. A slope below 0 would turn
    the ranking around; it becomes 0, the base rate for all. Sums avoid BLAS, whose bits depend on its threads.
    """
    positives = int(outcome.sum())
    high, low = (positives + 1) / (positives + 2), 1 / (len(outcome) - positives + 2)
    target = np.where(outcome, high, low)
    centre = float(raw.mean())
    shifted = raw - centre
    slope, level = 1.0, centre
    for _ in range(NEWTON_STEPS):
        expected = 1.0 / (1.0 + np.exp(-np.clip(slope * shifted + level, -30.0, 30.0)))
        weight = expected * (1 - expected)
        error = target - expected
        a, b, c = (
            float((weight * shifted**2).sum()) + RIDGE,
            float((weight * shifted).sum()),
            float(weight.sum()) + RIDGE,
        )
        up, across = float((error * shifted).sum()), float(error.sum())
        determinant = a * c - b * b
        step_slope, step_level = (c * up - b * across) / determinant, (a * across - b * up) / determinant
        scale = min(1.0, NEWTON_STEP_MAXIMUM / max(abs(step_slope), abs(step_level), NEWTON_STEP_MAXIMUM))
        slope, level = slope + scale * step_slope, level + scale * step_level
        if max(abs(step_slope), abs(step_level)) < NEWTON_TOLERANCE:
            break
    if slope <= 0.0:
        rate = positives / len(outcome)
        return Calibrator("sigmoid", (0.0, float(np.log(rate / (1 - rate)))), ())
    return Calibrator("sigmoid", (slope, level - slope * centre), ())
