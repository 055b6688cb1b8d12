"""What runs a graph: driver, instance, queue and launcher, records in PostgreSQL, and what the demo says."""

import gc
import json
import logging
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import fields
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
import psutil
import pyarrow as pa
import pytest
import sqlalchemy as sa
import yaml
from obstore.store import MemoryStore

from mlife_assets.adapters.delivery.smoke import SmokePlaces
from mlife_assets.adapters.event_log import ParquetEventLog
from mlife_assets.adapters.json_logs import log_as_json
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.postgresql import DAGSTER_SCHEMA, open_schema
from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.cli import infra
from mlife_assets.components.graph.model_graph import LARGE_TASK
from mlife_assets.components.graph.partitions import DAILY, RANGE_IN_ONE_RUN, days_to_land
from mlife_assets.components.graph.run_requests import DRIVER_TAG, STARTED_TAG
from mlife_assets.components.running import launched_job
from mlife_assets.components.running.demo_summary import LOOKED_BACK_DAYS, earned_usd, require_empty_lake
from mlife_assets.components.running.driver import LOCATION, SENSOR_ROUNDS_MAXIMUM, JobRun, LifecycleDriver
from mlife_assets.components.running.instance import BATCH_SIZE, OPEN_FILES, SETTINGS_FILE, Events, open_instance
from mlife_assets.components.running.launched_job import HARMLESS_JOB, launch_and_wait
from mlife_assets.core.errors import IntegrityError, InvalidInputError, NotFoundError, PermanentError, TransientError
from mlife_assets.core.windows import add_days
from mlife_assets.definitions import build_definitions
from mlife_assets.deployments.board_ports import BoardPorts
from mlife_assets.deployments.ports import KeptRuns
from mlife_assets.garbage import OBJECTS_BETWEEN_COLLECTIONS
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.landed_examples import example_rows
from mlife_assets.settings import Settings

DAY = date(2026, 4, 10)
PID = str(os.getpid())
RUNS = OPEN_FILES + 1
CODE = """
import dagster as dg

@dg.op
def works(): ...

@dg.op
def fails():
    raise ValueError("on purpose")

@dg.job
def good_job():
    works()

@dg.job
def bad_job():
    fails()

defs = dg.Definitions(jobs=[good_job, bad_job])
"""
SETTINGS = """
telemetry: {enabled: false}
run_coordinator: {module: dagster._core.run_coordinator, class: QueuedRunCoordinator}
"""
READ = """
import json, dagster as dg
with dg.DagsterInstance.get() as instance:
    runs = [[run.run_id, run.status.value, len(instance.all_logs(run.run_id))] for run in instance.get_runs()]
    found = instance.get_latest_materialization_event(dg.AssetKey("a"))
    print(json.dumps([type(instance.event_log_storage).__name__, runs, found.run_id]))
"""
START = date(2026, 1, 5)
FIRST_LIVED = add_days(START, 90)


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
        "gone": {DRIVER_TAG: str(gone.pid)}, "same_number": own | {STARTED_TAG: str(now - 60)},
        "alive": own | {STARTED_TAG: str(now)}, "older_version": own, "daemon": {},
    }  # fmt: skip
    for run_id, tag in tags.items():
        run = dg.DagsterRun(job_name="noting_job", run_id=run_id, status=dg.DagsterRunStatus.STARTED, tags=tag)
        world.instance.add_run(run)
    world.restarted()
    found = {run_id: world.instance.get_run_by_id(run_id).status.value for run_id in tags}
    assert found == {
        "gone": "FAILURE", "same_number": "FAILURE", "alive": "STARTED", "older_version": "STARTED",
        "daemon": "STARTED",
    }  # fmt: skip
    world.driver.run_day("noting_job", DAY).require_success()
    (newest,) = world.instance.get_runs(limit=1)
    assert (newest.tags[DRIVER_TAG], newest.tags[STARTED_TAG]) == (str(os.getpid()), str(now))


