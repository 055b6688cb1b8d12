"""The assets, checks, jobs and sensors of each model.

Concept: every model uses the same code. Parts that only job applications have (recruiters, texts, protected attributes,
rows recomputed from raw events) are added here, beside every model's (`model_chain`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from mlife_assets.components.graph.jobs import jobs_of_model
from mlife_assets.components.graph.model_graph import ModelGraph, Special
from mlife_assets.components.graph.retrain_sensor import build_retrain_sensor
from mlife_assets.components.graph.run_requests import RETRAINING_JOB
from mlife_assets.components.metrics.map_history import user_rankings
from mlife_assets.components.model import backtest, evaluation, fairness, off_policy
from mlife_assets.components.model_chain import chain_assets, chain_checks, entity_assets, entity_checks
from mlife_assets.components.monitoring.pair_findings import pair_findings
from mlife_assets.components.predictions import scores
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.model import Model
from mlife_assets.deployments.board_ports import board_of

OF_JOB_APPLICATIONS = (fairness, evaluation, off_policy, backtest, scores)
PAIRS = Special(
    findings=lambda ports, day, sample: pair_findings(board_of(ports), day, sample),
    rankings=lambda ports, days: user_rankings(board_of(ports), days),
)


@dataclass(frozen=True)
class ModelParts:
    """The models' part of a code location."""

    assets: Sequence[Any]
    checks: Sequence[dg.AssetsDefinition]
    jobs: Sequence[dg.JobDefinition | UnresolvedAssetJobDefinition]
    sensors: Sequence[dg.SensorDefinition]
    schedules: Sequence[Any] = ()
    resources: Mapping[str, Any] = field(default_factory=dict)


def build_model_parts(models: Sequence[Model]) -> ModelParts:
    """Return the parts of models. Raises InvalidInputError for one that ranks items beside job applications."""
    graphs = [ModelGraph(model) for model in models]
    for model in (graph.model for graph in graphs if not graph.is_first):
        if model.roles.item is not None:
            raise InvalidInputError(
                f"model {model.name} ranks {model.roles.item}; beside job_applications a model has no item"
            )
    jobs = {graph.model.name: jobs_of_model(graph) for graph in graphs}
    return ModelParts(
        assets=[asset for graph in graphs for asset in _assets(graph)],
        checks=[check for graph in graphs for check in _checks(graph)],
        jobs=[job for of_model in jobs.values() for job in of_model],
        sensors=[build_retrain_sensor(graph, _retraining(graph, jobs[graph.model.name])) for graph in graphs],
    )


def _retraining(graph: ModelGraph, jobs: Sequence[UnresolvedAssetJobDefinition]) -> UnresolvedAssetJobDefinition:
    return next(job for job in jobs if job.name == graph.named(RETRAINING_JOB))


def _assets(graph: ModelGraph) -> list[dg.AssetsDefinition]:
    if graph.is_first:
        special = [asset for module in OF_JOB_APPLICATIONS for asset in module.ASSETS]
        return [*chain_assets(replace(graph, special=PAIRS)), *special]
    return [*chain_assets(graph), *entity_assets(graph)]


def _checks(graph: ModelGraph) -> list[dg.AssetChecksDefinition]:
    if graph.is_first:
        return [*chain_checks(graph), *fairness.CHECKS, *scores.CHECKS]
    return [*chain_checks(graph), *entity_checks(graph)]
