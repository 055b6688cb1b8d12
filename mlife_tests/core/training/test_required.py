"""The one list of required conditions, in its parts."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

from mlife_assets.core.model import Model
from mlife_assets.core.scoring.artifact import ModelArtifact
from mlife_assets.core.scoring.feature_spec import examples_matrix
from mlife_assets.core.training.required import required_conditions, scoring_conditions, training_conditions
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


def test_without_rows_nothing_is_taken_for_granted(
    training_set: TrainingSet, artifact: ModelArtifact, model: Model
) -> None:
    nothing = np.zeros((0, len(artifact.feature_spec.names)))
    found = scoring_conditions(artifact, training_set, training_set.examples.slice(0, 0), nothing, model, threads=1)
    assert [one.is_met for one in found] == [False, False]
    assert "the gate has no rows" in found[0].sentence