def test_rows_that_a_run_has_read_are_freed_when_it_ends(platform: BoardPorts, instance: dg.DagsterInstance) -> None:
    @dg.asset
    def reading(context: dg.AssetExecutionContext, platform: dg.ResourceParam[BoardPorts]) -> None:
        assert platform.of_model().in_run(context.run.run_id).warehouse.once("read", dict) == {}

    job = dg.define_asset_job("reading_job", ["reading"], executor_def=dg.in_process_executor)
    definitions = dg.Definitions(assets=[reading], jobs=[job], resources={"platform": platform})
    LifecycleDriver(definitions, instance).run_unpartitioned("reading_job").require_success()
    assert platform.home.runs == KeptRuns()


def test_an_instance_keeps_what_ran_and_has_the_settings_of_the_project(tmp_path) -> None:
    event = dg.AssetMaterialization("a")
    with open_instance(tmp_path) as instance:
        assert instance.telemetry_enabled is False
        assert instance.nux_enabled is False
        assert instance.global_op_concurrency_default_limit == 1, "a pool without a limit is unlimited"
        assert type(instance.run_coordinator).__name__ == "QueuedRunCoordinator"
        instance.report_runless_asset_event(event)
    with open_instance(tmp_path) as again:
        assert again.get_latest_materialization_event(dg.AssetKey("a")) is not None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dagster"]


@dg.asset(partitions_def=dg.StaticPartitionsDefinition(["2026-06-01"]))
def logging_asset(context: dg.AssetExecutionContext) -> None:
    context.log.info("in the asset")
    logging.getLogger("mlife_assets.some").warning("in what it calls")


@pytest.mark.parametrize("logs_json", [True, False])
def test_a_run_logs_lines_of_json_where_they_are_wanted(tmp_path, capfd, monkeypatch, logs_json) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    if logs_json:
        log_as_json()
    with open_instance(tmp_path, logs_json=logs_json) as instance:
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        done = dg.materialize([logging_asset], instance=instance, partition_key="2026-06-01", run_config=quiet)
        ui = [entry.user_message for entry in instance.all_logs(done.run_id) if entry.dagster_event is None]
    lines = capfd.readouterr().err.splitlines()
    if not logs_json:
        assert (lines, ui) == (["in what it calls"], ["in the asset"])
        return
    said = [json.loads(line) for line in lines]
    assert ui == ["in the asset", "in what it calls"]
    assert {line["run_id"] for line in said} == {done.run_id}
    assert {line["partition"] for line in said} == {"2026-06-01"}
    assert [line["step"] for line in said if line["event"] in ui] == ["logging_asset"] * 2, "each once"
    assert said[-1]["dagster_event"] == "PIPELINE_SUCCESS"


def run_once(instance: dg.DagsterInstance, days: dg.PartitionsDefinition | None = None, **tags: str) -> str:
    @dg.asset(partitions_def=days, backfill_policy=days and dg.BackfillPolicy.single_run())
    def a() -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata={"rows": 1})

    @dg.asset_check(asset=a)
    def is_whole() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=True)

    definitions = dg.Definitions(assets=[a], asset_checks=[is_whole], jobs=[dg.define_asset_job("job", "*")])
    run_id = str(uuid4())
    job = definitions.resolve_job_def("job")
    assert job.execute_in_process(instance=instance, run_id=run_id, tags=tags).success
    return run_id


def still_open(home: Path) -> set[str]:
    """Return the databases whose newest rows lie beside them: whoever closes one last moves them in."""
    return {path.name.removesuffix("-wal") for path in home.rglob("*.db-wal")}


def test_the_files_of_a_run_stay_open_while_they_are_used_and_are_whole_afterwards(tmp_path: Path) -> None:
    with open_instance(tmp_path) as instance:
        run_ids = [run_once(instance) for _ in range(RUNS)]
        held = {f"{run_id}.db" for run_id in run_ids[-(OPEN_FILES - 1) :]}
        assert still_open(tmp_path) == {"runs.db", "index.db", *held}
    assert still_open(tmp_path) == set()


def test_another_process_reads_what_was_written_and_this_one_what_it_writes(tmp_path: Path) -> None:
    with open_instance(tmp_path) as ours, dg.DagsterInstance.from_config(str(tmp_path / "dagster")) as plain:
        assert not isinstance(plain.event_log_storage, Events)
        ids = [run_once(instance) for instance in (ours, plain, ours)]
        for instance in (ours, plain):
            assert {run.run_id for run in instance.get_runs()} == set(ids)
            events = [len(instance.all_logs(run_id)) for run_id in ids]
            assert events[0] == events[1] == events[2] > 10
            found = instance.get_latest_materialization_event(dg.AssetKey("a"))
            assert found is not None
            assert found.run_id == ids[-1]
            check = dg.AssetCheckKey(dg.AssetKey("a"), "is_whole")
            assert len(instance.event_log_storage.get_asset_check_execution_history(check, limit=9)) == 3


