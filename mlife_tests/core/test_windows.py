"""As-of and maturity arithmetic."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.windows import (
    add_days,
    day_start,
    days_between,
    is_mature,
    last_mature_exposure_day,
    mature_day,
    run_time,
)

DAYS = st.dates(date(2000, 1, 1), date(2100, 1, 1))


def test_a_partition_runs_in_its_own_evening_utc() -> None:
    assert day_start(date(2026, 6, 2)) == datetime(2026, 6, 2, tzinfo=UTC)
    assert run_time(date(2026, 6, 2)) == datetime(2026, 6, 2, 18, tzinfo=UTC)


def test_days_between_includes_both_ends_and_is_empty_backwards() -> None:
    assert list(days_between(date(2026, 2, 27), date(2026, 3, 1))) == [
        date(2026, 2, 27),
        date(2026, 2, 28),
        date(2026, 3, 1),
    ]
    assert list(days_between(date(2026, 3, 1), date(2026, 2, 28))) == []


def test_a_seven_day_label_of_day_one_is_mature_on_day_nine() -> None:
    exposure = date(2026, 6, 1)
    assert not is_mature(exposure, date(2026, 6, 8), 7)
    assert is_mature(exposure, date(2026, 6, 9), 7)
    assert last_mature_exposure_day(date(2026, 6, 9), 7) == exposure
    assert mature_day(exposure, 7) == date(2026, 6, 9)


@given(DAYS, st.integers(1, 60))
def test_a_mature_label_has_its_whole_window_behind_it(as_of: date, window: int) -> None:
    last = last_mature_exposure_day(as_of, window)
    window_closes = day_start(last) + timedelta(days=window + 1)
    assert window_closes == day_start(as_of)
    assert is_mature(last, as_of, window)
    assert not is_mature(add_days(last, 1), as_of, window)
