"""The promotion gate: may a challenger replace the champion? Pure, and closed by default.

Belongs here: the comparison of contenders, the conditions, the verdict and its sentences. Does not belong here: which
rows are examples (`defs`), validity of the inputs (`core.training.gate_examples`), recording the verdict (events).

Concept: a challenger is promoted only when every condition is met. It must rank better than the human baseline *and*
the champion: the lower bound of the user-clustered paired bootstrap of delta MAP lies strictly above the margin, so a
tie refuses. Both must hold, which needs no correction for two tests. An invalid comparison is refused without being
made; too few users with positives is an outcome of its own, and no pass. A first champion is compared with the human
alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np

from mlife_assets.core.policies import PromotionPolicy, policy_version
from mlife_assets.core.ranking import RankingResult, prepare_ranking_rows, rank_rows
from mlife_assets.core.row_keys import encode_days
from mlife_assets.core.statistics import Interval, paired_bootstrap_interval
from mlife_assets.core.training.gate_examples import (
    ALLOWED_SLICES,
    Condition,
    Contender,
    GateExamples,
    aligned_scores,
    contender_conditions,
    example_conditions,
    on_examples,
)
from mlife_assets.core.training.reliability import Calibration

__all__ = [
    "ALLOWED_SLICES",
    "Comparison",
    "Condition",
    "Contender",
    "GateExamples",
    "Outcome",
    "PromotionDecision",
    "decide_promotion",
    "on_examples",
]

Outcome = Literal["promoted", "refused", "not_enough_evidence"]
_EVIDENCE = "enough_users_with_positives"


@dataclass(frozen=True)
class Comparison:
    """Challenger against one other ranking on the same users.

    Attributes:
        against: "human", "champion" or "random".
        model_version: of the other side.
        challenger_map: MAP@k of the challenger.
        other_map: MAP@k of the other side (for "random" the analytic expectation).
        delta: challenger minus other with its bounds; n counts users with positives.
        margin: what `delta.lower` must exceed.
    """

    against: str
    model_version: str
    challenger_map: float
    other_map: float
    delta: Interval
    margin: float

    @property
    def is_won(self) -> bool:
        """Whether the lower bound lies strictly above the margin."""
        return self.delta.lower > self.margin


@dataclass(frozen=True)
class PromotionDecision:
    """The verdict and everything it rests on.

    Attributes:
        outcome: "promoted", "refused" or "not_enough_evidence".
        model_version: of the challenger.
        champion_version: None before the first promotion.
        cohort: where relevance comes from.
        depth: k of MAP@k.
        comparisons: against the human, the champion (if any) and a random ranking; empty when a comparison is invalid.
        users: users in the examples.
        users_with_positives: users that count in MAP.
        conditions: every requirement that was checked, in order.
        sentences: the verdict for people: first why, then what was measured.
        policy_version: hash of the policy that the decision was taken under.
    """

    outcome: Outcome
    model_version: str
    champion_version: str | None
    cohort: str
    depth: int
    comparisons: tuple[Comparison, ...]
    users: int
    users_with_positives: int
    conditions: tuple[Condition, ...]
    sentences: tuple[str, ...]
    policy_version: str

    @property
    def is_promoted(self) -> bool:
        """Whether the challenger may become champion."""
        return self.outcome == "promoted"

    @property
    def unmet(self) -> tuple[Condition, ...]:
        """Conditions that are not met."""
        return tuple(condition for condition in self.conditions if not condition.is_met)

    def against(self, name: str) -> Comparison | None:
        """Return the comparison with "human", "champion" or "random"; None when it was not made."""
        return next((comparison for comparison in self.comparisons if comparison.against == name), None)

    @property
    def main_comparison(self) -> Comparison | None:
        """The comparison that the event records: with the champion, else with the human."""
        return self.against("champion") or self.against("human")


def decide_promotion(
    examples: GateExamples,
    challenger: Contender,
    champion: Contender | None,
    human: Contender | None,
    policy: PromotionPolicy,
    *,
    as_of: date,
    calibration: Calibration | None,
    also_required: Sequence[Condition] = (),
) -> PromotionDecision:
    """Decide whether `challenger` may be promoted.

    Args:
        examples: n mature rows of the gate window, in any order.
        challenger: the new model with its scores on the same rows.
        champion: the model in use; None before the first promotion.
        human: the baseline; None refuses.
        policy: depth, margin, evidence, bootstrap, bounds of the calibration slope.
        as_of: labels must be mature as of this day.
        calibration: of the challenger's probabilities on mature exposures outside its training; None refuses.
        also_required: conditions that were checked elsewhere (scoring parity, impact ratios).

    Raises:
        InvalidInputError: ids are missing or columns differ in length. Every other fault is a refusal.
    """
    sides = {"challenger": challenger, "human": human, "champion": champion}
    contenders = {role: side for role, side in sides.items() if side is not None}
    aligned = {role: aligned_scores(examples, role, side) for role, side in contenders.items()}
    conditions = [*example_conditions(examples, as_of), _human_given(human), *_is_another(challenger, champion)]
    for role, side in contenders.items():
        conditions += contender_conditions(examples, role, side, aligned[role])
    comparisons: tuple[Comparison, ...] = ()
    users, with_positives = 0, 0
    scores = {role: values for role, values in aligned.items() if not isinstance(values, str)}
    if all(condition.is_met for condition in conditions):
        results = _rank(examples, scores, policy)
        users, with_positives = results["challenger"].users_total, len(results["challenger"].users)
        conditions.append(_evidence(with_positives, policy))
        if with_positives > 1:
            comparisons = _compare(results, contenders, policy)
        conditions += [_is_better(comparison, policy.ranking_depth) for comparison in comparisons]
        conditions.append(_is_calibrated(calibration, policy))
        conditions += also_required
    outcome = _outcome(conditions)
    return PromotionDecision(
        outcome=outcome,
        model_version=challenger.model_version,
        champion_version=None if champion is None else champion.model_version,
        cohort=examples.cohort,
        depth=policy.ranking_depth,
        comparisons=comparisons,
        users=users,
        users_with_positives=with_positives,
        conditions=tuple(conditions),
        sentences=_sentences(outcome, conditions),
        policy_version=policy_version(policy),
    )


def _human_given(human: Contender | None) -> Condition:
    if human is None:
        return Condition("human_baseline_given", False, "No human baseline was given; pass the recruiters' ranking.")
    return Condition("human_baseline_given", True, f"The human baseline is {human.model_version}.")


def _is_another(challenger: Contender, champion: Contender | None) -> list[Condition]:
    version = challenger.model_version
    if champion is None:
        return [Condition("is_another_model", True, f"{version} would be the first champion.")]
    if champion.model_version == version:
        text = f"The challenger {version} is the champion; a model is never compared with itself."
        return [Condition("is_another_model", False, text)]
    return [Condition("is_another_model", True, f"{version} is not the champion {champion.model_version}.")]


def _rank(
    examples: GateExamples, scores: Mapping[str, np.ndarray], policy: PromotionPolicy
) -> dict[str, RankingResult]:
    rows = prepare_ranking_rows(
        examples.user_ids,
        examples.job_ids,
        examples.is_relevant,
        policy.seed,
        encode_days(examples.as_of_dates, "as_of_dates"),
    )
    return {role: rank_rows(rows, values, policy.ranking_depth) for role, values in scores.items()}


def _compare(
    results: Mapping[str, RankingResult], contenders: Mapping[str, Contender], policy: PromotionPolicy
) -> tuple[Comparison, ...]:
    ours = results["challenger"]
    others = [
        (role, contenders[role].model_version, results[role].average_precision, policy.minimum_delta_map)
        for role in ("human", "champion")
        if role in results
    ]
    others.append(("random", "random", ours.random_expectation, 0.0))
    return tuple(
        Comparison(
            against=role,
            model_version=version,
            challenger_map=ours.mean,
            other_map=float(np.sum(precision) / len(precision)),
            delta=paired_bootstrap_interval(
                ours.average_precision - precision, policy.bootstrap_resamples, policy.one_sided_alpha, policy.seed
            ),
            margin=margin,
        )
        for role, version, precision, margin in others
    )


def _evidence(with_positives: int, policy: PromotionPolicy) -> Condition:
    needed = policy.minimum_users_with_positives
    return Condition(
        _EVIDENCE, with_positives >= needed, f"{with_positives:,} users with positives, {needed:,} needed."
    )


def _is_better(comparison: Comparison, depth: int) -> Condition:
    delta = comparison.delta
    other = "a random ranking" if comparison.against == "random" else f"the {comparison.against}"
    verb = "beats" if comparison.is_won else "does not beat"
    text = (
        f"The challenger {verb} {other}: MAP@{depth} {comparison.challenger_map:.3f} against "
        f"{comparison.other_map:.3f}, difference {delta.estimate:+.4f} ({delta.lower:+.4f} to {delta.upper:+.4f}), "
        f"lower bound must exceed {comparison.margin:g}."
    )
    return Condition(f"beats_{comparison.against}", comparison.is_won, text)


def _is_calibrated(calibration: Calibration | None, policy: PromotionPolicy) -> Condition:
    low, high = policy.calibration_slope_minimum, policy.calibration_slope_maximum
    if calibration is None:
        return Condition(
            "is_calibrated", False, "No calibration was measured; evaluate probabilities on more examples."
        )
    is_met = low <= calibration.slope_lower and calibration.slope_upper <= high
    verb = "lies" if is_met else "does not lie"
    text = (
        f"The calibration slope {calibration.slope:.2f} ({calibration.slope_lower:.2f} to "
        f"{calibration.slope_upper:.2f}) {verb} within {low:g} to {high:g}."
    )
    return Condition("is_calibrated", is_met, text)


def _outcome(conditions: Sequence[Condition]) -> Outcome:
    unmet = [condition.name for condition in conditions if not condition.is_met]
    if not unmet:
        return "promoted"
    return "not_enough_evidence" if _EVIDENCE in unmet else "refused"


def _sentences(outcome: Outcome, conditions: Sequence[Condition]) -> tuple[str, ...]:
    measured = [
        c.sentence for c in conditions if c.is_met and c.name.startswith(("beats_", "enough_", "is_calibrated"))
    ]
    if outcome == "promoted":
        return (f"Promoted: all {len(conditions)} conditions are met.", *measured)
    unmet = sorted((c for c in conditions if not c.is_met), key=lambda c: c.name != _EVIDENCE)
    prefix = "Not enough evidence" if outcome == "not_enough_evidence" else "Refused"
    return (f"{prefix}: {unmet[0].sentence}", *(c.sentence for c in unmet[1:]), *measured)
