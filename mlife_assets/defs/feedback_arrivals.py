"""When feedback arrived: clicks by day of observation, counted once, and the days on which it was late.

Belongs here: counting in the event log. Does not belong here: what is late (`core.monitoring.lateness`).

Concept: a day of observation is closed when it is over, so its count is written down once and read from then on. A day
without clicks is counted again: its files may have landed since.
"""

from dataclasses import asdict
from datetime import date

import pyarrow.compute as pc

from mlife_assets.core.monitoring.lateness import FRESH_DAYS, USUAL_DAYS, Arrivals, late_days
from mlife_assets.core.windows import add_days, days_between
from mlife_assets.defs.resources import Platform

ARRIVALS_REPORT = "feedback_arrivals"


def late_feedback_days(platform: Platform, first: date, last: date) -> frozenset[date]:
    """Return the days of [first, last] on which clicks were late, all of them over."""
    days = list(days_between(add_days(first, -USUAL_DAYS), last))
    known = set(platform.tables.report_days(ARRIVALS_REPORT))
    arrivals = {day: _read(platform, day) if day in known else _count(platform, day) for day in days}
    return frozenset(day for day in late_days(arrivals, days) if day >= first)


def _read(platform: Platform, day: date) -> Arrivals:
    report = platform.tables.read_report(ARRIVALS_REPORT, day)
    return Arrivals(report["clicks"], report["fresh"])


def _count(platform: Platform, day: date) -> Arrivals:
    clicks = platform.event_log.read("click", start=day, end=day, columns=["occurred_at"])
    is_fresh = pc.greater_equal(clicks["occurred_at"].cast("date32"), add_days(day, 1 - FRESH_DAYS))
    arrived = Arrivals(clicks.num_rows, int(pc.sum(is_fresh).as_py() or 0))
    if arrived.clicks:
        platform.tables.write_report(ARRIVALS_REPORT, day, {"as_of_date": day, **asdict(arrived)})
    return arrived
