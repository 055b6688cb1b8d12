"""When the days of a project's tables run by themselves.

Belongs here: the schedule of one model's daily job. Does not belong here: the job (`conversion_model`), the order of
days (`order`).

Concept: a day decides at 18:00 UTC, so its job runs then, for the newest partition that there is at that time: today's
where partitions begin with their day (`end_offset` 1), else yesterday's. It is off until somebody turns it on.
"""

from datetime import UTC, date

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from mlife_assets.components.graph.model_graph import ModelGraph
from mlife_assets.core.windows import RUN_HOUR_UTC, add_days


def daily_schedule(
    graph: ModelGraph, job: UnresolvedAssetJobDefinition, *, start_date: date, end_offset: int
) -> dg.ScheduleDefinition:
    """Return the schedule of a daily job, whose partitions begin with `start_date` and end as `end_offset` says."""

    @dg.schedule(
        name=graph.named("daily_schedule"),
        job=job,
        cron_schedule=f"0 {RUN_HOUR_UTC} * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="The daily job for the newest partition. Off until it is turned on.",
    )
    def newest_day(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        """Ask for the newest day."""
        newest = add_days(context.scheduled_execution_time.astimezone(UTC).date(), end_offset - 1)
        if newest < start_date:
            return dg.SkipReason(f"The first partition is {start_date}.")
        return dg.RunRequest(run_key=newest.isoformat(), partition_key=newest.isoformat())

    return newest_day
