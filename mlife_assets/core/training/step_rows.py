"""Step rows: which rows a step of a formulation is about, and what is known of them.

Belongs here: steps of formulations, masks and outcomes by step, rows as a fit takes them. Does not belong here: which
rows are mature for a step (`training_set`), thinning them (`tuning_rows`), fitting (`recipes`).

Concept: all steps share one order of rows and say by a mask which are theirs: known for the step, and in a funnel those
that reached the step before. So a step that is known sooner learns from rows that have no label yet.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mlife_assets.core.training.boosting import Objective, Rows
from mlife_assets.core.training.training_set import TrainingSet

Array = npt.NDArray[np.float64]


def steps_of(name: str, training: TrainingSet) -> tuple[tuple[str, Objective], ...]:
    """Return step and objective of each model of a formulation."""
    if name == "funnel":
        return tuple((step, "binary") for step in training.roles.steps)
    return ((training.roles.label, "lambdarank" if name == "lambdarank" else "binary"),)


def reached_before(name: str, training: TrainingSet, step: str) -> npt.NDArray[np.bool_]:
    """Return the rows that a step is learned from, bool (n,).

    It is known of them, and in a funnel they reached the step before.
    """
    steps = [one for one, _ in steps_of(name, training)]
    place, rows = steps.index(step), training.known(step)
    if place > 0:
        rows = rows & training.known(steps[place - 1])
        rows[rows] = training.outcome(steps[place - 1], rows)
    return rows


def learning_rows(training: TrainingSet, matrix: Array, step: str, rows: npt.NDArray[np.bool_]) -> Rows:
    """Return the rows of a mask, whose outcome of a step is known, with that outcome."""
    days = _days(training)
    return Rows(matrix[rows], training.outcome(step, rows), entity_codes(training)[rows], day=days[rows])


def outcome_where(training: TrainingSet, step: str, rows: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return whether each of n rows is of a mask and reached a step, bool (n,).

    Raises:
        InvalidInputError: that is not known of a row of the mask.
    """
    found = np.zeros(len(rows), dtype=np.bool_)
    found[rows] = training.outcome(step, rows)
    return found


def rows_of_all_steps(training: TrainingSet, matrix: Array) -> Rows:
    """Return all rows, with whether anything is known to have happened: the others may be thinned for every step."""
    steps = training.roles.steps
    happened = np.logical_or.reduce([outcome_where(training, step, training.known(step)) for step in steps])
    return Rows(matrix, happened, entity_codes(training), day=_days(training))


def from_validation_on(training: TrainingSet) -> npt.NDArray[np.bool_]:
    """Return the rows of validation, of whichever step, bool (n,)."""
    masks = [training.validating(step) for step in training.roles.steps]
    return np.asarray(np.logical_or.reduce(masks), dtype=np.bool_)


def entity_codes(training: TrainingSet) -> npt.NDArray[np.int64]:
    """Return a number per row that equal entities share, int64 (n,)."""
    entities = training.examples[training.roles.entity].combine_chunks().dictionary_encode()
    return np.asarray(entities.indices, dtype=np.int64)


def _days(training: TrainingSet) -> npt.NDArray[np.int64]:
    """Return the day of each row's exposure, counted from 1970, int64 (n,)."""
    days = training.examples[training.roles.time].to_numpy().astype("datetime64[D]")
    return np.asarray(days.astype(np.int64))
