"""The early label: a provisional target for rows too young for the label, known when the step before is complete.

Concept: an attribution window is as long as the slowest outcomes need, and most come soon. In the first days after a
drift the label has seen none of it, so the last step of a funnel follows the old world. The early label has seen as
much as the step before. It is wrong about slow outcomes, so it is used only if few are slow: the share of early ones is
counted on the newest positives that have both labels, and each early positive counts for the late ones too. A day whose
outcomes did not arrive looks like a day of no interest; a young day with less than half of the usual, beyond chance, is
not used. Only the final fit and the simple rule use early labels. Trees are counted, formulations and recipes compared,
probabilities calibrated and models judged by the complete label.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.training.step_rows import known_outcome, reached_before, step_before
from mlife_assets.core.training.training_set import Days, Mask, TrainingSet

POSITIVES = 200
"""The newest positives that the early share is counted on: a share of .95 is known to .015."""
SHARE_MINIMUM = 0.9
"""With fewer early ones than this share of the positives, young rows teach nothing."""
SILENCE_ALPHA = 0.001
"""The chance that a day is called silent by mistake."""


@dataclass(frozen=True, eq=False)
class EarlyLabel:
    """The early labels of the n rows of a training set.

    Attributes:
        rows: rows too young for the label that use the early one, bool (n,).
        outcome: their early label, bool (n,).
        weight: weight of each row: an early positive also counts for late ones, float64 (n,).
        facts: share of early ones, silent days, reason for not using any; empty without an early label.
    """

    rows: Mask
    outcome: Mask
    weight: npt.NDArray[np.float64]
    facts: Mapping[str, Any]

    def taught(self, name: str, training: TrainingSet, step: str) -> tuple[Mask, Mask]:
        """Return the outcome of a step and the rows of its final fit, both bool (n,).

        Args:
            name: of the formulation.
            training: the rows.
            step: one of its steps.
        """
        outcome, rows = known_outcome(training, step), reached_before(name, training, step)
        if step != training.roles.label:
            return outcome, rows
        before = step_before(name, training, step)
        young = self.rows if before is None else self.rows & known_outcome(training, before)
        return outcome | (young & self.outcome), rows | young

    def facts_of(self, name: str, training: TrainingSet) -> dict[str, Any]:
        """Return the manifest's entries: facts, and the early rows of a formulation's label."""
        if not self.rows.any():
            return dict(self.facts)
        young = self.taught(name, training, training.roles.label)[1] & self.rows
        days = training.days[self.rows]
        return {
            **self.facts,
            "rows": int(young.sum()),
            "positives": int((young & self.outcome).sum()),
            "first_day": str(days.min()),
            "last_day": str(days.max()),
        }

    def weight_of(self, step: str, training: TrainingSet) -> npt.NDArray[np.float64] | None:
        """Return the weights of rows in the fit of a step, float64 (n,); None if all are 1."""
        return self.weight if step == training.roles.label and self.rows.any() else None


def early_label(training: TrainingSet) -> EarlyLabel:
    """Return the usable early labels: none if there is no early label or it is unreliable.

    Args:
        training: rows, of which the youngest have no label.

    Raises:
        InvalidInputError: only some rows of a day have the early label.
    """
    roles = training.roles
    if roles.early_label is None or roles.early_label not in training.examples.column_names:
        return _nothing(training, {})
    column = training.examples[roles.early_label]
    known, outcome = np.asarray(column.is_valid()), np.asarray(pc.fill_null(column, False), dtype=np.bool_)
    days = training.days
    before = roles.steps[-2]
    _require_whole_days(training, known, days)
    positives = np.flatnonzero(known & known_outcome(training, roles.label))[-POSITIVES:]
    if len(positives) < POSITIVES:
        words = f"of {len(positives)} positives it is known whether they came early, {POSITIVES} needed"
        return _nothing(training, {"refused": words})
    share = float(np.mean(outcome[positives]))
    facts: dict[str, Any] = {"share_of_positives": share}
    if share < SHARE_MINIMUM:
        words = f"{share:.1%} of the newest {len(positives)} positives came early"
        return _nothing(training, {**facts, "refused": f"{words}, {SHARE_MINIMUM:.1%} needed"})
    reached = known & known_outcome(training, before)
    usual = reached & training.known(roles.label) & (days >= days[positives[0]])
    young = known & ~training.known(roles.label)
    rate = float(np.mean(outcome[usual])) if usual.any() else 0.0
    silent = _silent_days(reached & young, outcome, days, rate)
    if len(silent):
        young &= ~np.isin(days, silent)
        facts["silent_days"] = ", ".join(str(day) for day in silent)
    return EarlyLabel(young, young & outcome, np.where(young & outcome, 1 / share, 1.0), facts)


def _nothing(training: TrainingSet, facts: Mapping[str, Any]) -> EarlyLabel:
    rows = np.zeros(training.examples.num_rows, dtype=np.bool_)
    return EarlyLabel(rows, rows, np.ones(len(rows)), facts)


def _require_whole_days(training: TrainingSet, known: Mask, days: Days) -> None:
    """Refuse days of which only some rows have the early label: having it may depend on the outcome."""
    before = training.roles.steps[-2]
    found, codes = np.unique(days, return_inverse=True)
    rows, said = (np.bincount(codes[mask], minlength=len(found)) for mask in (training.known(before), known))
    for place in np.flatnonzero((said > 0) & (said < rows)):
        raise InvalidInputError(
            f"{training.roles.early_label} is null in {rows[place] - said[place]} of {rows[place]} examples of "
            f"{found[place]}, whose {before} is complete; say true or false of all of them, or of none"
        )


def _silent_days(reached: Mask, outcome: Mask, days: Days, usual: float) -> Days:
    """Return the young days with significantly less than half of the usual early labels; all if so in total.

    Args:
        reached: young rows that reached the step before, bool (n,).
        outcome: whether the label had happened early, bool (n,).
        days: of exposure, (n,).
        usual: usual share of early labels among rows that reached the step before.
    """
    from scipy.stats import binom

    def is_silent(rows: Mask) -> bool:
        chance = float(binom.cdf(int(outcome[rows].sum()), int(rows.sum()), usual / 2))
        return chance < SILENCE_ALPHA

    found = np.unique(days[reached])
    silent = np.array([day for day in found if is_silent(reached & (days == day))], dtype="datetime64[D]")
    rest = reached & ~np.isin(days, silent)
    return found if rest.any() and is_silent(rest) else silent
