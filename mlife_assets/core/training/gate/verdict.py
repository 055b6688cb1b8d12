"""The verdict of the gate: its result types, and the conditions that any objective shares.

Concept: one result type for every objective. A verdict is a list of conditions with sentences; the outcome follows from
the unmet ones, and the first sentence is the first reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from mlife_assets.core.policies import PromotionPolicy
from mlife_assets.core.statistics import Interval
from mlife_assets.core.training.gate_examples import Condition
from mlife_assets.core.training.reliability import Calibration

Outcome = Literal["promoted", "refused", "not_enough_evidence"]
Kind = Literal["win", "refit", "non_inferiority"]
"""Decisions of release 0.1.0 may have the last one."""
WIN: Kind = "win"
REFIT: Kind = "refit"

EVIDENCE_PREFIX = "enough_"
"""Conditions with this prefix require evidence; an unmet one makes the outcome "not_enough_evidence"."""

HUMAN_GIVEN = "human_baseline_given"
BEATS_PREFIX = "beats_"
KEEPS_PROBABILITIES = "keeps_probabilities"
LEVEL = "is_calibrated_in_level"
SIMPLE = "simple"
"""Role of the simple rule fitted on the challenger's rows."""
ALONE = "champion_alone"
"""Role of the current champion, scoring every row, if several models served in the window."""
NOT_WORSE_PREFIX = "is_not_worse_than_"
COMPARED_PREFIXES = (KEEPS_PROBABILITIES, BEATS_PREFIX, NOT_WORSE_PREFIX, "is_calibrated")
"""Prefixes of conditions that compare the sides; all others decide whether the comparison is valid."""
SHOWN_WHEN_MET = (KEEPS_PROBABILITIES, BEATS_PREFIX, "is_calibrated")
"""The simple rule always gets a remark."""
NAMES = MappingProxyType(
    {
        "random": "a random ranking",
        ALONE: "the champion alone, asked about days before its own as well",
        SIMPLE: "the simple rule that was fitted on the same rows",
    }
)
"""Sides in sentences; others are "the <role>", unless the contender says otherwise."""
RUNBOOK = "docs/runbooks/refused.md"
NEXT = MappingProxyType(
    {
        EVIDENCE_PREFIX: "wait for more outcomes, or let the gate judge more days",
        "is_another_model": "nothing, it serves already",
        "scores_are_finite": "find the rows and columns that make them so, and fill them or leave them out",
        "scores_vary": "use features that differ between rows",
        "trained_before_gate": "train on the days before the gate",
        "beats_human": "keep the rule, and look for features that it does not know; more days narrow the bound",
        "beats_random": "look for features that have to do with the outcome; more days narrow the bound",
        "beats_champion": "keep the champion, and judge the change again on more days, which narrow the bound",
        "is_not_worse_than_simple": "state training.recipes as [logistic], which fits a sum as simple as that rule",
        "is_calibrated": "look for what changed between the days of validation and those of the gate; more days narrow "
        "the interval",
        KEEPS_PROBABILITIES: "keep the champion, and look for what changed in the newest rows; the next refit is "
        "judged anew",
        "scoring_parity": "make the estimator's score of a row depend on nothing but the row",
        "fold_trained_before_its_rows": "delete the models of the folds and train them again",
        "probabilities_are_finite": "find the rows and columns that make them so, and fill them or leave them out",
        "probabilities_vary": "use features that differ between rows, and more rows",
        "follow_the_newest_fold": "look at the newest rows, which the fit learned from and that fold did not",
    }
)
"""What to do about an unmet condition by a part of its name, where its sentence does not say so."""


