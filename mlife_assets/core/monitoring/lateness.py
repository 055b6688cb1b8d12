"""Late feedback: days on which outcomes did not arrive as usual, and the examples affected.

Concept: a label is mature when its window has closed *and* been observed. Feedback is the earliest outcome, counted by
the day of its arrival. When it comes days late, labels look negative and last week's behaviour is missing from the
features, so a model looks wrong although nothing changed. A reference leaves such examples out. A week to judge cannot:
the few weekdays left would be compared with limits of whole weeks, so it is not judged at all. One late day prevents
judgement on every morning on which the week or its maturity includes it: the next 10 for an outcome that matures in 2
days, the next 15 for one that matures in 7. Feedback that is late more often than that is never judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa

from mlife_assets.core.windows import add_days, days_between

USUAL_DAYS, USUAL_DAYS_MINIMUM, REACH_DAYS = 14, 7, 182
FRESH_DAYS = 2
"""Feedback is fresh when it is observed on its day or the next."""
FRESH_SHARE = 0.5
FEW = 30
"""With fewer a day, mostly old or missing feedback means nothing."""


@dataclass(frozen=True)
class Arrivals:
    """Number of feedback events observed on a day, and how many are at most `FRESH_DAYS` old.

    `is_said_to_be_none`: the deliverer stated that there is none; that is no silence.
    """

    count: int
    fresh: int
    is_said_to_be_none: bool = False


NONE_ARRIVED = Arrivals(0, 0)
NONE_TO_COME = Arrivals(0, 0, is_said_to_be_none=True)


@dataclass(frozen=True)
class LateFeedback:
    """Reason why a window is not judged.

    Attributes:
        days: days with late feedback.
        judged_again_on: the morning on which the window is judged again.
        feedback: name of the late feedback ("replies").
    """

    days: frozenset[date]
    judged_again_on: date
    feedback: str


def late_days(arrivals: Mapping[date, Arrivals], days: Iterable[date]) -> frozenset[date]:
    """Return which of `days` had late feedback; a day that `arrivals` lacks had none.

    A day is late if its feedback is mostly old, or if none came although the median of up to 14 earlier punctual days
    of `days` is not small. Less than usual is not late: there may be less to report. A day stated to have none is
    neither late nor usual.
    """
    usual: list[int] = []
    late = []
    for day in sorted(days):
        arrived = arrivals.get(day, NONE_ARRIVED)
        if arrived.is_said_to_be_none:
            continue
        recent = usual[-USUAL_DAYS:]
        is_expected = len(recent) >= USUAL_DAYS_MINIMUM and float(np.median(recent)) >= FEW
        is_old = arrived.count >= FEW and arrived.fresh < FRESH_SHARE * arrived.count
        if is_old or (not arrived.count and is_expected):
            late.append(day)
        else:
            usual.append(arrived.count)
    return frozenset(late)


def late_days_between(
    first: date, last: date, arrived_on: Callable[[date], Arrivals], *, oldest: date
) -> frozenset[date]:
    """Return the days of [first, last] on which feedback was late, all of them past.

    The usual amount is taken from before `first`, skipping an outage, so that a long one does not become usual; after
    `REACH_DAYS` without a usual week silence is usual, and no longer late.

    Args:
        first: first day to judge.
        last: last day to judge.
        arrived_on: feedback observed on a day.
        oldest: before it there is no feedback.
    """
    arrivals: dict[date, Arrivals] = {}

    def look(start: date, end: date) -> None:
        arrivals.update((day, arrived_on(day)) for day in days_between(start, end))

    start = add_days(first, -USUAL_DAYS)
    look(start, last)
    beginning = max(oldest, add_days(first, -REACH_DAYS))
    while start > beginning and not _has_usual_days(arrivals, first):
        end, start = add_days(start, -1), max(add_days(start, -USUAL_DAYS), beginning)
        look(start, end)
    return frozenset(day for day in late_days(arrivals, arrivals) if day >= first)


def _has_usual_days(arrivals: Mapping[date, Arrivals], first: date) -> bool:
    before = [day for day in arrivals if day < first]
    late = late_days(arrivals, before)
    return sum(bool(arrivals[day].count) and day not in late for day in before) >= USUAL_DAYS_MINIMUM


def late_within(late: Iterable[date], first: date, as_of: date) -> frozenset[date]:
    """Return the late days that affect exposures since `first` or their labels as of the morning of `as_of`.

    They lie between the day before `first`, which features saw, and the day before `as_of`.
    """
    return frozenset(day for day in late if add_days(first, -1) <= day < as_of)


def judged_again_on(late: Iterable[date], *, maturity_days: int, window_days: int) -> date:
    """Return the first morning on which `late_within` finds none of `late`, if no other day is late.

    A window of `window_days` exposure days ends `maturity_days` + 1 before the morning on which it is judged.
    """
    return add_days(max(late), maturity_days + window_days + 2)


def without_late_feedback(examples: pa.Table, late: Iterable[date]) -> pa.Table:
    """Return the examples without a late day between the day before exposure, which features saw, and maturity."""
    days = np.array(sorted(late), dtype="datetime64[D]")
    if not len(days):
        return examples
    first = examples["exposure_date"].to_numpy().astype("datetime64[D]") - np.timedelta64(1, "D")
    end = examples["label_mature_date"].to_numpy().astype("datetime64[D]")
    touched = np.searchsorted(days, end) > np.searchsorted(days, first)
    return examples.filter(pa.array(~touched))
