"""The early label: exposures that are too young for the label teach it by what had happened when clicks were complete.

Belongs here: which rows, whether enough of the positives come that early, what a manifest says of it. Does not belong
here: what was known when (`known_examples`), fitting (`fit`).

Concept: an attribution window is as long as the slowest outcomes ask for, and most come soon. In the first days of a
new world the label has seen nothing of it, so the last step of a funnel answers by the old one. By the early label it
has seen what the step before has. That is wrong about slow outcomes, so it is used only where few are slow: the share
of the positives that were there early is counted on rows that have both. It teaches the final fit alone. Trees are
counted, formulations and recipes compared, probabilities calibrated and models judged by the complete label.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.policies import TrainingPolicy
from mlife_assets.core.training.step_rows import known_outcome, reached_before, step_before
from mlife_assets.core.training.training_set import TrainingSet

Mask = npt.NDArray[np.bool_]
MINIMUM_POSITIVES = 100
"""Positives of the complete label by which the share is counted: then its standard error is .03 at .9."""


@dataclass(frozen=True, eq=False)
class EarlyLabel:
    """What the early label of a training set teaches, of its n rows.

    Attributes:
        rows: too young for the label, and taught by the early one, bool (n,).
        outcome: whether the label had happened to them early, bool (n,).
        facts: for the manifest; empty where the roles name no early label.
    """

    rows: Mask
    outcome: Mask
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


def early_label(training: TrainingSet, policy: TrainingPolicy) -> EarlyLabel:
    """Return what the early label teaches: nothing where there is none, or where too many of the positives come late.

    Args:
        training: rows, of which the youngest have no label.
        policy: the least share of the positives that has to be there early.
    """
    roles, nothing = training.roles, np.zeros(training.examples.num_rows, dtype=np.bool_)
    if roles.early_label is None or roles.early_label not in training.examples.column_names:
        return EarlyLabel(nothing, nothing, {})
    column = training.examples[roles.early_label]
    known, outcome = np.asarray(column.is_valid()), np.asarray(pc.fill_null(column, False), dtype=np.bool_)
    is_complete = training.known(roles.label)
    positive = known & known_outcome(training, roles.label)
    count = int(positive.sum())
    if count < MINIMUM_POSITIVES:
        words = f"{count} positives of the label are known to have come early or late, {MINIMUM_POSITIVES} needed"
        return EarlyLabel(nothing, nothing, {"refused": words})
    share = float((positive & outcome).sum()) / count
    facts: dict[str, Any] = {"share_of_positives": share}
    if share < policy.early_label_share_minimum:
        words = f"{share:.1%} of {count} positives came early, {policy.early_label_share_minimum:.1%} needed"
        return EarlyLabel(nothing, nothing, {**facts, "refused": words})
    young = known & ~is_complete
    if young.any():
        days: list[date] = training.examples[roles.time].filter(pa.array(young)).to_pylist()
        facts |= {"rows": int(young.sum()), "positives": int((young & outcome).sum())}
        facts |= {"first_day": min(days).isoformat(), "last_day": max(days).isoformat()}
    return EarlyLabel(young, young & outcome, facts)
