"""Sensors: runs launched by events.

Concept: a lost cursor loses nothing. A tick compares records with existing runs. `run_key` makes repeated requests
harmless; the attempt is part of the key because even a failed run uses its key up. A failed attempt waits before the
next. A failure of the job that sends alerts raises no alert: that would request the next run.

A sensor ticks for ever, so it must not read all days each time. Files come late by hours or days, so a tick checks the
newest days; it checks older ones once an hour, or if the cursor is lost or unreadable. For newest and older days the
cursor holds the last fully ingested day, open days, and a digest of the ingested files. While that digest is the same,
only ingest reports of open and new days are read; otherwise all, once. A file of an older day is seen within an hour.

A dashboard shows the state at the start of its run, so later records are new. A command's changes count when it has
ended: the demo and `mlife day` build the dashboard themselves.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg

from mlife_assets.adapters.clock import SystemClock
from mlife_assets.adapters.dispatcher.reports import AWAITED_DAYS
from mlife_assets.adapters.tables import prune
from mlife_assets.components.graph import keys
from mlife_assets.components.graph.alerts import INTERVAL_SECONDS, PARTITION_TAG, alert, deliver_alerts, undelivered
from mlife_assets.components.graph.jobs import (
    DAILY_JOB,
    INBOUND_JOB,
    catalog_job,
    ingest_job,
    lifecycle_backtest_job,
    metrics_job,
)
from mlife_assets.components.graph.run_requests import ABANDONED_AFTER, DRIVER_TAG, is_driven, next_request
from mlife_assets.components.shown.says_why import runbook_of_job, says_why
from mlife_assets.core.ids import digest
from mlife_assets.core.monitoring import drift
from mlife_assets.core.windows import RUN_HOUR_UTC, add_days, day_start
from mlife_assets.deployments.board_ports import BoardPorts
from mlife_assets.deployments.landed_days import INGEST_REPORT

ALERT_JOB = "alert_delivery_job"
ALERT_RETRY_WAIT_MINUTES = (1, 10, 60, 360)
INGEST_RETRY_WAIT_MINUTES = (10, 60)
METRICS_RETRY_WAIT_MINUTES = (1, 10)
READING_RETRY_WAIT_MINUTES = (0, 0)
"""A STOP must suppress at once, so a failed reading of replies is retried without a wait."""
RECENT_DAYS = 31
"""Days checked at every tick: covers an exporter that was down, or that resends a month."""
OLDER_LOOKED_AT_EVERY = timedelta(hours=1)
"""Later files were awaited for more than an hour anyway."""
Landed = Mapping[date, Sequence[str]]
"""Partition day -> the keys of its landed files."""
CHANGES = (keys.RETRAIN_DECISION, keys.CHAMPION_MODEL, keys.MESSAGE_DELIVERIES, keys.INBOUND_MESSAGES)
"""Assets whose changes the dashboard shows: days, champions, sends, replies."""
RECORDS_SEEN = 20
_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dataclass(frozen=True)
class IngestedFiles:
    """Days up to `until`, except `open_days`, were ingested with files of this digest."""

    until: date
    open_days: frozenset[date]
    files: str

    def days_to_look_up(self, landed: Landed) -> list[date]:
        """Return the days whose files may not be ingested, oldest first."""
        settled = {day for day in landed if day <= self.until and day not in self.open_days}
        is_same = _digest(landed, settled) == self.files
        return sorted(day for day in landed if not is_same or day not in settled)

    def to_record(self) -> dict[str, Any]:
        open_days = sorted(day.isoformat() for day in self.open_days)
        return {"files": self.files, "open": open_days, "until": self.until.isoformat()}


NOTHING = IngestedFiles(date.min, frozenset(), "")
NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class LandedCursor:
    """State of the newest days, and of older ones at their last check."""

    recent: IngestedFiles = NOTHING
    older: IngestedFiles = NOTHING
    older_looked_at: datetime = NEVER

    def to_text(self) -> str:
        at = self.older_looked_at.isoformat()
        return json.dumps({"at": at, "older": self.older.to_record(), "recent": self.recent.to_record()})


def ingested_files(landed: Landed, open_days: Collection[date]) -> IngestedFiles:
    """Return the state in which all days of `landed` but `open_days` are ingested."""
    settled = {day for day in landed if day not in open_days}
    return IngestedFiles(
        max(landed, default=date.min), frozenset(landed).intersection(open_days), _digest(landed, settled)
    )


def from_cursor(text: str | None) -> LandedCursor:
    """Return the state of a cursor; an empty one if there is none or its form is unknown."""
    try:
        record = json.loads(text or "{}")
        at = datetime.fromisoformat(record["at"]).astimezone(UTC)
        return LandedCursor(_from_record(record["recent"]), _from_record(record["older"]), at)
    except (ValueError, KeyError, TypeError, OverflowError):
        return LandedCursor()


def _from_record(record: Mapping[str, Any]) -> IngestedFiles:
    days = [date.fromisoformat(day) for day in (record["until"], *record["open"])]
    return IngestedFiles(days[0], frozenset(days[1:]), str(record["files"]))


def _digest(landed: Landed, days: Collection[date]) -> str:
    return digest([key for day in sorted(days) for key in sorted(landed[day])])


@dg.op(description="Sends alerts that were not sent yet.")
@says_why
def send_alerts(context: dg.OpExecutionContext, platform: dg.ResourceParam[BoardPorts]) -> None:
    for sent in deliver_alerts(platform):
        context.log.info("sent the alert %s", sent.name)


@dg.job(
    name=ALERT_JOB,
    executor_def=dg.in_process_executor,
    description="Sends alerts to the webhook of the settings.",
)
def alert_delivery_job() -> None:
    send_alerts()


@dg.sensor(
    job=alert_delivery_job,
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Sends alerts that were kept and not sent yet.",
)
def alert_delivery_sensor(
    context: dg.SensorEvaluationContext, platform: dg.ResourceParam[BoardPorts]
) -> dg.SensorResult | dg.SkipReason:
    """Ask for a run while there are unsent alerts and somebody to tell."""
    names = undelivered(platform)
    if not names:
        return dg.SkipReason("Every alert was sent.")
    if platform.home.messengers.alert_channel is None:
        return dg.SkipReason(f"{len(names)} alerts are kept and sent to nobody; set MLIFE_ALERT_WEBHOOK.")
    now = platform.home.clock.now()
    cause = f"alerts-{now.date().isoformat()}-{digest(names, 12)}"
    request = next_request(context.instance, cause, None, now=now, retry_wait_minutes=ALERT_RETRY_WAIT_MINUTES)
    if request is None:
        return dg.SkipReason(f"{len(names)} alerts are being sent, or sending waits or was given up; see the runs.")
    return dg.SensorResult(run_requests=[request])


@dg.sensor(
    job=ingest_job,
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Lands files that arrived after the daily run of their day.",
)
def landed_files_sensor(
    context: dg.SensorEvaluationContext, platform: dg.ResourceParam[BoardPorts]
) -> dg.SensorResult | dg.SkipReason:
    """Ask for an ingest of every landed day whose files are not those that were ingested.

    A late file of the newest days is seen at the next tick, one of an older day within an hour.
    """
    now, cursor, tables = platform.home.clock.now(), from_cursor(context.cursor), platform.tables
    is_full = not timedelta(0) <= now - cursor.older_looked_at < OLDER_LOOKED_AT_EVERY  # also if the clock went back
    days = tables.report_days(INGEST_REPORT) if is_full else tables.newest_report_days(INGEST_REPORT, RECENT_DAYS)
    older_days = days[:-RECENT_DAYS] if is_full else sorted(cursor.older.open_days - set(days))
    eves = {day: add_days(day, -1) for day in (*older_days, *days[-RECENT_DAYS:])}
    delivered = platform.home.intake.area.delivered(set(eves.values()))
    older = {day: delivered.get(eves[day], []) for day in older_days}
    recent = {day: delivered.get(eves[day], []) for day in days[-RECENT_DAYS:]}
    requests, open_days = list[dg.RunRequest](), list[date]()
    for landed, known in ((older, cursor.older), (recent, cursor.recent)):
        for day in known.days_to_look_up(landed):
            ingested = platform.tables.read_report(INGEST_REPORT, day)["types"]
            if len(landed[day]) > sum(entry["files"] for entry in ingested):
                open_days.append(day)
                cause = f"ingest-{day.isoformat()}-{digest(landed[day], 12)}"
                wait = INGEST_RETRY_WAIT_MINUTES
                request = next_request(context.instance, cause, day, now=now, retry_wait_minutes=wait)
                if request is not None:
                    requests.append(request)
    looked = (ingested_files(older, open_days), now) if is_full else (cursor.older, cursor.older_looked_at)
    context.update_cursor(LandedCursor(ingested_files(recent, open_days), *looked).to_text())
    return (
        dg.SensorResult(run_requests=requests)
        if requests
        else dg.SkipReason("every landed file was ingested, or its ingest runs, waits or was given up")
    )


def _are_older_due(cursor: str | None, now: datetime) -> bool:
    """Return whether to check all older replies; also true if the cursor is lost or the clock was set back."""
    try:
        looked_at = datetime.fromisoformat(cursor or "")
    except ValueError:
        return True
    return not timedelta(0) <= now - looked_at < OLDER_LOOKED_AT_EVERY


@dg.sensor(
    job_name=INBOUND_JOB,
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Reads replies and delivery receipts as soon as the provider has some.",
)
def inbound_texts_sensor(
    context: dg.SensorEvaluationContext, platform: dg.ResourceParam[BoardPorts]
) -> dg.SensorResult | dg.SkipReason:
    """Ask for a reading when replies are unread, or receipts of open sends are there, as of the newest day.

    A reply that is listed late, as of more than `AWAITED_DAYS` before the newest day, is seen within an hour. A receipt
    of a send that was older than that wakes nobody; the next reading takes both, as it reads all replies and asks about
    every open send.
    """
    now = platform.home.clock.now()
    is_full = _are_older_due(context.cursor, now)
    ingested = platform.tables.newest_report_days(INGEST_REPORT, 1)
    if not ingested:
        return dg.SkipReason("no day has run yet")
    day, until = ingested[-1], platform.times.outcomes(ingested[-1])
    awaited = platform.ledger.sends.awaited(add_days(day, -AWAITED_DAYS))
    since = day_start(min(awaited.values(), default=day))
    gateways = platform.home.messengers.gateways.values()
    receipts = [
        receipt.message_id
        for gateway in gateways
        for receipt in gateway.receipts(until=until, since=since)
        if receipt.message_id in awaited
    ]
    heard = None if is_full else day_start(add_days(day, -AWAITED_DAYS))
    replies = {inbound.inbound_id for gateway in gateways for inbound in gateway.inbound(until=until, since=heard)}
    unread = sorted(replies - platform.ledger.replies.known(since=heard))
    if is_full and not unread:  # or a failed reading would be retried an hour later
        context.update_cursor(now.isoformat())
    if not receipts and not unread:
        return dg.SkipReason(f"{len(awaited)} sends await a receipt, none arrived; no reply is unread")
    cause = f"inbound-{day.isoformat()}-{digest((*sorted(receipts), *unread), 12)}"
    request = next_request(context.instance, cause, day, now=now, retry_wait_minutes=READING_RETRY_WAIT_MINUTES)
    if request is None:
        return dg.SkipReason(f"{cause} is being read, or its reading was given up; see the runs")
    return dg.SensorResult(run_requests=[request])


@dg.sensor(
    job=metrics_job,
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Rebuilds metrics and dashboard when they lack a day, a send, a reply or a new champion.",
)
def dashboard_refresh_sensor(
    context: dg.SensorEvaluationContext, platform: dg.ResourceParam[BoardPorts]
) -> dg.SensorResult | dg.SkipReason:
    """Request one build after the newest run that changed the dashboard's data, once no other run is in progress."""
    if not platform.tables.newest_report_days(drift.REPORT, 1):
        return dg.SkipReason("No day was decided yet, so there is nothing to show.")
    newest = newest_change(context.instance)
    if newest is None:
        return dg.SkipReason("The dashboard is up to date, or a command that builds it is running.")
    now = platform.home.clock.now()
    if is_something_running(context.instance, now):
        return dg.SkipReason("A run is in progress; the dashboard is built after it.")
    request = next_request(
        context.instance, f"metrics-{newest}", None, now=now, retry_wait_minutes=METRICS_RETRY_WAIT_MINUTES
    )
    if request is None:
        return dg.SkipReason("The dashboard is being built, or its build waits or was given up; see the runs.")
    return dg.SensorResult(run_requests=[request])


