"""Run requests: one successful run per cause.

Concept: a run carries its cause as a tag, and the number of its attempt in its key, because even a failed run uses a
key up.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from mlife_assets.core.monitoring.retrain_decisions import RunFacts, next_attempt

CAUSE_TAG = "mlife/cause"
RETRAINING_JOB = "retraining_job"
DECISION_TAG = "mlife/decision_id"
"""Tag of a retraining run: its decision."""
DRIVER_TAG, STARTED_TAG = "mlife/driver_pid", "mlife/driver_started"
SAME_START_SECONDS = 5.0
"""Tolerance of a process's start time, since the machine's clock may be set meanwhile."""
ABANDONED_AFTER = timedelta(hours=25)
"""A restarted daemon takes up a run that was made but not submitted within 24 hours, and nothing does later."""
_FAILED = {dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}


def next_request(
    instance: dg.DagsterInstance, cause: str, day: date | None, *, now: datetime, retry_wait_minutes: Sequence[int]
) -> dg.RunRequest | None:
    """Return the request of the next attempt for `cause`; None if it is done, waiting or given up.

    `day` is the partition; None for a job without partitions.
    """
    runs = attempts_of(instance, cause, now)
    attempt = next_attempt(runs, now=now, retry_wait_minutes=retry_wait_minutes)
    if attempt.number is None:
        return None
    key = f"{cause}-attempt-{attempt.number}"
    return dg.RunRequest(run_key=key, partition_key=None if day is None else day.isoformat(), tags={CAUSE_TAG: cause})


def run_facts(record: dg.RunRecord, now: datetime) -> RunFacts:
    """Return whether a run succeeded, failed (and when) or is still active."""
    status, made = record.dagster_run.status, record.create_timestamp.astimezone(UTC)
    if status in _FAILED:
        ended = datetime.fromtimestamp(record.end_time, UTC) if record.end_time is not None else made
        return RunFacts("failed", ended)
    if status == dg.DagsterRunStatus.NOT_STARTED and now - made > ABANDONED_AFTER:
        return RunFacts("failed", made)
    return RunFacts("succeeded" if status == dg.DagsterRunStatus.SUCCESS else "active")


def attempts_of(instance: dg.DagsterInstance, cause: str, now: datetime) -> list[RunFacts]:
    records = instance.get_run_records(filters=dg.RunsFilter(tags={CAUSE_TAG: cause}), ascending=True)
    return [run_facts(record, now) for record in records]


def is_retraining(instance: dg.DagsterInstance, but_for: Collection[str] = (), job_name: str = RETRAINING_JOB) -> bool:
    """Return whether a run of a model's retraining job is queued or running, except those of some decisions."""
    running = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
    runs = instance.get_runs(filters=dg.RunsFilter(job_name=job_name, statuses=running))
    return any(run.tags.get(DECISION_TAG) not in but_for for run in runs)


def is_driven(run: dg.DagsterRun) -> bool:
    """Return whether a driver with a live process executed the run; follow-up work is the driver's."""
    pid = run.tags.get(DRIVER_TAG)
    return pid is not None and _is_alive(int(pid), run.tags.get(STARTED_TAG))


def _is_alive(pid: int, started: str | None) -> bool:
    """Return whether the process is alive: the same number with another start time is another process.

    After a restart of a container the numbers are the same again, and the new process may even be this one.
    """
    import psutil  # a project has neither psutil nor a driver

    try:
        actual = psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return False
    return started is None or abs(actual - float(started)) <= SAME_START_SECONDS
