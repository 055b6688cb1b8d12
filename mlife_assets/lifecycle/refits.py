"""A refit: what keeps a fit of the champion's configuration from serving, before anything is said of how it ranks."""

from __future__ import annotations

import pyarrow as pa

from mlife_assets.core.model import Model
from mlife_assets.core.scoring.artifact import ModelArtifact
from mlife_assets.core.training.gate import Condition
from mlife_assets.core.training.prequential import serving_conditions
from mlife_assets.core.training.required import training_conditions
from mlife_assets.core.training.training_set import TrainingSet


def vetoes(artifact: ModelArtifact, training: TrainingSet, rows: pa.Table, model: Model) -> tuple[Condition, ...]:
    """Return the conditions that a refit does not meet; none where it may serve.

    Args:
        artifact: the refit.
        training: its training set.
        rows: the newest mature rows, at least one; it may have learned from them.
        model: roles and policies.

    Raises:
        NotEnoughEvidenceError: only one class to learn from.
    """
    conditions = (
        *training_conditions(training, artifact.feature_spec),
        *serving_conditions(artifact, rows, model),
    )
    return tuple(one for one in conditions if not one.is_met)
