"""Which day is due: the next run of a home that follows a clock, and the first open day of user tables.

Concept: days run in order, one at a time, oldest first, so a clock that is late or was moved catches up by the same
steps as one that was never off. History lands as a range and waits for complete days: if it were copied type by type,
all types but the first would stay observed late for good. The first challenger is trained on the whole of it; while the
gate refuses, days go on landing as history, and a week later it is tried again.

With user tables, each day's decision builds on the days before, so the calendar and confirmed drifts need order. Days
skipped on purpose are not requested again: only days since the last decided one count.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from mlife_assets.core.windows import add_days, days_between

DAYS_BETWEEN_FIRST_MODELS = 7
Kind = Literal["history", "first_model", "day"]


@dataclass(frozen=True)
class Progress:
    """Progress of a home.

    Attributes:
        first: its first partition.
        history_end: last day of its history.
        landed: newest day that has landed; None before the first.
        next_day: the next day to run; None while no model serves.
        is_tried: whether a first model of `landed` was tried, and the gate refused it or its runs were given up.
    """

    first: date
    history_end: date
    landed: date | None
    next_day: date | None
    is_tried: bool


@dataclass(frozen=True)
class DueWork:
    """What to run next.

    Attributes:
        kind: kind of work; None when nothing is due.
        first, last: first and last day of the work.
        sentence: the work, or the missing input.
    """

    kind: Kind | None
    first: date
    last: date
    sentence: str


def due_work(
    progress: Progress, *, due_until: date, delivered: Collection[date], lacking: Mapping[date, Collection[str]]
) -> DueWork:
    """Return the next work.

    Args:
        progress: how far the home has come.
        due_until: last day that is due.
        delivered: days for which files were delivered; partition D lands those of the day before.
        lacking: delivered days for which history waits, with the types whose files are missing.
    """
    landed, end = progress.landed, progress.history_end
    if progress.next_day is None and landed is not None and _is_first_model_due(landed, end) and not progress.is_tried:
        return DueWork("first_model", landed, landed, f"The first model is trained as of {landed}.")
    following = progress.first if landed is None else add_days(landed, 1)
    if progress.next_day is not None:
        following = progress.next_day
    if following > due_until:
        return DueWork(None, following, following, f"{following} comes next, and its time has not come.")
    exported = add_days(following, -1)
    if exported not in delivered:
        sentence = (
            f"{following} is due, and nothing was delivered for {exported}. Deliver its files, empty ones if nothing "
            f"happened, or run {following} without them."
        )
        return DueWork(None, following, following, sentence)
    if progress.next_day is not None:
        return DueWork("day", following, following, f"{following} runs.")
    if exported in lacking:
        sentence = (
            f"{following} is due, and of {exported} there is no file of {', '.join(sorted(lacking[exported]))} yet. "
            f"Deliver it, an empty one if nothing happened, or run {following} without it: what comes later counts as "
            "late."
        )
        return DueWork(None, following, following, sentence)
    last = following
    limit = min(due_until, _next_first_model(following, end))
    for day in days_between(add_days(following, 1), limit):
        if add_days(day, -1) not in delivered or add_days(day, -1) in lacking:
            break
        last = day
    return DueWork("history", following, last, f"{following} to {last} land as history.")


def _is_first_model_due(landed: date, history_end: date) -> bool:
    return landed >= history_end and (landed - history_end).days % DAYS_BETWEEN_FIRST_MODELS == 0


def _next_first_model(day: date, history_end: date) -> date:
    late = max(0, (day - history_end).days)
    return add_days(history_end, -(-late // DAYS_BETWEEN_FIRST_MODELS) * DAYS_BETWEEN_FIRST_MODELS)


def day_to_run_first(day: date, delivered: Iterable[date], decided: Iterable[date]) -> date | None:
    """Return the day that must run before `day`; None if there is none.

    Args:
        day: the day to decide.
        delivered: days that have examples, delivered or taken in.
        decided: days that were decided.
    """
    last = max((one for one in decided if one < day), default=None)
    if waiting := [one for one in delivered if one < day and (last is None or one > last)]:
        return min(waiting)
    if last is None or add_days(last, 1) == day:
        return None
    return add_days(last, 1)
