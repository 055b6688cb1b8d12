"""The one list of required conditions, in its parts."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.model import Model
from mlife_assets.core.scoring.artifact import ModelArtifact
from mlife_assets.core.scoring.feature_spec import examples_matrix
from mlife_assets.core.training.required import (
    examined_steps,
    required_conditions,
    scoring_conditions,
    training_conditions,
)
from mlife_assets.core.training.training_set import TrainingSet
from mlife_assets.recruiting.features import JOB_EXAMPLES, feature_matrix, pair_features

LIST = [
    "no_feature_tells_the_outcome",
    "label_time_does_not_tell_the_outcome",
    "gate_rows_are_not_training_rows",
    "scoring_parity",
]


@pytest.fixture(scope="module")
def model(job_pairs: ModuleType) -> Model:
    return Model("a_model", "A model", "it happens", "a test", JOB_EXAMPLES, training=job_pairs.POLICY)


def test_every_condition_is_listed_once_and_both_parts_make_the_list(
    job_pairs: ModuleType, training_set: TrainingSet, artifact: ModelArtifact, model: Model
) -> None:
    exposures = pair_features(job_pairs.labelled_examples(1_500, seed=50))
    matrix = feature_matrix(exposures, artifact.feature_spec, exposure_kind="impression")
    found = required_conditions(artifact, training_set, exposures, matrix, model, threads=1)
    assert [one.name for one in found] == LIST
    assert all(one.is_met for one in found), [one.sentence for one in found]
    parts = (
        *training_conditions(training_set, artifact.feature_spec),
        *scoring_conditions(artifact, training_set, exposures, matrix, model, threads=1),
    )
    assert parts == found


def test_copies_are_looked_for_among_exposures_and_not_among_what_is_ranked(
    training_set: TrainingSet, artifact: ModelArtifact, model: Model
) -> None:
    copies = training_set.examples.slice(0, 1_500)
    matrix = examples_matrix(copies, artifact.feature_spec)
    unmet = [
        one.name
        for one in required_conditions(artifact, training_set, copies, matrix[:50], model, threads=1)
        if not one.is_met
    ]
    assert unmet == ["gate_rows_are_not_training_rows"]


@pytest.mark.parametrize("step", ["is_applied", "is_clicked"])
def test_copies_are_looked_for_among_all_that_any_step_learned_from(
    training_set: TrainingSet, artifact: ModelArtifact, model: Model, job_pairs: ModuleType, step: str
) -> None:
    """Of the newest rows the clicks are learned alone: a copy of one is a row that the model has seen."""
    only = training_set.known(step) & (training_set.known("is_applied") == (step == "is_applied"))
    fresh = pair_features(job_pairs.labelled_examples(1_500, seed=50))
    columns = [name for name in fresh.column_names if name in training_set.examples.column_names]
    copies = training_set.examples.filter(pa.array(only)).select(columns).slice(0, 300)
    unknown = pa.array([False] * copies.num_rows)
    place = copies.column_names.index("is_applied")
    known = copies.set_column(place, "is_applied", pc.coalesce(copies["is_applied"], unknown))
    gate = pa.concat_tables([known, fresh.select(columns)])
    matrix = examples_matrix(gate, artifact.feature_spec)
    copied, _ = scoring_conditions(artifact, training_set, gate, matrix, model, threads=1)
    assert not copied.is_met
    assert "repeat one of the" in copied.sentence


def test_an_exposure_whose_outcome_is_not_known_is_an_error(
    training_set: TrainingSet, artifact: ModelArtifact, model: Model
) -> None:
    rows = training_set.examples.slice(0, 50)
    place = rows.column_names.index("is_clicked")
    unknown = rows.set_column(place, "is_clicked", pa.array([None, *[False] * 49]))
    matrix = examples_matrix(rows, artifact.feature_spec)
    with pytest.raises(InvalidInputError, match="is_clicked is not known of 1 of 50 rows that the gate judges"):
        scoring_conditions(artifact, training_set, unknown, matrix, model, threads=1)


def test_the_time_of_every_step_is_examined(training_set: TrainingSet, artifact: ModelArtifact) -> None:
    clicked = training_set.outcome("is_clicked")
    days = training_set.examples["exposure_date"].to_numpy().astype("datetime64[D]")
    told = pa.array(days + np.where(clicked, 1, 3))
    place = training_set.examples.column_names.index("click_mature_date")
    leaked = replace(training_set, examples=training_set.examples.set_column(place, "click_mature_date", told))
    assert examined_steps(training_set.roles) == ("is_applied", "is_clicked")
    assert examined_steps(replace(training_set.roles, funnel_times=(), early_label=None)) == ("is_applied",)
    for training, is_met in ((training_set, True), (leaked, False)):
        _, found = training_conditions(training, artifact.feature_spec)
        assert found.is_met is is_met
        assert ("click_mature_date comes after exposure_date predicts is_clicked alone" in found.sentence) is not is_met


def test_without_rows_nothing_is_taken_for_granted(
    training_set: TrainingSet, artifact: ModelArtifact, model: Model
) -> None:
    nothing = np.zeros((0, len(artifact.feature_spec.names)))
    found = scoring_conditions(artifact, training_set, training_set.examples.slice(0, 0), nothing, model, threads=1)
    assert [one.is_met for one in found] == [False, False]
    assert "the gate has no rows" in found[0].sentence
