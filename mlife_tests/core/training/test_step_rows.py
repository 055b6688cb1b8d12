"""Step rows: what is not known is never asked for, and only what is known to be nothing may be thinned."""

from __future__ import annotations

import numpy as np

from mlife_assets.core.policies import TrainingPolicy
from mlife_assets.core.scoring.feature_spec import examples_matrix
from mlife_assets.core.training.formulations import tuning_spec
from mlife_assets.core.training.step_rows import (
    every_row,
    from_validation_on,
    known_outcome,
    learning_rows,
    reached_before,
    rows_to_tune_on,
)
from mlife_assets.core.training.training_set import TrainingSet

LABEL = "is_applied"


def test_an_outcome_that_is_not_known_counts_as_none(training_set: TrainingSet) -> None:
    for step in training_set.roles.steps:
        known = training_set.known(step)
        found = known_outcome(training_set, step)
        assert not found[~known].any()
        assert np.array_equal(found[known], training_set.outcome(step, known))


def test_all_rows_have_the_first_thing_that_may_happen_and_their_day(training_set: TrainingSet) -> None:
    spec = tuning_spec(training_set)
    matrix = spec.expanded(examples_matrix(training_set.examples, spec))
    found = every_row(training_set, spec)
    first = training_set.roles.steps[0]
    assert np.array_equal(found.outcome, known_outcome(training_set, first) | ~training_set.known(first))
    assert np.array_equal(
        found.day, training_set.examples["exposure_date"].to_numpy().astype("datetime64[D]").astype(int)
    )
    mask = training_set.known(LABEL) & (np.arange(len(matrix)) % 3 == 0)
    some = learning_rows(training_set, spec, LABEL, mask)
    assert some.matrix.tobytes() == found.seen(mask).tobytes() == matrix[mask].tobytes()
    assert np.array_equal(some.day, found.day[mask])
    assert np.array_equal(some.outcome, training_set.outcome(LABEL, mask))


def test_what_is_tuned_on_are_the_rows_of_whichever_step(training_set: TrainingSet) -> None:
    spec = tuning_spec(training_set)
    found = rows_to_tune_on(training_set, spec, TrainingPolicy())
    assert np.array_equal(found.held_out, every_row(training_set, spec).seen(from_validation_on(training_set)), True)
    fitting = np.logical_or.reduce([training_set.fitting(step) for step in training_set.roles.steps])
    assert np.array_equal(found.fit.of_all, fitting)
    assert np.array_equal(found.watched.of_all, from_validation_on(training_set))
    assert not (found.fit.of_all & found.watched.of_all).any()
    reached = reached_before("funnel", training_set, LABEL)
    part = found.fit.about(known_outcome(training_set, LABEL), reached & training_set.fitting(LABEL))
    assert len(part.outcome) == (reached & training_set.fitting(LABEL)).sum()
    assert part.outcome.sum() == training_set.outcome(LABEL, reached & training_set.fitting(LABEL)).sum()
