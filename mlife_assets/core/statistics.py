"""Intervals: the uncertainty of a mean difference, of any statistic of days, and of proportions.

Concept: the unit that is resampled is the user or the day, never the row, because rows of one user or one day are not
independent. Intervals are two-sided with the same error on each side; a one-sided test reads one bound.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError

_DRAWS_PER_CHUNK = 1 << 20


@dataclass(frozen=True)
class Interval:
    """An estimate with its bounds.

    Attributes:
        estimate: the point estimate, in the unit of the data.
        lower: lower bound.
        upper: upper bound.
        level: two-sided confidence level, for example .95.
        n: independent units behind the estimate (users or days, not rows).
    """

    estimate: float
    lower: float
    upper: float
    level: float
    n: int


def paired_bootstrap_interval(differences: np.ndarray, resamples: int, alpha: float, seed: int) -> Interval:
    """Return the percentile bootstrap interval of the mean of `differences`, one value per user.

    Bounds are order statistics rounded outwards, so few resamples widen the interval and never narrow it.

    Args:
        differences: challenger minus other, one finite number per user, shape (n,).
        resamples: bootstrap samples of n users; at least 2 / alpha.
        alpha: error on each side; the level is 1 - 2 alpha.
        seed: of the generator; the same input and seed give the same bits.

    Raises:
        InvalidInputError: a difference is not finite (names the row), or too few resamples for `alpha`.
        NotEnoughEvidenceError: fewer than two users.
    """
    values = np.asarray(differences, dtype=np.float64)
    if values.ndim != 1 or len(values) < 2:
        raise NotEnoughEvidenceError(f"{values.size} users with a difference, at least 2 needed for an interval")
    _finite(values, "difference")
    if not 0 < alpha < 0.5 or resamples < 2 / alpha:
        raise InvalidInputError(
            f"alpha is {alpha} with {resamples} resamples; use alpha in (0, .5), resamples >= 2/alpha"
        )
    means = np.sort(resampled_means(values, resamples, seed))
    tail = int(np.floor(alpha * resamples)) - 1
    mean = float(np.sum(values) / len(values))
    return Interval(mean, float(means[tail]), float(means[-1 - tail]), 1 - 2 * alpha, len(values))


def resampled_means(values: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Return the means of `resamples` bootstrap samples of n users, shape (resamples,).

    Args:
        values: one finite number per user, in an order that the caller fixes, shape (n,).
        resamples: how many samples.
        seed: of the generator; the same values, order and seed give the same bits.

    Raises:
        NotEnoughEvidenceError: no value.
        InvalidInputError: a value is not finite; names the row.
    """
    count = len(values)
    if count == 0:
        raise NotEnoughEvidenceError("0 users with a value, at least 1 needed for a mean")
    _finite(values, "value")
    generator = np.random.default_rng(seed)
    means = np.empty(resamples)
    step = max(1, _DRAWS_PER_CHUNK // count)
    for begin in range(0, resamples, step):
        rows = min(step, resamples - begin)
        drawn = generator.integers(0, count, size=(rows, count), dtype=np.int32)
        means[begin : begin + rows] = values.take(drawn).sum(axis=1)
    return means / count


def day_multiplicities(days: int, block_days: int, resamples: int, seed: int) -> np.ndarray:
    """Return how often each of `days` consecutive days occurs in each circular block resample, shape (resamples, days).

    Each resample strings together blocks of `block_days` neighbouring days, the first day following the last, until it
    has `days` days (Politis and Romano 1992). Values are whole numbers in float64; each row sums to `days`.

    Raises:
        InvalidInputError: a count is below 1, or a block is longer than the days.
    """
    if not 1 <= block_days <= days or resamples < 1:
        raise InvalidInputError(
            f"block_days is {block_days} with {days} days and {resamples} resamples; use blocks of 1 to {days} days"
        )
    blocks = -(-days // block_days)
    starts = np.random.default_rng(seed).integers(0, days, size=(resamples, blocks), dtype=np.int64)
    drawn = (starts[:, :, None] + np.arange(block_days)).reshape(resamples, -1)[:, :days] % days
    cells = drawn + np.arange(resamples)[:, None] * days
    return np.bincount(cells.ravel(), minlength=resamples * days).reshape(resamples, days).astype(np.float64)


def widened_for_blocks(resampled: np.ndarray, block_days: int, shorter: np.ndarray, shorter_days: int) -> np.ndarray:
    """Return the estimates of block resamples, spread to the full variance of dependent days.

    Cutting blocks apart hides a part of the variance: blocks of b days show V - c / b. Blocks of two lengths identify V
    (the bias-corrected estimate of Politis and Romano, Journal of Time Series Analysis 1995). Estimates are never
    narrowed.

    Args:
        resampled: the estimate in each resample of blocks of `block_days`, shape (resamples,).
        block_days: their length.
        shorter: the estimate in each resample of shorter blocks, shape (resamples,).
        shorter_days: their length, below `block_days`.
    """
    seen, seen_shorter = float(np.var(resampled, ddof=1)), float(np.var(shorter, ddof=1))
    if seen == 0.0:
        return resampled
    whole = (block_days * seen - shorter_days * seen_shorter) / (block_days - shorter_days)
    mean = float(np.mean(resampled))
    return mean + (resampled - mean) * float(np.sqrt(max(1.0, whole / seen)))


def expanded_percentile_interval(estimate: float, resampled: np.ndarray, alpha: float, n: int) -> Interval:
    """Return the percentile interval of a bootstrap of `n` units, widened for a small n.

    The percentile interval of few units is too narrow: it uses a normal quantile and a variance divided by n. The tail
    is therefore Phi(-t sqrt(n / (n - 1))) with t the quantile of Student's t with n - 1 degrees of freedom (Hesterberg,
    The American Statistician 2015, section 4.3). Bounds are order statistics rounded outwards.

    Args:
        estimate: of the data itself.
        resampled: the estimate in each resample, finite, shape (resamples,).
        alpha: error on each side; the level is 1 - 2 alpha.
        n: independent units that were resampled.

    Raises:
        InvalidInputError: a value is not finite (names the resample), `alpha` is out of range, or there are too few
            resamples for the widened tail.
        NotEnoughEvidenceError: fewer than two units.
    """
    from scipy.stats import norm, t

    if n < 2:
        raise NotEnoughEvidenceError(f"{n} units were resampled, at least 2 needed for an interval")
    values = np.asarray(resampled, dtype=np.float64)
    _finite(values, "resampled estimate")
    if not 0 < alpha < 0.5:
        raise InvalidInputError(f"alpha is {alpha}; use a value in (0, .5)")
    tail = float(norm.cdf(float(t.ppf(alpha, n - 1)) * np.sqrt(n / (n - 1))))
    outer = int(np.floor(tail * len(values))) - 1
    if outer < 0:
        raise InvalidInputError(f"{len(values)} resamples have no tail of {tail:.2g}; use {int(2 / tail) + 1} or more")
    ordered = np.sort(values)
    return Interval(estimate, float(ordered[outer]), float(ordered[-1 - outer]), 1 - 2 * alpha, n)


def student_lower_bound(estimate: float, error: float, alpha: float, n: int) -> float:
    """Return the one-sided lower bound of an estimate with the error `alpha`, by Student's t with n - 1 degrees.

    For a small `alpha`, where a percentile of a bootstrap would need tens of thousands of resamples.

    Args:
        estimate: in the unit of the data.
        error: its standard error in that unit; where n is small a bootstrap's times sqrt(n / (n - 1)), since a
            bootstrap divides by n (Hesterberg, The American Statistician 2015, section 4.3).
        alpha: error of the bound.
        n: independent units behind the estimate.

    Raises:
        InvalidInputError: `alpha` is out of range.
        NotEnoughEvidenceError: fewer than two units.
    """
    from scipy.stats import t

    if n < 2:
        raise NotEnoughEvidenceError(f"{n} units, at least 2 needed for a bound")
    if not 0 < alpha < 0.5:
        raise InvalidInputError(f"alpha is {alpha}; use a value in (0, .5)")
    return estimate + float(t.ppf(alpha, n - 1)) * error


def _finite(values: np.ndarray, what: str) -> None:
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        row = int(wrong[0])
        raise InvalidInputError(f"{what} is {values[row]} in row {row}; pass finite numbers")


def wilson_interval(successes: int, trials: int, level: float = 0.95) -> Interval:
    """Return Wilson's score interval of a proportion (Wilson, JASA 1927).

    Raises:
        InvalidInputError: counts are negative or `successes` exceeds `trials`.
        NotEnoughEvidenceError: there are no trials.
    """
    from scipy.stats import binomtest

    if trials == 0:
        raise NotEnoughEvidenceError("0 units in the group, at least 1 needed")
    if not 0 <= successes <= trials:
        raise InvalidInputError(f"group has {successes} successes of {trials}; pass 0 to {trials}")
    bounds = binomtest(int(successes), int(trials)).proportion_ci(confidence_level=level, method="wilson")
    return Interval(successes / trials, float(bounds.low), float(bounds.high), level, int(trials))
