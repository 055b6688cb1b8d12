"""What is said of a prediction: the first step of a funnel, the words of the strongest contributions."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

from mlife_assets.core.scoring.prediction_details import REASONS_LOGGED, first_step_probabilities, strongest_reasons
from mlife_assets.core.scoring.scorer import LightGBMScorer

ROWS = 40


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
