"""Jobs: assets that run together."""

from collections.abc import Sequence

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from mlife_assets.components.graph.application_graph import ApplicationGraph
from mlife_assets.components.graph.model_graph import (
    LARGE_TASK,
    ModelGraph,
    day_of_model,
    model_jobs,
    retrained,
    searched,
)

DAILY_JOB = "daily_lifecycle_job"

_BACKTEST = dg.AssetSelection.assets(["model", "lifecycle_backtest"])
INBOUND_JOB = "inbound_texts_job"
FEATURES_JOB = "features_job"

history_job = dg.define_asset_job(
    "history_job",
    selection=(dg.AssetSelection.groups("events", "features") - dg.AssetSelection.assets(["events", "event_catalog"])),
    executor_def=dg.in_process_executor,
    description="Raw events and features over a range of days, as one run.",
)

features_job = dg.define_asset_job(
    FEATURES_JOB,
    selection=dg.AssetSelection.groups("features"),
    executor_def=dg.in_process_executor,
    description="Features over a range of days from the event log alone, as one run: for a warehouse that was lost.",
)

lifecycle_backtest_job = dg.define_asset_job(
    "lifecycle_backtest_job",
    selection=_BACKTEST,
    tags=LARGE_TASK,
    executor_def=dg.in_process_executor,
    description="Replay the team's history under five retraining policies and recommend one.",
)

ingest_job = dg.define_asset_job(
    "ingest_job",
    selection=dg.AssetSelection.assets(["events", "market_events"], ["events", "rejected_events"]),
    executor_def=dg.in_process_executor,
    description="Land files that arrived outside the daily run.",
)

metrics_job = dg.define_asset_job(
    "metrics_job",
    selection=dg.AssetSelection.groups("metrics"),
    executor_def=dg.in_process_executor,
    description="Production metrics and the dashboard.",
)

catalog_job = dg.define_asset_job(
    "catalog_job",
    selection=dg.AssetSelection.assets(["events", "event_catalog"]),
    executor_def=dg.in_process_executor,
    description="Contents of the event log, and whether it is intact.",
)

JOBS = [history_job, features_job, lifecycle_backtest_job, ingest_job, metrics_job, catalog_job]
"""Jobs of no model in particular, and the first model's backtest."""


def build_jobs(
    graphs: Sequence[ModelGraph], applications: Sequence[ApplicationGraph]
) -> list[UnresolvedAssetJobDefinition]:
    """Return the jobs of a deployment: the day of all models and applications, replies, and shared jobs."""
    day: dg.AssetSelection = dg.AssetSelection.groups("events", "features", "monitoring", "predictions")
    for graph in graphs:
        if not graph.is_first:
            day |= day_of_model(graph)
    sent = [application for application in applications if application.application.channel.is_sent]
    replies = dg.AssetSelection.assets(*(application.inbound for application in sent))
    day |= dg.AssetSelection.groups(*(application.group for application in applications)) - replies
    daily_lifecycle_job = dg.define_asset_job(
        DAILY_JOB,
        selection=day - dg.AssetSelection.assets(["events", "event_catalog"]),
        executor_def=dg.in_process_executor,
        description="One day: land, build features, monitor and decide, score, plan, text.",
    )
    inbound_texts_job = dg.define_asset_job(
        INBOUND_JOB,
        selection=replies,
        executor_def=dg.in_process_executor,
        description="Read replies and delivery receipts; STOP suppresses at once.",
    )
    return [daily_lifecycle_job, *JOBS, inbound_texts_job]


def jobs_of_model(graph: ModelGraph) -> list[UnresolvedAssetJobDefinition]:
    return model_jobs(graph, _retrained(graph))


def _retrained(graph: ModelGraph) -> dg.AssetSelection:
    if graph.is_first:
        return dg.AssetSelection.groups("model") - searched(graph) - _BACKTEST
    return retrained(graph)
