"""Explanations: a score taken apart, in plain words and small pictures."""

from __future__ import annotations

import numpy as np
import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.inference.features import feature_matrix
from mlife_assets.core.inference.scoring import LightGBMScorer
from mlife_assets.core.training.artifact import ModelArtifact
from mlife_assets.core.training.explain import global_importance, plot_beeswarm, plot_importance, reasons
from mlife_assets.core.training.training_set import TrainingSet

PNG = b"\x89PNG\r\n\x1a\n"
PICTURE_BYTES_MAXIMUM = 40_000


@pytest.fixture(scope="module")
def rows(training_set: TrainingSet, artifact: ModelArtifact) -> tuple[np.ndarray, np.ndarray]:
    matrix = feature_matrix(training_set.examples, artifact.feature_spec)[:300]
    return matrix, LightGBMScorer(artifact, threads=1).contributions(matrix)


def test_reasons_name_the_strongest_features_first(
    artifact: ModelArtifact, rows: tuple[np.ndarray, np.ndarray]
) -> None:
    spec, names = artifact.feature_spec, artifact.feature_spec.names
    contributions, values = np.zeros(len(names) + 1), np.zeros(len(names))
    for name, effect, value in (
        ("distance_km", -0.9, 41.5),
        ("same_shift", 0.4, 1.0),
        ("user_occupation_group", 1.2, 3.0),
    ):
        contributions[names.index(name)], values[names.index(name)] = effect, value
    group = dict(spec.vocabularies)["user_occupation_group"][3]
    found = reasons(contributions, values, spec)
    assert len(found) == 3
    assert group in found[0]
    assert "41.5" in found[1]
    assert "distance" in found[1]
    assert "lowers" in found[1]
    assert "raises" in found[2]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_no_number_has_words(artifact: ModelArtifact, value: float) -> None:
    names = artifact.feature_spec.names
    contributions, values = np.zeros(len(names) + 1), np.zeros(len(names))
    contributions[names.index("distance_km")], values[names.index("distance_km")] = 1.0, value
    assert len(reasons(contributions, values, artifact.feature_spec)) == 1


def test_shapes_must_fit_the_spec(artifact: ModelArtifact) -> None:
    with pytest.raises(InvalidInputError, match="do not fit"):
        reasons(np.zeros(3), np.zeros(2), artifact.feature_spec)


def test_importance_is_ordered_and_finds_what_drives_applies(
    artifact: ModelArtifact, rows: tuple[np.ndarray, np.ndarray]
) -> None:
    importance = global_importance(rows[1], artifact.feature_spec.names)
    assert list(importance.values()) == sorted(importance.values(), reverse=True)
    assert set(list(importance)[:4]) & {"taste_match", "same_occupation_group"}


def test_pictures_are_small_and_the_same_bytes_again(
    artifact: ModelArtifact, rows: tuple[np.ndarray, np.ndarray]
) -> None:
    matrix, contributions = rows
    names = artifact.feature_spec.names
    importance = global_importance(contributions, names)
    for draw in (lambda: plot_importance(importance), lambda: plot_beeswarm(contributions, matrix, names)):
        picture = draw()
        assert picture.startswith(PNG)
        assert len(picture) <= PICTURE_BYTES_MAXIMUM
        assert draw() == picture


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
        plot_beeswarm(rows[1], rows[0], artifact.feature_spec.names)
        plot_importance(global_importance(rows[1], artifact.feature_spec.names))
        assert plt.get_fignums() == numbers
        assert plt.gcf() is figure
        assert len(axes.lines) == 1
        assert not axes.collections
        assert dict(mpl.rcParams) == settings
        assert repr(np.random.get_state()) == before  # noqa: NPY002
    finally:
        plt.close(figure)


def test_contributions_of_a_row_sum_to_its_raw_score(
    artifact: ModelArtifact, rows: tuple[np.ndarray, np.ndarray]
) -> None:
    raw = LightGBMScorer(artifact, threads=1).score(rows[0]).raw
    np.testing.assert_allclose(rows[1].sum(axis=1), raw, rtol=0, atol=1e-12)
