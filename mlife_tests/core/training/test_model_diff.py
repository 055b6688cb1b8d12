"""What differs between two artifacts, on real small artifacts; and the facts of any manifest."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.training.manifest_facts import (
    importance_by_stage,
    last_trained_day,
    manifest_facts,
    section_of,
    trained_to,
    trained_to_words,
    value_words,
)
from mlife_assets.core.training.model_diff import diff_models

TESTS = Path(__file__).resolve().parents[2]


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
        ("windows", "training_end_date", "2026-05-10", "2026-05-17"),
        ("data", "examples", 600, 900),
        ("data", "training_data_hash", "data-1", "other"),
        ("metrics", "validation_value", 0.25, 0.2),
        ("method", "calibrator", None, "isotonic"),
        ("method", "code_version", "0.2.0", "0.3.0"),
        ("policy", "policy.learning_rate", 0.05, 0.1),
        ("policy", "policy_version", "pol_a", "pol_b"),
    ]
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


def test_the_same_features_in_another_order_are_reported(left) -> None:
    spec = left.feature_spec
    right = replace(left, feature_spec=replace(spec, names=(*spec.names[1:], spec.names[0])))
    found = diff_models(left, right)
    assert (found.is_feature_order_changed, found.features_added, found.features_removed) == (True, (), ())


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
        "b": {"x": 1, "y": {"z": None}},
        "a": [1, 2.5, "t"],
        "trials": [{"loss": 0.5}, {"loss": 0.25}],
        "importance": {"f": 1.0},
    }
    assert manifest_facts(manifest) == {
        "a": "1, 2.5, t", "b.x": 1, "b.y.z": None, "trials.0.loss": 0.5, "trials.1.loss": 0.25,
    }  # fmt: skip
    assert list(manifest_facts(manifest)) == sorted(manifest_facts(manifest))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.dictionaries(st.text(st.characters(exclude_characters="."), min_size=1), inner, max_size=4),
        max_leaves=12,
    )
)
def test_every_leaf_of_a_manifest_is_a_fact(tree: Any) -> None:
    def leaves(value: Any) -> list[Any]:
        return [leaf for inner in value.values() for leaf in leaves(inner)] if isinstance(value, dict) else [value]

    manifest = {"root": tree}
    assert sorted(map(repr, manifest_facts(manifest).values())) == sorted(map(repr, leaves(manifest)))


@pytest.mark.parametrize(
    ("name", "value", "section"),
    [
        ("validation_start_date", "2026-05-01", "windows"), ("gate.first_day", "2026-05-01", "windows"),
        ("positives", 3, "data"), ("policy.validation_days", 7, "policy"), ("policy_version", "pol", "policy"),
        ("trees_by_step.is_applied", 3, "method"), ("formulation", "funnel", "method"), ("is_funnel", True, "method"),
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
        "examples_by_step.bought": "data",
        "examples_by_step.seen": "data",
        "trained_to.bought": "windows",
        "trained_to.seen": "windows",
        "training_end_date": "windows",
    }
