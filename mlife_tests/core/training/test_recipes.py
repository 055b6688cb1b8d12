"""Recipes: what is recent counts more, trees learn what a base leaves over, and one law is learned by all of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mlife_assets.core.policies import RECIPES, TrainingPolicy
from mlife_assets.core.scoring.feature_spec import FeatureSpec
from mlife_assets.core.training.boosting import Rows, model_text
from mlife_assets.core.training.recipes import PLAIN, FittedStep, fit_step, recipe_of, weighted_by_age

POLICY = TrainingPolicy(
    minimum_child_examples=20, learning_rate=0.1, early_stopping_rounds=10, half_life_days=10.0, feature_fraction=1.0
)
SPEC = FeatureSpec(("strength", "noise"), ())
DAYS = 60


def drawn(*, change_on: int | None = None, per_day: int = 150, seed: int = 1, first: int = 20_000) -> Rows:
    """Return rows whose outcome follows `strength`, from day `change_on` on `noise` instead."""
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(DAYS), per_day)
    matrix = rng.normal(size=(len(day), 2))
    follows = np.where(day >= (DAYS if change_on is None else change_on), matrix[:, 1], matrix[:, 0])
    outcome = rng.random(len(day)) < 1 / (1 + np.exp(1 - 1.5 * follows))
    return Rows(matrix, outcome, np.arange(len(day)), day=day + first)


def fitted(rows: Rows, name: str, trees: int = 60, **changes: object) -> FittedStep:
    policy = replace(POLICY, **changes)
    return fit_step(rows, recipe_of(name), SPEC, policy, objective="binary", trees=trees)


def log_loss(rows: Rows, step: FittedStep) -> float:
    raw = step.raw(rows.matrix, POLICY)
    return float(np.mean(np.logaddexp(0, np.where(rows.outcome, -raw, raw))))


def test_there_is_one_recipe_per_pair_of_choices_and_the_plain_one_is_neither() -> None:
    assert [(recipe_of(name).is_aged, recipe_of(name).has_base) for name in RECIPES] == [
        (False, False),
        (True, False),
        (False, True),
        (True, True),
    ]
    assert recipe_of("plain") is PLAIN


def test_weights_halve_with_every_half_life_before_the_newest_row() -> None:
    rows = Rows(np.zeros((4, 1)), np.zeros(4, dtype=bool), np.arange(4), day=np.array([70, 80, 90, 100]))
    found = weighted_by_age(rows, recipe_of("recent"), replace(POLICY, half_life_days=10.0))
    assert found.weight.tolist() == [0.125, 0.25, 0.5, 1.0]
    thinned = replace(rows, weight=np.array([3.0, 1.0, 3.0, 2.0]))
    assert weighted_by_age(thinned, recipe_of("recent"), POLICY).weight.tolist() == [0.375, 0.25, 1.5, 2.0]
    assert weighted_by_age(rows, PLAIN, POLICY) is rows
    assert weighted_by_age(rows, recipe_of("linear"), POLICY) is rows


def test_the_newest_row_is_that_of_the_step() -> None:
    rows = drawn()
    early = rows.where(rows.day < rows.day.max() - 20)
    weights = weighted_by_age(early, recipe_of("recent"), POLICY).weight
    assert weights.max() == 1.0


@pytest.mark.parametrize("names", [("plain", "recent"), ("linear", "recent_linear")])
def test_after_a_change_recent_rows_teach_the_new_law(names: tuple[str, str]) -> None:
    rows, later = drawn(change_on=45), drawn(change_on=0, seed=2)
    every, recent = (log_loss(later, fitted(rows, name)) for name in names)
    assert recent < every - 0.05


def test_without_a_change_every_recipe_learns_the_law() -> None:
    rows, later = drawn(), drawn(seed=2)
    rate = later.outcome.mean()
    no_skill = -(rate * np.log(rate) + (1 - rate) * np.log(1 - rate))
    truth = 1 - 1.5 * later.matrix[:, 0]
    best = float(np.mean(np.logaddexp(0, np.where(later.outcome, truth, -truth))))
    for name in RECIPES:
        assert best - 0.005 < log_loss(later, fitted(rows, name)) < best + 0.1 * (no_skill - best)


def test_probabilities_stay_what_they_are_by_every_recipe() -> None:
    rows, later = drawn(), drawn(seed=2)
    for name in RECIPES:
        said = 1 / (1 + np.exp(-fitted(rows, name).raw(later.matrix, POLICY)))
        assert said.mean() == pytest.approx(later.outcome.mean(), rel=0.06)
        top = later.matrix[:, 0] > 1
        assert said[top].mean() == pytest.approx(later.outcome[top].mean(), rel=0.06)


def test_trees_learn_what_the_base_leaves_over() -> None:
    """The outcome waves with noise, which no straight piece follows."""
    rows, later = drawn(), drawn(seed=2)
    wavy = []
    for part, seed in ((rows, 5), (later, 6)):
        log_odds = 1.2 * part.matrix[:, 0] + 2 * np.sin(4 * part.matrix[:, 1])
        draws = np.random.default_rng(seed).random(len(log_odds))
        wavy.append(replace(part, outcome=draws < 1 / (1 + np.exp(-log_odds))))
    step = fitted(wavy[0], "linear", trees=150)
    assert step.base is not None
    alone = step.base.raw(wavy[1].matrix, SPEC.names)
    assert np.corrcoef(alone, wavy[1].matrix[:, 0])[0, 1] > 0.9
    without_trees = float(np.mean(np.logaddexp(0, np.where(wavy[1].outcome, -alone, alone))))
    assert log_loss(wavy[1], step) < without_trees - 0.1


def test_raw_is_the_sum_of_base_and_trees() -> None:
    rows = drawn()
    step = fitted(rows, "recent_linear")
    assert step.base is not None
    trees = step.booster.predict(rows.matrix, raw_score=True)
    assert step.raw(rows.matrix, POLICY) == pytest.approx(step.base.raw(rows.matrix, SPEC.names) + trees)
    assert fitted(rows, "recent").base is None


def test_directions_hold_for_base_and_trees_together() -> None:
    rows = drawn()
    grid = np.column_stack([np.linspace(-4, 4, 200), np.zeros(200)])
    for name in RECIPES:
        raw = fitted(rows, name, falling=("strength",)).raw(grid, POLICY)
        assert np.diff(raw).max() <= 1e-12, name
        raw = fitted(rows, name, rising=("strength",)).raw(grid, POLICY)
        assert np.diff(raw).min() >= -1e-12, name


def test_validation_starts_from_the_base_as_well() -> None:
    """Where the base says all, no tree is better than none, so a validation that starts elsewhere would go on."""
    rows, held_out = drawn(per_day=100), drawn(per_day=40, seed=3)
    step = fit_step(rows, recipe_of("linear"), SPEC, POLICY, objective="binary", trees=300, validation=held_out)
    assert step.booster.best_iteration < 100
    assert step.base is not None
    raw = step.base.raw(held_out.matrix, SPEC.names) + step.booster.predict(held_out.matrix, raw_score=True)
    own = float(np.mean(np.logaddexp(0, np.where(held_out.outcome, -raw, raw))))
    assert step.booster.best_score["validation"]["binary_logloss"] == pytest.approx(own, abs=1e-9)


def test_the_same_rows_give_the_same_bytes() -> None:
    rows = drawn(change_on=30)
    first, again = (fitted(rows, "recent_linear") for _ in range(2))
    assert model_text(first.booster) == model_text(again.booster)
    assert first.base == again.base
