"""An estimator of one's own in LightGBM's place: fitted the same way whoever asks and on however many cores.

Belongs here: making and fitting one. Does not belong here: which estimators are taken and how they are stored
(`core.scoring.estimators`), the windows and the calibration around it (`fit`, `formulations`).

Concept: a function makes a new estimator for each fit, so nothing is left over from the one before. What it leaves to
chance gets the seed of the policy; one thread sums, since the order of sums decides bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.scoring.estimators import MakeEstimator, StoredEstimator, last_step, require_usable, usable
from mlife_assets.core.training.boosting import Rows
from mlife_assets.core.training.recipes import recipe_of

WEIGHT = "sample_weight"


def made(make: MakeEstimator, *, seed: int) -> Any:
    """Return a new estimator with a seed wherever it asks for one.

    Raises:
        InvalidInputError: it cannot take LightGBM's place; says why.
    """
    estimator = make()
    require_usable(estimator)
    unseeded = {
        name: seed
        for name, value in estimator.get_params(deep=True).items()
        if name.rpartition("__")[2] == "random_state" and value is None
    }
    return estimator.set_params(**unseeded)


def refused_recipes(names: Sequence[str], make: MakeEstimator) -> dict[str, str]:
    """Return the recipes that an estimator cannot follow, and why: it has no trees, and may weigh all alike."""
    from sklearn.utils.validation import has_fit_parameter

    last, refused = last_step(make()), {}
    for recipe in map(recipe_of, names):
        if recipe.has_base:
            refused[recipe.name] = "an estimator of one's own has no trees to stand on a base"
        elif recipe.is_aged and not has_fit_parameter(last, WEIGHT):
            refused[recipe.name] = f"{type(last).__name__} takes no {WEIGHT}, so all rows count alike"
    return refused


def fit_estimator(make: MakeEstimator, rows: Rows, *, seed: int) -> StoredEstimator:
    """Return an estimator fitted on rows, each counting as much as it weighs.

    Raises:
        InvalidInputError: it cannot take LightGBM's place, or refuses the rows.
    """
    from threadpoolctl import threadpool_limits

    estimator = made(make, seed=seed)
    steps = getattr(estimator, "steps", None)
    name = WEIGHT if steps is None else f"{steps[-1][0]}__{WEIGHT}"
    weights = {} if rows.weight is None else {name: rows.weight}
    with threadpool_limits(limits=1):
        try:
            estimator.fit(usable(rows.matrix), rows.outcome.astype(np.int64), **weights)
        except ValueError as error:
            raise InvalidInputError(f"{type(estimator).__name__} cannot be fitted: {error}") from error
    return StoredEstimator.fitted_on(estimator, rows.matrix)