@dataclass(frozen=True)
class Comparison:
    """Challenger against one other ranking on the same rows.

    Attributes:
        against: "human", "simple" (the rule fitted on the same rows), "champion" (as served), "champion_alone" or
            "random".
        model_version: of the other side.
        challenger_map: the objective of the challenger: MAP@k, or average precision of examples without an item.
        other_map: the objective of the other side (for "random" its expectation: analytic, or the base rate).
        delta: challenger minus other with its bounds; n counts users with positives, or days without an item.
        margin: minimum for a win, exclusive.
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
        """Whether a win has to beat this side; others have conditions of their own, or are only reported."""
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
    """The verdict and its evidence.

    Attributes:
        outcome: "promoted", "refused" or "not_enough_evidence".
        model_version: of the challenger.
        champion_version: None before the first promotion.
        cohort: source of relevance.
        objective: compared metric, for sentences: "MAP@10" or "average precision".
        depth: k of MAP@k; None for an objective without depth.
        comparisons: against the human, the simple rule and the champion (if any), a random ranking; empty when a
            comparison is invalid.
        users: users in the examples; rows when they have no item.
        users_with_positives: users that count in MAP; positive rows when the examples have no item.
        conditions: every requirement that was checked, in order.
        sentences: the verdict for people: reasons, then measurements.
        policy_version: hash of the policy that the decision was taken under.
        log_loss_gain: the champion's log loss minus the challenger's; None if not measured.
        kind: "refit" of the champion's configuration, else "win".
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
        """Return the comparison with one other side; None if it was not made."""
        return next((comparison for comparison in self.comparisons if comparison.against == name), None)


def is_better(comparison: Comparison, objective: str, names: Mapping[str, str] = NAMES) -> Condition:
    """Return the condition that a comparison is won, with both values and the bounds of their difference."""
    verb = "beats" if comparison.is_won else "does not beat"
    if comparison.is_tied:
        verb = "ties with and so does not beat"
    text = (
        f"The challenger {verb} {other_side(comparison, names)}: {compared(comparison, objective)}; the bound of a win "
        f"is {beside(comparison.win_bound, comparison.margin, '+.4')} and must exceed {comparison.margin:g}."
    )
    return Condition(BEATS_PREFIX + comparison.against, comparison.is_won, text)


def is_not_worse(comparison: Comparison, objective: str, names: Mapping[str, str] = NAMES) -> Condition:
    """Return the condition that the challenger is not shown to be worse."""
    is_met = comparison.delta.upper >= 0
    verb = "is not shown to be" if is_met else "is"
    text = (
        f"The challenger {verb} worse than {other_side(comparison, names)}: {compared(comparison, objective)}; its "
        f"upper end, {beside(comparison.delta.upper, 0, '+.4')}, must be at least 0."
    )
    return Condition(NOT_WORSE_PREFIX + comparison.against, is_met, text)


def is_calibrated(calibration: Calibration | None, policy: PromotionPolicy) -> tuple[Condition, ...]:
    """Return the conditions on the probabilities of a first model: they are usable.

    Neither slope (over- or underconfident) nor level (too high or too low overall) is shown to be wrong, by an interval
    entirely outside the policy's bounds; an interval across a bound is inconclusive and reported (`is_provisional`).
    The slope must be shown to be above 0; otherwise higher probabilities may mean nothing.
    """
    if calibration is None:
        text = "No calibration was measured; evaluate probabilities on more examples."
        return (Condition("is_calibrated", False, text),)
    found = []
    for name, words, (lower, upper), (low, high) in _measured(calibration, policy):
        is_met = 0 < lower <= high and upper >= low
        verb, why, must, ends = "lies outside of", ":", "must be", []
        if is_met:
            verb, why, must = "is not shown to lie outside of", ", as", "is"
        if lower < low:
            ends.append(f"its upper end, {beside(upper, low)}, {must} at least {low:g}")
        if upper > high:
            ends.append(f"its lower end, {beside(lower, high)}, {must} at most {high:g}")
        text = f"{words} {verb} {low:g} to {high:g}{why} {' and '.join(ends)}."
        if not ends:
            text = f"{words} lies within {low:g} to {high:g}."
        if lower <= 0 <= upper:
            text = (
                f"{words} is not shown to be above 0, so higher probabilities may mean nothing yet: its lower end, "
                f"{beside(lower, 0)}, must exceed 0."
            )
        found.append(Condition(name, is_met, text))
    return tuple(found)


