"""The landed days, and the remedy for a request of another day.

Concept: days run in order and depend on landed data. Without these checks, running an asset too early would end in an
obscure error about a missing table.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from mlife_assets.adapters.event_log import ParquetEventLog
from mlife_assets.adapters.feedback_arrivals import FEEDBACK, late_feedback_days
from mlife_assets.adapters.tables import TableStore
from mlife_assets.core.errors import NotFoundError, UpstreamMismatchError
from mlife_assets.core.windows import add_days, run_time
from mlife_assets.recruiting.events import LABEL_EVENT_TYPES, OWN_EVENT_TYPES

if TYPE_CHECKING:
    from mlife_assets.deployment_settings import DaySettings
    from mlife_assets.deployments.times import Times
    from mlife_assets.settings import Settings

NO_DELAY = timedelta(0)
INGEST_REPORT = "ingest"
"""Name of the report on a day's delivery."""
PLAN_REPORT = "message_plan"


class LandedDays(ABC):
    """The days of a home; `own_types` need not land, `label_types` may be late and `feedback` names that."""

    own_types: Collection[str]
    label_types: Collection[str]
    feedback: str
    is_simulated: bool

    @property
    @abstractmethod
    def start(self) -> date:
        """The first day with examples."""

    @property
    @abstractmethod
    def first_run(self) -> date:
        """The first day with a decision of the governor."""

    @abstractmethod
    def landed(self) -> Sequence[date]:
        """Return the days that have landed, ascending."""

    def newest(self) -> date | None:
        return max(self.landed(), default=None)

    @abstractmethod
    def report(self, day: date) -> Mapping[str, Any]:
        """Return the report on a day's delivery. Raises NotFoundError if it never landed."""

    @abstractmethod
    def require(self, day: date | None = None) -> None:
        """Raise NotFoundError unless `day` has landed; None means any day."""

    @abstractmethod
    def late_feedback(self, first: date, last: date) -> frozenset[date]:
        """Return the days of [first, last], all past, on which outcomes came late."""

    def has_ended(self, day: date) -> bool:  # noqa: ARG002  a day ends with its decision, unless a home says more
        return True

    def act_times(self) -> Sequence[datetime]:
        return ()

    def retrained_on(self, day: date) -> date:
        return day


@dataclass(frozen=True)
class BoardDays(LandedDays):
    """Deliveries of a job board's exporters; the ledger has `switches` before the log."""

    settings: Settings
    is_simulated: bool
    tables: Callable[[], TableStore]
    event_log: Callable[[], ParquetEventLog]
    switches: Callable[[], Sequence[datetime]]
    own_types: Collection[str] = OWN_EVENT_TYPES
    label_types: Collection[str] = LABEL_EVENT_TYPES
    feedback: str = FEEDBACK

    @property
    def start(self) -> date:
        return self.settings.days.start_date

    @property
    def first_run(self) -> date:
        return self.settings.days.first_lived_date

    def landed(self) -> Sequence[date]:
        return self.tables().report_days(INGEST_REPORT)

    def newest(self) -> date | None:
        return max(self.tables().newest_report_days(INGEST_REPORT, 1), default=None)

    def report(self, day: date) -> Mapping[str, Any]:
        return self.tables().read_report(INGEST_REPORT, day)

    def require(self, day: date | None = None) -> None:
        require_landed(self.settings.days, self.newest(), day)

    def late_feedback(self, first: date, last: date) -> frozenset[date]:
        return late_feedback_days(self.event_log(), self.tables(), first, last)

    def has_ended(self, day: date) -> bool:
        return self.tables().has_report(PLAN_REPORT, day)

    def act_times(self) -> Sequence[datetime]:
        return self.switches()

    def retrained_on(self, day: date) -> date:
        """Return the newest landed day, so that all days decided by the previous champion have run.

        In real time a day may run while an earlier one still trains; its champion then stays the same.
        """
        return day if self.is_simulated else max(day, self.newest() or day)


def require_landed(days: DaySettings, newest: date | None, day: date | None = None) -> None:
    """Raise NotFoundError unless `day` has landed, with `newest` the last landed one; None means any day."""
    if newest is None:
        raise NotFoundError(f"nothing has landed yet, so there is nothing to work with; {_beginning(days)}")
    if day is not None and day > newest:
        following = add_days(newest, 1)
        raise NotFoundError(
            f"{day} has not landed yet: the next day that can run is {following} (run daily_lifecycle_job for it), and "
            f"the newest that has is {newest}; choose one of them"
        )


def require_previous(days: DaySettings, landed: Sequence[date], day: date) -> None:
    """Raise UpstreamMismatchError unless the day before `day` has landed."""
    if day == days.first_partition or add_days(day, -1) in landed:
        return
    if not landed:
        raise UpstreamMismatchError(f"{day} cannot run: nothing has landed yet; {_beginning(days)}")
    following = add_days(landed[-1], 1)
    raise UpstreamMismatchError(
        f"{day} cannot run: days run in order, and the next one is {following}; choose {following}, or backfill "
        f"{following} to {day}"
    )


def require_due(times: Times, day: date) -> None:
    """Raise UpstreamMismatchError before a partition is due: files that land until then belong to its day, too."""
    if not times.is_due(day):
        raise UpstreamMismatchError(
            f"{day} cannot run yet: it is {times.moment(day, NO_DELAY):%Y-%m-%d %H:%M} UTC, and a day runs from "
            f"{run_time(day):%Y-%m-%d %H:%M} UTC on; run it then"
        )


def _beginning(days: DaySettings) -> str:
    first, last = days.first_partition, add_days(days.first_lived_date, -1)
    return (
        f"run history_job over all its partitions ({first} to {last}), then retraining_job for the latest, "
        "then daily_lifecycle_job for the latest"
    )
