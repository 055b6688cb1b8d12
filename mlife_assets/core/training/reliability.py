"""Reliability of probabilities: calibration slope, level and the reliability curve.

Concept: a probability is calibrated when a logistic regression of the outcome on its log-odds has slope 1 and, with
that slope, intercept 0 (Cox, Biometrika 1958; the second is calibration in the large: Van Calster et al., BMC Medicine
2019, doi 10.1186/s12916-019-1466-7). Intervals allow for dependent rows, as of one user or one day.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.row_keys import IdColumn, encode_ids
from mlife_assets.core.statistics import Interval

_PROBABILITY_FLOOR = 1e-6
_NEWTON_STEPS = 50
_NEWTON_TOLERANCE = 1e-10
_CONDITION_MAXIMUM = 1e12
_SPREAD_MINIMUM = 1e-9
_LEVEL = 0.95
_BINS = 10
_CLUSTERS_MINIMUM = 3
"""Fewer clusters leave the scores of slope and intercept no variance."""


@dataclass(frozen=True)
class ReliabilityBin:
    """Rows of similar probability: their number, mean prediction and observed rate."""

    rows: int
    mean_probability: float
    outcome_rate: float


@dataclass(frozen=True)
class Calibration:
    """Calibration of probabilities.

    Attributes:
        slope: of the logistic regression of outcome on log-odds; 1 is right, below 1 is overconfident.
        intercept: in log-odds, with the slope fixed at 1; 0 is right, above 0 means that predictions are too low.
        expected_calibration_error: mean absolute gap between probability and rate over bins of equal size.
        positives: rows with the outcome.
        n: rows.
        bins: the reliability curve, ascending in probability; ten of equal size unless probabilities are equal.
    """

    slope: float
    slope_lower: float
    slope_upper: float
    intercept: float
    intercept_lower: float
    intercept_upper: float
    expected_calibration_error: float
    positives: int
    n: int
    bins: tuple[ReliabilityBin, ...]

    @property
    def level(self) -> Interval:
        """The intercept as a ratio, with its interval: observed over predicted odds.

        1 is right; below 1 predictions are too high.
        """
        estimate, lower, upper = np.exp([self.intercept, self.intercept_lower, self.intercept_upper]).tolist()
        return Interval(estimate, lower, upper, _LEVEL, self.n)


def calibration(
    probability: np.ndarray,
    outcome: np.ndarray,
    *,
    cluster_ids: IdColumn | None = None,
) -> Calibration:
    """Return slope, intercept, their 95 % intervals and the reliability curve of n probabilities.

    Probabilities are held 1e-6 off 0 and 1, where log-odds are infinite. With clusters, errors come from the sandwich
    estimator and intervals from Student's t with one degree of freedom less than clusters (Cameron and Miller, Journal
    of Human Resources 2015).

    Args:
        probability: within [0, 1], float of shape (n,).
        outcome: the outcome, bool of shape (n,).
        cluster_ids: clusters of dependent rows, such as their user or day; None for independent rows.

    Raises:
        InvalidInputError: a probability lies outside [0, 1] or is NaN (names the row), or columns differ in length.
        NotEnoughEvidenceError: no positives, no negatives, fewer than 3 clusters, or the probability does not vary or
            separates the outcomes.
    """
    from scipy.special import logit
    from scipy.stats import norm
    from scipy.stats import t as student

    given, happened = _checked(probability, outcome)
    log_odds = logit(np.clip(given, _PROBABILITY_FLOOR, 1 - _PROBABILITY_FLOOR))
    clusters = None if cluster_ids is None else encode_ids(cluster_ids, "cluster_id").codes
    if clusters is not None and len(clusters) != len(given):
        raise InvalidInputError(f"{len(clusters)} cluster ids for {len(given)} rows; pass one per row")
    count = None if clusters is None else len(np.unique(clusters))
    if count is not None and count < _CLUSTERS_MINIMUM:
        raise NotEnoughEvidenceError(
            f"{count} clusters, at least {_CLUSTERS_MINIMUM} needed for a calibration interval"
        )
    centre = float(log_odds.mean())
    spread = float(log_odds.std())
    if spread < _SPREAD_MINIMUM:
        raise NotEnoughEvidenceError("1 distinct probability, at least 2 needed for a calibration slope")
    standardised = np.stack([np.ones_like(log_odds), (log_odds - centre) / spread])
    joint, joint_error = _logistic(standardised, happened, np.zeros_like(log_odds), clusters)
    shift, shift_error = _logistic(np.ones((1, len(log_odds))), happened, log_odds, clusters)
    upper = 0.5 + _LEVEL / 2
    width = float(norm.ppf(upper) if count is None else student.ppf(upper, count - 1))
    slope, slope_error = float(joint[1] / spread), float(joint_error[1] / spread)
    bins = _reliability(given, happened)
    gaps = sum(part.rows * abs(part.mean_probability - part.outcome_rate) for part in bins)
    return Calibration(
        slope=slope,
        slope_lower=slope - width * slope_error,
        slope_upper=slope + width * slope_error,
        intercept=float(shift[0]),
        intercept_lower=float(shift[0] - width * shift_error[0]),
        intercept_upper=float(shift[0] + width * shift_error[0]),
        expected_calibration_error=gaps / len(given),
        positives=int(happened.sum()),
        n=len(given),
        bins=bins,
    )


def log_loss_gain(
    probability: np.ndarray, other: np.ndarray, outcome: np.ndarray, *, cluster_ids: IdColumn
) -> Interval:
    """Return by how much the mean log loss of `other` exceeds that of `probability`, in nats per row, at 95 %.

    The log loss is a proper score: its minimum is at the true probabilities, so a lower one means better predictions,
    whatever the slopes. Rows are paired; the error is that of a ratio of cluster sums with Student's t, one degree of
    freedom less than clusters.

    Args:
        probability: within [0, 1], float of shape (n,); held 1e-6 off 0 and 1.
        other: of the other side for the same rows, float of shape (n,).
        outcome: the outcome, bool of shape (n,).
        cluster_ids: clusters of dependent rows, such as their user or day.

    Raises:
        InvalidInputError: a probability lies outside [0, 1] or is NaN (names the row), or columns differ in length.
        NotEnoughEvidenceError: fewer than 3 clusters.
    """
    from scipy.stats import t as student

    losses = []
    for side in (probability, other):
        given, happened = _checked(side, outcome)
        held = np.clip(given, _PROBABILITY_FLOOR, 1 - _PROBABILITY_FLOOR)
        losses.append(-np.where(happened > 0, np.log(held), np.log1p(-held)))
    clusters = np.unique(encode_ids(cluster_ids, "cluster_id").codes, return_inverse=True)[1]
    if len(clusters) != len(losses[0]) or len(losses[0]) != len(losses[1]):
        raise InvalidInputError(
            f"{len(clusters)} cluster ids for {len(losses[0])} and {len(losses[1])} rows; pass the same rows of both"
        )
    rows = np.bincount(clusters)
    if (count := len(rows)) < _CLUSTERS_MINIMUM:
        raise NotEnoughEvidenceError(f"{count} clusters, at least {_CLUSTERS_MINIMUM} needed for an interval")
    sums = np.bincount(clusters, losses[1] - losses[0])
    gain = float(sums.sum() / rows.sum())
    influences = (sums - gain * rows) / rows.sum()
    error = float(np.sqrt(np.sum(influences**2) * count / (count - 1)))
    width = float(student.ppf(0.5 + _LEVEL / 2, count - 1)) * error
    return Interval(gain, gain - width, gain + width, _LEVEL, count)


def _checked(probability: np.ndarray, outcome: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    given, happened = np.asarray(probability, dtype=np.float64), np.asarray(outcome, dtype=np.float64)
    if given.ndim != 1 or given.shape != happened.shape:
        raise InvalidInputError(f"{given.shape} probabilities for {happened.shape} outcomes; pass one of each per row")
    wrong = np.flatnonzero(~((given >= 0) & (given <= 1)))
    if len(wrong):
        raise InvalidInputError(f"probability is {given[wrong[0]]} in row {int(wrong[0])}; pass values within 0 and 1")
    odd = np.flatnonzero((happened != 0) & (happened != 1))
    if len(odd):
        raise InvalidInputError(f"outcome is {happened[odd[0]]} in row {int(odd[0])}; use true or false")
    positives = int(happened.sum())
    if positives == 0 or positives == len(given):
        raise NotEnoughEvidenceError(
            f"{positives} positives of {len(given)} rows, both outcomes needed for calibration"
        )
    return given, happened


def _reliability(probability: np.ndarray, outcome: np.ndarray) -> tuple[ReliabilityBin, ...]:
    inner = np.linspace(0, 1, _BINS + 1)[1:-1]
    edges = np.unique(np.quantile(probability, inner, method="lower"))
    member = np.searchsorted(edges, probability, side="left")
    rows = np.bincount(member, minlength=len(edges) + 1)
    said = np.bincount(member, weights=probability, minlength=len(edges) + 1)
    happened = np.bincount(member, weights=outcome, minlength=len(edges) + 1)
    return tuple(
        ReliabilityBin(int(n), float(p / n), float(y / n)) for n, p, y in zip(rows, said, happened, strict=True) if n
    )


def _logistic(
    design: np.ndarray, outcome: np.ndarray, offset: np.ndarray, clusters: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Maximum likelihood by Newton steps that are halved until they climb; returns coefficients and standard errors.

    `design` has shape (d, n). Sums avoid BLAS, whose bits depend on the number of threads.
    """
    from scipy.special import expit

    beta = np.zeros(len(design))
    level = _log_likelihood(_linear(design, beta, offset), outcome)
    for _ in range(_NEWTON_STEPS):
        fitted = expit(_linear(design, beta, offset))
        information = _information(design, fitted)
        if not np.all(np.isfinite(information)) or np.linalg.cond(information) > _CONDITION_MAXIMUM:
            break
        step = np.linalg.solve(information, np.sum(design * (outcome - fitted), axis=1))
        climbed = _log_likelihood(_linear(design, beta + step, offset), outcome)
        while climbed < level - _NEWTON_TOLERANCE * abs(level) and np.abs(step).max() > _NEWTON_TOLERANCE:
            step = step / 2
            climbed = _log_likelihood(_linear(design, beta + step, offset), outcome)
        beta, level = beta + step, climbed
        if np.abs(step).max() < _NEWTON_TOLERANCE:
            return beta, _standard_errors(design, outcome, expit(_linear(design, beta, offset)), clusters)
    raise NotEnoughEvidenceError(
        f"{int(outcome.sum())} positives of {len(outcome)} rows do not fix a calibration slope: "
        "the probability separates the outcomes; evaluate on more rows"
    )


def _linear(design: np.ndarray, beta: np.ndarray, offset: np.ndarray) -> np.ndarray:
    return np.asarray(np.sum(design * beta[:, None], axis=0) + offset)


def _information(design: np.ndarray, fitted: np.ndarray) -> np.ndarray:
    weighted = design * (fitted * (1 - fitted))
    return np.array([[np.sum(left * right) for right in design] for left in weighted])


def _log_likelihood(log_odds: np.ndarray, outcome: np.ndarray) -> float:
    return float(np.sum(outcome * log_odds) - np.sum(np.logaddexp(0, log_odds)))


def _standard_errors(
    design: np.ndarray, outcome: np.ndarray, fitted: np.ndarray, clusters: np.ndarray | None
) -> np.ndarray:
    inverse = np.linalg.inv(_information(design, fitted))
    if clusters is None:
        return np.asarray(np.sqrt(np.diag(inverse)))
    totals = np.array([np.bincount(clusters, weights=scores) for scores in design * (outcome - fitted)])
    count = totals.shape[1]
    middle = np.array([[np.sum(left * right) for right in totals] for left in totals]) * (count / (count - 1))
    return np.asarray(np.sqrt(np.diag(inverse @ middle @ inverse)))
