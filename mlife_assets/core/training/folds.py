"""Folds: the parts of a gate's window, and whose word counts on which day.

Concept: a model may be asked about a day only if it knew no outcome that was still to come on it: what it learned from
was complete when the day began. So a recipe speaks through one model per week, and what was served through whoever
served. Both are sequences of folds, each of which lasts until the next begins. Weeks begin on Mondays whatever day it
is, so that challengers of neighbouring days have their folds in common. Where what was served was fitted within a week,
the recipe is fitted anew on that day, too: else a recipe of last Monday would be held against a model that knows more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.windows import add_days, last_mature_exposure_day

FOLD_DAYS = 7
"""A week, so that each fold has every weekday; the newest model is then at most that much older than its rows."""

Days = npt.NDArray[np.datetime64]
Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Fold:
    """Days from one on that one model is asked about.

    Attributes:
        first_day: of its rows; they last until the next fold begins.
        model_version: of the model.
        trained_to: last exposure day that it learned from.
    """

    first_day: date
    model_version: str
    trained_to: date


@dataclass(frozen=True)
class GateWindow:
    """What the gate of a day looks at.

    Attributes:
        first_day: of the window.
        last_day: the newest mature day.
        sentence: how is judged, in words.
        folds: who is asked for the challenger; none by a holdout, nor in a replay, which keeps models by day.
        served: who is asked for what was served; none by a holdout, and before the first champion.
    """

    first_day: date
    last_day: date
    sentence: str
    folds: tuple[Fold, ...] = ()
    served: tuple[Fold, ...] = ()

    @property
    def facts(self) -> dict[str, Any]:
        """What a report says of it."""
        return {
            "judged_by": "folds" if self.folds else "holdout",
            "first_gate_day": self.first_day,
            "last_gate_day": self.last_day,
            "folds": [asdict(fold) for fold in self.folds],
            "served": [asdict(fold) for fold in self.served],
        }


def fold_starts(as_of: date, maturity_days: int, weeks: int, fitted_on: Iterable[date] = ()) -> list[date]:
    """Return the days on which the folds of a gate begin, oldest first.

    They are the Mondays of the weeks that hold the newest `weeks` times 7 days with mature labels: `weeks`, or one more
    where the last mature day is no Sunday; the newest of those is not yet whole. Besides, a fold begins on each day of
    these weeks on which a model was fitted that served.

    Args:
        as_of: day of the gate.
        maturity_days: days after an exposure until its label is mature.
        weeks: of the window.
        fitted_on: days on which models were fitted that served since; others are left out.
    """
    last = last_mature_exposure_day(as_of, maturity_days)
    oldest = add_days(last, 1 - FOLD_DAYS * weeks)
    monday = add_days(oldest, -oldest.weekday())
    mondays = {add_days(monday, past) for past in range(0, (last - monday).days + 1, FOLD_DAYS)}
    return sorted(mondays | {day for day in fitted_on if monday <= day <= last})


def in_order(folds: Sequence[Fold]) -> tuple[Fold, ...]:
    """Return folds by their days; of several that begin on a day the one that was given last."""
    by_day = {fold.first_day: fold for fold in folds}
    return tuple(by_day[day] for day in sorted(by_day))


def since(folds: Sequence[Fold], day: date) -> tuple[Fold, ...]:
    """Return whose word counts from a day on: who was asked before it begins on that day."""
    ordered = in_order(folds)
    later = [fold for fold in ordered if fold.first_day > day]
    present = [replace(fold, first_day=day) for fold in ordered if fold.first_day <= day][-1:]
    return (*present, *later)


def until(folds: Sequence[Fold], day: date) -> tuple[Fold, ...]:
    """Return the folds that begin before a day."""
    return tuple(fold for fold in in_order(folds) if fold.first_day < day)


def in_succession(first: Sequence[Fold], reigns: Iterable[tuple[date, Sequence[Fold]]]) -> tuple[Fold, ...]:
    """Return whose word counts of models that served one after the other.

    Args:
        first: who is asked about the days before the first reign.
        reigns: day from which a model served and who is asked for it, oldest first.
    """
    found = tuple(first)
    for begins, folds in reigns:
        found = (*until(found, begins), *since(folds, begins))
    return in_order(found)


def in_common(folds: Sequence[Fold], served: Sequence[Fold], last: date) -> tuple[tuple[Fold, ...], tuple[Fold, ...]]:
    """Return a challenger's folds and what was served until a day, both from the first day that both speak about.

    Args:
        folds: of the challenger.
        served: whoever served; empty before anything was, and then all days of the challenger count.
        last: last day of the gate's window.
    """
    if not served:
        return in_order(folds), ()
    first = max(in_order(folds)[0].first_day, in_order(served)[0].first_day)
    return since(folds, first), until(since(served, first), add_days(last, 1))


def speaking(folds: Sequence[Fold], first: date, last: date) -> list[str | None]:
    """Return which model is asked about each day of [first, last]; None where nobody is."""
    found: list[str | None] = []
    for back in range((last - first).days + 1):
        begun = until(folds, add_days(first, back + 1))
        found.append(begun[-1].model_version if begun else None)
    return found


def rows_by_fold(folds: Sequence[Fold], days: Days) -> list[tuple[Fold, Places]]:
    """Return the folds that have rows among n days, oldest first, each with the places of its own.

    Raises:
        InvalidInputError: a row is older than all folds, or its model learned from its day; names the row.
    """
    ordered = in_order(folds)
    starts = np.array([fold.first_day for fold in ordered], dtype="datetime64[D]")
    numbers = np.searchsorted(starts, days, side="right") - 1
    if len(early := np.flatnonzero(numbers < 0)):
        raise InvalidInputError(
            f"{len(early)} rows are older than every fold, the first is row {early[0]} of {days[early[0]]}; leave out "
            "days that nobody may be asked about"
        )
    found = []
    for number, fold in enumerate(ordered):
        places = np.flatnonzero(numbers == number)
        if len(places) and days[places].min() <= np.datetime64(fold.trained_to, "D"):
            row = places[np.argmin(days[places])]
            raise InvalidInputError(
                f"row {row} is of {days[row]} and {fold.model_version} learned from days up to {fold.trained_to}; "
                "ask a model that has not seen it"
            )
        if len(places):
            found.append((fold, places))
    return found
