"""Estimators that are ready to take LightGBM's place, by name.

Concept: a spec file names no code, so the list is closed. Who wants another one declares a model in Python. A text
column is the place of its value in the list of values, to a linear model a number like any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.quoting import quoted
from mlife_assets.core.scoring.estimators import MakeEstimator

ITERATIONS_MAXIMUM = 1_000


def logistic_regression() -> Any:
    """Return a logistic regression of columns on one scale, a missing value being the median."""
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    filled = SimpleImputer(strategy="median", keep_empty_features=True)
    return make_pipeline(filled, StandardScaler(), LogisticRegression(max_iter=ITERATIONS_MAXIMUM))


def histogram_boosting() -> Any:
    """Return scikit-learn's boosting with small leaves and steps, as `TrainingPolicy` has them.

    No rows are held out at random to stop it: rows of one day are alike, so they would say to go on too long.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        learning_rate=0.05,
        max_iter=200,
        max_leaf_nodes=7,
        min_samples_leaf=200,
        l2_regularization=10.0,
        early_stopping=False,
    )


READY: Mapping[str, MakeEstimator] = {make.__name__: make for make in (logistic_regression, histogram_boosting)}


def ready_estimator(name: Any) -> MakeEstimator:
    """Return a maker by name. Raises InvalidInputError naming the known ones."""
    if not isinstance(name, str) or name not in READY:
        raise InvalidInputError(f"no estimator is called {quoted(name)}; known are {', '.join(READY)}")
    return READY[name]
