"""The competition: formulations by the first recipe, then recipes for the winner, on any cores."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from mlife_assets.core.errors import NotEnoughEvidenceError
from mlife_assets.core.policies import RECIPES, TrainingPolicy
from mlife_assets.core.training import competition
from mlife_assets.core.training.competition import compete, each
from mlife_assets.core.training.formulations import choose
from mlife_assets.core.training.training_set import TrainingSet

POLICY = TrainingPolicy(
    formulations=("binary", "funnel"),
    recipes=("plain", "recent_linear", "recent"),
    trees_maximum=8,
    learning_rate=0.2,
    minimum_child_examples=20,
    early_stopping_rounds=4,
)


def with_column(training: TrainingSet, name: str, values: np.ndarray) -> TrainingSet:
    place = training.examples.column_names.index(name)
    return replace(training, examples=training.examples.set_column(place, name, pa.array(values)))


def test_formulations_compete_by_the_first_recipe_then_recipes_for_the_winner(
    training_set: TrainingSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str, str]] = []
    real = competition.tune_step

    def watched(name: str, step: str, objective: Any, recipe: Any, *rest: Any) -> Any:
        asked.append((name, step, recipe.name))
        return real(name, step, objective, recipe, *rest)

    monkeypatch.setattr(competition, "tune_step", watched)
    found = compete(training_set, POLICY)
    assert [one.name for one in found.formulations] == ["binary", "funnel"]
    assert {one.recipe.name for one in found.formulations} == {"plain"}
    first = choose(list(found.formulations))
    assert [(one.name, one.recipe.name) for one in found.recipes] == [(first.name, recipe) for recipe in POLICY.recipes]
    assert found.recipes[0] is first
    assert found.chosen is choose(list(found.recipes))
    steps = {"binary": ("is_applied",), "funnel": ("is_clicked", "is_applied")}
    expected = [(name, step, "plain") for name in POLICY.formulations for step in steps[name]]
    expected += [(first.name, step, recipe) for recipe in POLICY.recipes[1:] for step in steps[first.name]]
    assert asked == expected, "a sum of fits, no product"


def test_one_recipe_costs_no_second_fit(training_set: TrainingSet, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    real = competition.tune_step
    monkeypatch.setattr(competition, "tune_step", lambda *task: calls.append(task[1]) or real(*task))
    found = compete(training_set, replace(POLICY, formulations=("funnel",), recipes=("recent_linear",)))
    assert calls == ["is_clicked", "is_applied"]
    assert [one.recipe.name for one in found.recipes] == ["recent_linear"]


def test_a_law_that_changed_within_the_rows_to_fit_on_is_followed_by_recent_rows(training_set: TrainingSet) -> None:
    """Until ten days before the end of fitting taste works the other way round; validation knows the new law alone."""
    days = training_set.examples["exposure_date"].to_numpy().astype("datetime64[D]")
    turned = days < days[training_set.is_fit].max() - np.timedelta64(9, "D")
    taste = training_set.examples["taste_match"].to_numpy()
    changed = with_column(training_set, "taste_match", np.where(turned, -taste, taste))
    policy = replace(
        POLICY, formulations=("binary",), recipes=("plain", "recent"), trees_maximum=60, half_life_days=3.0
    )
    found = compete(changed, policy)
    assert found.chosen.recipe.name == "recent"
    assert found.chosen.log_loss < found.recipes[0].log_loss
    assert compete(training_set, policy).chosen.recipe.name == "plain", "without a change noise does not choose"


def test_the_gap_and_the_order_of_recipes_do_not_move_what_one_of_them_is_worth(training_set: TrainingSet) -> None:
    orders = (POLICY.recipes, POLICY.recipes[::-1])
    found = [compete(training_set, replace(POLICY, formulations=("binary",), recipes=order)) for order in orders]
    losses = [{one.recipe.name: one.log_loss for one in each_.recipes} for each_ in found]
    assert losses[0] == losses[1]
    assert set(losses[0]) == set(POLICY.recipes)


def test_any_number_of_cores_finds_the_same(training_set: TrainingSet) -> None:
    one, several = (compete(training_set, POLICY, cores=cores) for cores in (1, 4))
    assert several.chosen.recipe == one.chosen.recipe
    for ours, theirs in zip((*one.formulations, *one.recipes), (*several.formulations, *several.recipes), strict=True):
        assert ours.log_likelihood.tobytes() == theirs.log_likelihood.tobytes()
        assert [step.trees for step in ours.steps] == [step.trees for step in theirs.steps]


def test_an_estimator_of_ones_own_follows_recent_rows_and_no_base(training_set: TrainingSet) -> None:
    policy = replace(POLICY, recipes=RECIPES)
    found = compete(training_set, policy, estimator=lambda: HistGradientBoostingClassifier(max_iter=10))
    assert [one.recipe.name for one in found.recipes] == ["plain", "recent"]
    assert list(found.recipes_refused) == ["linear", "recent_linear"]
    assert "no trees to stand on a base" in found.recipes_refused["linear"]
    plain, recent = found.recipes
    assert plain.steps[0].raw.tobytes() != recent.steps[0].raw.tobytes()


def test_where_no_recipe_can_be_followed_the_plain_one_is(training_set: TrainingSet) -> None:
    policy = replace(POLICY, formulations=("binary",), recipes=("linear",))
    found = compete(training_set, policy, estimator=lambda: HistGradientBoostingClassifier(max_iter=5))
    assert found.chosen.recipe.name == "plain"


def test_an_estimator_that_weighs_no_rows_is_refused_the_recent_ones() -> None:
    refused = competition.refused_recipes(("plain", "recent"), KNeighborsClassifier)
    assert refused == {"recent": "KNeighborsClassifier takes no sample_weight, so all rows count alike"}
    assert competition.refused_recipes(("plain", "recent"), LogisticRegression) == {}


def test_what_cannot_be_learned_is_refused_with_its_reason(training_set: TrainingSet) -> None:
    everybody = with_column(training_set, "is_clicked", np.ones(training_set.examples.num_rows, dtype=bool))
    found = compete(everybody, replace(POLICY, recipes=("plain",)))
    assert list(found.formulations_refused) == ["funnel"]
    assert "is_clicked has" in found.formulations_refused["funnel"]
    assert [one.name for one in found.formulations] == ["binary"]
    nobody = with_column(training_set, "is_applied", np.zeros(training_set.examples.num_rows, dtype=bool))
    with pytest.raises(NotEnoughEvidenceError, match="binary: is_applied has 0 positives"):
        compete(nobody, POLICY)


@pytest.mark.parametrize("cores", [1, 3])
def test_results_are_in_the_order_of_what_was_asked(cores: int) -> None:
    assert each(lambda number: number * number, range(7), cores) == [0, 1, 4, 9, 16, 25, 36]
