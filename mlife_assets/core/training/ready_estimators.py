"""Predefined estimators in LightGBM's place, by name.

Concept: a spec file names no code, so the list is closed; other estimators need a model in Python. A text column is
encoded as the position of its value, which a linear model takes as a number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.quoting import quoted
from mlife_assets.core.scoring.estimators import MakeEstimator

ITERATIONS_MAXIMUM = 1_000


def logistic_regression() -> Any:
    """Return a logistic regression on standardised columns, with the median for missing values."""
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    filled = SimpleImputer(strategy="median", keep_empty_features=True)
    return make_pipeline(filled, StandardScaler(), LogisticRegression(max_iter=ITERATIONS_MAXIMUM))


def histogram_boosting() -> Any:
    """Return scikit-learn's boosting with small leaves and steps, as in `TrainingPolicy`.

    Early stopping on random rows is off: rows of one day are alike, so it would stop too late.
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
    """Return a factory by name. Raises InvalidInputError naming the known ones."""
    if not isinstance(name, str) or name not in READY:
        raise InvalidInputError(f"no estimator is called {quoted(name)}; known are {', '.join(READY)}")
    return READY[name]
