"""Schedules: what runs by the clock.

Concept: schedules run where the world moves by itself. The embedded world moves only when a day is asked for, so there
they are off by default. Old tables are removed with the key of the deployment, which needs the right to delete them
only if somebody turns the job on.
"""

import dagster as dg

from mlife_assets.adapters.clock import SystemClock
from mlife_assets.adapters.tables import prune
from mlife_assets.components.graph.jobs import DAILY_JOB, catalog_job, lifecycle_backtest_job, metrics_job
from mlife_assets.components.shown.says_why import says_why
from mlife_assets.core.windows import RUN_HOUR_UTC
from mlife_assets.deployments.board_ports import BoardPorts


@dg.op(description="Removes tables of pairs and scores that no later day reads; nothing of the event log.")
@says_why
def prune_tables(context: dg.OpExecutionContext, platform: dg.ResourceParam[BoardPorts]) -> None:
    """Remove what is older than the policy says, and say what it was."""
    policy = platform.policies.retention
    for keys in prune(platform.lake, policy, SystemClock().now().date()).values():
        said = "removed what is over %d days older than its newest: %d tables from %s to %s"
        context.log.info(said, policy.table_days, len(keys), keys[0], keys[-1])


@dg.job(
    executor_def=dg.in_process_executor,
    description="Removes pairs and scores of days long past; each can be made again by materializing its day.",
)
def pruning_job() -> None:
    """Prune."""
    prune_tables()


def build_schedules(status: dg.DefaultScheduleStatus, *, runs_days: bool = True) -> list[dg.ScheduleDefinition]:
    """Return all schedules with `status` as their default; that of the day unless a sensor runs days (`due_days`)."""

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
            description="Removes pairs and scores of days long past; what is removed is gone, so a person turns it on.",
        ),
    ]
