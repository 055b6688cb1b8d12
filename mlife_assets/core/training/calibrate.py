"""Calibration: from a raw score to a probability.

Concept: with enough positives centred isotonic regression (Oron and Flournoy, Statistics in Biopharmaceutical Research
2017, doi 10.1080/19466315.2017.1286256), else a logistic curve of the raw score (Platt 1999). Both keep the order of
scores. If scores are uninformative or inverted, everybody gets the base rate with a negligible slope, and the
calibrator's method says so (`base_rate`).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.scoring.calibrator import Array, Calibrator, Method

NEWTON_STEPS = 100
NEWTON_STEP_MAXIMUM = 2.0
NEWTON_TOLERANCE = 1e-12
RIDGE = 1e-9
LOG_ODDS_MAXIMUM = 30.0
SLOPE_OF_NOTHING = 1e-3
"""Log-odds per standard deviation of the score: a smaller slope counts as uninformative."""
ERRORS_OF_NOTHING = 2.0
"""Standard errors of the slope: an uninformative score is calibrated by chance in 2 % of fits, not in half."""
SPREAD_MINIMUM = 1e-9
"""Spread relative to size: below it, scores are one score and rounding errors."""
BLOCK_MINIMUM = 25
"""Positives and negatives per knot: its log-odds are then known to within .3."""


def fit_calibrator(raw: Array, outcome: npt.NDArray[np.bool_], *, isotonic_minimum_positives: int) -> Calibrator:
    """Fit a calibrator on rows outside the model's training data.

    Args:
        raw: raw scores (log-odds), shape (n,).
        outcome: whether each converted, shape (n,).
        isotonic_minimum_positives: fewer positives get a logistic curve.

    Raises:
        InvalidInputError: shapes differ, or a score is not finite.
        NotEnoughEvidenceError: only one class.
    """
    if raw.shape != outcome.shape:
        raise InvalidInputError(f"{len(raw)} raw scores for {len(outcome)} outcomes; pass one outcome per score")
    wrong = np.flatnonzero(~np.isfinite(raw))
    if len(wrong):
        raise InvalidInputError(f"raw score {raw[wrong[0]]} in row {int(wrong[0])}; pass finite scores")
    positives = int(outcome.sum())
    if not 0 < positives < len(outcome):
        raise NotEnoughEvidenceError(
            f"calibration has {positives} positives in {len(outcome)} rows; both classes needed"
        )
    centre, spread = float(raw.mean()), float(raw.std())
    size = max(1.0, abs(centre))
    is_one_score = spread < SPREAD_MINIMUM * size
    standardised = np.zeros(len(raw)) if is_one_score else (raw - centre) / spread
    slope, level = (0.0, 0.0) if is_one_score else _logistic(standardised, outcome)
    if slope <= SLOPE_OF_NOTHING or _errors_from_nothing(standardised, outcome) <= ERRORS_OF_NOTHING:
        unit = size if is_one_score else spread
        level = float(np.log(positives / (len(outcome) - positives)))
        return _line("base_rate", centre, unit, level, SLOPE_OF_NOTHING)
    if positives >= isotonic_minimum_positives:
        return _centred_isotonic(raw, outcome, slope / spread)
    return _line("logistic", centre, spread, level, slope)


def _errors_from_nothing(score: Array, outcome: npt.NDArray[np.bool_]) -> float:
    """Return by how many standard errors the slope exceeds 0, by the score test (Rao 1948).

    It uses the error at slope 0. That of the fitted slope grows faster than the slope for separable classes (Hauck and
    Donner 1977), and would call the best scores uninformative. `score` has mean 0 and standard deviation 1.
    """
    rate = float(outcome.mean())
    return float((score * outcome).sum()) / float(np.sqrt(len(score) * rate * (1 - rate)))


def _line(method: Method, centre: float, unit: float, level: float, rise: float) -> Calibrator:
    return Calibrator(method, (centre - unit, centre + unit), log_odds=(level - rise, level + rise))


def _centred_isotonic(raw: Array, outcome: npt.NDArray[np.bool_], slope: float) -> Calibrator:
    """Fit a monotone curve through the weighted centres of its blocks; `slope` (log-odds) extrapolates.

    Neighbouring blocks are pooled until each holds enough of both classes: long runs of one class at an end never give
    a probability of 0 or 1, and three rows cannot bend the curve. Lines between centres do not keep the mean of the
    blocks, so the curve is moved in log-odds until its mean is the base rate.
    """
    from sklearn.isotonic import isotonic_regression

    scores, place = np.unique(raw, return_inverse=True)
    rows = np.bincount(place).astype(np.float64)
    positives = np.bincount(place, weights=outcome)
    fitted = isotonic_regression(positives / rows, sample_weight=rows)
    starts = np.flatnonzero(np.diff(fitted, prepend=-1.0) > 0)
    sums = [np.add.reduceat(values, starts) for values in (rows, positives, rows * scores)]
    blocks = _pooled(np.column_stack(sums))
    centres, log_odds = blocks[:, 2] / blocks[:, 0], np.log(blocks[:, 1] / (blocks[:, 0] - blocks[:, 1]))
    is_higher = (np.diff(centres, prepend=-np.inf) > 0) & (np.diff(log_odds, prepend=-np.inf) > 0)
    centres, log_odds, reach = centres[is_higher], log_odds[is_higher], 1.0 / slope
    knots = np.concatenate([[centres[0] - reach], centres, [centres[-1] + reach]])
    values = np.concatenate([[log_odds[0] - 1.0], log_odds, [log_odds[-1] + 1.0]])
    return _with_mean(
        Calibrator("centred_isotonic", _numbers(knots), log_odds=_numbers(values)), raw, float(outcome.mean())
    )


def _pooled(blocks: Array) -> Array:
    """Return neighbours pooled until each has `BLOCK_MINIMUM` of both classes; the remainder joins the last one.

    Columns are rows, positives and the sum of scores, in the order of scores.
    """
    found: list[Array] = []
    open_block = np.zeros(3)
    for block in blocks:
        open_block = open_block + block
        if min(open_block[1], open_block[0] - open_block[1]) >= BLOCK_MINIMUM:
            found.append(open_block)
            open_block = np.zeros(3)
    if not found:
        return open_block[None, :]
    found[-1] = found[-1] + open_block
    return np.array(found)


def _with_mean(curve: Calibrator, raw: Array, rate: float) -> Calibrator:
    """Return the curve moved in log-odds until the mean of its probabilities of `raw` is `rate`."""
    moved = curve
    values = np.array(curve.log_odds)
    for _ in range(NEWTON_STEPS):
        probability = moved.probabilities(raw)
        step = (rate - float(probability.mean())) / float((probability * (1 - probability)).mean())
        values = values + np.clip(step, -NEWTON_STEP_MAXIMUM, NEWTON_STEP_MAXIMUM)
        moved = Calibrator(curve.method, curve.raw, log_odds=_numbers(values))
        if abs(step) < NEWTON_TOLERANCE:
            break
    return moved


def _numbers(values: Array) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def _logistic(score: Array, outcome: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Return slope and level at 0 of a logistic curve by Newton steps; the problem is convex in two numbers.

    Targets are shrunk from 0 and 1 as in Platt 1999, so separable outcomes have a finite answer. Sums avoid BLAS, whose
    bits depend on its threads. `score` has mean 0 and standard deviation 1.
    """
    positives = int(outcome.sum())
    high, low = (positives + 1) / (positives + 2), 1 / (len(outcome) - positives + 2)
    target = np.where(outcome, high, low)
    slope, level = 0.0, float(np.log(positives / (len(outcome) - positives)))
    for _ in range(NEWTON_STEPS):
        expected = 1.0 / (1.0 + np.exp(-np.clip(slope * score + level, -LOG_ODDS_MAXIMUM, LOG_ODDS_MAXIMUM)))
        weight = expected * (1 - expected)
        error = target - expected
        a, b, c = (
            float((weight * score**2).sum()) + RIDGE,
            float((weight * score).sum()),
            float(weight.sum()) + RIDGE,
        )
        up, across = float((error * score).sum()), float(error.sum())
        determinant = a * c - b * b
        step_slope, step_level = (c * up - b * across) / determinant, (a * across - b * up) / determinant
        scale = min(1.0, NEWTON_STEP_MAXIMUM / max(abs(step_slope), abs(step_level), NEWTON_STEP_MAXIMUM))
        slope, level = slope + scale * step_slope, level + scale * step_level
        if max(abs(step_slope), abs(step_level)) < NEWTON_TOLERANCE:
            break
    return slope, level
