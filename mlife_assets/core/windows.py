"""As-of and label-maturity arithmetic: the only place where dates and times are computed.

Concept: partition D runs during D; its features use rows with `observed_at < D 00:00 UTC`. A label is *mature* as of D
when its attribution window has closed and been observed before D 00:00 UTC.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

FIRST_EVENT_DAY = date(2026, 4, 3)
"""First day of raw events in the simulated market, and the default for counting days."""

FIRST_PARTITION = FIRST_EVENT_DAY + timedelta(days=1)
"""The simulated market's first day with events to ingest."""

RUN_HOUR_UTC = 18
"""Hour at which partition D runs: within 10-17 local time across the contiguous US."""


def day_start(day: date) -> datetime:
    """Return `day` 00:00 UTC: features of partition `day` use only observations before it."""
    return datetime.combine(day, time(0), tzinfo=UTC)


def run_time(day: date) -> datetime:
    """Return the instant at which partition `day` runs by default."""
    return day_start(day) + timedelta(hours=RUN_HOUR_UTC)


def days_between(first: date, last: date) -> Iterator[date]:
    """Yield every day from `first` to `last`, both included; none if `last < first`."""
    for offset in range((last - first).days + 1):
        yield first + timedelta(days=offset)


def add_days(day: date, days: int) -> date:
    """Return the day `days` after `day` (before it when negative)."""
    return day + timedelta(days=days)


def last_mature_exposure_day(as_of: date, window_days: int) -> date:
    """Return the last exposure day whose labels are mature as of `as_of`.

    An exposure during day E can convert until the end of E + `window_days`; that instant is observed by the export of
    the same day, so the label is mature as of E + `window_days` + 1.
    """
    return add_days(as_of, -window_days - 1)


def mature_day(exposure_day: date, window_days: int) -> date:
    """Return the first day as of which labels of `exposure_day` are mature."""
    return add_days(exposure_day, window_days + 1)


def is_mature(exposure_day: date, as_of: date, window_days: int) -> bool:
    """Return whether labels of `exposure_day` are mature as of `as_of`."""
    return exposure_day <= last_mature_exposure_day(as_of, window_days)
