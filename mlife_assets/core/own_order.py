"""In which order the days of somebody's own tables are decided.

Belongs here: which day has to be run before another. Does not belong here: which days there are
(`components.own_tables`).

Concept: a day decides on what the days before decided, so cooldown, budgets and confirmed drifts need them in order.
What was decided out of order on purpose is not asked for again: only days since the last decided one count.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from mlife_assets.core.windows import add_days


def day_to_run_first(day: date, delivered: Iterable[date], decided: Iterable[date]) -> date | None:
    """Return the day that has to be run before `day`; None where none has.

    Args:
        day: that is to be decided.
        delivered: days that have examples, delivered or taken in.
        decided: days that were decided.
    """
    last = max((one for one in decided if one < day), default=None)
    if waiting := [one for one in delivered if one < day and (last is None or one > last)]:
        return min(waiting)
    if last is None or add_days(last, 1) == day:
        return None
    return add_days(last, 1)
