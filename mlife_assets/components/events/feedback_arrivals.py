"""When feedback arrived: clicks by day of observation, counted once, and the days on which it was late.

Belongs here: counting in the event log. Does not belong here: what is late (`core.monitoring.lateness`).

Concept: a day of observation is closed when it is over, so its count is written down once and read from then on. A day
without clicks is counted again: its files may have landed since.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from mlife_assets.core.monitoring.lateness import FRESH_DAYS, Arrivals, late_days_between
from mlife_assets.core.windows import add_days

if TYPE_CHECKING:
    from mlife_assets.components.platform.resources import Platform

ARRIVALS_REPORT = "feedback_arrivals"
FEEDBACK_TYPE, FEEDBACK = "click", "clicks"
"""The event type that is counted, and what several of it are called, in reports too."""


def late_feedback_days(platform: Platform, first: date, last: date) -> frozenset[date]:
    """Return the days of [first, last] on which clicks were late, all of them over."""
    known = set(platform.tables.report_days(ARRIVALS_REPORT))

    def arrived_on(day: date) -> Arrivals:
        return _read(platform, day) if day in known else _count(platform, day)

    oldest = min((file.day for file in platform.event_log.files(FEEDBACK_TYPE)), default=first)
    return late_days_between(first, last, arrived_on, oldest=oldest)


def _read(platform: Platform, day: date) -> Arrivals:
    report = platform.tables.read_report(ARRIVALS_REPORT, day)
    return Arrivals(report[FEEDBACK], report["fresh"])


def _count(platform: Platform, day: date) -> Arrivals:
    events = platform.event_log.read(FEEDBACK_TYPE, start=day, end=day, columns=["occurred_at"])
    is_fresh = pc.greater_equal(events["occurred_at"].cast("date32"), add_days(day, 1 - FRESH_DAYS))
    arrived = Arrivals(events.num_rows, int(pc.sum(is_fresh).as_py() or 0))
    if arrived.count:
        counts = {FEEDBACK: arrived.count, "fresh": arrived.fresh}
        platform.tables.write_report(ARRIVALS_REPORT, day, {"as_of_date": day, **counts})
    return arrived
