"""The chain that every model has: from its examples to a champion, reports and a decision.

Concept: the code is free of jobs and texts, so a model in a user project uses it too.
"""

import dagster as dg

from mlife_assets.components.graph.model_graph import ModelGraph
from mlife_assets.components.model import (
    candidate,
    challengers,
    example_evaluation,
    explanation,
    fold_models,
    hyperparameters,
    monitoring_reference,
    promotion,
    retrain_decision,
)
from mlife_assets.components.monitoring import reports
from mlife_assets.components.monitoring.special import Special
from mlife_assets.components.predictions import entity_scores

MODULES = (candidate, hyperparameters, fold_models, explanation, promotion, monitoring_reference, retrain_decision)
"""Modules with assets of every model, beside `reports`."""
OF_ENTITIES = (example_evaluation, entity_scores)
"""Modules with assets of a model without an item."""


def chain_assets(graph: ModelGraph, special: Special) -> list[dg.AssetsDefinition]:
    """Return the assets of every model; `special` has this model's further checks."""
    return [
        *(asset for module in MODULES for asset in module.build_assets(graph)),
        *reports.build_assets(graph, special),
    ]


def entity_assets(graph: ModelGraph) -> list[dg.AssetsDefinition]:
    return [asset for module in OF_ENTITIES for asset in module.build_assets(graph)]


def chain_checks(graph: ModelGraph) -> list[dg.AssetChecksDefinition]:
    return [check for module in (candidate, reports, challengers) for check in module.build_checks(graph)]


def entity_checks(graph: ModelGraph) -> list[dg.AssetChecksDefinition]:
    return entity_scores.build_checks(graph)
