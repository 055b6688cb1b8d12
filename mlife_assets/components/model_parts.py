"""The assets, checks, jobs and sensors of each model.

Belongs here: putting together what one model has, from its record. Does not belong here: what all models share
(`definitions`), the parts themselves.

Concept: every model goes through the same code. What only job applications have (recruiters, texts, protected
attributes, rows that raw events give again) is named here once, beside the list that every model has.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from mlife_assets.components.graph.jobs import build_jobs
from mlife_assets.components.graph.model_graph import ModelGraph
from mlife_assets.components.graph.retrain_sensor import build_retrain_sensor
from mlife_assets.components.model import (
    backtest,
    candidate,
    evaluation,
    example_evaluation,
    explanation,
    fairness,
    fold_models,
    hyperparameters,
    monitoring_reference,
    off_policy,
    promotion,
    verdict_check,
)
from mlife_assets.components.monitoring import report_checks, reports, retrain_decision
from mlife_assets.components.monitoring.performance_history import user_rankings
from mlife_assets.components.monitoring.quality_inputs import pair_findings
from mlife_assets.components.monitoring.retrain_decision import RETRAINING_JOB
from mlife_assets.components.monitoring.special import Special
from mlife_assets.components.predictions import entity_scores, scores
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.model import Model

MODULES = (candidate, hyperparameters, fold_models, explanation, promotion, monitoring_reference, retrain_decision)
"""What is made of every model; `reports` beside them."""
OF_ENTITIES = (example_evaluation, entity_scores)
"""What is made of a model without an item."""
OF_JOB_APPLICATIONS = (fairness, evaluation, off_policy, backtest, scores)
PAIRS = Special(findings=pair_findings, rankings=user_rankings)


@dataclass(frozen=True)
class ModelParts:
    """What the models add to a code location."""

    assets: Sequence[dg.AssetsDefinition]
    checks: Sequence[dg.AssetChecksDefinition]
    jobs: Sequence[UnresolvedAssetJobDefinition]
    sensors: Sequence[dg.SensorDefinition]


def build_model_parts(models: Sequence[Model]) -> ModelParts:
    """Return the parts of all models, and the jobs that they share with the rest of the day."""
    graphs = [ModelGraph(model) for model in models]
    for model in (graph.model for graph in graphs if not graph.is_first):
        if model.roles.item is not None:
            raise InvalidInputError(
                f"model {model.name} ranks {model.roles.item}; beside job_applications a model has no item"
            )
    jobs = build_jobs(graphs)
    by_name = {job.name: job for job in jobs}
    return ModelParts(
        assets=[asset for graph in graphs for asset in _assets(graph)],
        checks=[check for graph in graphs for check in _checks(graph)],
        jobs=jobs,
        sensors=[build_retrain_sensor(graph, by_name[graph.named(RETRAINING_JOB)]) for graph in graphs],
    )


def _assets(graph: ModelGraph) -> list[dg.AssetsDefinition]:
    special = PAIRS if graph.is_first else Special()
    found = [asset for module in MODULES for asset in module.build_assets(graph)]
    found += reports.build_assets(graph, special)
    if graph.is_first:
        return [*found, *(asset for module in OF_JOB_APPLICATIONS for asset in module.ASSETS)]
    return [*found, *(asset for module in OF_ENTITIES for asset in module.build_assets(graph))]


def _checks(graph: ModelGraph) -> list[dg.AssetChecksDefinition]:
    found = [check for module in (candidate, report_checks, verdict_check) for check in module.build_checks(graph)]
    if graph.is_first:
        return [*found, *fairness.CHECKS, *scores.CHECKS]
    return [*found, *entity_scores.build_checks(graph)]
