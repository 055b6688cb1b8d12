"""An estimator of one's own in LightGBM's place: fitted the same way whoever asks and on however many cores.

Belongs here: making and fitting one. Does not belong here: which estimators are taken and how they are stored
(`core.scoring.estimators`), the windows and the calibration around it (`fit`, `formulations`).

Concept: a function makes a new estimator for each fit, so nothing is left over from the one before. What it leaves to
chance gets the seed of the policy; one thread sums, since the order of sums decides bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.scoring.estimators import MakeEstimator, StoredEstimator, require_usable, usable
from mlife_assets.core.training.boosting import Rows


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


def fit_estimator(make: MakeEstimator, rows: Rows, *, seed: int) -> StoredEstimator:
    """Return an estimator fitted on rows.

    Raises:
        InvalidInputError: it cannot take LightGBM's place, or refuses the rows.
    """
    from threadpoolctl import threadpool_limits

    estimator = made(make, seed=seed)
    with threadpool_limits(limits=1):
        try:
            estimator.fit(usable(rows.matrix), rows.outcome.astype(np.int64))
        except ValueError as error:
            raise InvalidInputError(f"{type(estimator).__name__} cannot be fitted: {error}") from error
    return StoredEstimator.fitted_on(estimator, rows.matrix)
