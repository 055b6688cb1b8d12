"""Pictures of SHAP values: small, the same bytes again, without global state."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.inference.features import feature_matrix
from mlife_assets.core.inference.scoring import LightGBMScorer
from mlife_assets.core.training.artifact import ModelArtifact
from mlife_assets.core.training.explain import (
    global_importance,
    plot_beeswarm,
    plot_dependence,
    plot_importance,
)
from mlife_assets.core.training.explain import plots as module
from mlife_assets.core.training.training_set import TrainingSet

PNG = b"\x89PNG\r\n\x1a\n"
PICTURE_BYTES_MAXIMUM = 40_000


@pytest.fixture(scope="module")
def rows(training_set: TrainingSet, artifact: ModelArtifact) -> tuple[np.ndarray, np.ndarray]:
    matrix = feature_matrix(training_set.examples, artifact.feature_spec)[:300]
    return artifact.feature_spec.expanded(matrix), LightGBMScorer(artifact, threads=1).contributions(matrix)


def test_pictures_are_small_and_the_same_bytes_again(
    artifact: ModelArtifact, rows: tuple[np.ndarray, np.ndarray]
) -> None:
    matrix, contributions = rows
    spec = artifact.feature_spec
    names = spec.model_names
    importance = global_importance(contributions, names)
    for draw in (lambda: plot_importance(importance), lambda: plot_beeswarm(contributions, matrix, spec)):
        picture = draw()
        assert picture.startswith(PNG)
        assert len(picture) <= PICTURE_BYTES_MAXIMUM
        assert draw() == picture


def test_a_feature_that_is_missing_or_the_same_everywhere_has_no_colour_of_its_own(
    artifact: ModelArtifact, rows: tuple[np.ndarray, np.ndarray]
) -> None:
    """Its points are drawn in the middle of the scale, and nothing is divided by a spread of zero."""
    matrix, names = rows[0].copy(), artifact.feature_spec.model_names
    first, second = (names.index(name) for name in list(global_importance(rows[1], names))[:2])
    matrix[:, first], matrix[:, second] = np.nan, 3.0
    assert plot_beeswarm(rows[1], matrix, artifact.feature_spec).startswith(PNG)


def test_drawing_touches_no_open_figure_and_no_global_generator(
    artifact: ModelArtifact, rows: tuple[np.ndarray, np.ndarray]
) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots()
    try:
        axes.plot([1, 2])
        numbers, settings, before = plt.get_fignums(), dict(mpl.rcParams), repr(np.random.get_state())  # noqa: NPY002
        plot_beeswarm(rows[1], rows[0], artifact.feature_spec)
        plot_importance(global_importance(rows[1], artifact.feature_spec.model_names))
        assert plt.get_fignums() == numbers
        assert plt.gcf() is figure
        assert len(axes.lines) == 1
        assert not axes.collections
        assert dict(mpl.rcParams) == settings
        assert repr(np.random.get_state()) == before  # noqa: NPY002
    finally:
        plt.close(figure)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return the axes of what is drawn."""
    seen: list[Any] = []

    def keep(figure: Any) -> bytes:
        seen.extend(figure.axes)
        return PNG

    monkeypatch.setattr(module, "palette_png", keep)
    return seen


def test_a_number_is_drawn_as_one_point_per_row_whose_value_is_known(
    artifact: ModelArtifact, rows: tuple[np.ndarray, np.ndarray], drawn: list[Any]
) -> None:
    spec, (matrix, contributions) = artifact.feature_spec, rows
    place = spec.model_names.index("distance_km")
    values = matrix.copy()
    values[:7, place] = np.nan
    plot_dependence("distance_km", contributions, values, spec)
    points = drawn[0].collections[0].get_offsets()
    np.testing.assert_array_equal(points[:, 0], values[7:, place])
    np.testing.assert_array_equal(points[:, 1], contributions[7:, place])
    assert drawn[0].get_xlabel() == "distance in km"


def test_a_category_is_drawn_as_the_mean_of_its_rows_and_a_missing_one_not_at_all(
    artifact: ModelArtifact, rows: tuple[np.ndarray, np.ndarray], drawn: list[Any]
) -> None:
    spec, name = artifact.feature_spec, "user_occupation_group"
    place, groups = spec.model_names.index(name), dict(spec.vocabularies)[name]
    values, effects = rows[0][:4].copy(), rows[1][:4].copy()
    values[:, place], effects[:, place] = [1, 1, 3, np.nan], [0.5, 1.5, -2.0, 9.0]
    plot_dependence(name, effects, values, spec)
    assert [bar.get_width() for bar in drawn[0].patches] == [-2.0, 1.0]
    assert [text.get_text() for text in drawn[0].get_yticklabels()] == [groups[3], groups[1]]


def test_a_category_has_no_high_and_low_in_the_swarm(
    artifact: ModelArtifact, rows: tuple[np.ndarray, np.ndarray], drawn: list[Any]
) -> None:
    spec = artifact.feature_spec
    plot_beeswarm(rows[1], rows[0], spec)
    shown = [label.get_text() for label in drawn[0].get_yticklabels()]
    greys = [points.get_array() is None for points in drawn[0].collections]
    ranked = list(global_importance(rows[1], spec.model_names))[: len(shown)][::-1]
    assert greys == [name in spec.categorical for name in ranked]
    assert True in greys
    assert False in greys
    assert drawn[1].get_ylabel() == "value of the feature (grey: a category)"


def test_dependence_on_no_feature_is_refused(artifact: ModelArtifact, rows: tuple[np.ndarray, np.ndarray]) -> None:
    with pytest.raises(InvalidInputError, match=r"no feature wealth; use one of .*distance_km"):
        plot_dependence("wealth", rows[1], rows[0], artifact.feature_spec)
