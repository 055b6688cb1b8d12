"""Folds: the weeks that a gate looks at, and whose word counts on which day."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.training.folds import (
    FOLD_DAYS,
    Fold,
    fold_starts,
    in_common,
    in_order,
    in_succession,
    rows_by_fold,
    since,
    speaking,
    until,
)
from mlife_assets.core.windows import last_mature_exposure_day

DAY = date(2026, 6, 2)
FIRST = date(2026, 5, 4)


def fold(number: int, name: str = "") -> Fold:
    """Return the fold of a week, whose model learned from days up to a week before it."""
    first = FIRST + timedelta(days=7 * number)
    return Fold(first, name or f"m{number}", first - timedelta(days=8))


def days(*after: int) -> np.ndarray:
    return np.array([FIRST + timedelta(days=one) for one in after], dtype="datetime64[D]")


@pytest.mark.parametrize("weeks", [1, 4])
def test_the_weeks_begin_on_mondays_and_hold_the_newest_mature_days(weeks: int) -> None:
    for after in range(2 * FOLD_DAYS):
        day = DAY + timedelta(days=after)
        last = last_mature_exposure_day(day, 7)
        starts = fold_starts(day, 7, weeks)
        assert {one.weekday() for one in starts} == {0}
        assert {(right - left).days for left, right in pairwise(starts)} <= {FOLD_DAYS}
        assert starts[-1] <= last < starts[-1] + timedelta(days=FOLD_DAYS)
        wanted = last - timedelta(days=FOLD_DAYS * weeks - 1)
        assert starts[0] <= wanted < starts[0] + timedelta(days=FOLD_DAYS)
        assert len(starts) == (weeks if last.weekday() == 6 else weeks + 1)


def test_a_fold_begins_where_what_served_was_fitted_within_the_weeks() -> None:
    mondays = fold_starts(DAY, 7, 2)
    last = last_mature_exposure_day(DAY, 7)
    within = [mondays[0] + timedelta(days=3), last]
    without = [mondays[0] - timedelta(days=1), last + timedelta(days=1), DAY]
    assert fold_starts(DAY, 7, 2, [*without, *within, mondays[1], within[0]]) == sorted({*mondays, *within})


def test_each_day_is_asked_of_the_newest_fold_that_has_begun() -> None:
    assert speaking([fold(1), fold(0)], FIRST - timedelta(days=1), FIRST + timedelta(days=7)) == [
        None,
        *["m0"] * 7,
        "m1",
    ]


def test_a_row_belongs_to_the_newest_fold_that_has_begun() -> None:
    found = rows_by_fold([fold(1), fold(0)], days(6, 7, 0, 30))
    assert [(one.model_version, places.tolist()) for one, places in found] == [("m0", [0, 2]), ("m1", [1, 3])]


def test_a_fold_without_rows_is_not_asked() -> None:
    assert [one.model_version for one, _ in rows_by_fold([fold(0), fold(1)], days(8))] == ["m1"]


def test_nobody_is_asked_about_days_before_all_folds() -> None:
    with pytest.raises(InvalidInputError, match=r"1 rows are older than every fold, the first is row 1 of 2026-05-03"):
        rows_by_fold([fold(0)], days(0, -1))


def test_no_model_is_asked_about_a_day_that_it_learned_from() -> None:
    seen = Fold(FIRST, "m0", FIRST + timedelta(days=2))
    with pytest.raises(InvalidInputError, match=r"row 1 is of 2026-05-06 and m0 learned from days up to 2026-05-06"):
        rows_by_fold([seen], days(3, 2))
    assert rows_by_fold([seen], days(3))[0][1].tolist() == [0]


def test_of_two_folds_of_a_day_the_later_given_counts() -> None:
    assert [one.model_version for one in in_order([fold(1), fold(0), fold(1, "again")])] == ["m0", "again"]


def test_from_a_day_on_whoever_was_asked_before_is_asked_still() -> None:
    middle = FIRST + timedelta(days=10)
    kept = since([fold(0), fold(1), fold(2)], middle)
    assert [(one.first_day, one.model_version) for one in kept] == [(middle, "m1"), (fold(2).first_day, "m2")]
    assert since([fold(1)], FIRST) == (fold(1),), "nobody was asked before"


def test_until_a_day_only_what_began_before_it() -> None:
    assert until([fold(0), fold(1)], fold(1).first_day) == (fold(0),)


def test_who_serves_speaks_until_the_next_one_does() -> None:
    second = [fold(-1, "own"), fold(2, "new"), fold(4, "newer")]
    begins = FIRST + timedelta(days=16)
    found = in_succession([fold(0), fold(1), fold(3)], [(begins, second)])
    told = [(one.first_day, one.model_version) for one in found]
    assert told == [(FIRST, "m0"), (fold(1).first_day, "m1"), (begins, "new"), (fold(4).first_day, "newer")]
    assert in_succession([fold(0)], []) == (fold(0),)


def test_a_gate_looks_at_the_days_that_both_sides_speak_about() -> None:
    last = FIRST + timedelta(days=27)
    ours, theirs = in_common([fold(number) for number in range(4)], [fold(1, "old"), fold(4, "later")], last)
    assert [one.model_version for one in ours] == ["m1", "m2", "m3"]
    assert [(one.first_day, one.model_version) for one in theirs] == [(fold(1).first_day, "old")]
    ours, theirs = in_common([fold(2)], [fold(0, "old"), fold(3, "new")], last)
    assert [one.first_day for one in ours] == [fold(2).first_day]
    assert [(one.first_day, one.model_version) for one in theirs] == [
        (fold(2).first_day, "old"),
        (fold(3).first_day, "new"),
    ]
    assert in_common([fold(1), fold(0)], [], last) == ((fold(0), fold(1)), ())
