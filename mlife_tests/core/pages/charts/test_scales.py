"""Axes hold their data in round steps; numbers and days read well."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.pages.charts.scales import MISSING, day_ticks, fit_axis, format_day, format_tick, format_value
from mlife_assets.recruiting.dashboard.data import Unit

FINITE = st.floats(-1e12, 1e12, allow_nan=False).filter(lambda v: v == 0 or abs(v) > 1e-9)


@given(st.lists(st.one_of(st.none(), st.just(float("nan")), FINITE), max_size=20), st.booleans())
def test_axis_holds_every_finite_value(values: list[float | None], from_zero: bool) -> None:
    axis = fit_axis(values, from_zero=from_zero)
    known = [v for v in values if v is not None and v == v]
    slack = 1e-6 * axis.step
    assert axis.high > axis.low
    assert 2 <= len(axis.ticks) <= 8
    assert all(axis.low - slack <= v <= axis.high + slack for v in known)
    assert not (from_zero and known) or axis.low <= 0 <= axis.high


def test_axis_of_a_constant_has_room() -> None:
    axis = fit_axis([0.5, 0.5], from_zero=False)
    assert axis.low < 0.5 < axis.high
    assert fit_axis([0.0], from_zero=True).low == 0


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (0.1234, "share", "12.3 %"), (0.0061, "share", "0.61 %"), (4109, "count", "4,109"),
        (1_234_567, "count", "1.23 M"), (18_443.5, "usd", "$18,444"), (0.54, "usd", "$0.54"), (-3.5, "usd", "-$3.50"),
        (0.41234, "score", "0.412"), (None, "score", MISSING), (float("nan"), "count", MISSING),
        (float("inf"), "usd", MISSING),
    ],
)  # fmt: skip
def test_format_value(value: float | None, unit: Unit, words: str) -> None:
    assert format_value(value, unit) == words


@given(st.lists(st.floats(-1e8, 1e8).filter(lambda v: abs(v) > 1e-4), min_size=1, max_size=5), st.booleans())
def test_tick_labels_say_the_exact_value(values: list[float], from_zero: bool) -> None:
    axis = fit_axis(values, from_zero=from_zero)
    for unit, scale in (("share", 100.0), ("score", 1.0), ("count", 1.0), ("usd", 1.0)):
        for tick in axis.ticks:
            label = format_tick(tick, unit, axis.step)  # type: ignore[arg-type]
            size = 1000 if "k" in label else 1
            read = float(label.strip("k %").replace(",", "").replace("$", "")) * size / scale
            assert abs(read - tick) <= 1e-4 * axis.step + 1e-9


@given(st.integers(0, 4000))
def test_day_ticks_stay_few_and_inside(span: int) -> None:
    first = date(2026, 1, 1)
    last = first + timedelta(days=span)
    ticks = day_ticks(first, last)
    assert ticks[0] == first
    assert ticks[-1] <= last
    assert len(ticks) <= 8


def test_format_day_is_the_same_in_every_locale() -> None:
    assert format_day(date(2026, 6, 2)) == "2 Jun"
    assert format_day(date(2026, 12, 31), year=True) == "31 Dec 2026"
