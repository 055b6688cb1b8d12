"""The verdict of the gate: its result types, and the conditions that any objective shares.

Concept: one result type for every objective. A verdict is a list of conditions with sentences; the outcome follows from
those that are not met, and the first sentence is the first reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mlife_assets.core.policies import PromotionPolicy
from mlife_assets.core.statistics import Interval
from mlife_assets.core.training.gate_examples import Condition
from mlife_assets.core.training.reliability import Calibration

Outcome = Literal["promoted", "refused", "not_enough_evidence"]
Kind = Literal["win", "refit", "non_inferiority"]
"""Decisions of release 0.1.0 have the last one as well."""
WIN: Kind = "win"
REFIT: Kind = "refit"

EVIDENCE_PREFIX = "enough_"
"""Conditions with this prefix ask for more data; one that is not met makes the outcome "not_enough_evidence"."""

HUMAN_GIVEN = "human_baseline_given"
BEATS_PREFIX = "beats_"
KEEPS_PROBABILITIES = "keeps_probabilities"
LEVEL = "is_calibrated_in_level"
SIMPLE = "simple"
"""Role of the simple rule that was fitted on the rows of the challenger."""
ALONE = "champion_alone"
"""Role of the champion where several models served in the window: that one, asked about every row."""
NOT_WORSE_PREFIX = "is_not_worse_than_"
COMPARED_PREFIXES = (KEEPS_PROBABILITIES, BEATS_PREFIX, NOT_WORSE_PREFIX, "is_calibrated")
"""Conditions with these prefixes say how the sides compare; all others say whether the comparison may be believed."""
SHOWN_WHEN_MET = (KEEPS_PROBABILITIES, BEATS_PREFIX, "is_calibrated", EVIDENCE_PREFIX)
"""Of the simple rule a remark is made, whatever the outcome."""
NAMES = {
    "random": "a random ranking",
    ALONE: "the champion alone, asked about days before its own as well",
    SIMPLE: "the simple rule that was fitted on the same rows",
}


@dataclass(frozen=True)
class Comparison:
    """Challenger against one other ranking on the same rows.

    Attributes:
        against: "human", "simple" (the rule fitted on the same rows), "champion" (what was served), "champion_alone"
            or "random".
        model_version: of the other side.
        challenger_map: the objective of the challenger: MAP@k, or average precision of examples without an item.
        other_map: the objective of the other side (for "random" its expectation: analytic, or the base rate).
        delta: challenger minus other with its bounds; n counts users with positives, or days without an item.
        margin: what a win has to exceed.
        win_bound: lower bound of the difference at the error of a win, which is smaller than that of `delta`.
    """

    against: str
    model_version: str
    challenger_map: float
    other_map: float
    delta: Interval
    margin: float
    win_bound: float

    @property
    def is_for_a_win(self) -> bool:
        """Whether a win has to beat this side; the others are held against something else, or reported."""
        return self.against != SIMPLE

    @property
    def is_won(self) -> bool:
        """Whether the bound of a win lies strictly above the margin."""
        return self.win_bound > self.margin

    @property
    def is_tied(self) -> bool:
        """Whether both sides are equal in every resample, as two names of one ranking are."""
        return self.delta.lower == self.delta.estimate == self.delta.upper == 0


@dataclass(frozen=True)
class PromotionDecision:
    """The verdict and everything it rests on.

    Attributes:
        outcome: "promoted", "refused" or "not_enough_evidence".
        model_version: of the challenger.
        champion_version: None before the first promotion.
        cohort: where relevance comes from.
        objective: what is compared, as sentences name it: "MAP@10" or "average precision".
        depth: k of MAP@k; None where the objective has no depth.
        comparisons: against the human, the simple rule and the champion (if any), a random ranking; empty
            when a comparison is invalid.
        users: users in the examples; rows when they have no item.
        users_with_positives: users that count in MAP; positive rows when the examples have no item.
        conditions: every requirement that was checked, in order.
        sentences: the verdict for people: first why, then what was measured.
        policy_version: hash of the policy that the decision was taken under.
        log_loss_gain: how much lower the challenger's log loss is than the champion's; None where it was not measured.
        kind: "refit" where the champion's configuration was fitted again, else "win".
    """

    outcome: Outcome
    model_version: str
    champion_version: str | None
    cohort: str
    objective: str
    depth: int | None
    comparisons: tuple[Comparison, ...]
    users: int
    users_with_positives: int
    conditions: tuple[Condition, ...]
    sentences: tuple[str, ...]
    policy_version: str
    log_loss_gain: Interval | None = None
    kind: Kind = WIN

    @property
    def is_promoted(self) -> bool:
        """Whether the challenger may become champion."""
        return self.outcome == "promoted"

    @property
    def unmet(self) -> tuple[Condition, ...]:
        """Conditions that are not met."""
        return tuple(condition for condition in self.conditions if not condition.is_met)

    def against(self, name: str) -> Comparison | None:
        """Return the comparison with one other side; None when it was not made."""
        return next((comparison for comparison in self.comparisons if comparison.against == name), None)


def is_better(comparison: Comparison, objective: str) -> Condition:
    """Return the condition that a comparison is won, with both values and the bounds of their difference."""
    verb = "beats" if comparison.is_won else "does not beat"
    if comparison.is_tied:
        verb = "ties with and so does not beat"
    text = (
        f"The challenger {verb} {other_side(comparison)}: {compared(comparison, objective)}; the bound of a win is "
        f"{comparison.win_bound:+.4f} and must exceed {comparison.margin:g}."
    )
    return Condition(BEATS_PREFIX + comparison.against, comparison.is_won, text)


def is_not_worse(comparison: Comparison, objective: str) -> Condition:
    """Return the condition that the challenger is not shown to be worse."""
    is_met = comparison.delta.upper >= 0
    verb = "is not shown to be" if is_met else "is"
    text = f"The challenger {verb} worse than {other_side(comparison)}: {compared(comparison, objective)}."
    return Condition(NOT_WORSE_PREFIX + comparison.against, is_met, text)


def is_calibrated(calibration: Calibration | None, policy: PromotionPolicy) -> tuple[Condition, ...]:
    """Return the conditions on the probabilities of a first model: they are usable.

    Neither slope (too bold or too timid) nor level (too much or too little in all) is shown to be off, with its whole
    interval outside of the policy's bounds; one that reaches into them shows nothing yet, which is said
    (`is_provisional`). The slope is shown to be above 0, or a higher probability is not known to mean anything.
    """
    if calibration is None:
        text = "No calibration was measured; evaluate probabilities on more examples."
        return (Condition("is_calibrated", False, text),)
    found = []
    for name, words, (lower, upper), (low, high) in _measured(calibration, policy):
        is_met = 0 < lower <= high and upper >= low
        verb = "is not shown to lie outside of" if is_met else "lies outside of"
        if low <= lower and upper <= high:
            verb = "lies within"
        text = f"{words} {verb} {low:g} to {high:g}."
        if lower <= 0 <= upper:
            text = f"{words} is not shown to be above 0, so higher probabilities may mean nothing yet."
        found.append(Condition(name, is_met, text))
    return tuple(found)


def is_provisional(calibration: Calibration, policy: PromotionPolicy) -> bool:
    """Return whether the probabilities are not shown to lie within the policy's bounds, with their whole intervals."""
    return any(lower < low or upper > high for _, _, (lower, upper), (low, high) in _measured(calibration, policy))


