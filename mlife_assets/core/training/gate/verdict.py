"""The verdict of the gate: its result types, the conditions that any objective shares, and the sentences.

Belongs here: what a decision consists of and how it is worded. Does not belong here: which conditions are checked in
which order, and how contenders are compared (`core.training.gate.decide`).

Concept: one result type for every objective. A verdict is a list of conditions with sentences; the outcome follows from
those that are not met, and the first sentence is the first reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from mlife_assets.core.policies import PromotionPolicy
from mlife_assets.core.statistics import Interval
from mlife_assets.core.training.gate_examples import Condition
from mlife_assets.core.training.reliability import Calibration

Outcome = Literal["promoted", "refused", "not_enough_evidence"]
Kind = Literal["win", "non_inferiority"]
WIN: Kind = "win"
NON_INFERIORITY: Kind = "non_inferiority"

EVIDENCE_PREFIX = "enough_"
"""Conditions with this prefix ask for more data; one that is not met makes the outcome "not_enough_evidence"."""

HUMAN_GIVEN = "human_baseline_given"
BEATS_PREFIX = "beats_"
NOT_INFERIOR_PREFIX = "is_not_inferior_to_"
KEEPS_PROBABILITIES = "keeps_probabilities"
LEVEL = "is_calibrated_in_level"
COMPARED_PREFIXES = (NOT_INFERIOR_PREFIX, KEEPS_PROBABILITIES, BEATS_PREFIX, "is_calibrated")
"""Conditions with these prefixes say how the sides compare; all others say whether the comparison may be believed."""
_SHOWN_WHEN_MET = (*COMPARED_PREFIXES, EVIDENCE_PREFIX)
_NAMES = {"random": "a random ranking", "anchor": "the model that won last"}


@dataclass(frozen=True)
class Comparison:
    """Challenger against one other ranking on the same rows.

    Attributes:
        against: "human", "champion", "anchor" (the model that won last) or "random".
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
        comparisons: against the human, the champion (if any), a random ranking, and the anchor where that was asked;
            empty when a comparison is invalid.
        users: users in the examples; rows when they have no item.
        users_with_positives: users that count in MAP; positive rows when the examples have no item.
        conditions: every requirement that was checked, in order.
        sentences: the verdict for people: first why, then what was measured.
        policy_version: hash of the policy that the decision was taken under.
        log_loss_gain: how much lower the challenger's log loss is than the champion's; None where it was not measured.
        kind: "win", or "non_inferiority" where the gate was open for that and the challenger did not win.
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
        f"The challenger {verb} {_other(comparison)}: {_compared(comparison, objective)}; the bound of a win is "
        f"{comparison.win_bound:+.4f} and must exceed {comparison.margin:g}."
    )
    return Condition(BEATS_PREFIX + comparison.against, comparison.is_won, text)


def is_not_inferior(comparison: Comparison, objective: str, policy: PromotionPolicy) -> Condition:
    """Return the condition that the challenger is shown to be worse by no more than the policy's margin."""
    is_met = comparison.delta.lower > -policy.non_inferiority_margin
    verb = "is not inferior" if is_met else "is not shown to be not inferior"
    text = (
        f"The challenger {verb} to {_other(comparison)}: {_compared(comparison, objective)}, lower bound must exceed "
        f"-{policy.non_inferiority_margin:g}."
    )
    return Condition(NOT_INFERIOR_PREFIX + comparison.against, is_met, text)


def is_calibrated(calibration: Calibration | None, gain: Interval | None, policy: PromotionPolicy) -> Condition:
    """Return the condition that the challenger's probabilities are neither too bold nor too timid.

    Either the whole interval of the calibration slope lies within the policy's bounds, or `gain`, how much lower the
    challenger's log loss is than the champion's, lies above zero with its whole interval: refusing would then keep the
    probabilities that are shown to be the worse ones. Without a champion there is only the first way.
    """
    low, high = policy.calibration_slope_minimum, policy.calibration_slope_maximum
    if calibration is None:
        return Condition(
            "is_calibrated", False, "No calibration was measured; evaluate probabilities on more examples."
        )
    is_within = low <= calibration.slope_lower and calibration.slope_upper <= high
    verb = "lies" if is_within else "does not lie"
    text = f"{_slope(calibration)} {verb} within {low:g} to {high:g}"
    if is_within or gain is None:
        return Condition("is_calibrated", is_within, text + ".")
    is_better_than_champion = gain.lower > 0
    link = (
        "but its probabilities are better than"
        if is_better_than_champion
        else "nor are its probabilities shown to beat"
    )
    return Condition("is_calibrated", is_better_than_champion, f"{text}, {link} the champion's: {_gained(gain)}.")