def is_provisional(calibration: Calibration, policy: PromotionPolicy) -> bool:
    """Return whether an interval of the probabilities lies partly outside the policy's bounds."""
    return any(lower < low or upper > high for _, _, (lower, upper), (low, high) in _measured(calibration, policy))


def _measured(
    calibration: Calibration, policy: PromotionPolicy
) -> tuple[tuple[str, str, tuple[float, float], tuple[float, float]], ...]:
    """Return condition, words, interval and bounds, of slope and level each."""
    slope = (policy.calibration_slope_minimum, policy.calibration_slope_maximum)
    level = (policy.calibration_level_minimum, policy.calibration_level_maximum)
    found = calibration.level
    return (
        ("is_calibrated", slope_words(calibration), (calibration.slope_lower, calibration.slope_upper), slope),
        (LEVEL, level_words(calibration), (found.lower, found.upper), level),
    )


def keeps_probabilities(calibration: Calibration | None, gain: Interval | None, policy: PromotionPolicy) -> Condition:
    """Return the condition on the probabilities if a champion serves.

    They are shown to be calibrated in slope and level, or not shown to be worse than the champion's, which a refusal
    would keep: `gain` does not lie wholly below 0. An unmeasured gain shows nothing.
    """
    if calibration is not None and not is_provisional(calibration, policy):
        text = " ".join(one.sentence for one in is_calibrated(calibration, policy))
        return Condition(KEEPS_PROBABILITIES, True, text)
    if gain is None:
        return Condition(KEEPS_PROBABILITIES, True, "Too few outcomes are mature to compare probabilities.")
    is_met = gain.upper >= 0
    verb = "are not shown to be worse" if is_met else "are worse"
    text = (
        f"The probabilities of the challenger {verb} than the champion's: {gained(gain)}; its upper end, "
        f"{beside(gain.upper, 0, '+.4')}, must be at least 0."
    )
    return Condition(KEEPS_PROBABILITIES, is_met, text)


def other_side(comparison: Comparison, names: Mapping[str, str] = NAMES) -> str:
    """Return the name of the other side of a comparison in sentences."""
    return names.get(comparison.against, f"the {comparison.against}")


def beside(value: float, bound: float, form: str = ".2") -> str:
    """Return a value with so many digits that it is on the side of a bound on which it lies."""
    sign, digits = form.split(".")
    for places in range(int(digits), 17):
        text = f"{value:{sign}.{places}f}"
        if (float(text) > bound, float(text) < bound) == (value > bound, value < bound):
            return text
    return repr(value)


def and_next(condition: Condition) -> str:
    """Return the sentence of an unmet condition, and what to do about it."""
    todo = next((words for part, words in NEXT.items() if part in condition.name), "")
    return f"{condition.sentence} Next: {todo}." if todo else condition.sentence


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
    """Return the reduction of a log loss, with its bounds."""
    return f"log loss lower by {gain.estimate:+.4f} ({gain.lower:+.4f} to {gain.upper:+.4f})"


def compared(comparison: Comparison, objective: str) -> str:
    """Return both values and their difference with its bounds."""
    delta = comparison.delta
    return (
        f"{objective} {comparison.challenger_map:.3f} against {comparison.other_map:.3f}, difference "
        f"{delta.estimate:+.4f} ({delta.lower:+.4f} to {delta.upper:+.4f})"
    )


def outcome_of(conditions: Sequence[Condition]) -> Outcome:
    """Return the outcome of the conditions: all met promotes, thin evidence is an outcome of its own."""
    unmet = [condition.name for condition in conditions if not condition.is_met]
    if not unmet:
        return "promoted"
    return "not_enough_evidence" if any(name.startswith(EVIDENCE_PREFIX) for name in unmet) else "refused"