@dg.run_failure_sensor(
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Writes an alert for every failed run: which job, which partition, what failed first.",
)
def run_failure_alert_sensor(context: dg.RunFailureSensorContext, platform: dg.ResourceParam[BoardPorts]) -> None:
    """Write an alert to `alerts/` for each failed run, except runs that send alerts: those would alert without end."""
    run = context.dagster_run
    if run.job_name == ALERT_JOB:
        return
    partition, message = run.tags.get(PARTITION_TAG), context.failure_event.message
    facts: dict[str, str | None] = {
        "run_id": run.run_id,
        "job": run.job_name,
        "partition": partition,
        "message": message,
        "runbook": runbook_of_job(run.job_name),
    }
    alert(platform.of_model(), run.run_id, facts)
    context.log.error("%s failed for %s: %s", run.job_name, partition, message)


SENSORS = [
    landed_files_sensor,
    inbound_texts_sensor,
    dashboard_refresh_sensor,
    run_failure_alert_sensor,
    alert_delivery_sensor,
]


def newest_change(instance: dg.DagsterInstance) -> str | None:
    """Return the id of the newest change that the dashboard lacks; None if it is up to date."""
    since = _shown_until(instance)
    found = [record for key in CHANGES if (record := _newest_new(instance, key, since)) is not None]
    newest = max(found, key=lambda record: record.storage_id, default=None)
    return None if newest is None else f"{newest.partition_key or 'now'}-{newest.storage_id}"


