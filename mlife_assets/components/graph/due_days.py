"""The next day to run: in real time a sensor launches it, in a simulated world the UI offers it.

Concept: a schedule requests the day of a tick, and a missed tick is lost. This sensor uses the clock and the landed
files, so missed days are requested, oldest first, and none while another run is active. In real time it replaces the
daily schedule.

The embedded world has its own clock, so there "Latest" is the next day that can run and not today's date. The end is
fixed when the code location is loaded. When a day has run, by whatever process, or the machine's date has changed, the
sensor asks the server that holds the location to load it again; the UI and the daemon follow that server. In real time,
partitions follow the machine's clock, or a clock in a file for trials.
"""

import logging
import threading
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from mlife_assets.adapters.clock import SystemClock
from mlife_assets.components.graph.alerts import INTERVAL_SECONDS
from mlife_assets.components.graph.jobs import DAILY_JOB, history_job
from mlife_assets.components.graph.partitions import range_tags
from mlife_assets.components.graph.run_requests import RETRAINING_JOB, attempts_of, next_request
from mlife_assets.components.graph.sensors import is_something_running
from mlife_assets.components.shown.present import newest_day, next_day
from mlife_assets.core.due_days import DueWork, Progress, due_work
from mlife_assets.core.errors import MlifeError, NotFoundError
from mlife_assets.core.windows import add_days, days_between
from mlife_assets.deployments.board_ports import BoardPorts

if TYPE_CHECKING:
    from dagster._core.remote_origin import CodeLocationOrigin

NAME = "due_days_sensor"
RETRY_WAIT_MINUTES = (10, 60)
DAILY_EVENT_TYPES = frozenset({"impression", "click", "apply", "user_snapshot"})
"""Event types with a file on each day of history, an empty one if nothing happened."""
JOBS = {"history": history_job.name, "first_model": RETRAINING_JOB, "day": DAILY_JOB}
RELOAD_SECONDS = 10
_LOGGER = logging.getLogger(__name__)


def build_due_days_sensor(
    status: dg.DefaultSensorStatus, jobs: Sequence[Any], *, last: date | None
) -> dg.SensorDefinition:
    """Return the sensor, which launches the daily ones of `jobs`.

    `last` is the last partition of the code location; None if partitions follow the machine's clock.
    """

    @dg.sensor(
        name=NAME,
        jobs=[job for job in jobs if job.name in JOBS.values()],
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=status,
        description="Runs each day whose time has come and whose files were delivered, oldest first, one at a time.",
    )
    def due_days_sensor(
        context: dg.SensorEvaluationContext, platform: dg.ResourceParam[BoardPorts]
    ) -> dg.SensorResult | dg.SkipReason:
        """Request the due run, unless another is in progress."""
        now = platform.home.clock.now()
        if is_something_running(context.instance, now):
            return dg.SkipReason("A run is in progress; the due run follows it.")
        try:
            work = find_due_work(platform, context.instance)
        except NotFoundError as error:
            return dg.SkipReason(f"Nothing can be looked at: {error}")
        if work.kind is None:
            return dg.SkipReason(work.sentence)
        if last is not None and work.last > last:  # a moved clock in a file reaches a running location late
            return dg.SkipReason(f"{work.last} is due; it runs once the code location was loaded again with it.")
        request = next_request(
            context.instance, cause_of(work), work.last, now=now, retry_wait_minutes=RETRY_WAIT_MINUTES
        )
        if request is None:
            return dg.SkipReason(f"{work.sentence} It waits for its next attempt or was given up; see its runs.")
        is_range = work.kind == "history"
        return dg.SensorResult(
            run_requests=[
                dg.RunRequest(
                    run_key=request.run_key,
                    job_name=JOBS[work.kind],
                    partition_key=None if is_range else request.partition_key,
                    tags={**request.tags, **(range_tags(work.first, work.last) if is_range else {})},
                )
            ]
        )

    return due_days_sensor


def cause_of(work: DueWork) -> str:
    return f"due-{work.kind}-{work.first.isoformat()}-{work.last.isoformat()}"


def find_due_work(platform: BoardPorts, instance: dg.DagsterInstance) -> DueWork:
    """Return the due work of a home. Raises NotFoundError without a landing folder."""
    progress, due_until = _progress(platform, instance), _due_until(platform)
    following = progress.next_day or (progress.first if progress.landed is None else add_days(progress.landed, 1))
    asked = {add_days(day, -1) for day in days_between(following, max(following, due_until))}
    delivered = platform.home.intake.area.delivered(asked)
    types = {day: {source.split("/")[0] for source in sources} for day, sources in delivered.items()}
    lacking = {day: missing for day, found in types.items() if (missing := DAILY_EVENT_TYPES - found)}
    return due_work(progress, due_until=due_until, delivered=delivered, lacking=lacking)


