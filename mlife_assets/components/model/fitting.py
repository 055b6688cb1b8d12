"""Fitting as the platform does: by the model's record, the newest search and the drift at hand.

Concept: a challenger and the models of its folds differ in what was known when, and in nothing else.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import dagster as dg

from mlife_assets import __version__
from mlife_assets.components.model.hyperparameters import searched_policy
from mlife_assets.components.model.retrain_decision import decisions_until
from mlife_assets.core.policies import TrainingPolicy
from mlife_assets.core.scoring.artifact import ModelArtifact
from mlife_assets.core.training.fit import fit_model
from mlife_assets.core.training.recipes import policy_as_of
from mlife_assets.core.training.training_set import TrainingSet
from mlife_assets.deployments.ports import ModelPorts

TREES_PER_LOG_LINE = 50


def fit_policy(platform: ModelPorts, day: date, known_on: date) -> TrainingPolicy:
    """Return how the challenger of a day fits a model of what was known on another: the search's, and what drift asks.

    A fold follows what the governor had decided when it began, as a challenger of that day would have.
    """
    decisions = decisions_until(platform, known_on)
    return policy_as_of(searched_policy(platform, day), decisions, known_on, platform.model.retrain)


def fitted_artifact(
    context: dg.AssetExecutionContext, platform: ModelPorts, training: TrainingSet, policy: TrainingPolicy
) -> ModelArtifact:
    """Fit a model of what the platform sees, and log how far it is. Raises what `fit_model` raises."""
    model = platform.model
    artifact = fit_model(
        training,
        policy,
        _logs_progress(context),
        cores=platform.settings.cores,
        estimator=model.estimator,
        simple_columns=model.simple_columns,
    )
    return replace(artifact, manifest={**artifact.manifest, "code_version": __version__, **model.declared})


def _logs_progress(context: dg.AssetExecutionContext) -> Callable[[int, int], None]:
    def log_progress(trees: int, at_most: int) -> None:
        if trees % TREES_PER_LOG_LINE == 0:
            context.log.info("%d of at most %d trees", trees, at_most)

    return log_progress
