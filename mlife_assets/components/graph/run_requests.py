"""Run requests: one cause, one run that succeeds.

Belongs here: which runs a cause has had, and the request of its next attempt. Does not belong here: causes (`sensors`),
when an attempt is due (`core.monitoring.retrain_decisions`).

Concept: a run carries its cause as a tag, and the number of its attempt in its key, because a key is used up even by a
run that failed.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from mlife_assets.core.monitoring.retrain_decisions import RunFacts, next_attempt

CAUSE_TAG = "mlife/cause"
ABANDONED_AFTER = timedelta(hours=25)
"""A run that was made and not submitted is taken up by a restarted daemon for 24 hours, and by nobody later."""
_FAILED = {dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}


def next_request(
    instance: dg.DagsterInstance, cause: str, day: date | None, *, now: datetime, retry_wait_minutes: Sequence[int]
) -> dg.RunRequest | None:
    """Return the request of the next attempt for `cause`; None when a run dealt with it, or it waits, or was given up.

    `day` is the partition; None is for a job without partitions.
    """
    runs = attempts_of(instance, cause, now)
    attempt = next_attempt(runs, now=now, retry_wait_minutes=retry_wait_minutes)
    if attempt.number is None:
        return None
    key = f"{cause}-attempt-{attempt.number}"
    return dg.RunRequest(run_key=key, partition_key=None if day is None else day.isoformat(), tags={CAUSE_TAG: cause})


def run_facts(record: dg.RunRecord, now: datetime) -> RunFacts:
    """Return whether a run succeeded, failed (and when) or may still do either."""
    status, made = record.dagster_run.status, record.create_timestamp.astimezone(UTC)
    if status in _FAILED:
        ended = datetime.fromtimestamp(record.end_time, UTC) if record.end_time is not None else made
        return RunFacts("failed", ended)
    if status == dg.DagsterRunStatus.NOT_STARTED and now - made > ABANDONED_AFTER:
        return RunFacts("failed", made)
    return RunFacts("succeeded" if status == dg.DagsterRunStatus.SUCCESS else "active")


def attempts_of(instance: dg.DagsterInstance, cause: str, now: datetime) -> list[RunFacts]:
    """Return the runs that were launched for a cause, oldest first."""
    records = instance.get_run_records(filters=dg.RunsFilter(tags={CAUSE_TAG: cause}), ascending=True)
    return [run_facts(record, now) for record in records]
