"""Explanations: a score taken apart, in plain words."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.scoring.artifact import ModelArtifact
from mlife_assets.core.scoring.reasons import (
    REASONS_LOGGED,
    first_step_probabilities,
    global_importance,
    reasons,
    score_parts,
    strongest_reasons,
)
from mlife_assets.core.scoring.scorer import LightGBMScorer
from mlife_assets.core.training.training_set import TrainingSet
from mlife_assets.recruiting.features import PAIR_WORDS, feature_matrix

ROWS = 40


@pytest.fixture(scope="module")
def rows(training_set: TrainingSet, artifact: ModelArtifact) -> tuple[np.ndarray, np.ndarray]:
    matrix = feature_matrix(training_set.examples, artifact.feature_spec)[:300]
    return artifact.feature_spec.expanded(matrix), LightGBMScorer(artifact, threads=1).contributions(matrix)


def test_reasons_name_the_strongest_features_first(
    artifact: ModelArtifact, rows: tuple[np.ndarray, np.ndarray]
) -> None:
    spec, names = artifact.feature_spec, artifact.feature_spec.model_names
    contributions, values = np.zeros(len(names) + 1), np.zeros(len(names))
    for name, effect, value in (
        ("distance_km", -0.9, 41.5),
        ("same_shift", 0.4, 1.0),
        ("user_occupation_group", 1.2, 3.0),
    ):
        contributions[names.index(name)], values[names.index(name)] = effect, value
    group = dict(spec.vocabularies)["user_occupation_group"][3]
    found = reasons(contributions, values, spec, PAIR_WORDS)
    assert len(found) == 3
    assert group in found[0]
    assert "41.5" in found[1]
    assert "distance" in found[1]
    assert "lowers" in found[1]
    assert "raises" in found[2]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_no_number_has_words(artifact: ModelArtifact, value: float) -> None:
    names = artifact.feature_spec.model_names
    contributions, values = np.zeros(len(names) + 1), np.zeros(len(names))
    contributions[names.index("distance_km")], values[names.index("distance_km")] = 1.0, value
    assert len(reasons(contributions, values, artifact.feature_spec, {})) == 1


def test_shapes_must_fit_the_spec(artifact: ModelArtifact) -> None:
    with pytest.raises(InvalidInputError, match="do not fit"):
        reasons(np.zeros(3), np.zeros(2), artifact.feature_spec, {})
    with pytest.raises(InvalidInputError, match="do not fit"):
        score_parts(np.zeros(3), np.zeros(2), artifact.feature_spec)


def test_the_parts_of_a_score_sum_to_it_and_carry_what_the_model_saw(
    artifact: ModelArtifact, rows: tuple[np.ndarray, np.ndarray]
) -> None:
    spec, values, contributions = artifact.feature_spec, rows[0][0].copy(), rows[1][0]
    values[spec.model_names.index("user_occupation_group")] = 3.0
    values[spec.model_names.index("distance_km")] = np.nan
    parts = score_parts(contributions, values, spec)
    assert parts.expected + sum(parts.contributions.values()) == pytest.approx(contributions.sum())
    assert tuple(parts.contributions) == tuple(parts.values) == spec.model_names
    assert parts.values["user_occupation_group"] == dict(spec.vocabularies)["user_occupation_group"][3]
    assert parts.values["distance_km"] == "unknown"


def test_importance_is_ordered_and_finds_what_drives_applies(
    artifact: ModelArtifact, rows: tuple[np.ndarray, np.ndarray]
) -> None:
    importance = global_importance(rows[1], artifact.feature_spec.model_names)
    assert list(importance.values()) == sorted(importance.values(), reverse=True)
    assert set(list(importance)[:4]) & {"taste_match", "same_occupation_group"}


def test_contributions_of_a_row_sum_to_its_raw_score(
    artifact: ModelArtifact, rows: tuple[np.ndarray, np.ndarray]
) -> None:
    raw = LightGBMScorer(artifact, threads=1).score(rows[0][:, : len(artifact.feature_spec.names)]).raw
    np.testing.assert_allclose(rows[1].sum(axis=1), raw, rtol=0, atol=1e-12)


def test_the_probability_of_a_first_step_is_that_of_the_first_step(models: ModuleType) -> None:
    matrix = models.random_matrix(3, ROWS)
    funnel = LightGBMScorer(models.tiny_artifact(1, is_funnel=True), threads=1).score(matrix)
    alone = LightGBMScorer(models.tiny_artifact(1), threads=1).score(matrix)
    first_step = first_step_probabilities(funnel)
    assert first_step.tobytes() == alone.probability.tobytes()
    assert (first_step >= funnel.probability).all()
    assert (first_step > funnel.probability).any()


def test_a_model_of_one_step_has_no_first_one(models: ModuleType) -> None:
    scores = LightGBMScorer(models.tiny_artifact(1), threads=1).score(models.random_matrix(3, ROWS))
    assert np.isnan(first_step_probabilities(scores)).tolist() == [True] * ROWS


@pytest.mark.parametrize("is_funnel", [False, True])
def test_reasons_are_the_largest_contributions_and_those_of_the_row_alone(models: ModuleType, is_funnel: bool) -> None:
    scorer = LightGBMScorer(models.tiny_artifact(1, is_funnel=is_funnel), threads=1)
    matrix = models.random_matrix(3, ROWS)
    found = strongest_reasons(scorer, matrix, {})
    assert found == [strongest_reasons(scorer, matrix[row : row + 1], {})[0] for row in range(ROWS)]
    for told, contributions in zip(found, scorer.contributions(matrix), strict=True):
        largest = np.sort(np.abs(contributions[:-1]))[::-1][:REASONS_LOGGED]
        assert [float(one.rsplit(" ", 1)[1]) for one in told] == [round(value, 2) for value in largest[largest > 0]]


def test_no_rows_have_no_reasons(models: ModuleType) -> None:
    scorer = LightGBMScorer(models.tiny_artifact(1), threads=1)
    assert strongest_reasons(scorer, np.zeros((0, len(models.SPEC.names))), {}) == []
