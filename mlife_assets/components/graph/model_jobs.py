"""The jobs of one model: retraining and search, and what of it belongs to a day."""

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from mlife_assets.components.graph.model_graph import ModelGraph

MAX_RUNTIME_TAG = "dagster/max_runtime"
RETRAINING_SECONDS_MAXIMUM = 4 * 3600
"""A retraining takes minutes. One whose process is gone would count as running for ever, and none would follow."""


LARGE_TASK = {"ecs/cpu": "4096", "ecs/memory": "16384"}
"""What fits models asks for on Fargate, in units of 1/1024 of a core and in MiB; elsewhere nobody reads it."""


def model_jobs(graph: ModelGraph, selection: dg.AssetSelection) -> list[UnresolvedAssetJobDefinition]:
    """Return the jobs that a model has for itself; `selection` is what a retraining makes."""
    return [
        dg.define_asset_job(
            graph.named("retraining_job"),
            selection=selection,
            executor_def=dg.in_process_executor,
            description="Train a challenger, evaluate it at the gate, promote or refuse.",
            tags={MAX_RUNTIME_TAG: str(RETRAINING_SECONDS_MAXIMUM), **LARGE_TASK},
        ),
        dg.define_asset_job(
            graph.named("search_job"),
            selection=searched(graph),
            executor_def=dg.in_process_executor,
            description="Search for hyper-parameters; later challengers use the result.",
            tags=LARGE_TASK,
        ),
    ]


def searched(graph: ModelGraph) -> dg.AssetSelection:
    """Return what a search makes."""
    return dg.AssetSelection.assets(graph.key("model", "hyperparameters"))


def retrained(graph: ModelGraph) -> dg.AssetSelection:
    """Return what a retraining of a model makes that has a group of its own."""
    return dg.AssetSelection.assets(*graph.retrained)


def day_of_model(graph: ModelGraph) -> dg.AssetSelection:
    """Return what a day makes of the group of a model: all but retraining and search."""
    return dg.AssetSelection.groups(graph.model.name) - retrained(graph) - searched(graph)