def _newest_new(instance: dg.DagsterInstance, key: dg.AssetKey, since: float | None) -> dg.EventLogRecord | None:
    """Return the newest record of an asset that the dashboard lacks and no running command made.

    The newest record usually suffices, so earlier ones are read only if its command still runs.
    """
    # Dagster's SQLite finds records by time only by reading all, but the newest by their number.
    for limit in (1, RECORDS_SEEN):
        for record in instance.fetch_materializations(key, limit=limit).records:
            if since is not None and record.timestamp <= since:
                return None
            if not _is_under_way(instance, record):
                return record
    return None


def is_something_running(instance: dg.DagsterInstance, now: datetime) -> bool:
    """Return whether a run is active; abandoned runs and those of killed commands are not."""
    unfinished = instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED, created_after=now - ABANDONED_AFTER))
    return any(DRIVER_TAG not in run.tags or is_driven(run) for run in unfinished)


def _shown_until(instance: dg.DagsterInstance) -> float | None:
    """Return the start time of the run that built the dashboard; None before the first."""
    built = instance.fetch_materializations(keys.DASHBOARD, limit=1).records
    if not built:
        return None
    run = instance.get_run_record_by_id(built[0].run_id)
    return built[0].timestamp if run is None or run.start_time is None else run.start_time