def rows_of(home: Path, run_id: str) -> list[list[tuple[Any, ...]]]:
    """Return the rows of a run in both files, but for what differs between any two runs."""
    events = "select dagster_event_type, step_key, asset_key, partition from event_logs where run_id = ? order by id"
    assets = "select asset_key, last_materialization ->> '$.storage_id' from asset_keys where last_run_id = ?"
    checks = "select check_name, execution_status from asset_check_executions where run_id = ?"
    found = []
    for name, statements in {run_id: [events], "index": [events, assets, checks]}.items():
        with closing(sqlite3.connect(next(home.rglob(f"{name}.db")))) as connection:
            found += [connection.execute(one, (run_id,)).fetchall() for one in statements]
    return found


def test_events_of_partitions_are_stored_together_as_they_are_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    days = dg.DailyPartitionsDefinition(start_date="2026-04-01")
    tags = {f"dagster/asset_partition_range_{end}": f"2026-04-{day}" for end, day in (("start", "01"), ("end", "30"))}

    def stored(name: str, batch_size: str, fails: Callable[[Any], bool] = lambda _: False) -> tuple[Any, int]:
        monkeypatch.setenv(BATCH_SIZE, batch_size)
        with open_instance(tmp_path / name) as instance:
            storage: Any = instance.event_log_storage
            store, commits = storage.store_event, [0]

            def commit(_: sa.Connection) -> None:
                commits[0] += 1

            def stores(event: Any) -> None:
                store(event)
                if storage._of_batch and fails(event):
                    raise OSError("a full disk")

            monkeypatch.setattr(storage, "store_event", stores)
            sa.event.listen(sa.Engine, "commit", commit)
            run_id = run_once(instance, days, **tags)
            sa.event.remove(sa.Engine, "commit", commit)
        return rows_of(tmp_path / name, run_id), commits[0]

    alone, waits = stored("alone", "0")
    together, fewer = stored("together", "500")
    assert len(alone[0]) > 60
    assert all(alone)
    assert together == alone
    assert fewer < waits / 2
    undone, _ = stored("undone", "500", lambda event: event.dagster_event.partition == "2026-04-20")
    assert undone == alone  # what failed is stored one by one, nothing twice
    assert capfd.readouterr().err.count("a full disk") == 2


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the file of a workspace whose queue a daemon works off."""
    (tmp_path / "jobs_of_a_test.py").write_text(CODE, encoding="utf-8")
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    file = tmp_path / "workspace.yaml"
    file.write_text(f"load_from: [{{python_file: {tmp_path / 'jobs_of_a_test.py'}}}]\n", encoding="utf-8")
    (tmp_path / "home" / "dagster.yaml").write_text(SETTINGS, encoding="utf-8")
    with dg.DagsterInstance.get():
        pass  # makes the databases: two processes that make them at once mark them twice, and neither opens them again
    daemon = subprocess.Popen(
        [sys.executable, "-m", "dagster._daemon", "run", "-w", str(file)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=tmp_path,
    )
    try:
        yield file
    finally:
        daemon.terminate()
        daemon.wait(60)


@pytest.mark.proof
def test_a_run_is_launched_waited_for_and_judged(workspace: Path) -> None:
    def launch(job: str, tag: str | None = None) -> str:
        with dg.DagsterInstance.get() as instance:
            return launch_and_wait(
                instance, workspace, job, must_have_tag=tag, seconds=120, sleep=time.sleep, tags=LARGE_TASK
            )

    run_id = launch("good_job")
    with dg.DagsterInstance.get() as instance:
        run = instance.get_run_by_id(run_id)
    assert run is not None
    assert run.job_name == "good_job"
    assert run.tags.items() >= LARGE_TASK.items()
    with pytest.raises(IntegrityError, match="no launcher of ECS"):
        launch("good_job", "ecs/task_arn")
    with pytest.raises(PermanentError, match="FAILURE"):
        launch("bad_job")
    with pytest.raises(PermanentError, match="could not launch no_job"):
        launch("no_job")


def test_a_larger_task_is_asked_for_as_training_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(launched_job, "launched_as_a_task", lambda **words: asked.append(words) or "0123")
    monkeypatch.setattr("mlife_assets.adapters.delivery.stacks.clients", lambda region: region)
    places = {field.name: "eu-west-1" for field in fields(SmokePlaces)}
    for check in ("dagster_launches_a_run_as_a_task", "training_gets_a_larger_task"):
        assert infra._checked(check, places) == "run 0123"
    assert [words["tags"] for words in asked] == [{}, LARGE_TASK]


def test_the_harmless_job_is_there_and_changes_nothing(tmp_path: Path) -> None:
    job = build_definitions(Settings(home=tmp_path)).resolve_job_def(HARMLESS_JOB)
    assert {key.to_user_string() for key in job.asset_layer.executable_asset_keys} == {"events/event_catalog"}


def test_a_run_is_read_again_by_another_process(tmp_path: Path, database: str) -> None:
    with open_instance(tmp_path, is_in_database=True) as instance:
        run_id = run_once(instance)
        logged = len(instance.all_logs(run_id))
        assert instance.global_op_concurrency_default_limit == 1, "the other settings hold as well"
        assert "hidden" not in instance.info_str()
    environment = os.environ | {"DAGSTER_HOME": str(tmp_path / "dagster")}
    done = subprocess.run([sys.executable, "-c", READ], env=environment, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == ["PostgresEventLogStorage", [[run_id, "SUCCESS", logged]], run_id]
    with open_instance(tmp_path, is_in_database=True) as again:
        assert [run.run_id for run in again.get_runs()] == [run_id]


def test_no_file_of_the_home_holds_records_or_the_password(tmp_path: Path, database: str) -> None:
    with open_instance(tmp_path, is_in_database=True) as instance:
        run_once(instance)
        assert "hidden" not in json.dumps(dg.serialize_value(instance.get_ref())), "other processes are given it"
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path.name for path in files if path.suffix in (".db", ".sqlite") or b"hidden" in path.read_bytes()]
    assert (tmp_path / "dagster" / "dagster.yaml").read_text().startswith(SETTINGS_FILE.read_text())


def test_a_ledger_and_records_share_a_database_without_meeting(tmp_path: Path, database: str) -> None:
    ledger = SqlLedger(open_schema(database, "mlife"))
    with open_instance(tmp_path, is_in_database=True) as instance:
        run_once(instance)
    assert ledger.sends.rows() == []
    ledger.close()
    inspector = sa.inspect(sa.create_engine(database, poolclass=sa.NullPool))
    ours, dagsters = (set(inspector.get_table_names(schema)) for schema in ("mlife", DAGSTER_SCHEMA))
    assert {"sends", "ledger_version"} <= ours
    assert {"runs", "event_logs", "job_ticks", "alembic_version"} <= dagsters
    assert ours.isdisjoint(dagsters)
    assert inspector.get_table_names("public") == []


def test_records_in_files_stay_where_a_home_has_no_database(tmp_path: Path, database: str) -> None:
    with open_instance(tmp_path) as instance:
        run_once(instance)
        assert type(instance.event_log_storage).__name__ == "Events"
    assert (tmp_path / "dagster" / "dagster.yaml").read_text() == SETTINGS_FILE.read_text()
    assert sa.inspect(sa.create_engine(database, poolclass=sa.NullPool)).get_schema_names() == [
        "information_schema",
        "public",
    ]


FAULTS = {
    "unreachable": ({"query": {"host": "/nowhere"}}, TransientError, "cannot be reached"),
    "wrong password": ({"username": "locked", "password": "not-hidden"}, PermanentError, "user or password"),
    "no such database": ({"database": "not_made"}, PermanentError, "no database of that name"),
    "no right to make a schema": ({"username": "locked"}, PermanentError, "GRANT CREATE ON DATABASE"),
}


@pytest.mark.parametrize(("parts", "kind", "remedy"), FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("has_schema", [False, True], ids=["new", "made"])
def test_a_database_that_cannot_be_used_is_explained(
    tmp_path: Path, database: str, monkeypatch, parts, kind, remedy, has_schema
) -> None:
    engine = sa.create_engine(database, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        if not connection.exec_driver_sql("SELECT 1 FROM pg_roles WHERE rolname = 'locked'").scalar():
            connection.exec_driver_sql("CREATE ROLE locked LOGIN PASSWORD 'hidden-pass-word' IN ROLE passworded")
        if has_schema:
            connection.exec_driver_sql(f"CREATE SCHEMA {DAGSTER_SCHEMA}")
            connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA {DAGSTER_SCHEMA} TO locked")
    address = sa.make_url(database).set(**parts).render_as_string(hide_password=False)
    monkeypatch.setenv("MLIFE_DATABASE", address)
    with pytest.raises(kind, match=remedy) as caught:
        open_instance(tmp_path, is_in_database=True)
    assert "hidden" not in str(caught.value)
    assert "MLIFE_DATABASE" in str(caught.value)


def test_a_process_without_the_variable_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLIFE_DATABASE", raising=False)
    with pytest.raises(Exception, match="MLIFE_DATABASE"):
        open_instance(tmp_path, is_in_database=True)


@pytest.fixture
def log() -> ParquetEventLog:
    return ParquetEventLog(ObstoreObjectStore(MemoryStore()))


def observe(log: ParquetEventLog, event_type: str, day: date, **values: Any) -> None:
    """Append one plausible event of a type that was observed at noon of a day."""
    kind = EVENT_TYPES[event_type]
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    delivered = example_rows(kind.landed, day).slice(0, 1).to_pylist()[0]
    row = {name: delivered.get(name) for name in kind.schema.names} | values
    row |= {"occurred_at": noon, "observed_at": noon, "event_id": f"{event_type}-{len(log.files(event_type))}"}
    if "items" in row:
        row["items"] = [{"position": 1, "job_id": row["job_id"], "prediction_id": None}]
    log.append(event_type, pa.Table.from_pylist([row], schema=kind.schema), writer="w")


def test_bids_after_our_own_texts_are_earned_however_long_ago_both_were(log) -> None:
    first = FIRST_LIVED
    exported = add_days(first, 2 * LOOKED_BACK_DAYS + 3)
    observe(log, "job_posted", add_days(first, -30), job_id="old", bid_usd_per_apply=5.0)
    observe(log, "job_posted", add_days(first, 1), job_id="new", bid_usd_per_apply=1.0)
    observe(log, "job_posted", add_days(exported, -1), job_id="new", bid_usd_per_apply=2.0)
    plans = {"ours": (first, "sms"), "recent": (exported, "sms"), "mail": (first, "email")}
    plans["recruiters"] = (add_days(first, -1), "sms")
    for name, (day, channel) in plans.items():
        observe(log, "message_planned", day, message_id=name, job_id="old", channel=channel)
    for name, job in (("ours", "old"), ("recent", "new"), ("mail", "old"), ("recruiters", "old"), ("unknown", "old")):
        observe(log, "apply", exported, exposure_id=name, job_id=job, source="message")
    observe(log, "apply", exported, exposure_id="ours", job_id="old", source="organic")
    observe(log, "apply", add_days(exported, -1), exposure_id="ours", job_id="old", source="message")
    assert earned_usd(log, exported, start_date=START, first_lived_date=FIRST_LIVED) == 5.0 + 2.0


def test_a_demo_needs_an_empty_lake_of_its_own(tmp_path, s3_place) -> None:
    for lake in (tmp_path / "elsewhere", s3_place):
        require_empty_lake(tmp_path / "home", lake)
        ObstoreObjectStore.at(lake).put_if_absent("events/event_type=apply/file", b"")
        with pytest.raises(InvalidInputError, match=r"MLIFE_LAKE: .*name an empty place"):
            require_empty_lake(tmp_path / "home", lake)
    require_empty_lake(tmp_path, tmp_path / "elsewhere")


def test_without_applications_nothing_but_applications_is_read(log, monkeypatch) -> None:
    asked, read = [], log.read
    monkeypatch.setattr(log, "read", lambda kind, **given: (asked.append(kind), read(kind, **given))[1])
    assert earned_usd(log, add_days(FIRST_LIVED, 3), start_date=START, first_lived_date=FIRST_LIVED) == 0.0
    assert asked == ["apply"]
