"""Results of each policy over the replay by three criteria, and differences between policies with intervals.

Concept: all policies are measured on the same rows, each row by the probability that the policy served for it, by
average precision of all rows in one ranking, which also rewards knowing times of high rates; average precision within
periods, which does not; and log loss, which measures the probabilities themselves. Average precision is that of the
gate: AP = sum over distinct scores of (recall gained) x (precision there). Blocks of neighbouring days are resampled,
the same for all policies, because close days share weather, prices and the served model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlife_assets.core.errors import NotEnoughEvidenceError
from mlife_assets.core.policies import BacktestPolicy
from mlife_assets.core.statistics import Interval, day_multiplicities, expanded_percentile_interval
from mlife_assets.core.threads import one_thread

Array = npt.NDArray[np.float64]
BLOCKS_MINIMUM = 8
"""Blocks of days that an interval needs: with fewer, the widened percentile has no resample."""


@dataclass(frozen=True, eq=False)
class Criterion:
    """One criterion for every policy.

    Attributes:
        values: policy -> value on the actual rows.
        resampled: policy -> value in each resample, float64 (r,); the same resamples for all.
        margin: the non-inferiority margin.
        is_lower_better: whether less is better, as of a loss.
        blocks: number of resampled blocks of days.
        alpha: error on each side of an interval.
    """

    values: Mapping[str, float]
    resampled: Mapping[str, Array]
    margin: float
    is_lower_better: bool
    blocks: int
    alpha: float

    def interval(self, name: str) -> Interval:
        """Return the value of a policy with its interval."""
        return expanded_percentile_interval(self.values[name], self.resampled[name], self.alpha, self.blocks)

    def gain(self, one: str, other: str) -> Interval:
        """Return by how much `one` is better than `other`; below 0 it is worse, for any criterion."""
        sign = -1.0 if self.is_lower_better else 1.0
        return expanded_percentile_interval(
            sign * (self.values[one] - self.values[other]),
            sign * (self.resampled[one] - self.resampled[other]),
            self.alpha,
            self.blocks,
        )

    def is_as_good(self, one: str, other: str) -> bool:
        """Return whether `one` is shown not to be worse than `other` by more than the margin."""
        return self.gain(one, other).lower >= -self.margin


@dataclass(frozen=True, eq=False)
class Measured:
    """Every policy by every criterion.

    Attributes:
        average_precision: of all rows in one ranking.
        within_periods: of each period's rows alone, averaged over periods by their positives.
        log_loss: mean log loss, in nats.
    """

    average_precision: Criterion
    within_periods: Criterion
    log_loss: Criterion

    @property
    def criteria(self) -> dict[str, Criterion]:
        """The criteria by name, the main one first."""
        return {
            "average precision": self.average_precision,
            "average precision within periods": self.within_periods,
            "log loss": self.log_loss,
        }


@dataclass(frozen=True, eq=False)
class Ranking:
    """Rows sorted by a score, highest first, in groups of equal score; several rankings one after the other.

    Attributes:
        order: row numbers in that order, int64 (n,).
        last_of_group: positions in that order of the last row of each score, int64 (g,).
        before: for each group, the position in that order of the first row of its ranking, int64 (g,).
    """

    order: npt.NDArray[np.int64]
    last_of_group: npt.NDArray[np.int64]
    before: npt.NDArray[np.int64]

    @classmethod
    def of(cls, score: Array, ranking: npt.NDArray[np.int64] | None = None) -> Ranking:
        """Return the rankings of n scores: one of all rows, or one per number in `ranking`."""
        codes = np.zeros(len(score), dtype=np.int64) if ranking is None else ranking
        order = np.lexsort((-score, codes))
        ordered, of_row = score[order], codes[order]
        ends_ranking = of_row[1:] != of_row[:-1]
        last = np.flatnonzero(np.append((ordered[1:] != ordered[:-1]) | ends_ranking, True)[: len(score)])
        starts = np.append(0, np.flatnonzero(ends_ranking) + 1)
        return cls(order, last, starts[np.searchsorted(starts, last, side="right") - 1])

    def average_precision(self, outcome: npt.NDArray[np.bool_], weights: Array) -> float:
        """Return the average precision with row `weights`; 0 without a positive.

        Several rankings are weighted by their positives.
        """
        if not len(self.last_of_group):
            return 0.0
        weighted = weights[self.order]
        seen = np.append(0.0, np.cumsum(weighted))
        positives = np.append(0.0, np.cumsum(weighted * outcome[self.order]))
        at_end = positives[self.last_of_group + 1]
        if at_end[-1] <= 0:
            return 0.0
        inside = seen[self.last_of_group + 1] - seen[self.before]
        precision = (at_end - positives[self.before]) / np.maximum(inside, 1.0)
        return float(np.sum(np.diff(at_end, prepend=0.0) * precision) / at_end[-1])


def measure(
    probabilities: Mapping[str, Array],
    outcome: npt.NDArray[np.bool_],
    day_codes: npt.NDArray[np.int64],
    days: int,
    policy: BacktestPolicy,
    *,
    period_days: int,
) -> Measured:
    """Return the results of each policy on n served rows.

    Args:
        probabilities: policy -> probability of each row, shape (n,).
        outcome: labels, bool (n,).
        day_codes: day of each row, 0 to `days` - 1, int64 (n,).
        days: consecutive days of the replay.
        policy: margins, blocks, resamples and error.
        period_days: days of a period. A period with one class only is left out.

    Raises:
        NotEnoughEvidenceError: too few blocks of days, or only one class.
    """
    block = policy.bootstrap_block_days
    blocks = days // block
    if blocks < BLOCKS_MINIMUM:
        raise NotEnoughEvidenceError(
            f"the replay has {days} days, {BLOCKS_MINIMUM * block} needed for an interval from blocks of {block} days; "
            "bring a longer history"
        )
    if not 0 < np.count_nonzero(outcome) < len(outcome):
        raise NotEnoughEvidenceError(
            f"{int(np.count_nonzero(outcome))} of {len(outcome)} served rows are positive; both classes are needed"
        )
    multiplicities = day_multiplicities(days, block, policy.bootstrap_resamples, policy.seed)
    ones, rows = np.ones(days), np.bincount(day_codes, minlength=days).astype(np.float64)
    periods = day_codes // period_days
    # Rows outside weigh nothing, so that rankings of one class, in which no error is possible, dilute no difference.
    is_inside = _has_both(periods, outcome)[periods].astype(np.float64)

    def ranked(ranking: npt.NDArray[np.int64] | None, of_row: Array) -> Callable[[Array], tuple[float, Array]]:
        def values(probability: Array) -> tuple[float, Array]:
            found = Ranking.of(probability, ranking)
            own, *resampled = (
                found.average_precision(outcome, one[day_codes] * of_row) for one in (ones, *multiplicities)
            )
            return own, np.array(resampled)

        return values

    def losses(probability: Array) -> tuple[float, Array]:
        by_day = np.bincount(day_codes, row_losses(probability, outcome), minlength=days)
        with one_thread():
            resampled = (multiplicities @ by_day) / np.maximum(multiplicities @ rows, 1.0)
        return float(by_day.sum() / len(outcome)), resampled

    def criterion(of: Callable[[Array], tuple[float, Array]], margin: float, *, is_lower_better: bool) -> Criterion:
        # Policies with the same probabilities are computed once.
        known: dict[bytes, tuple[float, Array]] = {}
        found = {}
        for name, probability in probabilities.items():
            key = np.ascontiguousarray(probability).tobytes()
            found[name] = known[key] if key in known else known.setdefault(key, of(probability))
        return Criterion(
            {name: value for name, (value, _) in found.items()},
            {name: resampled for name, (_, resampled) in found.items()},
            margin,
            is_lower_better,
            blocks,
            policy.one_sided_alpha,
        )

    margin = policy.margin_average_precision
    return Measured(
        criterion(ranked(None, np.ones(len(outcome))), margin, is_lower_better=False),
        criterion(ranked(periods, is_inside), margin, is_lower_better=False),
        criterion(losses, policy.margin_log_loss, is_lower_better=True),
    )


def _has_both(periods: npt.NDArray[np.int64], outcome: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return for each period whether it has both classes, bool (periods,)."""
    positives, rows = np.bincount(periods, outcome), np.bincount(periods)
    return np.asarray((positives > 0) & (positives < rows))


def row_losses(probability: Array, outcome: npt.NDArray[np.bool_]) -> Array:
    """Return the log loss of n probabilities strictly between 0 and 1, float64 (n,)."""
    return np.asarray(-np.log(np.where(outcome, probability, 1.0 - probability)))


def log_loss(probability: Array, outcome: npt.NDArray[np.bool_]) -> float:
    """Return the mean log loss of n probabilities strictly between 0 and 1."""
    return float(np.mean(row_losses(probability, outcome)))
