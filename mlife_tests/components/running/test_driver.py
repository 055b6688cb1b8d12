"""The driver on a small graph of its own: what the daemon would do, in this process."""

import gc
import os
import subprocess
import sys
from datetime import date
from typing import Any

import dagster as dg
import psutil
import pytest
import yaml

from mlife_assets.components.graph.partitions import DAILY, RANGE_IN_ONE_RUN, days_to_land
from mlife_assets.components.graph.run_requests import DRIVER_TAG, STARTED_TAG
from mlife_assets.components.platform.model_platform import IN_RUNS, in_run
from mlife_assets.components.platform.resources import Platform
from mlife_assets.components.running.driver import LOCATION, SENSOR_ROUNDS_MAXIMUM, JobRun, LifecycleDriver
from mlife_assets.core.errors import NotFoundError, PermanentError
from mlife_assets.garbage import OBJECTS_BETWEEN_COLLECTIONS

DAY = date(2026, 4, 10)
PID = str(os.getpid())


class Recorder:
    """A small world: one asset that notes which days it ran for, and sensors that watch `wanted`."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.ran: list[list[str]] = []
        self.objects_between_collections: list[int] = []
        self.fails = False
        self.wanted: list[str] = []
        self.cursors: list[str | None] = []
        self.instance = instance
        self.driver = self.restarted()

    def restarted(self) -> LifecycleDriver:
        """Return a driver as a new process would make it."""
        recorder = self

        @dg.asset(partitions_def=DAILY, backfill_policy=RANGE_IN_ONE_RUN)
        def noted(context: dg.AssetExecutionContext) -> None:
            recorder.ran.append([day.isoformat() for day in days_to_land(context)])
            recorder.objects_between_collections.append(gc.get_threshold()[0])
            if recorder.fails:
                raise NotFoundError("the file of the eve is missing; export it again")

        @dg.asset
        def unpartitioned() -> None:
            recorder.ran.append([])

        job = dg.define_asset_job("noting_job", ["noted"], executor_def=dg.in_process_executor)
        plain = dg.define_asset_job("plain_job", ["unpartitioned"], executor_def=dg.in_process_executor)

        @dg.sensor(job=job)
        def keyed(context: dg.SensorEvaluationContext, limit: dg.ResourceParam[int]) -> Any:
            if not recorder.wanted:
                return dg.SkipReason("nothing is wanted")
            return [dg.RunRequest(run_key=key, partition_key=DAY.isoformat()) for key in recorder.wanted[:limit]]

        @dg.sensor(job=job)
        def endless(context: dg.SensorEvaluationContext) -> dg.RunRequest:
            return dg.RunRequest(run_key=f"again-{len(recorder.ran)}", partition_key=DAY.isoformat())

        @dg.sensor(job=plain)
        def counting(context: dg.SensorEvaluationContext) -> Any:
            recorder.cursors.append(context.cursor)
            count = int(context.cursor or 0)
            context.update_cursor(str(count + 1))
            return dg.RunRequest(run_key=f"count-{count}") if count < 2 else dg.SkipReason("counted")

        definitions = dg.Definitions(
            assets=[noted, unpartitioned],
            jobs=[job, plain],
            sensors=[keyed, endless, counting],
            resources={"limit": 5, "unused": "x"},
        )
        return LifecycleDriver(definitions, self.instance)


@pytest.fixture
def world(instance: dg.DagsterInstance) -> Recorder:
    return Recorder(instance)


def test_python_looks_for_garbage_rarely_while_a_job_runs_and_as_before_afterwards(world: Recorder) -> None:
    before = gc.get_threshold()
    world.fails = True
    assert not world.driver.run_day("noting_job", DAY).is_success
    assert world.objects_between_collections == [OBJECTS_BETWEEN_COLLECTIONS]
    assert gc.get_threshold() == before


def test_a_range_is_one_run_and_a_day_is_one_partition(world) -> None:
    world.driver.run_range("noting_job", DAY, date(2026, 4, 12)).require_success()
    world.driver.run_day("noting_job", DAY, tags={"why": "test"}).require_success()
    world.driver.run_unpartitioned("plain_job").require_success()
    assert world.ran == [["2026-04-10", "2026-04-11", "2026-04-12"], ["2026-04-10"], []]
    assert world.instance.get_runs(filters=dg.RunsFilter(tags={"why": "test"}))


def test_runs_say_where_they_belong_so_that_the_ui_lists_them(world) -> None:
    """The history of a job asks for the tag, the timeline for the origin."""
    world.instance.add_run(
        dg.DagsterRun("noting_job", run_id="older", status=dg.DagsterRunStatus.SUCCESS, tags={DRIVER_TAG: "1"})
    )
    world.instance.add_run(dg.DagsterRun("noting_job", run_id="daemon", status=dg.DagsterRunStatus.SUCCESS))
    run_id = world.restarted().run_day("noting_job", DAY).run_id
    for shown in (run_id, "older"):
        run = world.instance.get_run_by_id(shown)
        origin = run.remote_job_origin
        assert (origin.location_name, origin.job_name) == ("mlife", "noting_job")
        assert origin.repository_origin.repository_name == "__repository__"
        assert (run.status, run.tags[DRIVER_TAG]) == (dg.DagsterRunStatus.SUCCESS, "1" if shown == "older" else PID)
    by_tag = world.instance.get_runs(filters=dg.RunsFilter(tags={".dagster/repository": "__repository__@mlife"}))
    assert {run.run_id for run in by_tag} == {run_id, "older"}
    assert world.instance.get_run_by_id("daemon").remote_job_origin is None


def test_the_name_of_the_location_is_that_of_the_workspace(repository) -> None:
    (location,) = yaml.safe_load((repository / "workspace.yaml").read_text(encoding="utf-8"))["load_from"]
    assert location["python_module"]["location_name"] == LOCATION


def test_a_failure_names_the_job_the_step_and_our_own_reason(world) -> None:
    world.fails = True
    run = world.driver.run_day("noting_job", DAY)
    assert not run.is_success
    assert run.failed_steps == ("noted",)
    with pytest.raises(
        PermanentError, match=r"noting_job failed .* at noted: .*the file of the eve is missing"
    ) as info:
        run.require_success()
    assert run.run_id in str(info.value)
    JobRun("j", "r", True, (), ()).require_success()
    with pytest.raises(PermanentError, match="at start: see the run in the Dagster UI"):
        JobRun("j", "r", False, (), ()).require_success()


def test_sensors_are_ticked_until_nothing_is_asked_for(world) -> None:
    assert world.driver.tick_sensors(["keyed"]) == []
    world.wanted = ["a", "b"]
    runs = world.driver.tick_sensors(["keyed", "counting"])
    assert [one.run_key for one in runs] == ["a", "b", "count-0", "count-1"]
    assert [one.sensor_name for one in runs] == ["keyed", "keyed", "counting", "counting"]
    assert all(one.run.is_success for one in runs)


def test_a_key_never_runs_twice_not_even_after_a_failure_or_a_restart(world) -> None:
    """As with the daemon, and why the attempt is part of our keys."""
    world.wanted, world.fails = ["a"], True
    (failed,) = world.driver.tick_sensors(["keyed"])
    assert not failed.run.is_success
    world.fails = False
    assert world.driver.tick_sensors(["keyed"]) == []
    assert world.restarted().tick_sensors(["keyed"]) == []
    assert len(world.ran) == 1
    world.wanted = ["a", "a-attempt-2"]
    assert [one.run_key for one in world.restarted().tick_sensors(["keyed"])] == ["a-attempt-2"]


def test_cursors_outlive_the_driver(world) -> None:
    world.driver.tick_sensors(["counting"])
    world.restarted().tick_sensors(["counting"])
    assert world.cursors == [None, "1", "2", "3"]


def test_a_sensor_that_never_settles_is_an_error(world) -> None:
    with pytest.raises(PermanentError, match="sensors endless keep requesting runs"):
        world.driver.tick_sensors(["endless"])
    assert len(world.ran) == SENSOR_ROUNDS_MAXIMUM


def test_runs_of_a_driver_that_was_killed_are_failed_and_others_left_alone(world) -> None:
    """Without a daemon nobody else would: they would count as running for ever, and their sensors would wait."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    own, now = {DRIVER_TAG: str(os.getpid())}, psutil.Process().create_time()
    tags = {
        "gone": {DRIVER_TAG: str(gone.pid)},
        "same_number": own | {STARTED_TAG: str(now - 60)},
        "alive": own | {STARTED_TAG: str(now)},
        "older_version": own,
        "daemon": {},
    }
    for run_id, tag in tags.items():
        run = dg.DagsterRun(job_name="noting_job", run_id=run_id, status=dg.DagsterRunStatus.STARTED, tags=tag)
        world.instance.add_run(run)
    world.restarted()
    found = {run_id: world.instance.get_run_by_id(run_id).status.value for run_id in tags}
    assert found == {
        "gone": "FAILURE",
        "same_number": "FAILURE",
        "alive": "STARTED",
        "older_version": "STARTED",
        "daemon": "STARTED",
    }
    world.driver.run_day("noting_job", DAY).require_success()
    (newest,) = world.instance.get_runs(limit=1)
    assert (newest.tags[DRIVER_TAG], newest.tags[STARTED_TAG]) == (str(os.getpid()), str(now))


def test_rows_that_a_run_has_read_are_freed_when_it_ends(platform: Platform, instance: dg.DagsterInstance) -> None:
    @dg.asset
    def reading(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> None:
        assert in_run(platform, context.run.run_id).warehouse is not platform.warehouse

    job = dg.define_asset_job("reading_job", ["reading"], executor_def=dg.in_process_executor)
    definitions = dg.Definitions(assets=[reading], jobs=[job], resources={"platform": platform})
    LifecycleDriver(definitions, instance).run_unpartitioned("reading_job").require_success()
    assert vars(platform)[IN_RUNS] == {}
