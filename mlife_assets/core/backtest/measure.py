"""How well each policy did over the replay: average precision, log loss, and their differences with intervals.

Belongs here: estimates over the served rows and their resamples by blocks of days. Does not belong here: which
probabilities were served (`replay`), what is recommended (`recommendation`).

Concept: all policies are measured on the same rows, each row by the probability that the policy's champion of that day
gave it, all in one ranking. Average precision is that of the gate: AP = sum over distinct scores of (recall gained) x
(precision there). Blocks of neighbouring days are resampled, the same for all policies, because days that lie close
share weather, prices and the model that served.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlife_assets.core.backtest_policy import BacktestPolicy
from mlife_assets.core.errors import NotEnoughEvidenceError
from mlife_assets.core.statistics import Interval, day_multiplicities, expanded_percentile_interval

Array = npt.NDArray[np.float64]
BLOCKS_MINIMUM = 8
"""Blocks of days that an interval needs: with fewer, the tail of a widened percentile interval has no resample."""


@dataclass(frozen=True)
class Score:
    """How well a policy did, with the interval of its average precision."""

    average_precision: Interval
    log_loss: float


@dataclass(frozen=True, eq=False)
class Measured:
    """Scores by policy, and average precision of the first minus that of each other."""

    scores: Mapping[str, Score]
    differences: Mapping[str, Interval]
    against_best: Mapping[str, Interval]
    best: str


@dataclass(frozen=True, eq=False)
class Ranking:
    """Rows sorted by a score, highest first, in groups of equal score.

    Attributes:
        order: places of the rows in that order, int64 (n,).
        last_of_group: whether each sorted row is the last of its score, bool (n,).
    """

    order: npt.NDArray[np.int64]
    last_of_group: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, score: Array) -> Ranking:
        """Return the ranking of n scores."""
        order = np.argsort(-score, kind="stable")
        ordered = score[order]
        return cls(order, np.append(ordered[1:] != ordered[:-1], True))

    def average_precision(self, outcome: npt.NDArray[np.bool_], weights: Array) -> float:
        """Return the average precision where each row counts `weights` times; 0 without a positive."""
        weighted = weights[self.order]
        seen = np.cumsum(weighted)[self.last_of_group]
        positives = np.cumsum(weighted * outcome[self.order])[self.last_of_group]
        if not len(positives) or positives[-1] <= 0:
            return 0.0
        gained = np.diff(positives, prepend=0.0)
        return float(np.sum(gained * positives / np.maximum(seen, 1.0)) / positives[-1])


def measure(
    probabilities: Mapping[str, Array],
    outcome: npt.NDArray[np.bool_],
    day_codes: npt.NDArray[np.int64],
    days: int,
    policy: BacktestPolicy,
    *,
    first: str,
) -> Measured:
    """Return what n served rows say of each policy.

    Args:
        probabilities: policy -> probability of each row, shape (n,).
        outcome: labels, bool (n,).
        day_codes: day of each row, 0 to `days` - 1, int64 (n,).
        days: consecutive days of the replay.
        policy: blocks, resamples and error.
        first: the policy that is held against each other.

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
    # Policies that served the same probabilities are one ranking.
    rankings: dict[bytes, tuple[float, Array]] = {}
    values: dict[str, tuple[float, Array]] = {}
    for name, probability in probabilities.items():
        key = np.ascontiguousarray(probability).tobytes()
        if key not in rankings:
            ranking = Ranking.of(probability)
            resampled = np.array([ranking.average_precision(outcome, one[day_codes]) for one in multiplicities])
            rankings[key] = (ranking.average_precision(outcome, np.ones(len(outcome))), resampled)
        values[name] = rankings[key]

    def interval(estimate: float, resampled: Array) -> Interval:
        return expanded_percentile_interval(estimate, resampled, policy.one_sided_alpha, blocks)

    def difference(one: str, other: str) -> Interval:
        return interval(values[one][0] - values[other][0], values[one][1] - values[other][1])

    names = list(probabilities)
    best = max(names, key=lambda name: (values[name][0], -names.index(name)))
    return Measured(
        scores={name: Score(interval(*values[name]), log_loss(probabilities[name], outcome)) for name in names},
        differences={name: difference(first, name) for name in names if name != first},
        against_best={name: difference(name, best) for name in names if name != best},
        best=best,
    )


def log_loss(probability: Array, outcome: npt.NDArray[np.bool_]) -> float:
    """Return the mean log loss of n probabilities strictly between 0 and 1."""
    return float(-np.mean(np.log(np.where(outcome, probability, 1.0 - probability))))
