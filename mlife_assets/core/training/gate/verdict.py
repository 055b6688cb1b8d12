"""The verdict of the gate: its result types, the conditions that any objective shares, and the sentences.

Belongs here: what a decision consists of and how it is worded. Does not belong here: which conditions are checked in
which order, and how contenders are compared (`core.training.gate.decide`).

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

EVIDENCE_PREFIX = "enough_"
"""Conditions with this prefix ask for more data; one that is not met makes the outcome "not_enough_evidence"."""

HUMAN_GIVEN = "human_baseline_given"
NO_HARM_PREFIX = "refit_does_no_harm_to_"
"""What a refit of the champion's own recipe has to meet instead of being better than all."""
LEVEL = "is_calibrated_in_level"
COMPARED_PREFIXES = (NO_HARM_PREFIX, "beats_", "is_calibrated")
"""Conditions with these prefixes say how the sides compare; all others say whether the comparison may be believed."""
_SHOWN_WHEN_MET = ("beats_", NO_HARM_PREFIX, EVIDENCE_PREFIX, "is_calibrated")


@dataclass(frozen=True)
class Comparison:
    """Challenger against one other ranking on the same rows.

    Attributes:
        against: "human", "champion" or "random".
        model_version: of the other side.
        challenger_map: the objective of the challenger: MAP@k, or average precision of examples without an item.
        other_map: the objective of the other side (for "random" its expectation: analytic, or the base rate).
        delta: challenger minus other with its bounds; n counts users with positives, or days without an item.
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
        comparisons: against the human, the champion (if any) and a random ranking; empty when a comparison is invalid.
        users: users in the examples; rows when they have no item.
        users_with_positives: users that count in MAP; positive rows when the examples have no item.
        conditions: every requirement that was checked, in order.
        sentences: the verdict for people: first why, then what was measured.
        policy_version: hash of the policy that the decision was taken under.
        log_loss_gain: how much lower the challenger's log loss is than the champion's; None where it was not measured.
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


def is_better(comparison: Comparison, objective: str) -> Condition:
    """Return the condition that a comparison is won, with both values and the bounds of their difference."""
    other = "a random ranking" if comparison.against == "random" else f"the {comparison.against}"
    verb = "beats" if comparison.is_won else "does not beat"
    if comparison.is_tied:
        verb = "ties with and so does not beat"
    found = _compared(comparison, objective)
    text = f"The challenger {verb} {other}: {found}, lower bound must exceed {comparison.margin:g}."
    return Condition(f"beats_{comparison.against}", comparison.is_won, text)


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


def refit_keeps_ranking(comparison: Comparison, objective: str) -> Condition:
    """Return the condition that a refit is not shown to rank worse: the upper bound does not lie below 0."""
    is_met = comparison.delta.upper >= 0
    verb = "is not shown to rank worse" if is_met else "ranks worse"
    text = f"The refitted recipe {verb} than the {comparison.against}: {_compared(comparison, objective)}."
    return Condition(NO_HARM_PREFIX + "ranking", is_met, text)


def refit_keeps_probabilities(gain: Interval | None) -> Condition:
    """Return the condition that a refit's probabilities are not shown to be worse: no whole interval lies below 0.

    Where nothing was measured nothing is shown either way: that asks for more data and refuses nothing.
    """
    if gain is None:
        text = "The log loss of the refitted recipe was not measured; evaluate probabilities on more examples."
        return Condition(EVIDENCE_PREFIX + "log_loss", False, text)
    verb = "are not shown to be worse" if gain.upper >= 0 else "are worse"
    text = f"The probabilities of the refitted recipe {verb} than the champion's: {_gained(gain)}."
    return Condition(NO_HARM_PREFIX + "probabilities", gain.upper >= 0, text)


def remarks_on_refit(
    comparisons: Sequence[Comparison], objective: str, calibration: Calibration | None
) -> tuple[str, ...]:
    """Return what is reported of a refit and not required: who else ranks the rows, its calibration slope and level."""
    others = [one for one in comparisons if one.against != "champion"]
    names = {"random": "a random ranking"}
    remarks = [f"against {names.get(one.against, one.model_version)} {_compared(one, objective)}" for one in others]
    if calibration is not None:
        remarks += [text[0].lower() + text[1:] for text in (_slope(calibration), _level(calibration))]
    return tuple(f"Not required of a refit: {one}." for one in remarks)


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


def sentences_of(outcome: Outcome, conditions: Sequence[Condition], *, has_human: bool) -> tuple[str, ...]:
    """Return the verdict for people: the reason, further reasons, then what was measured.

    A missing human baseline that was allowed is mentioned as well, so that nobody takes silence for a comparison.
    """
    shown = _SHOWN_WHEN_MET if has_human else (HUMAN_GIVEN, *_SHOWN_WHEN_MET)
    measured = [c.sentence for c in conditions if c.is_met and c.name.startswith(shown)]
    if outcome == "promoted":
        return (f"Promoted: all {len(conditions)} conditions are met.", *measured)
    unmet = sorted((c for c in conditions if not c.is_met), key=lambda c: not c.name.startswith(EVIDENCE_PREFIX))
    prefix = "Not enough evidence" if outcome == "not_enough_evidence" else "Refused"
    return (f"{prefix}: {unmet[0].sentence}", *(c.sentence for c in unmet[1:]), *measured)
