"""The sentences of a verdict: for people, the reason first.

Belongs here: the order of sentences, and what is remarked beside the conditions. Does not belong here: the conditions,
which word themselves (`verdict`), which of them are asked (`decide`).
"""

from __future__ import annotations

from collections.abc import Sequence

from mlife_assets.core.policies import PromotionPolicy
from mlife_assets.core.training.gate.verdict import (
    EVIDENCE_PREFIX,
    HUMAN_GIVEN,
    NAMES,
    SHOWN_WHEN_MET,
    SIMPLE,
    Comparison,
    Outcome,
    compared,
    level_words,
    slope_words,
)
from mlife_assets.core.training.gate_examples import Condition
from mlife_assets.core.training.reliability import Calibration


def remark_on_alpha(policy: PromotionPolicy) -> str:
    """Return how much a win may err, at one gate and in a year."""
    return (
        f"The bound of a win errs at {policy.win_alpha:.2%} of gates, so that in a year of {policy.gates_per_year} a "
        f"challenger that is no better wins with a chance of {policy.win_alpha_per_year:.0%} at most."
    )


def remark_on_simple_rule(comparison: Comparison, objective: str) -> str:
    """Return how the challenger stands to the simple rule, which decides nothing once a model serves."""
    text = compared(comparison, objective)
    if comparison.delta.upper < 0:
        return f"{NAMES[SIMPLE].capitalize()} ranks better than the challenger: {text}. A simpler model would do."
    return f"Beside {NAMES[SIMPLE]}: {text}."


def remarks_on_what_is_not_required(
    comparisons: Sequence[Comparison], objective: str, calibration: Calibration | None, opened_by: str
) -> tuple[str, ...]:
    """Return what is reported of a challenger that need not win: why, who else ranks the rows, slope, level."""
    others = [one for one in comparisons if one.against in ("human", "random")]
    names = {"random": "a random ranking"}
    remarks = [f"against {names.get(one.against, one.model_version)} {compared(one, objective)}" for one in others]
    if calibration is not None:
        remarks += [text[0].lower() + text[1:] for text in (slope_words(calibration), level_words(calibration))]
    opening = f"It did not win, and need not be more than not inferior, since {opened_by}."
    return (opening, *(f"Not required of what is not inferior: {one}." for one in remarks))


def sentences_of(
    outcome: Outcome, conditions: Sequence[Condition], *, has_human: bool, opened_by: str | None = None
) -> tuple[str, ...]:
    """Return the verdict for people: the reason, further reasons, then what was measured.

    A missing human baseline that was allowed is mentioned as well, so that nobody takes silence for a comparison.
    `opened_by` says why the challenger did not have to win; None where it had to.
    """
    shown = SHOWN_WHEN_MET if has_human else (HUMAN_GIVEN, *SHOWN_WHEN_MET)
    measured = [c.sentence for c in conditions if c.is_met and c.name.startswith(shown)]
    if outcome == "promoted":
        way = "by a win" if opened_by is None else f"as not inferior, since {opened_by}"
        return (f"Promoted {way}: all {len(conditions)} conditions are met.", *measured)
    unmet = sorted((c for c in conditions if not c.is_met), key=lambda c: not c.name.startswith(EVIDENCE_PREFIX))
    prefix = "Not enough evidence" if outcome == "not_enough_evidence" else "Refused"
    return (f"{prefix}: {unmet[0].sentence}", *(c.sentence for c in unmet[1:]), *measured)
