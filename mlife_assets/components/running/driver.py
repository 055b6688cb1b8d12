"""Runs days and ticks sensors without a daemon, for the CLI and the demo.

Concept: the demo uses the same jobs, checks and sensors as `dagster dev`; only the loop is ours. As with the daemon, a
`run_key` runs once: a key that has a run, successful or not, never runs again.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

import dagster as dg
import psutil
from dagster._core.definitions.repository_definition.valid_definitions import SINGLETON_REPOSITORY_NAME
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.storage.tags import REPOSITORY_LABEL_TAG, RUN_KEY_TAG

from mlife_assets.components.graph.jobs import FEATURES_JOB
from mlife_assets.components.graph.partitions import range_tags
from mlife_assets.components.graph.run_requests import DRIVER_TAG, STARTED_TAG, is_driven
from mlife_assets.core.errors import PermanentError
from mlife_assets.deployments.board_ports import BoardPorts
from mlife_assets.deployments.ports import HomePorts
from mlife_assets.garbage import give_memory_back, rare_collections, share_one_arena

SENSOR_ROUNDS_MAXIMUM = 10
LOCATION = "mlife"
"""The name of the code location in `workspace.yaml`."""
_REPOSITORY = RemoteRepositoryOrigin(
    code_location_origin=RegisteredCodeLocationOrigin(location_name=LOCATION), repository_name=SINGLETON_REPOSITORY_NAME
)
_FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""The console belongs to the caller; the run's own log has every line."""


@dataclass(frozen=True)
class JobRun:
    """One executed run."""

    job_name: str
    run_id: str
    is_success: bool
    failed_steps: tuple[str, ...]
    errors: tuple[str, ...]

    def require_success(self) -> None:
        """Raise PermanentError naming the first failure, unless the run succeeded."""
        if not self.is_success:
            raise PermanentError(
                f"{self.job_name} failed (run {self.run_id}) at {', '.join(self.failed_steps) or 'start'}: "
                f"{self.errors[0] if self.errors else 'see the run in the Dagster UI'}"
            )


@dataclass(frozen=True)
class SensorRun:
    """One run requested by a sensor."""

    sensor_name: str
    run_key: str
    run: JobRun


class LifecycleDriver:
    """Executes jobs and sensors of `definitions` on `instance`, one at a time, in this process."""

    def __init__(self, definitions: dg.Definitions, instance: dg.DagsterInstance) -> None:
        self._definitions = definitions
        self._repository = definitions.get_repository_def()
        self._resources = dict(definitions.resources or {})
        self._instance = instance
        share_one_arena()
        _fail_orphans(instance)
        show_runs(instance)

    @contextmanager
    def _freed(self) -> Iterator[None]:
        """Release a run's resources in every case."""
        try:
            yield
        finally:
            for resource in self._resources.values():
                home = getattr(resource, "home", resource)
                if isinstance(home, HomePorts):
                    home.runs.forget()
            give_memory_back()

    def run_range(self, job_name: str, first: date, last: date) -> JobRun:
        """Run one job once over the partitions from `first` to `last`."""
        return self._execute(job_name, partition_key=None, tags=range_tags(first, last))

    def run_day(self, job_name: str, day: date, tags: Mapping[str, str] | None = None) -> JobRun:
        """Run one job for one partition."""
        return self._execute(job_name, partition_key=day.isoformat(), tags=tags or {})

    def run_unpartitioned(self, job_name: str, config: Mapping[str, object] | None = None) -> JobRun:
        """Run one unpartitioned job, with the config of its ops by name."""
        ops = {name: {"config": values} for name, values in (config or {}).items()}
        return self._execute(job_name, partition_key=None, tags={}, run_config={"ops": ops} if ops else {})

    def tick_sensors(self, sensor_names: Sequence[str]) -> list[SensorRun]:
        """Evaluate sensors until none requests a new run; execute their requests in order.

        Raises:
            PermanentError: sensors still request runs after many rounds: a run does not remove its cause.
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

    def _execute(
        self,
        job_name: str,
        *,
        partition_key: str | None,
        tags: Mapping[str, str],
        run_config: Mapping[str, object] | None = None,
    ) -> JobRun:
        with rare_collections(), self._freed():
            result = self._definitions.resolve_job_def(job_name).execute_in_process(
                instance=self._instance,
                partition_key=partition_key,
                tags={
                    **tags,
                    DRIVER_TAG: str(os.getpid()),
                    STARTED_TAG: str(psutil.Process().create_time()),
                    REPOSITORY_LABEL_TAG: _REPOSITORY.get_label(),
                },
                run_config={**QUIET, **(run_config or {})},
                raise_on_error=False,
            )
        _show_run(self._instance, result.dagster_run)
        failures = [event for event in result.all_events if event.is_step_failure]
        return JobRun(
            job_name=job_name,
            run_id=result.run_id,
            is_success=result.success,
            failed_steps=tuple(event.step_key or "" for event in failures),
            errors=tuple(_root_cause(event) for event in failures),
        )


def show_runs(instance: dg.DagsterInstance) -> None:
    """Show the driver's runs in the timeline and in their jobs' history, including those of earlier versions."""
    for run in instance.get_runs(filters=dg.RunsFilter(statuses=_FINISHED)):
        if DRIVER_TAG in run.tags and run.remote_job_origin is None:
            _show_run(instance, run)


def _show_run(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Record the code location of a run.

    The UI lists a run under its job by the tag of the repository and in the timeline by the origin of its job. A launch
    through a code server sets both, `execute_in_process` neither. `replace_job_origin`, which `dagster run
    migrate-repository` uses, writes the origin into the run and changes the tag only if there is one.
    """
    instance.add_run_tags(run.run_id, {REPOSITORY_LABEL_TAG: _REPOSITORY.get_label()})
    shown = instance.get_run_by_id(run.run_id) or run
    origin = RemoteJobOrigin(repository_origin=_REPOSITORY, job_name=run.job_name)
    instance.run_storage.replace_job_origin(shown, origin)


def _fail_orphans(instance: dg.DagsterInstance) -> None:
    """Fail the runs of killed drivers and free their slots, which only a daemon would do otherwise."""
    unfinished = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.NOT_STARTED]
    for run in instance.get_runs(filters=dg.RunsFilter(statuses=unfinished)):
        if DRIVER_TAG in run.tags and not is_driven(run):
            instance.report_run_failed(run, f"The process {run.tags[DRIVER_TAG]} that ran it is gone.")
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)


def _root_cause(event: dg.DagsterEvent) -> str:
    """Return why a step failed: its own message, else that of the innermost error that is not Dagster's."""
    said = event.step_failure_data.user_failure_data
    if said is not None and said.description:
        return said.description
    error = event.step_failure_data.error
    message = ""
    while error is not None:
        message = error.message.strip()
        if error.cls_name and "Dagster" not in error.cls_name:
            return message
        error = error.cause
    return message


def rebuild_features(driver: LifecycleDriver, platform: BoardPorts) -> date | None:
    """Build the features of all landed days; returns the last of them, None without any.

    Raises:
        PermanentError: the run failed.
    """
    last = max(platform.days.landed(), default=None)
    if last is not None:
        driver.run_range(FEATURES_JOB, platform.settings.days.first_partition, last).require_success()
    return last
