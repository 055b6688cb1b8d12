"""Boosting: constraints hold, names do not matter, groups may be large, the same rows give the same bytes."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.policies import TrainingPolicy
from mlife_assets.core.scoring.feature_spec import FeatureSpec, SmoothedRate
from mlife_assets.core.training.boosting import (
    END_OF_TREES,
    GROUP_ROWS_MAXIMUM,
    Objective,
    Rows,
    boost,
    model_text,
    monotone_constraints,
    predict_raw,
)

POLICY = TrainingPolicy(minimum_child_examples=10, feature_fraction=1.0, l2_penalty=1.0, early_stopping_rounds=5)
SPEC = FeatureSpec(("pay", "km", "city"), (("city", ("a", "b", "c")),))


def drawn(rows: int = 2_000, seed: int = 1, entities: int = 50) -> Rows:
    """Return outcomes that wave up and down with both numbers, so that an unconstrained model does too."""
    rng = np.random.default_rng(seed)
    pay, km, city = rng.uniform(-3, 3, rows), rng.uniform(-3, 3, rows), rng.integers(0, 3, rows)
    log_odds = 1.5 * np.sin(2.5 * pay) - 1.5 * np.cos(2 * km) + (city == 1)
    outcome = rng.random(rows) < 1 / (1 + np.exp(-log_odds))
    return Rows(np.column_stack([pay, km, city]), outcome, rng.integers(0, entities, rows))


def slopes(booster: Any, column: int, policy: TrainingPolicy) -> np.ndarray:
    """Return the changes of the raw score along a grid of one column, from many starting points."""
    start = drawn(60, seed=9).matrix
    grid = np.linspace(-3.5, 3.5, 80)
    points = np.repeat(start, len(grid), axis=0)
    points[:, column] = np.tile(grid, len(start))
    return np.diff(predict_raw(booster, points, policy).reshape(len(start), len(grid)), axis=1)


@pytest.mark.parametrize("objective", ["binary", "lambdarank"])
def test_constraints_hold_everywhere_on_a_grid(objective: Objective) -> None:
    policy = replace(POLICY, rising=("pay",), falling=("km",), leaves=15)
    free, bound = (boost(drawn(), SPEC, one, objective=objective, trees=30) for one in (POLICY, policy))
    for column, sign in ((0, 1.0), (1, -1.0)):
        assert (sign * slopes(free, column, POLICY)).min() < -0.05
        found = sign * slopes(bound, column, policy)
        assert found.min() >= 0.0
        assert found.max() > 0.01


def test_constraints_are_in_the_order_of_what_a_model_sees() -> None:
    spec = replace(SPEC, rates=(SmoothedRate("rate", "pay", "km", 0.5, 1.0),))
    assert monotone_constraints(spec, replace(POLICY, rising=("rate",), falling=("pay",))) == [-1, 0, 0, 1]
    assert monotone_constraints(spec, POLICY) == [0, 0, 0, 0]


@pytest.mark.parametrize("side", ["rising", "falling"])
@pytest.mark.parametrize("name", ["salary", "city"])
def test_a_constraint_on_no_numeric_feature_is_refused_by_name(side: str, name: str) -> None:
    policy = replace(POLICY, **{side: ("pay", name)})
    with pytest.raises(InvalidInputError, match=f"constrains {name}, which is no numeric feature"):
        boost(drawn(100), SPEC, policy, objective="binary", trees=1)


@pytest.mark.parametrize("odd", ["pay ($ per hour)", "pay\u00e9", 'pay"', "pay,km", "a=b\nend of trees\n", "pay:[1]"])
def test_odd_names_give_the_same_trees(odd: str) -> None:
    plain, named = (
        model_text(boost(drawn(500), spec, POLICY, objective="binary", trees=3))
        for spec in (SPEC, replace(SPEC, names=(odd, "km", "city")))
    )
    assert "feature_names=pay km city" in plain
    assert "feature_names=column_0 column_1 column_2" in named
    assert named.replace("column_0 column_1 column_2", "pay km city") == plain


def test_a_category_is_split_by_its_values_not_by_its_order() -> None:
    text = model_text(boost(drawn(), SPEC, POLICY, objective="binary", trees=30))
    assert any(line.startswith("num_cat=") and line != "num_cat=0" for line in text.splitlines())
    renamed = replace(SPEC, vocabularies=())
    text = model_text(boost(drawn(), renamed, POLICY, objective="binary", trees=30))
    assert all(line == "num_cat=0" for line in text.splitlines() if line.startswith("num_cat="))


@pytest.mark.parametrize("objective", ["binary", "lambdarank"])
def test_the_same_rows_give_the_same_bytes(objective: Objective) -> None:
    texts = [
        model_text(boost(drawn(), SPEC, policy, objective=objective, trees=5, validation=drawn(300, seed=2)))
        for policy in (POLICY, POLICY, replace(POLICY, feature_fraction=0.4), replace(POLICY, feature_fraction=0.4))
    ]
    assert texts[0] == texts[1]
    assert texts[2] == texts[3]
    assert texts[0] != texts[2]
    assert texts[0].endswith(END_OF_TREES + "\n")
    assert "parameters" not in texts[0]


def test_the_text_scores_what_the_booster_scores() -> None:
    import lightgbm

    rows = drawn()
    booster = boost(rows, SPEC, POLICY, objective="binary", trees=8)
    loaded = lightgbm.Booster(model_str=model_text(booster), params={"verbosity": -1})
    assert predict_raw(loaded, rows.matrix, POLICY).tobytes() == predict_raw(booster, rows.matrix, POLICY).tobytes()


def test_an_entity_of_more_rows_than_a_group_may_have_is_ranked() -> None:
    rows = drawn(2 * GROUP_ROWS_MAXIMUM + 500, entities=1)
    policy = replace(POLICY, minimum_child_examples=200)
    booster = boost(rows, SPEC, policy, objective="lambdarank", trees=2, validation=drawn(300, seed=2))
    raw = predict_raw(booster, rows.matrix, policy)
    assert raw[rows.outcome].mean() > raw[~rows.outcome].mean()


def test_a_ranking_compares_rows_of_one_entity_only() -> None:
    """An entity that always converts teaches a ranking nothing, so what tells entities apart is not learned."""
    rng = np.random.default_rng(5)
    entity = np.repeat(np.arange(100), 20)
    level, own = np.repeat(rng.normal(size=100), 20), rng.normal(size=2_000)
    outcome = rng.random(2_000) < 1 / (1 + np.exp(-(4 * level + own)))
    order = rng.permutation(2_000)
    rows = Rows(np.column_stack([level, own]), outcome, entity).where(order)
    spec = FeatureSpec(("level", "own"), ())
    gains = {
        objective: boost(rows, spec, POLICY, objective=objective, trees=10).feature_importance("gain")
        for objective in ("binary", "lambdarank")
    }
    assert gains["binary"][0] > gains["binary"][1]
    assert gains["lambdarank"][0] < gains["lambdarank"][1]


def test_a_ranking_does_not_depend_on_how_entities_are_interleaved() -> None:
    rows = drawn(1_000, entities=20)
    order = np.argsort(rows.entity, kind="stable")
    texts = [model_text(boost(one, SPEC, POLICY, objective="lambdarank", trees=4)) for one in (rows, rows.where(order))]
    assert texts[0] == texts[1]


def test_validation_stops_early_and_the_best_trees_are_kept() -> None:
    rows, seen = drawn(400), []
    booster = boost(
        rows, SPEC, replace(POLICY, learning_rate=0.5), objective="binary", trees=200, validation=drawn(400, seed=3),
        progress=lambda done, most: seen.append(done),
    )  # fmt: skip
    best = booster.best_iteration
    assert 1 < best < 200
    assert seen[-1] == best + POLICY.early_stopping_rounds
    assert model_text(booster).count("\nTree=") == best
    kept = booster.predict(rows.matrix, raw_score=True, num_iteration=best)
    assert predict_raw(booster, rows.matrix, POLICY).tobytes() == kept.tobytes()


def test_where_nothing_can_be_split_there_is_a_best_tree_still() -> None:
    policy = replace(POLICY, minimum_child_examples=5_000)
    booster = boost(drawn(400), SPEC, policy, objective="binary", trees=20, validation=drawn(200, seed=3))
    assert booster.best_iteration >= 1
    raw = predict_raw(booster, drawn(50, seed=4).matrix, policy)
    assert len(np.unique(raw)) == 1
    assert 1 / (1 + np.exp(-raw[0])) == pytest.approx(drawn(400).outcome.mean())


def test_classes_are_not_weighted() -> None:
    rows = drawn(4_000)
    rare = Rows(rows.matrix, rows.outcome & (np.arange(4_000) % 10 == 0), rows.entity)
    raw = predict_raw(boost(rare, SPEC, POLICY, objective="binary", trees=30), rows.matrix, POLICY)
    assert np.mean(1 / (1 + np.exp(-raw))) == pytest.approx(rare.outcome.mean(), rel=0.02)


@pytest.mark.parametrize("has_validation", [False, True])
def test_progress_counts_trees(has_validation: bool) -> None:
    seen: list[tuple[int, int]] = []
    boost(
        drawn(300), SPEC, POLICY, objective="binary", trees=4,
        validation=drawn(300, seed=2) if has_validation else None,
        progress=lambda done, most: seen.append((done, most)),
    )  # fmt: skip
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_ranking_stops_by_map_and_does_not_depend_on_how_validation_is_interleaved() -> None:
    rows, held_out = drawn(1_000, entities=20), drawn(600, seed=2, entities=20)
    policy = replace(POLICY, early_stopping_rounds=20)
    order = np.argsort(held_out.entity, kind="stable")
    boosters = [
        boost(rows, SPEC, policy, objective="lambdarank", trees=60, validation=one)
        for one in (held_out, held_out.where(order))
    ]
    assert [list(booster.best_score["validation"]) for booster in boosters] == [["map@10"]] * 2
    assert boosters[0].best_score == boosters[1].best_score
    assert boosters[0].best_iteration == boosters[1].best_iteration


def test_a_stopped_model_scores_with_its_best_trees_only() -> None:
    rows = drawn(600)
    stopped = boost(rows, SPEC, POLICY, objective="binary", trees=200, validation=drawn(300, seed=2))
    best = stopped.best_iteration
    assert best < 200
    exact = boost(rows, SPEC, POLICY, objective="binary", trees=best)
    assert predict_raw(stopped, rows.matrix, POLICY).tobytes() == predict_raw(exact, rows.matrix, POLICY).tobytes()


def test_what_is_held_while_lightgbm_is_imported_is_freed_without_a_look_for_garbage() -> None:
    """Its import parses, and the parser keeps errors with the frames that they passed."""
    code = """
import gc, weakref
import numpy as np
from mlife_assets.core.policies import TrainingPolicy
from mlife_assets.core.scoring.feature_spec import FeatureSpec
from mlife_assets.core.training.boosting import Rows, binned

def first_fit():
    held = np.zeros((500, 1))
    binned(Rows(held, held[:, 0] > 0, np.zeros(500, dtype=np.int64)), FeatureSpec(("a",), ()), TrainingPolicy())
    return weakref.ref(held)

gc.disable()
raise SystemExit(0 if first_fit()() is None else "the rows of the first fit are held")
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
