"""The estimators: inverse propensity, self-normalised, doubly robust, and the interval that all three share.

Belongs here: formulas, linearised by decision and summed by user. Does not belong here: whether the evidence suffices
and what is said about it (`off_policy.estimates`), building decisions (`off_policy.decisions`).

Concept: a decision counts with its weight w, the target's probability of what was sent over the draw's. With rewards r,
a reward model's prediction q of what was sent and m of what the target would send, and s the probability that the
target gives to candidates on offer (1 when all are):

- inverse propensity (IPS; Horvitz and Thompson, JASA 1952): sum of w r / sum of s;
- self-normalised (SNIPS; Swaminathan and Joachims, NIPS 2015): sum of w r / sum of w;
- doubly robust (DR; Dudik, Langford and Li, ICML 2011): sum of m + w (r - q) / sum of s, right on average for any
  fixed q.

All three estimate rewards per text among what the target would send that the draw offers. Nothing is known of the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.row_keys import encode_ids
from mlife_assets.core.statistics import Interval
from mlife_assets.recruiting.off_policy.decisions import LoggedDecisions

_ORDER = ("reward", "target_probability", "logged_probability", "predicted_reward", "predicted_value")


@dataclass(frozen=True, eq=False)
class Estimate:
    """A point estimate and its error as a sum of influences, one per user, float64 of shape (users,)."""

    value: float
    influences: np.ndarray

    def __sub__(self, other: Estimate) -> Estimate:
        """Return the difference of two estimates from the same users."""
        return Estimate(self.value - other.value, self.influences - other.influences)

    def interval(self, level: float) -> Interval:
        """Return the two-sided score interval.

        With rare rewards the variance of a weighted sum rises with what it estimates: a low estimate comes with a low
        variance, and an interval of equal arms misses the truth above it too often. So the variance moves with the
        estimate along a line whose slope is the third cumulant over the second, as in every natural exponential family
        (Morris, Annals of Statistics 1982): the interval holds all x with (x - value)^2 <= z^2 (V + c (x - value)), V
        the sum of squared influences and c the sum of cubes over V. For a Poisson count that is the score interval.

        Raises:
            InvalidInputError: `level` is not between 0 and 1.
        """
        if not 0 < level < 1:
            raise InvalidInputError(f"level is {level}; set it between 0 and 1")
        users = len(self.influences)
        variance = float(np.sum(self.influences**2)) * users / max(1, users - 1)
        slope = float(np.sum(self.influences**3)) / variance if variance > 0 else 0.0
        z = NormalDist().inv_cdf((1 + level) / 2)
        middle, arm = z * z * slope / 2, z * float(np.sqrt((z * slope / 2) ** 2 + variance))
        return Interval(self.value, self.value + middle - arm, self.value + middle + arm, level, users)


@dataclass(frozen=True, eq=False)
class WeightedDecisions:
    """The n decisions whose target might choose something on offer, ordered by user.

    Attributes:
        rows: the decisions.
        weights: target over logged probability, float64 (n,).
        supported: probability that the target gives to candidates on offer, in (0, 1], float64 (n,).
        user: code of the user, int64 (n,).
        unsupported_share: of the target's choices over all decisions, those left out included.
    """

    rows: LoggedDecisions
    weights: np.ndarray
    supported: np.ndarray
    user: np.ndarray
    unsupported_share: float

    @classmethod
    def of(cls, decisions: LoggedDecisions, supported: np.ndarray) -> WeightedDecisions:
        """Weigh `decisions`; rows where `supported` is 0 are left out.

        No weight is cut, which would bias the estimate: the quality floor and the number of candidates bound them.

        Raises:
            NotEnoughEvidenceError: nothing is left.
        """
        kept = np.flatnonzero(supported > 0)
        if not len(kept):
            raise NotEnoughEvidenceError(f"0 of {len(decisions):,} decisions offer what the target would choose")
        user = encode_ids(decisions.user_ids[kept], "user_ids").codes
        columns = [getattr(decisions, name) for name in _ORDER]
        order = np.lexsort((*(column[kept] for column in columns if column is not None), user))
        rows = decisions.take(kept[order])
        weights = rows.target_probability / rows.logged_probability
        missing = 1.0 - float(np.sum(supported[kept])) / len(supported)
        return cls(rows, weights, supported[kept[order]], user[order], missing)

    def by_user(self, values: np.ndarray) -> np.ndarray:
        """Return sums over each user's decisions, float64 of shape (users,)."""
        sums: np.ndarray = np.bincount(self.user, weights=values)
        return sums

    @property
    def effective_sample_size(self) -> float:
        """Kish's effective number of users: squared sum over sum of squares of the weights of users; 0 without any."""
        by_user = self.by_user(self.weights)
        squares = float(np.sum(by_user**2))
        return float(np.sum(by_user)) ** 2 / squares if squares > 0 else 0.0

    @property
    def rewarded_users(self) -> int:
        """Users with a reward whose weight is not zero."""
        return int(np.sum(self.by_user(self.weights * self.rows.reward) > 0))

    def ips(self) -> Estimate:
        """Return the inverse propensity estimate."""
        return self._per_text(self.weights * self.rows.reward)

    def snips(self) -> Estimate:
        """Return the self-normalised estimate; its influences are those of the delta method."""
        total = float(np.sum(self.weights))
        value = float(np.sum(self.weights * self.rows.reward)) / total
        return Estimate(value, self.by_user(self.weights * (self.rows.reward - value)) / total)

    def doubly_robust(self) -> Estimate | None:
        """Return the doubly robust estimate, None without a reward model."""
        if self.rows.predicted_reward is None or self.rows.predicted_value is None:
            return None
        residual = self.rows.reward - self.rows.predicted_reward
        return self._per_text(self.rows.predicted_value + self.weights * residual)

    def mean_weight(self) -> Estimate:
        """Return the mean weight, which is 1 on average when the logged probabilities are true."""
        return self._per_text(self.weights)

    def _per_text(self, values: np.ndarray) -> Estimate:
        texts = float(np.sum(self.supported))
        value = float(np.sum(values)) / texts
        return Estimate(value, self.by_user(values - value * self.supported) / texts)