def has_right_level(
    calibration: Calibration, gain: Interval | None, level_gain: Interval | None, policy: PromotionPolicy
) -> Condition:
    """Return the condition that the challenger's probabilities promise neither too much nor too little in all.

    The whole interval of the level lies within the policy's bounds. A lower log loss alone excuses no level: sharper
    probabilities may have it and still promise too much. It does where the champion is shown to be further off in level
    too (`level_gain` above zero with its whole interval), since refusing keeps that one.
    """
    low, high = policy.calibration_level_minimum, policy.calibration_level_maximum
    level = calibration.level
    is_within = low <= level.lower and level.upper <= high
    verb = "lies" if is_within else "does not lie"
    text = f"{_level(calibration)} {verb} within {low:g} to {high:g}"
    if is_within or gain is None or level_gain is None:
        return Condition(LEVEL, is_within, text + ".")
    is_excused = gain.lower > 0 and level_gain.lower > 0
    link = "but the champion is worse in level too" if is_excused else "nor is the champion shown to be worse in both"
    nearer = f"{level_gain.estimate:+.3f} ({level_gain.lower:+.3f} to {level_gain.upper:+.3f})"
    text = f"{text}, {link}: log-odds nearer to right by {nearer}, {_gained(gain)}."
    return Condition(LEVEL, is_excused, text)


def keeps_probabilities(calibration: Calibration | None, gain: Interval | None, policy: PromotionPolicy) -> Condition:
    """Return the condition on the probabilities of a challenger that need not win.

    Refusing it keeps the champion's, which belong to an older world. So it is enough that they are calibrated in slope
    and level, or not shown to be worse than the champion's: no whole interval of `gain` lies below zero. Where neither
    can be said for want of a measurement, that asks for more data.
    """
    calibrated = is_calibrated(calibration, None, policy)
    if calibrated.is_met and calibration is not None and has_right_level(calibration, None, None, policy).is_met:
        return replace(calibrated, name=KEEPS_PROBABILITIES)
    if gain is None:
        text = "The log loss of the challenger was not measured; evaluate probabilities on more examples."
        return Condition(EVIDENCE_PREFIX + "log_loss", False, text)
    is_met = gain.upper >= 0
    verb = "are not shown to be worse" if is_met else "are worse"
    text = f"The probabilities of the challenger {verb} than the champion's: {_gained(gain)}."
    return Condition(KEEPS_PROBABILITIES, is_met, text)


def remark_on_alpha(policy: PromotionPolicy) -> str:
    """Return how much a win may err, at one gate and in a year."""
    return (
        f"The bound of a win errs at {policy.win_alpha:.2%} of gates, so that in a year of {policy.gates_per_year} a "
        f"challenger that is no better wins with a chance of {policy.win_alpha_per_year:.0%} at most."
    )


def remarks_on_what_is_not_required(
    comparisons: Sequence[Comparison], objective: str, calibration: Calibration | None, opened_by: str
) -> tuple[str, ...]:
    """Return what is reported of a challenger that need not win: why, who else ranks the rows, slope, level."""
    others = [one for one in comparisons if one.against in ("human", "random")]
    names = {"random": "a random ranking"}
    remarks = [f"against {names.get(one.against, one.model_version)} {_compared(one, objective)}" for one in others]
    if calibration is not None:
        remarks += [text[0].lower() + text[1:] for text in (_slope(calibration), _level(calibration))]
    opening = f"It did not win, and need not be more than not inferior, since {opened_by}."
    return (opening, *(f"Not required of what is not inferior: {one}." for one in remarks))


def _other(comparison: Comparison) -> str:
    return _NAMES.get(comparison.against, f"the {comparison.against}")


def _slope(calibration: Calibration) -> str:
    bounds = f"{calibration.slope_lower:.2f} to {calibration.slope_upper:.2f}"
    return f"The calibration slope {calibration.slope:.2f} ({bounds})"


def _level(calibration: Calibration) -> str:
    level = calibration.level
    bounds = f"{level.lower:.2f} to {level.upper:.2f}"
    return f"The calibration level {level.estimate:.2f} ({bounds}; odds of what happened over odds of what was said)"


def _gained(gain: Interval) -> str:
    return f"log loss lower by {gain.estimate:+.4f} ({gain.lower:+.4f} to {gain.upper:+.4f})"


def _compared(comparison: Comparison, objective: str) -> str:
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


def sentences_of(
    outcome: Outcome, conditions: Sequence[Condition], *, has_human: bool, opened_by: str | None = None
) -> tuple[str, ...]:
    """Return the verdict for people: the reason, further reasons, then what was measured.

    A missing human baseline that was allowed is mentioned as well, so that nobody takes silence for a comparison.
    `opened_by` says why the challenger did not have to win; None where it had to.
    """
    shown = _SHOWN_WHEN_MET if has_human else (HUMAN_GIVEN, *_SHOWN_WHEN_MET)
    measured = [c.sentence for c in conditions if c.is_met and c.name.startswith(shown)]
    if outcome == "promoted":
        way = "by a win" if opened_by is None else f"as not inferior, since {opened_by}"
        return (f"Promoted {way}: all {len(conditions)} conditions are met.", *measured)
    unmet = sorted((c for c in conditions if not c.is_met), key=lambda c: not c.name.startswith(EVIDENCE_PREFIX))
    prefix = "Not enough evidence" if outcome == "not_enough_evidence" else "Refused"
    return (f"{prefix}: {unmet[0].sentence}", *(c.sentence for c in unmet[1:]), *measured)
