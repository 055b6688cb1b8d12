"""The early label: rows too young for the label teach it by what had happened when the step before was complete.

Concept: an attribution window is as long as the slowest outcomes ask for, and most come soon. In the first days of a
new world the label has seen nothing of it, so the last step of a funnel answers by the old one. By the early label it
has seen what the step before has. That is wrong about slow outcomes, so it is used only where few are slow: the share
that came early is counted on the newest positives that have both labels, and each early positive stands for the others.
A day whose outcomes did not arrive looks like one on which nobody wanted anything; a young day with less than half of
the usual, beyond chance, teaches nothing. Only the final fit and the simple rule are taught. Trees are counted,
formulations and recipes compared, probabilities calibrated and models judged by the complete label.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.policies import TrainingPolicy
from mlife_assets.core.training.step_rows import known_outcome, reached_before, step_before
from mlife_assets.core.training.training_set import TrainingSet

Mask = npt.NDArray[np.bool_]
Days = npt.NDArray[np.datetime64]


@dataclass(frozen=True, eq=False)
class EarlyLabel:
    """What the early label of a training set teaches, of its n rows.

    Attributes:
        rows: too young for the label, and taught by the early one, bool (n,).
        outcome: whether the label had happened to them early, bool (n,).
        weight: how many rows each stands for: an early positive also for those that come late, float64 (n,).
        facts: which share came early, which days were silent, why nothing is taught; empty where there is none.
    """

    rows: Mask
    outcome: Mask
    weight: npt.NDArray[np.float64]
    facts: Mapping[str, Any]

    def taught(self, name: str, training: TrainingSet, step: str) -> tuple[Mask, Mask]:
        """Return the outcome of a step and the rows that its final fit is about, both bool (n,).

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
        """Return what a manifest says of it: facts, and which rows taught the label of a formulation."""
        if not self.rows.any():
            return dict(self.facts)
        young = self.taught(name, training, training.roles.label)[1] & self.rows
        days = _days(training)[self.rows]
        return {
            **self.facts,
            "rows": int(young.sum()),
            "positives": int((young & self.outcome).sum()),
            "first_day": str(days.min()),
            "last_day": str(days.max()),
        }

    def weight_of(self, step: str, training: TrainingSet) -> npt.NDArray[np.float64] | None:
        """Return how many rows each stands for in the fit of a step, float64 (n,); None where each is one."""
        return self.weight if step == training.roles.label and self.rows.any() else None


def early_label(training: TrainingSet, policy: TrainingPolicy) -> EarlyLabel:
    """Return what the early label teaches: nothing where there is none, or where it may not be believed.

    Args:
        training: rows, of which the youngest have no label.
        policy: how many positives say which share comes early, and how large it has to be.

    Raises:
        InvalidInputError: the early label of a day is known of some of its rows alone.
    """
    roles = training.roles
    if roles.early_label is None or roles.early_label not in training.examples.column_names:
        return _nothing(training, {})
    column = training.examples[roles.early_label]
    known, outcome = np.asarray(column.is_valid()), np.asarray(pc.fill_null(column, False), dtype=np.bool_)
    days = _days(training)
    before = roles.steps[-2]
    _require_whole_days(training, known, days)
    positives = np.flatnonzero(known & known_outcome(training, roles.label))[-policy.early_label_positives :]
    if len(positives) < policy.early_label_positives:
        needed = policy.early_label_positives
        words = f"of {len(positives)} positives it is known whether they came early, {needed} needed"
        return _nothing(training, {"refused": words})
    share = float(np.mean(outcome[positives]))
    facts: dict[str, Any] = {"share_of_positives": share}
    if share < policy.early_label_share_minimum:
        words = f"{share:.1%} of the newest {len(positives)} positives came early"
        return _nothing(training, {**facts, "refused": f"{words}, {policy.early_label_share_minimum:.1%} needed"})
    reached = known & known_outcome(training, before)
    usual = reached & training.known(roles.label) & (days >= days[positives[0]])
    young = known & ~training.known(roles.label)
    rate = float(np.mean(outcome[usual])) if usual.any() else 0.0
    silent = _silent_days(reached & young, outcome, days, rate, policy)
    if len(silent):
        young &= ~np.isin(days, silent)
        facts["silent_days"] = ", ".join(str(day) for day in silent)
    return EarlyLabel(young, young & outcome, np.where(young & outcome, 1 / share, 1.0), facts)


def _nothing(training: TrainingSet, facts: Mapping[str, Any]) -> EarlyLabel:
    rows = np.zeros(training.examples.num_rows, dtype=np.bool_)
    return EarlyLabel(rows, rows, np.ones(len(rows)), facts)


def _days(training: TrainingSet) -> Days:
    return np.asarray(training.examples[training.roles.time].to_numpy().astype("datetime64[D]"))


def _require_whole_days(training: TrainingSet, known: Mask, days: Days) -> None:
    """Refuse a day of which some rows alone have the early label: who has it may depend on what happened."""
    before = training.roles.steps[-2]
    found, codes = np.unique(days, return_inverse=True)
    rows, said = (np.bincount(codes[mask], minlength=len(found)) for mask in (training.known(before), known))
    for place in np.flatnonzero((said > 0) & (said < rows)):
        raise InvalidInputError(
            f"{training.roles.early_label} is null in {rows[place] - said[place]} of {rows[place]} examples of "
            f"{found[place]}, whose {before} is complete; say true or false of all of them, or of none"
        )


def _silent_days(reached: Mask, outcome: Mask, days: Days, usual: float, policy: TrainingPolicy) -> Days:
    """Return the young days on which, beyond chance, less than half came of what usually comes; all if together so.

    Args:
        reached: young rows that reached the step before, bool (n,).
        outcome: whether the label had happened early, bool (n,).
        days: of exposure, (n,).
        usual: share of the rows that reached the step before to which the label happens early.
        policy: the chance of a day to be taken for silent that is not.
    """
    from scipy.stats import binom

    def is_silent(rows: Mask) -> bool:
        chance = float(binom.cdf(int(outcome[rows].sum()), int(rows.sum()), usual / 2))
        return chance < policy.early_label_silence_alpha

    found = np.unique(days[reached])
    silent = np.array([day for day in found if is_silent(reached & (days == day))], dtype="datetime64[D]")
    rest = reached & ~np.isin(days, silent)
    return found if rest.any() and is_silent(rest) else silent
