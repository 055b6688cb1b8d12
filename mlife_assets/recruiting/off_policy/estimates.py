"""What a target policy earns per explored text: the estimates, when they are refused, and what is said about them.

Belongs here: results, evidence, sentences. Does not belong here: formulas (`off_policy.weighting`), building decisions
(`off_policy.decisions`), deciding about promotion (`core.training.gate`).

Concept: an estimate says for which part of the target's choices it holds, how much evidence it rests on, and whether
the log it was made from can be true. Too little evidence is an error with the numbers, not a wide interval.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.policies import PromotionPolicy
from mlife_assets.core.statistics import Interval
from mlife_assets.recruiting.off_policy.decisions import LoggedDecisions
from mlife_assets.recruiting.off_policy.weighting import WeightedDecisions

MINIMUM_REWARDED_USERS = 10
"""Below so many users with a reward that counts, no interval is trusted."""
UNSUPPORTED_SHARE_MAXIMUM = 0.2
"""Above this share of choices out of the draw's reach, the rest says too little about the target."""
LEVEL = 0.95
"""Of the two-sided intervals."""
CONSISTENCY_LEVEL = 0.999
"""Of the interval of the mean weight: an alarm that is seldom false."""


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
