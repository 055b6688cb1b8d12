"""Which days have landed, and what somebody is to do who asks for another.

Concept: days run in order and everything follows from what landed. Without this check, a click on an asset too early
would end in an error about some missing table that the person has never heard of.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

from mlife_assets.core.errors import NotFoundError, UpstreamMismatchError
from mlife_assets.core.windows import add_days, run_time

if TYPE_CHECKING:
    from mlife_assets.deployments.times import Times
    from mlife_assets.settings import Settings

NO_DELAY = timedelta(0)


def require_landed(settings: Settings, newest: date | None, day: date | None = None) -> None:
    """Raise NotFoundError unless `day` has landed, `newest` being the last that has; None asks whether any has."""
    if newest is None:
        raise NotFoundError(f"nothing has landed yet, so there is nothing to work with; {_beginning(settings)}")
    if day is not None and day > newest:
        following = add_days(newest, 1)
        raise NotFoundError(
            f"{day} has not landed yet: the next day that can run is {following} (run daily_lifecycle_job for it), and "
            f"the newest that has is {newest}; choose one of them"
        )


def require_previous(settings: Settings, landed: Sequence[date], day: date) -> None:
    """Raise UpstreamMismatchError unless the day before `day` is among those that have landed."""
    if day == settings.first_partition or add_days(day, -1) in landed:
        return
    if not landed:
        raise UpstreamMismatchError(f"{day} cannot run: nothing has landed yet; {_beginning(settings)}")
    following = add_days(landed[-1], 1)
    raise UpstreamMismatchError(
        f"{day} cannot run: days run in order, and the next one is {following}; choose {following}, or backfill "
        f"{following} to {day}"
    )


def require_due(times: Times, day: date) -> None:
    """Raise UpstreamMismatchError before a partition's time has come: what lands until then is of its day, too."""
    if not times.is_due(day):
        raise UpstreamMismatchError(
            f"{day} cannot run yet: it is {times.moment(day, NO_DELAY):%Y-%m-%d %H:%M} UTC, and a day runs from "
            f"{run_time(day):%Y-%m-%d %H:%M} UTC on; run it then"
        )


def _beginning(settings: Settings) -> str:
    first, last = settings.first_partition, add_days(settings.first_lived_date, -1)
    return (
        f"run history_job over all its partitions ({first} to {last}), then retraining_job for the latest, "
        "then daily_lifecycle_job for the latest"
    )
