"""What a target policy earns per explored text: the estimates, when they are refused, and what is said about them.

Concept: an estimate says for which part of the target's choices it holds, how much evidence it rests on, and whether
the log it was made from can be true. Too little evidence is an error with the numbers, not a wide interval.

A decision counts with its weight w, the target's probability of what was sent over the draw's. With rewards r, a reward
model's prediction q of what was sent and m of what the target would send, and s the probability that the target gives
to candidates on offer (1 when all are):

- inverse propensity (IPS; Horvitz and Thompson, JASA 1952): sum of w r / sum of s;
- self-normalised (SNIPS; Swaminathan and Joachims, NIPS 2015): sum of w r / sum of w;
- doubly robust (DR; Dudik, Langford and Li, ICML 2011): sum of m + w (r - q) / sum of s, right on average for any
  fixed q.

All three estimate rewards per text among what the target would send that the draw offers. Nothing is known of the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.policies import PromotionPolicy
from mlife_assets.core.row_keys import encode_ids
from mlife_assets.core.statistics import Interval
from mlife_assets.recruiting.off_policy.decisions import LoggedDecisions

MINIMUM_REWARDED_USERS = 10
"""Below so many users with a reward that counts, no interval is trusted."""
UNSUPPORTED_SHARE_MAXIMUM = 0.2
"""Above this share of choices out of the draw's reach, the rest says too little about the target."""
LEVEL = 0.95
"""Of the two-sided intervals."""
CONSISTENCY_LEVEL = 0.999
"""Of the interval of the mean weight: an alarm that is seldom false."""

_ORDER = ("reward", "target_probability", "logged_probability", "predicted_reward", "predicted_value")


@dataclass(frozen=True)
class OffPolicyValue:
    """What a target policy earns per explored text, among its choices that the draw offers.

    Attributes:
        ips: inverse propensity estimate; n counts users.
        snips: self-normalised estimate.
        doubly_robust: None without a reward model.
        mean_weight: at 99.9 %; 1 is expected.
        decisions: where the target might choose something on offer.
        users: behind those decisions.
        rewarded_users: users with a reward whose weight is not zero.
        effective_sample_size: Kish's, of the weights summed by user.
        unsupported_share: share of the target's choices that the draw never offers; the estimates are for the others.
        largest_weight: of a decision.
        sentences: the same for people.
    """

    ips: Interval
    snips: Interval
    doubly_robust: Interval | None
    mean_weight: Interval
    decisions: int
    users: int
    rewarded_users: int
    effective_sample_size: float
    unsupported_share: float
    largest_weight: float
    sentences: tuple[str, ...] = ()

    @property
    def value(self) -> Interval:
        """The estimate to use: doubly robust with a reward model, else self-normalised."""
        return self.snips if self.doubly_robust is None else self.doubly_robust

    @property
    def is_log_consistent(self) -> bool:
        """Whether the weights average 1, as they must when the logged probabilities are true."""
        return self.mean_weight.lower <= 1.0 <= self.mean_weight.upper


@dataclass(frozen=True)
class OffPolicyDifference:
    """What one target earns more than another per explored text, on the decisions that support both.

    Attributes:
        difference: first minus second; doubly robust when both have predictions, else self-normalised.
        first, second: the values on the same decisions.
        sentences: the same for people.
    """

    difference: Interval
    first: OffPolicyValue
    second: OffPolicyValue
    sentences: tuple[str, ...]


def estimate_value(decisions: LoggedDecisions, policy: PromotionPolicy) -> OffPolicyValue:
    """Estimate the value of the target policy of `decisions`, with 95 % intervals.

    Choices that the draw never offers are left out; the estimate is for the others, and says so. What is left out
    depends on candidates and scores only, never on what was sent or came of it.

    Args:
        decisions: mature outcomes of explored texts.
        policy: names the smallest effective sample.

    Raises:
        NotEnoughEvidenceError: too small an effective sample, too few rewards, too little support; with the numbers.
    """
    return _value(WeightedDecisions.of(decisions, decisions.supported), policy)


