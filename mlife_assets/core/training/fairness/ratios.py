"""Intervals of a ratio of two groups: of shares, and of means.

Belongs here: estimators on plain numbers. Does not belong here: which groups are compared and at which level (`audit`).

Concept: both bounds of an interval have the same error, given as `alpha` for each, because an audit reads one bound at
a time. The level is free: an audit of many groups needs bounds far out in the tails, where the log interval of Katz
fails (a group of which nobody is selected has no upper bound) and a bootstrap percentile would need tens of thousands
of resamples. Hence the score interval for shares and a bootstrap standard error for means.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, inf, log, sqrt
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError

Array = npt.NDArray[np.float64]
_LARGEST_LOG_RATIO = 30.0
_BISECTIONS = 80


@dataclass(frozen=True)
class RatioInterval:
    """A ratio with its bounds, each of which errs with probability `alpha`."""

    ratio: float
    lower: float
    upper: float
    alpha: float


def share_ratio_interval(
    successes: int, trials: int, reference_successes: int, reference_trials: int, alpha: float
) -> RatioInterval:
    """Return the score interval of share / reference share (Koopman, Biometrics 1984).

    All ratios that a score test does not reject, in which both shares are the likeliest ones that have that ratio. It
    has an upper bound when there is no success, and holds its level for small groups.

    Raises:
        InvalidInputError: counts are negative or exceed their trials, or `alpha` is not in (0, .5).
        NotEnoughEvidenceError: a group is empty, or the reference has no success (the ratio is undefined).
    """
    for count, total, what in ((successes, trials, "group"), (reference_successes, reference_trials, "reference")):
        if total < 1:
            raise NotEnoughEvidenceError(f"0 users in the {what}, at least 1 needed for a ratio")
        if not 0 <= count <= total:
            raise InvalidInputError(f"{what} has {count} successes of {total}; pass 0 to {total}")
    if reference_successes == 0:
        raise NotEnoughEvidenceError("0 successes in the reference, at least 1 needed for a ratio")
    limit = _quantile(alpha)
    counts = (successes, trials, reference_successes, reference_trials)
    ratio = (successes / trials) / (reference_successes / reference_trials)
    lower = 0.0 if successes == 0 else _where_score_is(limit, -_LARGEST_LOG_RATIO, log(ratio), counts)
    start = -_LARGEST_LOG_RATIO if successes == 0 else log(ratio)
    return RatioInterval(ratio, lower, _where_score_is(-limit, start, _LARGEST_LOG_RATIO, counts), alpha)


def _quantile(alpha: float) -> float:
    if not 0 < alpha < 0.5:
        raise InvalidInputError(f"alpha is {alpha}; use a value in (0, .5)")
    return -NormalDist().inv_cdf(alpha)


def _where_score_is(limit: float, low: float, high: float, counts: tuple[int, int, int, int]) -> float:
    """Return the ratio at which the score, which falls as the ratio grows, crosses `limit`; searched by bisection."""
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if _score(exp(middle), *counts) > limit:
            low = middle
        else:
            high = middle
    return exp((low + high) / 2)


def _score(ratio: float, x: int, n: int, x_reference: int, n_reference: int) -> float:
    """Return how many standard errors the shares lie above `ratio`, given the likeliest shares of that ratio."""
    a = (n + n_reference) * ratio
    b = (n + x_reference) * ratio + x + n_reference
    root = (b - sqrt(max(b * b - 4 * a * (x + x_reference), 0.0))) / (2 * a)
    reference = min(root, 1.0)
    share = min(ratio * reference, 1.0)
    variance = share * (1 - share) / n + ratio * ratio * reference * (1 - reference) / n_reference
    difference = x / n - ratio * x_reference / n_reference
    if variance <= 0:
        return 0.0 if difference == 0 else inf if difference > 0 else -inf
    return difference / sqrt(variance)


def mean_ratio_interval(
    mean: float, means: Array, reference_mean: float, reference_means: Array, alpha: float
) -> RatioInterval:
    """Return the interval of mean / reference mean: the ratio, and normal bounds with its bootstrap standard error.

    Args:
        mean: of the group.
        means: of bootstrap samples of the group's users, shape (resamples,).
        reference_mean: of the reference.
        reference_means: of bootstrap samples of the reference's users, drawn independently, shape (resamples,).
        alpha: error of each bound.

    Raises:
        NotEnoughEvidenceError: the reference's mean is zero (the ratio is undefined).
    """
    limit = _quantile(alpha)
    if reference_mean <= 0 or not np.all(reference_means > 0):
        raise NotEnoughEvidenceError("the reference's mean is not above zero in every resample; there is no ratio")
    ratio = mean / reference_mean
    error = float(np.std(means / reference_means, ddof=1))
    return RatioInterval(ratio, max(0.0, ratio - limit * error), ratio + limit * error, alpha)
