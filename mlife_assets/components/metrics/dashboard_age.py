"""Whether the dashboard shows what happened.

Belongs here: what changed since the dashboard was built, by the records of runs. Does not belong here: asking for a
build (`sensors`), the dashboard (`metrics`).

Concept: a build shows what was there when its run started, so whatever was recorded after that is new. What a command
does counts when the command has ended: the demo and `mlife day` build the dashboard themselves.
"""

from datetime import datetime

import dagster as dg

from mlife_assets.components.graph import keys
from mlife_assets.components.graph.run_requests import ABANDONED_AFTER
from mlife_assets.components.running.driver import DRIVER_TAG, is_driven

CHANGES = (keys.RETRAIN_DECISION, keys.CHAMPION_MODEL, keys.MESSAGE_DELIVERIES, keys.INBOUND_MESSAGES)
"""What the dashboard shows more of: days, champions, sends, replies."""
RECORDS_SEEN = 20
_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def newest_change(instance: dg.DagsterInstance) -> str | None:
    """Return what names the newest change that the dashboard does not show; None when it shows everything."""
    since = _shown_until(instance)
    found = [record for key in CHANGES if (record := _newest_new(instance, key, since)) is not None]
    newest = max(found, key=lambda record: record.storage_id, default=None)
    return None if newest is None else f"{newest.partition_key or 'now'}-{newest.storage_id}"


def _newest_new(instance: dg.DagsterInstance, key: dg.AssetKey, since: float | None) -> dg.EventLogRecord | None:
    """Return the newest record of an asset that the dashboard does not show and that no command has under way.

    Nearly always the newest record says it, so those before it are read only where that is under way.
    """
    # Of a time, Dagster's SQLite reads all records there are; the newest it finds by their number.
    for limit in (1, RECORDS_SEEN):
        for record in instance.fetch_materializations(key, limit=limit).records:
            if since is not None and record.timestamp <= since:
                return None
            if not _is_under_way(instance, record):
                return record
    return None


def is_something_running(instance: dg.DagsterInstance, now: datetime) -> bool:
    """Return whether a run is on its way; one that was abandoned, or whose command was killed, is not."""
    unfinished = instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED, created_after=now - ABANDONED_AFTER))
    return any(DRIVER_TAG not in run.tags or is_driven(run) for run in unfinished)


def _shown_until(instance: dg.DagsterInstance) -> float | None:
    """Return when the run that built the dashboard started; None before the first."""
    built = instance.fetch_materializations(keys.DASHBOARD, limit=1).records
    if not built:
        return None
    run = instance.get_run_record_by_id(built[0].run_id)
    return built[0].timestamp if run is None or run.start_time is None else run.start_time


def _is_under_way(instance: dg.DagsterInstance, record: dg.EventLogRecord) -> bool:
    run = instance.get_run_by_id(record.run_id)
    return run is not None and is_driven(run)
