from __future__ import annotations

from datetime import UTC, datetime

import dagster as dg

from mlife_assets.components.graph.schedules import build_schedules
from mlife_assets.core.windows import RUN_HOUR_UTC


def test_the_day_runs_its_own_partition_once(definitions) -> None:
    """Partition D runs during D: late ticks of the same evening ask for the same run."""
    repository = definitions.get_repository_def()
    daily = repository.get_schedule_def("daily_lifecycle_schedule")
    requests = []
    for minute in (0, 7):
        with dg.build_schedule_context(
            scheduled_execution_time=datetime(2026, 6, 2, RUN_HOUR_UTC, minute, tzinfo=UTC), repository_def=repository
        ) as context:
            (request,) = daily.evaluate_tick(context).run_requests
            requests.append((request.run_key, request.partition_key))
    assert requests == [("lifecycle-2026-06-02", "2026-06-02")] * 2


def test_schedules_run_in_utc_and_the_day_comes_before_its_metrics() -> None:
    named = {one.name: one for one in build_schedules(dg.DefaultScheduleStatus.STOPPED)}
    assert {one.execution_timezone for one in named.values()} == {"UTC"}
    assert named["daily_lifecycle_schedule"].cron_schedule == f"0 {RUN_HOUR_UTC} * * *"
    assert named["daily_metrics_schedule"].cron_schedule == f"45 {RUN_HOUR_UTC} * * *"
    assert named["hourly_catalog_schedule"].cron_schedule == "5 * * * *"
