"""Arrival of feedback: clicks by day of observation, counted once, and days with late feedback.

Concept: a past day of observation does not change, so its count is stored once and read from then on. A day without
clicks is counted again: its files may have landed since.
"""

from __future__ import annotations

from datetime import date

import pyarrow.compute as pc

from mlife_assets.adapters.event_log import ParquetEventLog
from mlife_assets.adapters.tables import TableStore
from mlife_assets.core.monitoring.lateness import FRESH_DAYS, Arrivals, late_days_between
from mlife_assets.core.windows import add_days

ARRIVALS_REPORT = "feedback_arrivals"
FEEDBACK_TYPE, FEEDBACK = "click", "clicks"
"""The counted event type, and its plural, in reports too."""


def late_feedback_days(event_log: ParquetEventLog, tables: TableStore, first: date, last: date) -> frozenset[date]:
    """Return the days of [first, last], all past, on which clicks were late."""
    known = set(tables.report_days(ARRIVALS_REPORT))

    def arrived_on(day: date) -> Arrivals:
        return _read(tables, day) if day in known else _count(event_log, tables, day)

    oldest = min((file.day for file in event_log.files(FEEDBACK_TYPE)), default=first)
    return late_days_between(first, last, arrived_on, oldest=oldest)


def _read(tables: TableStore, day: date) -> Arrivals:
    report = tables.read_report(ARRIVALS_REPORT, day)
    return Arrivals(report[FEEDBACK], report["fresh"])


def _count(event_log: ParquetEventLog, tables: TableStore, day: date) -> Arrivals:
    events = event_log.read(FEEDBACK_TYPE, start=day, end=day, columns=["occurred_at"])
    is_fresh = pc.greater_equal(events["occurred_at"].cast("date32"), add_days(day, 1 - FRESH_DAYS))
    arrived = Arrivals(events.num_rows, int(pc.sum(is_fresh).as_py() or 0))
    if arrived.count:
        counts = {FEEDBACK: arrived.count, "fresh": arrived.fresh}
        tables.write_report(ARRIVALS_REPORT, day, {"as_of_date": day, **counts})
    return arrived
