"""Scoring: a loaded artifact behind the `Scorer` port.

Belongs here: from a feature matrix to raw scores, probabilities and contributions. Does not belong here: features
(`inference.features`), loading (`adapters.model_registry`).

Concept: one row alone, in a batch or at the endpoint gives the same bits, so everything here works row by row and
sums in the model's own order.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.inference.features import FeatureSpec
from mlife_assets.core.ports import Scores
from mlife_assets.core.training.artifact import ModelArtifact


class LightGBMScorer:
    """Scores with a LightGBM model and its calibrator."""

    def __init__(self, artifact: ModelArtifact, *, threads: int) -> None:
        """Keep the artifact; the model is parsed at the first score."""
        self._artifact = artifact
        self._threads = threads
        self._model_version = artifact.model_version

    @property
    def model_version(self) -> str:
        """Content hash of the artifact."""
        return self._model_version

    @property
    def feature_spec(self) -> FeatureSpec:
        """Columns and vocabularies of the matrix."""
        return self._artifact.feature_spec

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the columns of the matrix."""
        return self._artifact.feature_spec.names

    @cached_property
    def _booster(self) -> Any:
        import lightgbm

        return lightgbm.Booster(model_str=self._artifact.model_text, params={"verbosity": -1})

    def score(self, features: np.ndarray) -> Scores:
        """Score n rows: raw log-odds and calibrated probability, both of shape (n,)."""
        matrix = self._checked(features)
        if len(matrix) == 0:
            return Scores(np.zeros(0), np.zeros(0))
        raw = np.asarray(self._booster.predict(matrix, raw_score=True, num_threads=self._threads), dtype=np.float64)
        return Scores(raw, self._artifact.calibrator.apply(raw))

    def contributions(self, features: np.ndarray) -> np.ndarray:
        """Return SHAP values of the raw score, shape (n, features + 1), the last column being the expected value."""
        matrix = self._checked(features)
        if len(matrix) == 0:
            return np.zeros((0, len(self.feature_names) + 1))
        return np.asarray(self._booster.predict(matrix, pred_contrib=True, num_threads=self._threads), dtype=np.float64)

    def _checked(self, features: np.ndarray) -> np.ndarray:
        wanted = len(self.feature_names)
        if features.ndim != 2 or features.shape[1] != wanted:
            raise InvalidInputError(
                f"features have shape {features.shape}; pass (rows, {wanted}) in the order of feature_names"
            )
        return np.ascontiguousarray(features, dtype=np.float64)
