"""What a model shows of itself: what differs between two artifacts, facts of a manifest, pictures of SHAP values."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import date
from types import ModuleType
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
from mlife_assets.core.training.manifest_facts import (
    early_label_words,
    fitted_words,
    importance_by_stage,
    last_trained_day,
    learned_to,
    manifest_facts,
    section_of,
    trained_to,
    trained_to_words,
    trees_at_limit,
    value_words,
)
from mlife_assets.core.training.model_diff import diff_models
from mlife_assets.core.training.training_set import TrainingSet
from mlife_assets.recruiting.features import PAIR_WORDS, feature_matrix

LIMITS = {"a": "maximum of trees", "b": "first tree"}
PNG = b"\x89PNG\r\n\x1a\n"
PICTURE_BYTES_MAXIMUM = 40_000


@pytest.fixture(scope="module")
def left(models: ModuleType) -> Any:
    return models.tiny_artifact(
        1, trees=3, trees_by_step={"is_applied": 3}, validation_value=0.25,
        policy={"learning_rate": 0.05, "leaves": 15}, policy_version="pol_a", code_version="0.2.0",
        importance={"distance_km": 3.0, "taste_match": 1.0},
    )  # fmt: skip


def changed(artifact: Any, **facts: Any) -> Any:
    return replace(artifact, manifest={**artifact.manifest, **facts})


def test_a_model_does_not_differ_from_itself(left) -> None:
    found = diff_models(left, left)
    assert found.is_same
    assert (found.facts, found.vocabularies, found.features_added, found.features_removed) == ((), (), (), ())
    assert all(shift.change == 0 for shift in found.importance)
    assert found.sentences == (f"Both are {left.model_version}.",)


def test_every_fact_that_differs_is_named_with_both_values_by_section(left) -> None:
    right = replace(
        changed(
            left, training_end_date="2026-05-17", examples=900, validation_value=0.2,
            policy={"learning_rate": 0.1, "leaves": 15}, policy_version="pol_b", code_version="0.3.0",
            calibrator="isotonic",
        ),
        training_data_hash="other",
    )  # fmt: skip
    found = diff_models(left, right)
    assert [(fact.section, fact.name, fact.left, fact.right) for fact in found.facts] == [
        ("windows", "training_end_date", "2026-05-10", "2026-05-17"), ("data", "examples", 600, 900),
        ("data", "training_data_hash", "data-1", "other"), ("metrics", "validation_value", 0.25, 0.2),
        ("method", "calibrator", None, "isotonic"), ("method", "code_version", "0.2.0", "0.3.0"),
        ("policy", "policy.learning_rate", 0.05, 0.1), ("policy", "policy_version", "pol_a", "pol_b"),
    ]  # fmt: skip
    by_name = {fact.name: fact for fact in found.facts}
    assert by_name["examples"].change == 300
    assert by_name["validation_value"].change == pytest.approx(-0.05)
    assert by_name["code_version"].change is None
    assert (by_name["calibrator"].is_new, by_name["calibrator"].is_gone) == (True, False)
    back = {fact.name: fact for fact in diff_models(right, left).facts}
    assert (back["calibrator"].is_new, back["calibrator"].is_gone) == (False, True)
    assert found.sentences[:3] == (
        "They learned from different data.",
        "They were fitted under different policies.",
        "They were fitted by different code.",
    )


def test_features_and_known_values_that_one_side_lacks_are_named(left) -> None:
    spec = left.feature_spec
    names = (*(name for name in spec.names if name != "openings"), "weekday")
    vocabularies = tuple(
        (name, (*values[1:], "41860") if name == "metro_code" else values[::-1] if name == "exposure_kind" else values)
        for name, values in spec.vocabularies
    )
    right = replace(left, feature_spec=replace(spec, names=names, vocabularies=vocabularies))
    found = diff_models(left, right)
    assert (found.features_added, found.features_removed) == (("weekday",), ("openings",))
    changes = {one.feature: (one.added, one.removed, one.is_reordered) for one in found.vocabularies}
    assert changes == {"metro_code": (("41860",), ("12060",), False), "exposure_kind": ((), (), True)}
    told = " ".join(found.sentences)
    for words in ("sees weekday", "sees openings", "knows 41860", "knows 12060", "exposure_kind: the codes"):
        assert words in told
    assert not found.is_feature_order_changed


def test_priors_of_rates_are_compared(left) -> None:
    rate = replace(left.feature_spec.rates[0], prior_rate=0.3)
    right = replace(left, feature_spec=replace(left.feature_spec, rates=(rate,)))
    (fact,) = diff_models(left, right).facts
    assert (fact.section, fact.name, fact.left, fact.right) == ("method", "priors.job_click_rate.rate", 0.1, 0.3)


def test_a_truth_value_has_no_difference_and_the_order_of_features_is_reported(left) -> None:
    spec = left.feature_spec
    right = replace(
        changed(left, is_funnel=not left.manifest.get("is_funnel", False)),
        feature_spec=replace(spec, names=(*spec.names[1:], spec.names[0])),
    )
    found = diff_models(changed(left, is_funnel=bool(left.manifest.get("is_funnel", False))), right)
    assert {fact.name: fact.change for fact in found.facts} == {"is_funnel": None}
    assert "The order of the features differs." in found.sentences


def test_importance_is_compared_by_share_and_the_largest_move_comes_first(left) -> None:
    """Left has 3 : 1, right 20 : 70 : 10; the unit of importance does not matter."""
    right = replace(
        changed(left, importance={"distance_km": 20.0, "taste_match": 70.0, "openings": 10.0}),
        training_data_hash="other",
    )
    found = diff_models(left, right)
    assert [(one.feature, round(one.left_share, 3), round(one.right_share, 3)) for one in found.importance] == [
        ("distance_km", 0.75, 0.2),
        ("taste_match", 0.25, 0.7),
        ("openings", 0.0, 0.1),
    ]
    assert found.sentences[-3:] == (
        "distance_km lost importance: 75.0 % to 20.0 %.",
        "taste_match gained importance: 25.0 % to 70.0 %.",
        "openings gained importance: 0.0 % to 10.0 %.",
    )
    again = diff_models(changed(left, importance={"distance_km": 6.0, "taste_match": 2.0}), left)
    assert all(shift.change == 0 for shift in again.importance)


def test_importance_of_steps_is_compared_step_by_step(left) -> None:
    right = changed(left, importance={"is_clicked": {"openings": 1.0}, "is_applied": {"openings": 2.0}})
    stages = {shift.stage for shift in diff_models(left, right).importance}
    assert stages == {"", "is_clicked", "is_applied"}
    assert importance_by_stage({"importance": {"a": 1.0, "b": 2.0, "c": 2.0}}) == {"": {"b": 2.0, "c": 2.0, "a": 1.0}}
    assert list(importance_by_stage({"importance": {"a": 1.0, "b": 2.0, "c": 2.0}})[""]) == ["b", "c", "a"]
    assert importance_by_stage({}) == {}


def test_facts_are_flat_and_none_is_lost() -> None:
    manifest = {
        "b": {"x": 1, "y": {"z": None}}, "a": [1, 2.5, "t"], "trials": [{"loss": 0.5}, {"loss": 0.25}],
        "importance": {"f": 1.0},
    }  # fmt: skip
    assert manifest_facts(manifest) == {
        "a": "1, 2.5, t", "b.x": 1, "b.y.z": None, "trials.0.loss": 0.5, "trials.1.loss": 0.25,
    }  # fmt: skip
    assert list(manifest_facts(manifest)) == sorted(manifest_facts(manifest))


@pytest.mark.parametrize(
    ("name", "value", "section"),
    [
        ("validation_start_date", "2026-05-01", "windows"), ("gate.first_day", "2026-05-01", "windows"),
        ("positives", 3, "data"), ("policy.validation_days", 7, "policy"), ("policy_version", "pol", "policy"),
        ("trees_by_step.is_applied", 3, "method"), ("formulation", "funnel", "method"), ("is_funnel", True, "method"),
        ("trees_at_limit.is_applied", "maximum of trees", "method"),
        ("validation_log_loss", 0.2, "metrics"), ("formulations.direct", 0.2, "metrics"),
    ],
)  # fmt: skip
def test_facts_have_a_heading(name: str, value: Any, section: str) -> None:
    assert section_of(name, value) == section


def test_values_are_written_for_people() -> None:
    values = (None, True, False, 1234567, 0.123456789, "text", "")
    assert [value_words(value) for value in values] == ["none", "yes", "no", "1,234,567", "0.123457", "text", "none"]


def test_each_step_says_how_far_it_was_trained_and_an_earlier_release_says_it_of_all() -> None:
    days = {"seen": "2026-05-15", "bought": "2026-05-10"}
    told = {"training_end_date": "2026-05-15", "trained_to": days, "examples_by_step": {"seen": 70, "bought": 50}}
    assert (trained_to(told, "seen"), trained_to(told, "bought")) == (date(2026, 5, 15), date(2026, 5, 10))
    assert last_trained_day(told) == date(2026, 5, 15)
    assert last_trained_day({**told, "training_end_date": "2026-05-10"}) == date(2026, 5, 15), "the later of the two"
    of_0_1_0 = {"training_end_date": "2026-05-12"}
    assert trained_to(of_0_1_0, "bought") == last_trained_day(of_0_1_0) == date(2026, 5, 12)
    assert trained_to_words({"seen": date(2026, 5, 15), "bought": date(2026, 5, 10)}) == (
        "2026-05-15 (seen), 2026-05-10 (bought)"
    )
    assert trained_to_words({"seen": date(2026, 5, 15), "bought": date(2026, 5, 15)}) == "2026-05-15"
    sections = {name: section_of(name, value) for name, value in manifest_facts(told).items()}
    assert sections == {
        "examples_by_step.bought": "data", "examples_by_step.seen": "data", "trained_to.bought": "windows",
        "trained_to.seen": "windows", "training_end_date": "windows",
    }  # fmt: skip


@pytest.mark.parametrize(("trees", "limit"), [(0, None), (10, None), (590, None), (600, "maximum of trees")])
def test_as_many_trees_as_there_may_be_are_a_limit(trees: int, limit: str | None) -> None:
    assert trees_at_limit({"step": trees}, 600) == ({"step": limit} if limit else {})


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        ({"trees": 250, "trees_by_step": {"a": 50, "b": 200}, "trees_at_limit": {}}, "250 trees"),
        (
            {"trees": 601, "trees_by_step": {"a": 600, "b": 1}, "trees_at_limit": LIMITS},
            "601 trees (a took as many trees as it may; b stopped at its first tree)",
        ),
        ({"trees": 0, "trees_by_step": {"a": 0}, "trees_at_limit": {}, "recipe": "logistic"}, "a logistic regression"),
        ({"trees": 250, "trees_by_step": {"a": 250}}, "250 trees"),
        ({"trees": 1, "trees_by_step": {"a": 1}, "policy": {"leaves": 7}}, "1 trees"),
        ({"estimator": {"StandardScaler": {}, "LogisticRegression": {}}}, "StandardScaler, LogisticRegression"),
    ],
)
def test_what_was_fitted_says_where_it_came_to_a_limit(manifest: dict[str, Any], words: str) -> None:
    assert fitted_words(manifest) == words


TAUGHT = {
    "share_of_positives": 0.9567, "rows": 5_432, "positives": 21, "first_day": "2026-05-26", "last_day": "2026-05-30",
}  # fmt: skip


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        ({}, ""),
        ({"early_label": {"share_of_positives": 0.95}}, ""),
        (
            {"early_label": TAUGHT},
            "5,432 rows of 2026-05-26 to 2026-05-30, too young for their label, taught it by what had come early, as "
            "95.7% of positives do",
        ),
        (
            {"early_label": {**TAUGHT, "silent_days": "2026-05-27"}},
            "5,432 rows of 2026-05-26 to 2026-05-30, too young for their label, taught it by what had come early, as "
            "95.7% of positives do; next to nothing came of 2026-05-27, which taught nothing",
        ),
        (
            {"early_label": {"share_of_positives": 0.95, "silent_days": "2026-05-27"}},
            "next to nothing came of 2026-05-27, which taught nothing",
        ),
        (
            {"early_label": {"refused": "60.0% of 200 positives came early, 90.0% needed"}},
            "rows too young for their label taught it nothing: 60.0% of 200 positives came early, 90.0% needed",
        ),
    ],
)
def test_what_an_early_label_taught_is_said(manifest: dict[str, Any], words: str) -> None:
    assert early_label_words(manifest) == words


def test_a_step_learned_to_the_last_day_that_taught_it_anything() -> None:
    days = {"is_clicked": "2026-05-29", "is_applied": "2026-05-25"}
    manifest = {"label": "is_applied", "training_end_date": "2026-05-30", "trained_to": days}
    assert learned_to(manifest, "is_applied") == trained_to(manifest, "is_applied") == date(2026, 5, 25)
    taught = {**manifest, "early_label": TAUGHT}
    assert learned_to(taught, "is_applied") == date(2026, 5, 30)
    assert learned_to(taught, "is_clicked") == date(2026, 5, 29)
    assert trained_to(taught, "is_applied") == date(2026, 5, 25)
    assert learned_to({"training_end_date": "2026-05-30"}, "is_applied") == date(2026, 5, 30)
    assert section_of("early_label.share_of_positives", 0.95) == "data"


@pytest.fixture(scope="module")
def rows(training_set: TrainingSet, artifact: ModelArtifact) -> tuple[np.ndarray, np.ndarray]:
    matrix = feature_matrix(training_set.examples, artifact.feature_spec)[:300]
    return artifact.feature_spec.expanded(matrix), LightGBMScorer(artifact, threads=1).contributions(matrix)


def test_pictures_are_small_and_the_same_bytes_again(artifact, rows) -> None:
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


def test_a_feature_that_is_missing_or_the_same_everywhere_is_drawn_too(artifact, rows) -> None:
    """Warnings are errors here: there are no percentiles of nothing and no spread of one value."""
    matrix, names = rows[0].copy(), artifact.feature_spec.model_names
    numeric = [name for name in global_importance(rows[1], names) if name not in artifact.feature_spec.categorical]
    first, second = (names.index(name) for name in numeric[:2])
    matrix[:, first], matrix[:, second] = np.nan, 3.0
    assert plot_beeswarm(rows[1], matrix, artifact.feature_spec, {}).startswith(PNG)
    for name in numeric[:3]:
        assert plot_dependence(name, rows[1], matrix, artifact.feature_spec, {}).startswith(PNG)


def test_drawing_touches_no_open_figure_and_no_global_generator(artifact, rows) -> None:
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


def test_a_number_is_drawn_as_one_point_per_row_whose_value_is_known(artifact, rows, drawn) -> None:
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


def test_the_dependence_is_drawn_of_what_varies_the_strongest_first(artifact, rows) -> None:
    spec, (matrix, contributions) = artifact.feature_spec, rows
    ranked = list(global_importance(contributions, spec.model_names))
    constant = matrix.copy()
    constant[:, spec.model_names.index(ranked[1])] = 1.0
    assert list(plot_dependences(contributions, constant, spec, {}, 2)) == [ranked[0], ranked[2]]


def test_a_waterfall_leads_from_the_expected_value_to_the_score(artifact, rows, drawn) -> None:
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


def test_a_category_is_named_in_the_waterfall(artifact, rows, drawn) -> None:
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


def test_a_category_is_drawn_as_the_mean_of_its_rows_and_a_missing_one_not_at_all(artifact, rows, drawn) -> None:
    spec, name = artifact.feature_spec, "user_occupation_group"
    place, groups = spec.model_names.index(name), dict(spec.vocabularies)[name]
    values, effects = rows[0][:4].copy(), rows[1][:4].copy()
    values[:, place], effects[:, place] = [1, 1, 3, np.nan], [0.5, 1.5, -2.0, 9.0]
    plot_dependence(name, effects, values, spec, PAIR_WORDS)
    assert [bar.get_width() for bar in drawn[0].patches] == [-2.0, 1.0]
    assert [text.get_text() for text in drawn[0].get_yticklabels()] == [groups[3], groups[1]]


def test_a_category_has_no_high_and_low_in_the_swarm(artifact, rows, drawn) -> None:
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
