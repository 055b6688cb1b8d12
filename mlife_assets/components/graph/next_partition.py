"""The last partition: which day can run next, and how a running UI learns of it.

Belongs here: where the partitions of a code location end, the sensor that moves that end. Does not belong here: which
day comes next (`present`), what partitions are (`partitions`).

Concept: the embedded world has a clock of its own, so "Latest" is the next day that can run and not today's date. The
end is fixed when the code location is loaded. When a day has run, by whatever process, or the machine's date has
changed, from which the end is counted, the sensor asks the server that holds the location to load it again; the UI and
the daemon follow that server by themselves. In production, and wherever time is
real, partitions follow the machine's clock, or the one in a file by which somebody tries days out.
"""

import logging
import threading
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from mlife_assets.adapters.clock import SystemClock
from mlife_assets.components.platform.resources import Platform
from mlife_assets.components.shown.present import next_day
from mlife_assets.core.errors import MlifeError
from mlife_assets.core.windows import add_days

if TYPE_CHECKING:
    from dagster._core.remote_origin import CodeLocationOrigin

INTERVAL_SECONDS = 10
_LOGGER = logging.getLogger(__name__)


def last_partition(platform: Platform) -> date | None:
    """Return the last day that has a partition, None where partitions follow the machine's clock.

    Until a model serves that is the last day of history, which history_job lands and retraining_job trains on; from
    then on it is the next day that can run.
    """
    settings = platform.settings
    if not platform.is_simulated and settings.clock_file is not None:
        return platform.clock_day
    if settings.environment == "prod" or not platform.is_simulated:
        return None
    history_end = add_days(settings.first_lived_date, -1)
    lake = settings.lake_place
    if isinstance(lake, Path) and not (lake / "events").is_dir():  # asking the registry would make the folder
        return history_end
    try:
        return history_end if platform.registry.champion() is None else next_day(platform)
    except MlifeError as error:  # people need the UI most when the log is damaged
        _LOGGER.warning("Which day comes next cannot be read, so partitions follow the machine's clock: %s", error)
        return None


def build_next_day_sensor(loaded: date | None, *, loaded_on: date) -> dg.SensorDefinition:
    """Return the sensor of a code location whose partitions end with `loaded`, counted from the day `loaded_on`."""
    is_asked = threading.Lock()
    """Held while this process waits to be replaced, so that a slow reload is asked for once."""

    @dg.sensor(
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Loads the code location again when a day has run, so that the last partition is the next day.",
    )
    def next_day_sensor(context: dg.SensorEvaluationContext, platform: dg.ResourceParam[Platform]) -> dg.SkipReason:
        last = last_partition(platform)
        if last is None:
            return dg.SkipReason("partitions follow the machine's clock, or which day comes next cannot be read")
        if last == loaded and SystemClock().now().date() == loaded_on:
            return dg.SkipReason(f"{last} can run next, and it is the last partition")
        origin = context.code_location_origin
        if origin is None:
            return dg.SkipReason(f"{last} can run next; no server holds this code location, so nothing is reloaded")
        if is_asked.acquire(blocking=False):  # this very process is replaced, so the answer to the daemon goes first
            threading.Timer(1, _reload, (origin, context.instance.code_server_reload_timeout, is_asked)).start()
        return dg.SkipReason(f"{last} can run next; the code location is loaded again")

    return next_day_sensor


def _reload(origin: "CodeLocationOrigin", timeout_seconds: int, is_asked: threading.Lock) -> None:
    """Ask the server of a code location to load it again; a later tick tries again what failed."""
    from dagster._core.remote_origin import GrpcServerCodeLocationOrigin

    if isinstance(origin, GrpcServerCodeLocationOrigin):
        try:
            origin.create_client().reload_code(timeout=timeout_seconds)
        except Exception:
            _LOGGER.exception("The code location could not be loaded again; reload it in the UI (Deployment)")
            is_asked.release()
