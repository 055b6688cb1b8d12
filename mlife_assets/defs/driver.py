"""Runs days and ticks sensors without a daemon: what the CLI and the demo use.

Belongs here: executing jobs in this process and evaluating the *real* sensors on an instance, as the daemon would.
Does not belong here: what a day is (`jobs`), when a sensor fires (`sensors`), what is printed (`cli`).

Concept: the demo lives through the same jobs, checks and sensors that `dagster dev` shows; only the loop is ours. A
request's `run_key` is honoured exactly as by the daemon: a key that has a run, whatever became of it, never runs again.
"""

import gc
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

import dagster as dg
import psutil
from dagster._core.storage.tags import RUN_KEY_TAG
from dagster._core.utils import make_new_run_id

from mlife_assets.core.errors import PermanentError
from mlife_assets.defs.instance import hold_run
from mlife_assets.defs.partitions import range_tags

SENSOR_ROUNDS_MAXIMUM = 10
DRIVER_TAG, STARTED_TAG = "mlife/driver_pid", "mlife/driver_started"
SAME_START_SECONDS = 5.0
"""A process's start is told by the machine's clock, which may be set meanwhile."""
OBJECTS_BETWEEN_COLLECTIONS = 50_000
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""The console belongs to the caller; every line is in the run's own log."""


@dataclass(frozen=True)
class JobRun:
    """One executed run."""

    job_name: str
    run_id: str
    is_success: bool
    failed_steps: tuple[str, ...]
    errors: tuple[str, ...]

    def require_success(self) -> None:
        """Raise PermanentError naming what failed first, unless the run succeeded."""
        if not self.is_success:
            raise PermanentError(
                f"{self.job_name} failed (run {self.run_id}) at {', '.join(self.failed_steps) or 'start'}: "
                f"{self.errors[0] if self.errors else 'see the run in the Dagster UI'}"
            )


@dataclass(frozen=True)
class SensorRun:
    """One run that a sensor asked for."""

    sensor_name: str
    run_key: str
    run: JobRun


class LifecycleDriver:
    """Executes jobs and sensors of `definitions` on `instance`, one at a time, in this process."""

    def __init__(self, definitions: dg.Definitions, instance: dg.DagsterInstance) -> None:
        """Keep the resolved repository; nothing is executed."""
        self._definitions = definitions
        self._repository = definitions.get_repository_def()
        self._resources = dict(definitions.resources or {})
        self._instance = instance
        _fail_orphans(instance)

    def run_range(self, job_name: str, first: date, last: date) -> JobRun:
        """Run one job once over the partitions from `first` to `last`."""
        return self._execute(job_name, partition_key=None, tags=range_tags(first, last))

    def run_day(self, job_name: str, day: date, tags: Mapping[str, str] | None = None) -> JobRun:
        """Run one job for one partition."""
        return self._execute(job_name, partition_key=day.isoformat(), tags=tags or {})

    def run_unpartitioned(self, job_name: str) -> JobRun:
        """Run one unpartitioned job."""
        return self._execute(job_name, partition_key=None, tags={})

    def tick_sensors(self, sensor_names: Sequence[str]) -> list[SensorRun]:
        """Evaluate sensors until none asks for anything new; execute what they request, in order.

        Raises:
            PermanentError: the sensors still ask after many rounds, which means a request does not settle its cause.
        """
        runs: list[SensorRun] = []
        for _ in range(SENSOR_ROUNDS_MAXIMUM):
            new = [run for name in sensor_names for run in self._tick(name)]
            if not new:
                return runs
            runs.extend(new)
        raise PermanentError(f"sensors {', '.join(sensor_names)} keep requesting runs: {runs[-1]}")

    def _tick(self, sensor_name: str) -> list[SensorRun]:
        sensor = self._repository.get_sensor_def(sensor_name)
        cursor_key = f"driver-sensor-{sensor_name}"
        cursors = self._instance.daemon_cursor_storage.get_cursor_values({cursor_key})
        with dg.build_sensor_context(
            instance=self._instance,
            cursor=cursors.get(cursor_key),
            repository_def=self._repository,
            sensor_name=sensor_name,
            resources={key: self._resources[key] for key in sorted(sensor.required_resource_keys)},
        ) as context:
            tick = sensor.evaluate_tick(context)
        runs = [self._launch(sensor, request) for request in tick.run_requests or () if not self._has_run(request)]
        if tick.cursor is not None:
            self._instance.daemon_cursor_storage.set_cursor_values({cursor_key: tick.cursor})
        return runs

    def _has_run(self, request: dg.RunRequest) -> bool:
        if request.run_key is None:
            return False
        return bool(self._instance.get_runs(filters=dg.RunsFilter(tags={RUN_KEY_TAG: request.run_key}), limit=1))

    def _launch(self, sensor: dg.SensorDefinition, request: dg.RunRequest) -> SensorRun:
        job_name = request.job_name or sensor.job_name
        if job_name is None:
            raise PermanentError(f"{sensor.name} requests a run of no job; name the job in the sensor")
        tags = dict(request.tags) | ({RUN_KEY_TAG: request.run_key} if request.run_key else {})
        run = self._execute(job_name, partition_key=request.partition_key, tags=tags)
        return SensorRun(sensor_name=sensor.name, run_key=request.run_key or "", run=run)

    def _execute(self, job_name: str, *, partition_key: str | None, tags: Mapping[str, str]) -> JobRun:
        run_id = make_new_run_id()
        with hold_run(self._instance, run_id), _rare_collections():
            result = self._definitions.resolve_job_def(job_name).execute_in_process(
                instance=self._instance,
                run_id=run_id,
                partition_key=partition_key,
                tags={**tags, DRIVER_TAG: str(os.getpid()), STARTED_TAG: str(psutil.Process().create_time())},
                run_config=QUIET,
                raise_on_error=False,
            )
        failures = [event for event in result.all_events if event.is_step_failure]
        return JobRun(
            job_name=job_name,
            run_id=run_id,
            is_success=result.success,
            failed_steps=tuple(event.step_key or "" for event in failures),
            errors=tuple(_root_cause(event) for event in failures),
        )


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Let Python look for garbage seventy times less often: each look goes through the 700,000 objects of libraries."""
    usual = gc.get_threshold()
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def _fail_orphans(instance: dg.DagsterInstance) -> None:
    """Fail the runs of drivers that were killed, and free what they held: nobody else would, without a daemon."""
    unfinished = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.NOT_STARTED]
    for run in instance.get_runs(filters=dg.RunsFilter(statuses=unfinished)):
        pid = run.tags.get(DRIVER_TAG)
        if pid is not None and not _is_alive(int(pid), run.tags.get(STARTED_TAG)):
            instance.report_run_failed(run, f"The process {pid} that ran it is gone.")
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)


def _is_alive(pid: int, started: str | None) -> bool:
    """Return whether the process lives: one of the same number that started at another time is another.

    After a restart of a container the numbers are the same again, and the new process may even be this one.
    """
    try:
        actual = psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return False
    return started is None or abs(actual - float(started)) <= SAME_START_SECONDS


def _root_cause(event: dg.DagsterEvent) -> str:
    """Return the message of the innermost error that the project itself raised, else of the outermost."""
    error = event.step_failure_data.error
    message = ""
    while error is not None:
        message = error.message.strip()
        if error.cls_name and "Dagster" not in error.cls_name:
            return message
        error = error.cause
    return message