def _measured(
    calibration: Calibration, policy: PromotionPolicy
) -> tuple[tuple[str, str, tuple[float, float], tuple[float, float]], ...]:
    """Return of slope and level the condition, the words, the interval and the bounds."""
    slope = (policy.calibration_slope_minimum, policy.calibration_slope_maximum)
    level = (policy.calibration_level_minimum, policy.calibration_level_maximum)
    found = calibration.level
    return (
        ("is_calibrated", slope_words(calibration), (calibration.slope_lower, calibration.slope_upper), slope),
        (LEVEL, level_words(calibration), (found.lower, found.upper), level),
    )


def keeps_probabilities(calibration: Calibration | None, gain: Interval | None, policy: PromotionPolicy) -> Condition:
    """Return the condition on the probabilities where a champion serves.

    They are shown to be calibrated in slope and level, or not shown to be worse than the champion's: refusing would
    keep those. No whole interval of `gain` lies below zero. What was not measured shows nothing.
    """
    if calibration is not None and not is_provisional(calibration, policy):
        text = " ".join(one.sentence for one in is_calibrated(calibration, policy))
        return Condition(KEEPS_PROBABILITIES, True, text)
    if gain is None:
        return Condition(KEEPS_PROBABILITIES, True, "Too few outcomes are mature to compare probabilities.")
    is_met = gain.upper >= 0
    verb = "are not shown to be worse" if is_met else "are worse"
    text = f"The probabilities of the challenger {verb} than the champion's: {gained(gain)}."
    return Condition(KEEPS_PROBABILITIES, is_met, text)


def other_side(comparison: Comparison) -> str:
    """Return what sentences call the other side of a comparison."""
    return NAMES.get(comparison.against, f"the {comparison.against}")


def slope_words(calibration: Calibration) -> str:
    """Return the slope with its bounds."""
    bounds = f"{calibration.slope_lower:.2f} to {calibration.slope_upper:.2f}"
    return f"The calibration slope {calibration.slope:.2f} ({bounds})"


def level_words(calibration: Calibration) -> str:
    """Return the level with its bounds."""
    level = calibration.level
    bounds = f"{level.lower:.2f} to {level.upper:.2f}"
    return f"The calibration level {level.estimate:.2f} ({bounds}; odds of what happened over odds of what was said)"


def gained(gain: Interval) -> str:
    """Return how much lower a log loss is, with its bounds."""
    return f"log loss lower by {gain.estimate:+.4f} ({gain.lower:+.4f} to {gain.upper:+.4f})"


def compared(comparison: Comparison, objective: str) -> str:
    """Return both values and their difference with its bounds."""
    delta = comparison.delta
    return (
        f"{objective} {comparison.challenger_map:.3f} against {comparison.other_map:.3f}, difference "
        f"{delta.estimate:+.4f} ({delta.lower:+.4f} to {delta.upper:+.4f})"
    )


def outcome_of(conditions: Sequence[Condition]) -> Outcome:
    """Return what follows from the conditions: all met promotes, thin evidence is an outcome of its own."""
    unmet = [condition.name for condition in conditions if not condition.is_met]
    if not unmet:
        return "promoted"
    return "not_enough_evidence" if any(name.startswith(EVIDENCE_PREFIX) for name in unmet) else "refused"
