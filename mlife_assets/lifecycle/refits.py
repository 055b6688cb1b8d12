"""A refit: the vetoes on a fit of the champion's configuration, before its ranking is reported."""

from __future__ import annotations

import pyarrow as pa

from mlife_assets.core.model import Model
from mlife_assets.core.scoring.artifact import ModelArtifact
from mlife_assets.core.training.gate import Condition
from mlife_assets.core.training.prequential import serving_conditions
from mlife_assets.core.training.required import training_conditions
from mlife_assets.core.training.training_set import TrainingSet


def vetoes(artifact: ModelArtifact, training: TrainingSet, rows: pa.Table, model: Model) -> tuple[Condition, ...]:
    """Return the unmet conditions of a refit; empty if it may serve.

    Args:
        artifact: the refit.
        training: its training set.
        rows: the newest mature rows, at least one; they may be training rows.
        model: roles and policies.

    Raises:
        NotEnoughEvidenceError: only one class in the training data.
    """
    fitted = training_conditions(training, artifact.feature_spec)
    conditions = (*fitted, *serving_conditions(artifact, rows, model, is_refit=True))
    return tuple(one for one in conditions if not one.is_met)