def _due_until(platform: BoardPorts) -> date:
    today = platform.times.today(platform.settings.days.start_date)
    return today if platform.deployment.times.is_due(today) else add_days(today, -1)


def _progress(platform: BoardPorts, instance: dg.DagsterInstance) -> Progress:
    settings, landed = platform.settings, platform.days.newest()
    serves_since = platform.of_model().registry.history()[:1] if landed is not None else []
    following = None
    if serves_since:
        promoted_as_of = serves_since[0].since.date()
        first = platform.of_model()
        following = next_day(first) if newest_day(first) is not None else add_days(promoted_as_of, 1)
    history_end = add_days(settings.days.first_lived_date, -1)
    is_tried = landed is not None and _is_tried(instance, landed, platform)
    return Progress(settings.days.first_partition, history_end, landed, following, is_tried)


def _is_tried(instance: dg.DagsterInstance, day: date, platform: BoardPorts) -> bool:
    cause = cause_of(DueWork("first_model", day, day, ""))
    runs = attempts_of(instance, cause, platform.home.clock.now())
    is_given_up = len(runs) > len(RETRY_WAIT_MINUTES) and all(run.state == "failed" for run in runs)
    return is_given_up or any(run.state == "succeeded" for run in runs)


def last_partition(platform: BoardPorts) -> date | None:
    """Return the last day with a partition; None if partitions follow the machine's clock.

    Until a model serves that is the last day of history, which history_job lands and retraining_job trains on; from
    then on it is the next day that can run.
    """
    settings = platform.settings
    if not platform.days.is_simulated and settings.days.clock_file is not None:
        return platform.times.today(platform.settings.days.start_date)
    if settings.environment == "prod" or not platform.days.is_simulated:
        return None
    history_end = add_days(settings.days.first_lived_date, -1)
    lake = settings.places.lake
    if isinstance(lake, Path) and not (lake / "events").is_dir():  # a question to the registry would create the folder
        return history_end
    try:
        return history_end if platform.of_model().registry.champion() is None else next_day(platform.of_model())
    except MlifeError as error:  # people need the UI most when the log is damaged
        _LOGGER.warning("Which day comes next cannot be read, so partitions follow the machine's clock: %s", error)
        return None


def build_next_day_sensor(loaded: date | None, *, loaded_on: date) -> dg.SensorDefinition:
    """Return the sensor of a code location whose partitions end with `loaded`, counted from the day `loaded_on`."""
    is_asked = threading.Lock()
    """Held while this process waits to be replaced, so that a slow reload is asked for once."""

    @dg.sensor(
        minimum_interval_seconds=RELOAD_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Loads the code location again when a day has run, so that the last partition is the next day.",
    )
    def next_day_sensor(context: dg.SensorEvaluationContext, platform: dg.ResourceParam[BoardPorts]) -> dg.SkipReason:
        last = last_partition(platform)
        if last is None:
            return dg.SkipReason("partitions follow the machine's clock, or which day comes next cannot be read")
        if last == loaded and SystemClock().now().date() == loaded_on:
            return dg.SkipReason(f"{last} can run next, and it is the last partition")
        origin = context.code_location_origin
        if origin is None:
            return dg.SkipReason(f"{last} can run next; no server holds this code location, so nothing is reloaded")
        if is_asked.acquire(blocking=False):  # this process is replaced, so the answer to the daemon goes first
            threading.Timer(1, _reload, (origin, context.instance.code_server_reload_timeout, is_asked)).start()
        return dg.SkipReason(f"{last} can run next; the code location is loaded again")

    return next_day_sensor


def _reload(origin: "CodeLocationOrigin", timeout_seconds: int, is_asked: threading.Lock) -> None:
    """Ask the server of a code location to reload it; a later tick retries failures."""
    from dagster._core.remote_origin import GrpcServerCodeLocationOrigin

    if isinstance(origin, GrpcServerCodeLocationOrigin):
        try:
            origin.create_client().reload_code(timeout=timeout_seconds)
        except Exception:
            _LOGGER.exception("The code location could not be loaded again; reload it in the UI (Deployment)")
            is_asked.release()
