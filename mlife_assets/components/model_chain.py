"""The chain that every model has: from its examples to a champion, reports and a decision.

Concept: the code is free of jobs and texts, so a model in a user project uses it too.
"""

import dagster as dg

from mlife_assets.components.graph.model_graph import ModelGraph
from mlife_assets.components.model import candidate, challengers, hyperparameters, promotion
from mlife_assets.components.model.candidate import candidate_model, training_set
from mlife_assets.components.model.example_evaluation import evaluation
from mlife_assets.components.model.explanation import explanation
from mlife_assets.components.model.fold_models import fold_models
from mlife_assets.components.model.monitoring_reference import monitoring_reference
from mlife_assets.components.model.retrain_decision import retrain_decision
from mlife_assets.components.monitoring import reports
from mlife_assets.components.monitoring.reports import (
    concept_drift_report,
    data_drift_report,
    data_quality_report,
    latent_drift_report,
)
from mlife_assets.components.predictions import entity_scores

ASSETS = (
    training_set,
    candidate_model,
    fold_models,
    explanation,
    monitoring_reference,
    data_quality_report,
    data_drift_report,
    latent_drift_report,
    concept_drift_report,
    retrain_decision,
)


def chain_assets(graph: ModelGraph) -> list[dg.AssetsDefinition]:
    """Return the assets of every model."""
    further = (*hyperparameters.build_assets(graph), *promotion.build_assets(graph))
    return [*(asset(graph) for asset in ASSETS), *further]


def entity_assets(graph: ModelGraph) -> list[dg.AssetsDefinition]:
    return [evaluation(graph), entity_scores.scores(graph)]


def chain_checks(graph: ModelGraph) -> list[dg.AssetChecksDefinition]:
    return [check for module in (candidate, reports, challengers) for check in module.build_checks(graph)]


def entity_checks(graph: ModelGraph) -> list[dg.AssetChecksDefinition]:
    return entity_scores.build_checks(graph)