def _is_under_way(instance: dg.DagsterInstance, record: dg.EventLogRecord) -> bool:
    run = instance.get_run_by_id(record.run_id)
    return run is not None and is_driven(run)


@dg.op(description="Removes tables of pairs and scores that no later day reads; nothing of the event log.")
@says_why
def prune_tables(context: dg.OpExecutionContext, platform: dg.ResourceParam[BoardPorts]) -> None:
    """Remove tables older than the policy allows, and log them."""
    policy = platform.policies.retention
    for removed in prune(platform.lake, policy, SystemClock().now().date()).values():
        said = "removed partitions over %d days older than their newest: %d tables from %s to %s"
        context.log.info(said, policy.table_days, len(removed), removed[0], removed[-1])


@dg.job(
    executor_def=dg.in_process_executor,
    description="Removes pairs and scores of days long past; each can be made again by materializing its day.",
)
def pruning_job() -> None:
    prune_tables()


def build_schedules(status: dg.DefaultScheduleStatus, *, runs_days: bool = True) -> list[dg.ScheduleDefinition]:
    """Return all schedules with default `status`, without the day's if a sensor runs days (`due_days`)."""

    @dg.schedule(
        job_name=DAILY_JOB,
        cron_schedule=f"0 {RUN_HOUR_UTC} * * *",
        execution_timezone="UTC",
        default_status=status,
        description="Runs the day in its evening (UTC), when people in all of the contiguous US may be texted.",
    )
    def daily_lifecycle_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        day = context.scheduled_execution_time.date().isoformat()
        return dg.RunRequest(run_key=f"lifecycle-{day}", partition_key=day)

    return [
        *([daily_lifecycle_schedule] if runs_days else []),
        dg.ScheduleDefinition(
            name="daily_metrics_schedule",
            job=metrics_job,
            cron_schedule=f"45 {RUN_HOUR_UTC} * * *",
            execution_timezone="UTC",
            default_status=status,
            description="Rebuilds metrics and the dashboard after the daily run.",
        ),
        dg.ScheduleDefinition(
            name="hourly_catalog_schedule",
            job=catalog_job,
            cron_schedule="5 * * * *",
            execution_timezone="UTC",
            default_status=status,
            description="Catalogues the event log and verifies its hash chain.",
        ),
        dg.ScheduleDefinition(
            name="weekly_backtest_schedule",
            job=lifecycle_backtest_job,
            cron_schedule="30 3 * * 0",
            execution_timezone="UTC",
            default_status=dg.DefaultScheduleStatus.STOPPED,
            description="Asks each Sunday whether governed retraining pays; a long run, so a person turns it on.",
        ),
        dg.ScheduleDefinition(
            name="weekly_pruning_schedule",
            job=pruning_job,
            cron_schedule="30 5 * * 0",
            execution_timezone="UTC",
            default_status=dg.DefaultScheduleStatus.STOPPED,
            description="Removes pairs and scores of days long past for good, so a person turns it on.",
        ),
    ]