def estimate_difference(
    first: LoggedDecisions, second: LoggedDecisions, policy: PromotionPolicy
) -> OffPolicyDifference:
    """Estimate what the target of `first` earns more than that of `second`; both hold the same decisions in order.

    Only decisions count where everything that either target might choose was on offer, so that both are judged on the
    same users and days. A target that explores on its own floor leaves few of those; compare greedy targets.

    Raises:
        NotEnoughEvidenceError: as `estimate_value`, for either side.
        InvalidInputError: the two are not the same decisions, row by row.
    """
    for name in ("user_ids", "logged_probability", "reward"):
        if not np.array_equal(getattr(first, name), getattr(second, name)):
            raise InvalidInputError(f"{name} of the two targets differ; build both from the same candidate rows")
    supported = np.where((first.supported == 1) & (second.supported == 1), 1.0, 0.0)
    ours, theirs = (WeightedDecisions.of(one, supported) for one in (first, second))
    values = [_value(side, policy) for side in (ours, theirs)]
    robust = ours.doubly_robust(), theirs.doubly_robust()
    if robust[0] is not None and robust[1] is not None:
        kind, difference = "doubly robust", (robust[0] - robust[1]).interval(LEVEL)
    else:
        kind, difference = "self-normalised", (ours.snips() - theirs.snips()).interval(LEVEL)
    text = (
        f"The first policy earns {difference.estimate:+.4f} rewards per text more than the second "
        f"({difference.lower:+.4f} to {difference.upper:+.4f} at {LEVEL:.0%}, {kind}), on the same "
        f"{values[0].decisions:,} decisions of {values[0].users:,} users."
    )
    sentences = (
        f"{name} policy: {sentence}"
        for name, one in zip(("First", "Second"), values, strict=True)
        for sentence in one.sentences
    )
    return OffPolicyDifference(difference, values[0], values[1], (text, *sentences))


def _value(weighted: WeightedDecisions, policy: PromotionPolicy) -> OffPolicyValue:
    _require_evidence(weighted, policy)
    robust = weighted.doubly_robust()
    value = OffPolicyValue(
        ips=weighted.ips().interval(LEVEL),
        snips=weighted.snips().interval(LEVEL),
        doubly_robust=None if robust is None else robust.interval(LEVEL),
        mean_weight=weighted.mean_weight().interval(CONSISTENCY_LEVEL),
        decisions=len(weighted.rows),
        users=len(weighted.by_user(weighted.weights)),
        rewarded_users=weighted.rewarded_users,
        effective_sample_size=weighted.effective_sample_size,
        unsupported_share=weighted.unsupported_share,
        largest_weight=float(weighted.weights.max()),
    )
    return replace(value, sentences=_sentences(value))


def _require_evidence(weighted: WeightedDecisions, policy: PromotionPolicy) -> None:
    decisions, needed = len(weighted.rows), policy.off_policy_minimum_effective_sample
    effective, rewarded = weighted.effective_sample_size, weighted.rewarded_users
    if weighted.unsupported_share > UNSUPPORTED_SHARE_MAXIMUM:
        raise NotEnoughEvidenceError(
            f"the draw never offers {weighted.unsupported_share:.0%} of what the target would choose, at most "
            f"{UNSUPPORTED_SHARE_MAXIMUM:.0%} allowed; lower exploration_floor_of_best to learn about the rest"
        )
    if effective < needed:
        raise NotEnoughEvidenceError(
            f"effective sample {effective:.0f} from {decisions:,} explored decisions, {needed:,} needed; wait for more "
            "mature explored texts"
        )
    if rewarded < MINIMUM_REWARDED_USERS:
        raise NotEnoughEvidenceError(
            f"{rewarded} users with a reward among the {decisions:,} explored decisions that the target agrees with, "
            f"{MINIMUM_REWARDED_USERS} needed; wait for more mature explored texts"
        )


def _sentences(value: OffPolicyValue) -> tuple[str, ...]:
    kind = "self-normalised" if value.doubly_robust is None else "doubly robust"
    found, mean = value.value, value.mean_weight
    sentences = [
        f"The policy earns {found.estimate:.4f} rewards per text ({found.lower:.4f} to {found.upper:.4f} at "
        f"{found.level:.0%}, {kind}), from {value.decisions:,} explored decisions of {value.users:,} users; effective "
        f"sample {value.effective_sample_size:,.0f}, {value.rewarded_users:,} users with a reward.",
    ]
    if value.unsupported_share > 0:
        sentences.append(
            f"{value.unsupported_share:.1%} of the choices are left out, because the draw never offers them. The "
            "estimate is for the others."
        )
    sentences.append(f"No weight was cut; the largest is {value.largest_weight:.1f}.")
    if not value.is_log_consistent:
        sentences.append(
            f"The weights average {mean.estimate:.2f} ({mean.lower:.2f} to {mean.upper:.2f}), not 1: what was sent "
            "does not follow the logged probabilities. Find out which picks were dropped before trusting this."
        )
    return tuple(sentences)


@dataclass(frozen=True, eq=False)
class Estimate:
    """A point estimate and its error as a sum of influences, one per user, float64 of shape (users,)."""

    value: float
    influences: np.ndarray

    def __sub__(self, other: Estimate) -> Estimate:
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
