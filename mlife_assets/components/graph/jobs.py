"""Jobs: which assets run together.

Belongs here: named selections of the graph and how they execute. Does not belong here: when they run (`schedules`,
`sensors`).

Concept: a day is one job in one process, so a step costs hundredths of a second; retraining, metrics and texts from
people are jobs of their own because they run on other triggers.
"""

import dagster as dg

MAX_RUNTIME_TAG = "dagster/max_runtime"
RETRAINING_SECONDS_MAXIMUM = 4 * 3600
"""A retraining takes minutes. One whose process is gone would count as running for ever, and none would follow."""

_SEARCH = dg.AssetSelection.assets(["model", "hyperparameters"])
_BACKTEST = dg.AssetSelection.assets(["model", "lifecycle_backtest"])
_MODEL = dg.AssetSelection.groups("model") - _SEARCH - _BACKTEST
_REPLIES = dg.AssetSelection.assets(["messages", "inbound_messages"])

history_job = dg.define_asset_job(
    "history_job",
    selection=(dg.AssetSelection.groups("events", "features") - dg.AssetSelection.assets(["events", "event_catalog"])),
    executor_def=dg.in_process_executor,
    description="Raw events and features over a range of days, as one run.",
)

daily_lifecycle_job = dg.define_asset_job(
    "daily_lifecycle_job",
    selection=(
        dg.AssetSelection.groups("events", "features", "monitoring", "predictions", "messages")
        - dg.AssetSelection.assets(["events", "event_catalog"])
        - _REPLIES
    ),
    executor_def=dg.in_process_executor,
    description="One day: land, build features, monitor and decide, score, plan, text.",
)

retraining_job = dg.define_asset_job(
    "retraining_job",
    selection=_MODEL,
    executor_def=dg.in_process_executor,
    description="Train a challenger, evaluate it at the gate, promote or refuse.",
    tags={MAX_RUNTIME_TAG: str(RETRAINING_SECONDS_MAXIMUM)},
)

search_job = dg.define_asset_job(
    "search_job",
    selection=_SEARCH,
    executor_def=dg.in_process_executor,
    description="Search for hyper-parameters; later challengers use the result.",
)

lifecycle_backtest_job = dg.define_asset_job(
    "lifecycle_backtest_job",
    selection=_BACKTEST,
    executor_def=dg.in_process_executor,
    description="Replay the team's history under four retraining policies and recommend one.",
)

ingest_job = dg.define_asset_job(
    "ingest_job",
    selection=dg.AssetSelection.assets(["events", "market_events"], ["events", "rejected_events"]),
    executor_def=dg.in_process_executor,
    description="Land files that arrived outside the daily run.",
)

inbound_texts_job = dg.define_asset_job(
    "inbound_texts_job",
    selection=_REPLIES,
    executor_def=dg.in_process_executor,
    description="Read replies and delivery receipts; STOP suppresses at once.",
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
    description="What the event log holds, and whether it is intact.",
)

JOBS = [
    history_job,
    daily_lifecycle_job,
    retraining_job,
    search_job,
    lifecycle_backtest_job,
    ingest_job,
    inbound_texts_job,
    metrics_job,
    catalog_job,
]
