"""Competition: which formulation and which recipe a model is fitted by, from the validation window alone.

Belongs here: who competes, in which order, on how many cores. Does not belong here: tuning one of them and comparing
two (`formulations`), what a recipe is (`recipes`), the model that serves (`fit`).

Concept: formulations compete by the first recipe of the policy, then recipes for the formulation that won: sums of
fits, no product. What comes first stays unless another is better by more than one standard error. Nothing else is
looked at, so the model of a fold chose without the rows that it is judged on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from mlife_assets.core.errors import NotEnoughEvidenceError
from mlife_assets.core.policies import TrainingPolicy
from mlife_assets.core.scoring.estimators import MakeEstimator
from mlife_assets.core.training.boosting import Objective, Progress
from mlife_assets.core.training.formulations import (
    Formulation,
    TunedStep,
    available_formulations,
    choose,
    compared,
    require_both_classes,
    tune_estimator,
    tune_step,
    tuning_spec,
)
from mlife_assets.core.training.own_estimator import refused_recipes
from mlife_assets.core.training.recipes import PLAIN, Recipe, recipe_of
from mlife_assets.core.training.step_rows import rows_to_tune_on, steps_of
from mlife_assets.core.training.training_set import TrainingSet

T = TypeVar("T")
R = TypeVar("R")
Tune: TypeAlias = Callable[[str, Recipe, str, Objective], TunedStep]
"""Fits a step of a formulation by a recipe."""


@dataclass(frozen=True, eq=False)
class Competition:
    """Who competed and who won.

    Attributes:
        formulations: by the first recipe, in the order of the policy.
        formulations_refused: why others could not be learned.
        recipes: the formulation that won by each recipe, in the order of the policy.
        recipes_refused: why what is fitted cannot follow others.
        chosen: the winner.
    """

    formulations: tuple[Formulation, ...]
    formulations_refused: Mapping[str, str]
    recipes: tuple[Formulation, ...]
    recipes_refused: Mapping[str, str]
    chosen: Formulation


def compete(
    training: TrainingSet,
    policy: TrainingPolicy,
    progress: Progress | None = None,
    *,
    cores: int = 1,
    estimator: MakeEstimator | None = None,
) -> Competition:
    """Return which formulation and recipe win on the validation window.

    Raises:
        InvalidInputError: the policy names a feature or a formulation that the examples lack.
        NotEnoughEvidenceError: no formulation can be learned, since a step has one class only.
    """
    names = available_formulations(training, policy)
    refused = {} if estimator is None else _refused_by_estimator(names)
    for name in names:
        try:
            require_both_classes(name, training)
        except NotEnoughEvidenceError as error:
            refused.setdefault(name, str(error))
    recipes_refused = {} if estimator is None else refused_recipes(policy.recipes, estimator)
    recipes = [recipe_of(name) for name in policy.recipes if name not in recipes_refused] or [PLAIN]
    tune = _tuning(training, policy, progress) if estimator is None else _tuning_of(training, policy, estimator)
    formulations = []
    asked = [name for name in names if name not in refused]
    for name, steps in zip(asked, _steps(tune, [(name, recipes[0]) for name in asked], training, cores), strict=True):
        try:
            formulations.append(compared(name, recipes[0], steps, training, policy))
        except NotEnoughEvidenceError as error:
            refused[name] = str(error)
    if not formulations:
        raise NotEnoughEvidenceError("; ".join(f"{name}: {refused[name]}" for name in names))
    first = choose(formulations)
    others = _steps(tune, [(first.name, recipe) for recipe in recipes[1:]], training, cores)
    by_recipe = [
        first,
        *(
            compared(first.name, recipe, steps, training, policy)
            for recipe, steps in zip(recipes[1:], others, strict=True)
        ),
    ]
    return Competition(
        tuple(formulations),
        {name: refused[name] for name in names if name in refused},
        tuple(by_recipe),
        recipes_refused,
        choose(by_recipe),
    )


def each(function: Callable[[T], R], arguments: Sequence[T], cores: int) -> list[R]:
    """Return what a function gives for each argument, up to `cores` at once."""
    if cores == 1:
        return [function(one) for one in arguments]
    with ThreadPoolExecutor(cores) as pool:  # LightGBM works outside of Python's lock
        return list(pool.map(function, arguments))


def _refused_by_estimator(names: Sequence[str]) -> dict[str, str]:
    return {name: "an estimator of one's own learns probabilities, no order" for name in names if name == "lambdarank"}


def _tuning(training: TrainingSet, policy: TrainingPolicy, progress: Progress | None) -> Tune:
    """Return what tunes LightGBM; features, thinning and bins are made once."""
    rows = rows_to_tune_on(training, tuning_spec(training), policy)
    return lambda name, recipe, step, objective: tune_step(
        name, step, objective, recipe, training, rows, policy, progress
    )


def _tuning_of(training: TrainingSet, policy: TrainingPolicy, estimator: MakeEstimator) -> Tune:
    """Return what tunes an estimator of one's own."""
    spec = tuning_spec(training)
    return lambda name, recipe, step, objective: tune_estimator(
        name, step, objective, recipe, training, spec, policy, estimator
    )


def _steps(tune: Tune, asked: Sequence[tuple[str, Recipe]], training: TrainingSet, cores: int) -> list[list[TunedStep]]:
    """Return the tuned steps of each formulation and recipe, up to `cores` at once."""
    tasks = [(place, *one, *step) for place, one in enumerate(asked) for step in steps_of(one[0], training)]
    found = each(lambda task: tune(*task[1:]), tasks, cores)
    return [[step for task, step in zip(tasks, found, strict=True) if task[0] == place] for place in range(len(asked))]
