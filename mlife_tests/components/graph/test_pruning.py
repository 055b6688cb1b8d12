"""The job that removes old tables."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import dagster as dg
import pyarrow as pa

from mlife_assets.components.graph.pruning import pruning_job
from mlife_assets.components.graph.schedules import build_schedules
from mlife_assets.components.platform.resources import Platform
from mlife_assets.recruiting.policies import Policies
from mlife_assets.settings import Settings

OLD, NEWEST = date(2026, 1, 1), date(2026, 6, 10)


def test_a_run_removes_what_is_old_and_says_so(tmp_path: Path) -> None:
    platform = Platform(settings=Settings(home=tmp_path), policies=Policies())
    for day in (OLD, NEWEST):
        platform.tables.write("candidate_pairs", day, pa.table({"user_id": ["u1"]}))
    with dg.DagsterInstance.ephemeral() as instance:
        result = pruning_job.execute_in_process(instance=instance, resources={"platform": platform})
        said = [entry.user_message for entry in instance.all_logs(result.run_id)]
    key = platform.tables.key("candidate_pairs", OLD)
    assert f"removed what is over 120 days older than its newest: 1 tables from {key} to {key}" in said
    assert platform.tables.days("candidate_pairs") == [NEWEST]


def test_a_person_turns_it_on() -> None:
    (schedule,) = (one for one in build_schedules(dg.DefaultScheduleStatus.RUNNING) if one.job_name == pruning_job.name)
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED
    assert schedule.cron_schedule == "30 5 * * 0"
