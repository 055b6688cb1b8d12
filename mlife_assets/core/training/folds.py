"""Folds: the parts of a gate's window, each with the model that scores it.

Concept: a model may score a day only if its training outcomes were complete when the day began. So a recipe is
represented by one model per week, and past serving by the models that served. Both are sequences of folds, each of
which lasts until the next begins. Weeks always begin on Mondays, so that challengers of neighbouring days share folds.
If a served model was fitted within a week, the recipe is refitted on that day too; otherwise last Monday's recipe would
be compared with a model trained on newer data.
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
"""A week, so that each fold has every weekday; the newest model is at most a week older than its rows."""

Days = npt.NDArray[np.datetime64]
Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Fold:
    """Consecutive days that one model scores.

    Attributes:
        first_day: of its rows; the fold lasts until the next begins.
        model_version: of the model.
        trained_to: last exposure day of its training.
    """

    first_day: date
    model_version: str
    trained_to: date


@dataclass(frozen=True)
class GateWindow:
    """The window of a day's gate.

    Attributes:
        first_day: of the window.
        last_day: the newest mature day.
        sentence: the way of judging, in words.
        folds: the challenger's models; empty for a holdout, and in a replay, which keeps models by day.
        served: the models that served; empty for a holdout, and before the first champion.
    """

    first_day: date
    last_day: date
    sentence: str
    folds: tuple[Fold, ...] = ()
    served: tuple[Fold, ...] = ()

    @property
    def facts(self) -> dict[str, Any]:
        """Facts for reports."""
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
    if the last mature day is no Sunday; the newest is then incomplete. A fold also begins on each day of these weeks on
    which a served model was fitted.

    Args:
        as_of: day of the gate.
        maturity_days: days after an exposure until its label is mature.
        weeks: of the window.
        fitted_on: days on which served models were fitted; days outside are ignored.
    """
    last = last_mature_exposure_day(as_of, maturity_days)
    oldest = add_days(last, 1 - FOLD_DAYS * weeks)
    monday = add_days(oldest, -oldest.weekday())
    mondays = {add_days(monday, past) for past in range(0, (last - monday).days + 1, FOLD_DAYS)}
    return sorted(mondays | {day for day in fitted_on if monday <= day <= last})


def in_order(folds: Sequence[Fold]) -> tuple[Fold, ...]:
    """Return folds by their days; of several that begin on one day, the last one given."""
    by_day = {fold.first_day: fold for fold in folds}
    return tuple(by_day[day] for day in sorted(by_day))


def since(folds: Sequence[Fold], day: date) -> tuple[Fold, ...]:
    """Return the folds from a day on; the one in force on that day begins there."""
    ordered = in_order(folds)
    later = [fold for fold in ordered if fold.first_day > day]
    present = [replace(fold, first_day=day) for fold in ordered if fold.first_day <= day][-1:]
    return (*present, *later)


def until(folds: Sequence[Fold], day: date) -> tuple[Fold, ...]:
    """Return the folds that begin before a day."""
    return tuple(fold for fold in in_order(folds) if fold.first_day < day)


def in_succession(first: Sequence[Fold], reigns: Iterable[tuple[date, Sequence[Fold]]]) -> tuple[Fold, ...]:
    """Return the folds of models that served one after the other.

    Args:
        first: folds of the days before the first champion.
        reigns: first serving day of each champion with its folds, oldest first.
    """
    found = tuple(first)
    for begins, folds in reigns:
        found = (*until(found, begins), *since(folds, begins))
    return in_order(found)


def in_common(folds: Sequence[Fold], served: Sequence[Fold], last: date) -> tuple[tuple[Fold, ...], tuple[Fold, ...]]:
    """Return the folds of a challenger and of serving until a day, both from the first common day on.

    Args:
        folds: of the challenger.
        served: of serving; if empty, all days of the challenger count.
        last: last day of the gate's window.
    """
    if not served:
        return in_order(folds), ()
    first = max(in_order(folds)[0].first_day, in_order(served)[0].first_day)
    return since(folds, first), until(since(served, first), add_days(last, 1))


def speaking(folds: Sequence[Fold], first: date, last: date) -> list[str | None]:
    """Return the model that scores each day of [first, last]; None if there is none."""
    found: list[str | None] = []
    for back in range((last - first).days + 1):
        begun = until(folds, add_days(first, back + 1))
        found.append(begun[-1].model_version if begun else None)
    return found


def rows_by_fold(folds: Sequence[Fold], days: Days) -> list[tuple[Fold, Places]]:
    """Return the folds that have rows among n days, oldest first, each with the positions of its rows.

    Raises:
        InvalidInputError: a row is older than all folds, or its day is in its model's training data; names the row.
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
