"""Late feedback: on which days outcomes did not arrive as they usually do, and which examples that touches.

Concept: a label is mature when its window has closed *and* been observed. Feedback is what is counted by its arrival:
the first outcome that comes. When it comes days late, labels look like refusals, and what was done last week is missing
from the features, so a model looks wrong although nothing changed.
A reference leaves such examples out. A week that is judged may not: what is left of it is some weekdays with few
outcomes, held against limits of whole weeks, so it is not judged at all. The price of one late day is every morning on
which it lies in the span of a week and its maturity: the next 10 for an outcome that matures in 2 days, the next 15 for
one that matures in 7. Feedback that is late more often than that is never judged.
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
"""Below so many a day, that most are old or that none came says nothing."""


@dataclass(frozen=True)
class Arrivals:
    """How much feedback was observed on a day, and how much of it is at most `FRESH_DAYS` old.

    `is_said_to_be_none`: whoever delivers feedback said that there is none, which is no silence.
    """

    count: int
    fresh: int
    is_said_to_be_none: bool = False


NONE_ARRIVED = Arrivals(0, 0)
NONE_TO_COME = Arrivals(0, 0, is_said_to_be_none=True)


@dataclass(frozen=True)
class LateFeedback:
    """Why a window is not judged.

    Attributes:
        days: on which feedback was late.
        judged_again_on: the morning on which the window is judged again.
        feedback: what was late, in words ("replies").
    """

    days: frozenset[date]
    judged_again_on: date
    feedback: str


def late_days(arrivals: Mapping[date, Arrivals], days: Iterable[date]) -> frozenset[date]:
    """Return which of `days` had late feedback; a day that `arrivals` lacks had none.

    Late is a day whose feedback is mostly old, or on which none came although the median of up to 14 earlier days of
    `days` that were not late is not small. Less than usual is not late: there may be less to come. A day of which it is
    said that there is none is neither late nor usual.
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
    """Return the days of [first, last] on which feedback was late, all of them over.

    What is usual is looked for before `first`, behind an outage too, so that one does not become usual by its length;
    after `REACH_DAYS` without a usual week silence is what is usual, and nothing is late for it.

    Args:
        first: of the days that are asked about.
        last: of them.
        arrived_on: what was observed on a day.
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
    """Return the late days that touch exposures since `first` or their labels as known on the morning of `as_of`.

    These are days from the day before `first`, which features saw, to the day before `as_of`.
    """
    return frozenset(day for day in late if add_days(first, -1) <= day < as_of)


def judged_again_on(late: Iterable[date], *, maturity_days: int, window_days: int) -> date:
    """Return the first morning on which `late_within` finds none of `late`, if no other day is late.

    A window of `window_days` exposure days ends `maturity_days` + 1 before the morning on which it is judged.
    """
    return add_days(max(late), maturity_days + window_days + 2)


def without_late_feedback(examples: pa.Table, late: Iterable[date]) -> pa.Table:
    """Return the examples without a late day from the day before the exposure, which its features saw, to its maturity.

    `examples` has `exposure_date` and `label_mature_date`, the first morning on which the label is known.
    """
    days = np.array(sorted(late), dtype="datetime64[D]")
    if not len(days):
        return examples
    first = examples["exposure_date"].to_numpy().astype("datetime64[D]") - np.timedelta64(1, "D")
    end = examples["label_mature_date"].to_numpy().astype("datetime64[D]")
    touched = np.searchsorted(days, end) > np.searchsorted(days, first)
    return examples.filter(pa.array(~touched))
