"""Pictures of SHAP values: what shap draws, small, the same bytes again, pyplot and numpy as they were."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.scoring.artifact import ModelArtifact
from mlife_assets.core.scoring.feature_spec import FeatureSpec
from mlife_assets.core.scoring.reasons import global_importance, score_parts
from mlife_assets.core.scoring.scorer import LightGBMScorer
from mlife_assets.core.training import explain as module
from mlife_assets.core.training.explain import (
    for_pages,
    plot_beeswarm,
    plot_dependence,
    plot_dependences,
    plot_importance,
    plot_waterfall,
)
from mlife_assets.core.training.training_set import TrainingSet
from mlife_assets.recruiting.features import PAIR_WORDS, feature_matrix

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
    for draw in (
        lambda: plot_importance(importance, {}),
        lambda: plot_beeswarm(contributions, matrix, spec, PAIR_WORDS),
        lambda: plot_dependence("distance_km", contributions, matrix, spec, PAIR_WORDS),
        lambda: plot_waterfall(score_parts(contributions[0], matrix[0], spec), PAIR_WORDS),
    ):
        picture = draw()
        assert picture.startswith(PNG)
        assert len(picture) <= PICTURE_BYTES_MAXIMUM
        np.random.random()  # noqa: NPY002 - whatever was drawn from the global generator before
        assert draw() == picture


def test_a_feature_that_is_missing_or_the_same_everywhere_is_drawn_too(
    artifact: ModelArtifact, rows: tuple[np.ndarray, np.ndarray]
) -> None:
    """Warnings are errors here: there are no percentiles of nothing and no spread of one value."""
    matrix, names = rows[0].copy(), artifact.feature_spec.model_names
    numeric = [name for name in global_importance(rows[1], names) if name not in artifact.feature_spec.categorical]
    first, second = (names.index(name) for name in numeric[:2])
    matrix[:, first], matrix[:, second] = np.nan, 3.0
    assert plot_beeswarm(rows[1], matrix, artifact.feature_spec, {}).startswith(PNG)
    for name in numeric[:3]:
        assert plot_dependence(name, rows[1], matrix, artifact.feature_spec, {}).startswith(PNG)


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
        plot_beeswarm(rows[1], rows[0], artifact.feature_spec, {})
        plot_dependence("distance_km", rows[1], rows[0], artifact.feature_spec, {})
        plot_waterfall(score_parts(rows[1][0], rows[0][0], artifact.feature_spec), {})
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

    def keep(figure: Any, _colours: int = 0) -> bytes:
        figure.draw_without_rendering()
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
    plot_dependence("distance_km", contributions, values, spec, PAIR_WORDS)
    points, missing = (one.get_offsets() for one in drawn[0].collections[:2])
    wanted = np.column_stack([values[7:, place], contributions[7:, place]])
    np.testing.assert_array_equal(points[np.lexsort(points.T)], wanted[np.lexsort(wanted.T)])
    np.testing.assert_array_equal(np.sort(missing[:, 1]), np.sort(contributions[:7, place]))
    assert drawn[0].get_xlabel() == "distance in km"


def test_the_dependence_is_drawn_of_what_varies_the_strongest_first(
    artifact: ModelArtifact, rows: tuple[np.ndarray, np.ndarray]
) -> None:
    spec, (matrix, contributions) = artifact.feature_spec, rows
    ranked = list(global_importance(contributions, spec.model_names))
    constant = matrix.copy()
    constant[:, spec.model_names.index(ranked[1])] = 1.0
    assert list(plot_dependences(contributions, constant, spec, {}, 2)) == [ranked[0], ranked[2]]


def test_a_waterfall_leads_from_the_expected_value_to_the_score(
    artifact: ModelArtifact, rows: tuple[np.ndarray, np.ndarray], drawn: list[Any]
) -> None:
    spec, (matrix, contributions) = artifact.feature_spec, rows
    plot_waterfall(score_parts(contributions[0], matrix[0], spec), PAIR_WORDS)
    said = [text.get_text() for axes in drawn for text in axes.get_xticklabels()]
    for value in (contributions[0].sum(), contributions[0, -1]):
        assert any(f"{abs(value):.3f}".rstrip("0") in text for text in said)
    labels = [text.get_text() for text in drawn[0].get_yticklabels()]
    strongest = int(np.abs(contributions[0, :-1]).argmax())
    name = spec.model_names[strongest]
    assert any(label.endswith(module._label(name, PAIR_WORDS)) and " = " in label for label in labels)
    assert any("other features" in label for label in labels)


def test_a_category_is_named_in_the_waterfall(
    artifact: ModelArtifact, rows: tuple[np.ndarray, np.ndarray], drawn: list[Any]
) -> None:
    spec, name = artifact.feature_spec, "user_occupation_group"
    place, contributions, values = spec.model_names.index(name), rows[1][0].copy(), rows[0][0].copy()
    contributions[place], values[place] = 9.0, 1
    plot_waterfall(score_parts(contributions, values, spec), PAIR_WORDS)
    group = dict(spec.vocabularies)[name][1]
    assert f"{group} = user occupation group" in [text.get_text() for text in drawn[0].get_yticklabels()]


def test_pages_get_the_swarm_first_and_titles_in_words() -> None:
    found = for_pages(b"swarm", {"distance_km": b"far", "some_column": b"near"}, PAIR_WORDS)
    assert list(found) == ["SHAP values", "SHAP value by distance in km", "SHAP value by some column"]
    assert [base64.b64decode(uri.partition(",")[2]) for uri in found.values()] == [b"swarm", b"far", b"near"]


def test_a_name_of_money_or_of_great_length_is_drawn_as_text() -> None:
    """Two dollars would begin a formula, and a label wider than the picture would push the axes out of it."""
    spec = FeatureSpec(("price_$usd$", "x" * 300, "b"), ())
    rng = np.random.default_rng(0)
    matrix, contributions = rng.normal(size=(40, 3)), rng.normal(size=(40, 4))
    assert plot_beeswarm(contributions, matrix, spec, PAIR_WORDS).startswith(PNG)
    assert plot_waterfall(score_parts(contributions[0], matrix[0], spec), PAIR_WORDS).startswith(PNG)
    assert plot_importance(global_importance(contributions, spec.model_names), {}).startswith(PNG)
    for name in spec.model_names:
        assert plot_dependence(name, contributions, matrix, spec, PAIR_WORDS).startswith(PNG)


def test_a_category_is_drawn_as_the_mean_of_its_rows_and_a_missing_one_not_at_all(
    artifact: ModelArtifact, rows: tuple[np.ndarray, np.ndarray], drawn: list[Any]
) -> None:
    spec, name = artifact.feature_spec, "user_occupation_group"
    place, groups = spec.model_names.index(name), dict(spec.vocabularies)[name]
    values, effects = rows[0][:4].copy(), rows[1][:4].copy()
    values[:, place], effects[:, place] = [1, 1, 3, np.nan], [0.5, 1.5, -2.0, 9.0]
    plot_dependence(name, effects, values, spec, PAIR_WORDS)
    assert [bar.get_width() for bar in drawn[0].patches] == [-2.0, 1.0]
    assert [text.get_text() for text in drawn[0].get_yticklabels()] == [groups[3], groups[1]]


def test_a_category_has_no_high_and_low_in_the_swarm(
    artifact: ModelArtifact, rows: tuple[np.ndarray, np.ndarray], drawn: list[Any]
) -> None:
    spec = artifact.feature_spec
    plot_beeswarm(rows[1], rows[0], spec, PAIR_WORDS)
    *shown, others = [label.get_text() for label in drawn[0].get_yticklabels()][::-1]
    ranked = list(global_importance(rows[1], spec.model_names))[: len(shown)]
    assert shown == [module._label(name, PAIR_WORDS) for name in ranked]
    assert others == f"Sum of {len(spec.model_names) - len(shown)} other features"
    coloured = {
        round(float(points.get_offsets()[0, 1]))
        for points in drawn[0].collections
        if points.get_array() is not None and len(points.get_offsets())
    }
    levels = {len(shown) - place for place, name in enumerate(ranked) if name not in spec.categorical}
    assert coloured - {0} == levels
    assert levels < set(range(1, len(shown) + 1))
    assert drawn[1].get_ylabel() == "value of the feature (grey: a category)"


def test_dependence_on_no_feature_is_refused(artifact: ModelArtifact, rows: tuple[np.ndarray, np.ndarray]) -> None:
    with pytest.raises(InvalidInputError, match=r"no feature wealth; use one of .*distance_km"):
        plot_dependence("wealth", rows[1], rows[0], artifact.feature_spec, {})
