"""Fitting on the platform: by the model's record, the newest search and any open drift.

Concept: a challenger and the models of its folds differ only in the day of their knowledge.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import dagster as dg

from mlife_assets import __version__
from mlife_assets.components.model.hyperparameters import searched_policy
from mlife_assets.components.model.retrain_decision import decisions_until
from mlife_assets.core.model import DECLARATION, Model
from mlife_assets.core.policies import TrainingPolicy
from mlife_assets.core.scoring.artifact import ModelArtifact
from mlife_assets.core.training.fit import fit_model
from mlife_assets.core.training.recipes import policy_as_of
from mlife_assets.core.training.training_set import TrainingSet
from mlife_assets.deployments.ports import ModelPorts

TREES_PER_LOG_LINE = 50


def fit_policy(platform: ModelPorts, day: date, known_on: date) -> TrainingPolicy:
    """Return the policy of a day's challenger for a model of an earlier day's knowledge: search and drift included.

    A fold follows the governor's decisions up to its start, like a challenger of that day.
    """
    decisions = decisions_until(platform, known_on)
    return policy_as_of(searched_policy(platform, day), decisions, known_on, platform.model.retrain)


def fitted_artifact(
    context: dg.AssetExecutionContext, platform: ModelPorts, training: TrainingSet, policy: TrainingPolicy
) -> ModelArtifact:
    """Fit a model of the platform, and log its progress. Raises the errors of `fit_model`."""
    model = platform.model
    artifact = fit_model(
        training,
        policy,
        _logs_progress(context),
        cores=platform.settings.cores,
        estimator=model.estimator,
        simple_columns=model.simple_columns,
    )
    return replace(artifact, manifest={**artifact.manifest, **origin(model)})


def origin(model: Model) -> dict[str, Any]:
    """Return what a manifest says of this release and of the model's record."""
    return {
        "code_version": __version__,
        "model_name": model.name,
        "declaration_hash": model.content_hash,
        DECLARATION: model.to_record(),
    }


def _logs_progress(context: dg.AssetExecutionContext) -> Callable[[int, int], None]:
    def log_progress(trees: int, at_most: int) -> None:
        if trees % TREES_PER_LOG_LINE == 0:
            context.log.info("%d of at most %d trees", trees, at_most)

    return log_progress
