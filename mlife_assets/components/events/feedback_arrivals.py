"""When feedback arrived: clicks by day of observation, counted once, and the days on which it was late.

Belongs here: counting in the event log. Does not belong here: what is late (`core.monitoring.lateness`).

Concept: a day of observation is closed when it is over, so its count is written down once and read from then on. A day
without clicks is counted again: its files may have landed since.
"""

from collections.abc import Mapping
from datetime import date

import pyarrow.compute as pc

from mlife_assets.components.platform.resources import Platform
from mlife_assets.core.monitoring.lateness import FRESH_DAYS, USUAL_DAYS, USUAL_DAYS_MINIMUM, Arrivals, late_days
from mlife_assets.core.windows import add_days, days_between

ARRIVALS_REPORT = "feedback_arrivals"
FEEDBACK_TYPE, FEEDBACK = "click", "clicks"
"""The event type that is counted, and what several of it are called, in reports too."""
REACH_DAYS = 182


def late_feedback_days(platform: Platform, first: date, last: date) -> frozenset[date]:
    """Return the days of [first, last] on which clicks were late, all of them over.

    What is usual is looked for before `first`, behind an outage too, so that one does not become usual by its length;
    after `REACH_DAYS` without a usual week silence is what is usual, and nothing is late for it.
    """
    known = set(platform.tables.report_days(ARRIVALS_REPORT))
    arrivals: dict[date, Arrivals] = {}

    def look(start: date, end: date) -> None:
        for day in days_between(start, end):
            arrivals[day] = _read(platform, day) if day in known else _count(platform, day)

    start = add_days(first, -USUAL_DAYS)
    look(start, last)
    oldest = min((file.day for file in platform.event_log.files(FEEDBACK_TYPE)), default=first)
    beginning = max(oldest, add_days(first, -REACH_DAYS))
    while start > beginning and not _has_usual_days(arrivals, first):
        end, start = add_days(start, -1), max(add_days(start, -USUAL_DAYS), beginning)
        look(start, end)
    return frozenset(day for day in late_days(arrivals, arrivals) if day >= first)


def _has_usual_days(arrivals: Mapping[date, Arrivals], first: date) -> bool:
    """Return whether enough days before `first` had clicks, and in time."""
    before = [day for day in arrivals if day < first]
    late = late_days(arrivals, before)
    return sum(bool(arrivals[day].count) and day not in late for day in before) >= USUAL_DAYS_MINIMUM


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
