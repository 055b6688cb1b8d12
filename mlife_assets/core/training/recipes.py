"""Recipes: what a step learns most from, and on what its trees stand.

Belongs here: the recipes, weights by age, one fit by a recipe. Does not belong here: which recipe is better on the
validation window (`formulations`, `fit`), the base (`base_fit`), the trees (`boosting`).

Concept: two choices, so four recipes. *Recent* rows count more: the weight of a row halves with every half-life, so a
model follows a world that moves and forgets what it was. A *base* of straight pieces under the trees learns a change
from few rows, as its slopes are few; the trees learn what it leaves over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mlife_assets.core.policies import RECIPES, TrainingPolicy
from mlife_assets.core.scoring.feature_spec import FeatureSpec
from mlife_assets.core.scoring.linear_base import LinearBase
from mlife_assets.core.training.base_fit import fit_linear_base
from mlife_assets.core.training.boosting import Objective, Progress, Rows, boost, predict_raw, weighted

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Recipe:
    """How a step is learned.

    Attributes:
        name: of the policy's list.
        is_aged: whether recent rows count more.
        has_base: whether the trees stand on a linear base.
    """

    name: str
    is_aged: bool
    has_base: bool


_OF: Mapping[str, Recipe] = {name: Recipe(name, "recent" in name, "linear" in name) for name in RECIPES}
PLAIN = _OF["plain"]


def recipe_of(name: str) -> Recipe:
    """Return the recipe of a name that a policy lists."""
    return _OF[name]


@dataclass(frozen=True, eq=False)
class FittedStep:
    """Trees, and the base that they stand on where there is one."""

    booster: Any
    base: LinearBase | None
    spec: FeatureSpec

    def raw(self, matrix: Array, policy: TrainingPolicy) -> Array:
        """Return log-odds of n rows as a model sees them, (n,)."""
        trees = predict_raw(self.booster, matrix, policy)
        return trees if self.base is None else self.base.raw(matrix, self.spec.model_names) + trees


def weighted_by_age(rows: Rows, recipe: Recipe, policy: TrainingPolicy) -> Rows:
    """Return rows of which recent ones count more where the recipe says so: those of the newest day as before."""
    if not recipe.is_aged or rows.day is None:
        return rows
    age = (rows.day.max(initial=0) - rows.day).astype(np.float64)
    weight = np.exp2(-age / policy.half_life_days)
    return weighted(rows, weight)


def fit_step(
    rows: Rows,
    recipe: Recipe,
    spec: FeatureSpec,
    policy: TrainingPolicy,
    *,
    objective: Objective,
    trees: int,
    validation: Rows | None = None,
    progress: Progress | None = None,
) -> FittedStep:
    """Return a step learned from rows by a recipe, stopped early on `validation` where given.

    Raises:
        InvalidInputError: the policy constrains a feature that does not exist.
    """
    rows = weighted_by_age(rows, recipe, policy)
    base = None
    if recipe.has_base:
        base = fit_linear_base(rows, spec, policy)
        rows = replace(rows, start=base.raw(rows.matrix, spec.model_names))
        if validation is not None:
            validation = replace(validation, start=base.raw(validation.matrix, spec.model_names))
    booster = boost(rows, spec, policy, objective=objective, trees=trees, validation=validation, progress=progress)
    return FittedStep(booster, base, spec)
