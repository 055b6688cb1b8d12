"""Step rows: what a step of a formulation is learned from and validated on.

Belongs here: which steps a formulation has, which rows reached one, what is known of them. Does not belong here: the
split in time (`training_set`), tuning (`formulations`), thinning (`tuning_rows`).

Concept: a step that is known sooner than the label has rows without a label, so every step asks for its own rows, and
what is not known of a row is never asked for.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mlife_assets.core.policies import TrainingPolicy
from mlife_assets.core.scoring.feature_spec import FeatureSpec
from mlife_assets.core.training.boosting import Objective, Rows
from mlife_assets.core.training.training_set import TrainingSet
from mlife_assets.core.training.tuning_rows import TuningRows, tuning_rows

Array = npt.NDArray[np.float64]


def learning_rows(training: TrainingSet, matrix: Array, step: str, rows: npt.NDArray[np.bool_]) -> Rows:
    """Return the rows of a mask, whose outcome of a step is known, with that outcome."""
    outcome = np.zeros(len(rows), dtype=np.bool_)
    outcome[rows] = training.outcome(step, rows)
    return rows_of(training, matrix, outcome, rows)


def rows_of(training: TrainingSet, matrix: Array, outcome: npt.NDArray[np.bool_], rows: npt.NDArray[np.bool_]) -> Rows:
    """Return the rows of a mask; matrix, outcome and mask are of all n rows."""
    return Rows(matrix[rows], outcome[rows], training.entity_codes[rows], day=_days(training)[rows])


def every_row(training: TrainingSet, matrix: Array) -> Rows:
    """Return all rows, with whether the first step happened to each; where that is not known, it counts as if it did.

    So a row that is thinned is one of which it is known that nothing happened.
    """
    first = training.roles.steps[0]
    happened = ~training.known(first) | known_outcome(training, first)
    return Rows(matrix, happened, training.entity_codes, day=_days(training))


def known_outcome(training: TrainingSet, step: str) -> npt.NDArray[np.bool_]:
    """Return whether each row reached a step, bool (n,); False where that is not known."""
    outcome, known = np.zeros(training.examples.num_rows, dtype=np.bool_), training.known(step)
    outcome[known] = training.outcome(step, known)
    return outcome


def steps_of(name: str, training: TrainingSet) -> tuple[tuple[str, Objective], ...]:
    """Return step and objective of each model of a formulation."""
    if name == "funnel":
        return tuple((step, "binary") for step in training.roles.steps)
    return ((training.roles.label, "lambdarank" if name == "lambdarank" else "binary"),)


def reached_before(name: str, training: TrainingSet, step: str) -> npt.NDArray[np.bool_]:
    """Return the rows that a step is learned from, bool (n,).

    It is known of them, and in a funnel they reached the step before.
    """
    rows, before = training.known(step), step_before(name, training, step)
    return rows if before is None else rows & known_outcome(training, before)


def step_before(name: str, training: TrainingSet, step: str) -> str | None:
    """Return the step of a formulation that has to be reached before another; None for its first."""
    steps = [one for one, _ in steps_of(name, training)]
    place = steps.index(step)
    return steps[place - 1] if place > 0 else None


def from_validation_on(training: TrainingSet) -> npt.NDArray[np.bool_]:
    """Return the rows of validation, of whichever step, bool (n,)."""
    masks = [training.validating(step) for step in training.roles.steps]
    return np.asarray(np.logical_or.reduce(masks), dtype=np.bool_)


def rows_to_tune_on(training: TrainingSet, matrix: Array, spec: FeatureSpec, policy: TrainingPolicy) -> TuningRows:
    """Return what all formulations are tuned on: the rows of whichever step.

    Raises:
        InvalidInputError: the policy constrains a feature that does not exist.
    """
    is_fit = np.logical_or.reduce([training.fitting(step) for step in training.roles.steps])
    return tuning_rows(every_row(training, matrix), is_fit, from_validation_on(training), spec, policy)


def _days(training: TrainingSet) -> npt.NDArray[np.int64]:
    """Return the exposure day of each row, int64 (n,)."""
    days = training.examples[training.roles.time].to_numpy().astype("datetime64[D]")
    return np.asarray(days.astype(np.int64))
