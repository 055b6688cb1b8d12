"""Charts: higher values lie higher, gaps stay gaps, limits are marked, axes hold their data."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.pages.charts.days import Lane, Run, Sign, render_chart, render_lanes
from mlife_assets.core.pages.charts.intervals import Difference, Point, forest, ratio_strip, reliability_plot
from mlife_assets.core.pages.charts.values import (
    GLYPHS,
    MARKER_NAMES,
    MISSING,
    Chart,
    DailyValue,
    Form,
    Marker,
    MarkerKind,
    Series,
    day_ticks,
    finite,
    fit_axis,
    format_day,
    format_tick,
    format_value,
)
from mlife_assets.recruiting.dashboard.data import Unit

FIRST = date(2026, 6, 1)
FINITE = st.floats(-1e12, 1e12, allow_nan=False).filter(lambda v: v == 0 or abs(v) > 1e-9)
SPAN = (FIRST, FIRST + timedelta(days=9))
DAY = date(2026, 6, 1)


def chart(values: list[float | None], form: Form = "line", **options: object) -> str:
    points = tuple(DailyValue(FIRST + timedelta(days=i), v) for i, v in enumerate(values))
    alarms = frozenset({FIRST}) if options.pop("alarm", False) else frozenset()
    span = (FIRST, FIRST + timedelta(days=len(values) - 1))
    return render_chart(Chart("T", (Series("s", points, "main", form, alarms),), "score", span, **options))  # type: ignore[arg-type]


def points_of(page: str) -> list[tuple[float, float]]:
    (path,) = re.findall(r'<path d="M([^"]+)" class="line', page)
    return [(float(x), float(y)) for x, y in (pair.split() for pair in path.split("L"))]


def test_a_line_rises_with_its_values_and_breaks_where_one_is_missing() -> None:
    points = points_of(chart([0.1, 0.2, 0.4]))
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert [y for _, y in points] == sorted((y for _, y in points), reverse=True)
    assert chart([0.1, 0.2, None, 0.3, 0.4]).count('class="line line"') == 2


def test_bars_start_at_zero_and_zero_has_none() -> None:
    page = chart([10.0, 0.0, 20.0], "bar")
    heights = [float(h) for h in re.findall(r'height="([\d.]+)" class="bar"', page)]
    assert len(heights) == 2
    assert abs(heights[1] / heights[0] - 2) < 0.01


def test_whiskers_carry_their_interval_in_drawing_and_words() -> None:
    series = Series("treated", (DailyValue(FIRST, 0.11, 0.10, 0.12),), "main", "whisker")
    page = render_chart(Chart("T", (series,), "share", (FIRST, FIRST)))
    assert page.count('class="whisker"') == 3
    assert "treated: 11.0 % (10.0 % to 12.0 %)" in page


def test_alarms_and_markers_are_drawn_inside_the_axis_only() -> None:
    outside = Marker(FIRST - timedelta(days=1), "block", "before")
    page = chart([0.1, 0.2], alarm=True, markers=(Marker(FIRST, "retrain", "why"), outside))
    assert page.count('class="alarm"') == 1
    assert page.count('class="mark m-retrain"') == 1
    assert "before" not in page
    assert "retrain decided: why" in page


def test_a_chart_speaks_its_latest_value_or_says_that_there_is_none() -> None:
    assert 'aria-label="T. s: 0.200 on 2 Jun 2026"' in chart([0.1, 0.2, None])
    page = chart([None, float("nan")])
    assert "No data yet." in page
    assert "<svg" not in page


def test_days_that_are_not_known_yet_are_shaded_and_say_until_when() -> None:
    known = [DailyValue(FIRST, 0.1), DailyValue(FIRST + timedelta(days=1), 0.2)]
    late = [DailyValue(FIRST + timedelta(days=n), None, pending_until=FIRST + timedelta(days=n + 3)) for n in (2, 3)]
    drawn = render_chart(
        Chart("T", (Series("s", (*known, *late)),), "share", (FIRST, FIRST + timedelta(days=3)), width=406, height=200)
    )
    (shade,) = re.findall(r'<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)"[^>]*class="pending"', drawn)
    step = (406 - 52 - 10) / 4
    assert [round(float(v), 1) for v in shade] == [round(52 + 2 * step, 1), round(2 * step, 1)]
    assert ">pending until 7 Jun<" in drawn
    assert "s: pending until 6 Jun" in drawn
    assert "<td>pending until 7 Jun</td>" in drawn
    assert "0.00 %" not in drawn.replace(">0.00 %<", "", 1)
    assert "<b>20.0 %</b></li><li>on 2 Jun</li>" in drawn


def test_a_gap_of_days_that_are_known_is_not_pending() -> None:
    """A day without a text has no click-through, and never will."""
    values = (
        DailyValue(FIRST, 0.1),
        DailyValue(FIRST + timedelta(days=1), None),
        DailyValue(FIRST + timedelta(days=2), None, pending_until=FIRST + timedelta(days=4)),
    )
    chart = Chart("T", (Series("s", values),), "share", (FIRST, FIRST + timedelta(days=2)))
    assert chart.pending == (FIRST + timedelta(days=2), FIRST + timedelta(days=4))
    assert Chart("T", (Series("s", values[:2]),), "share", chart.span).pending is None


def test_a_chart_with_nothing_but_pending_days_says_until_when() -> None:
    values = (DailyValue(FIRST, None, pending_until=FIRST + timedelta(days=8)),)
    assert "Pending until 9 Jun." in render_chart(Chart("T", (Series("s", values),), "usd", (FIRST, FIRST)))


def test_points_lie_in_the_order_of_their_values_between_their_bounds() -> None:
    rows = [Difference(name, v, v - 0.02, v + 0.03, 0.01) for name, v in (("a", 0.1), ("b", -0.2), ("c", 0.3))]
    drawing = forest(rows, "L")
    points = [float(x) for x in re.findall(r'<circle cx="([\d.]+)"', drawing)]
    whiskers = [
        tuple(map(float, pair)) for pair in re.findall(r'x1="([\d.]+)" x2="([\d.]+)"[^>]*class="whisker"', drawing)
    ]
    assert np.argsort(points).tolist() == [1, 0, 2]
    assert all(low < point < high for point, (low, high) in zip(points, whiskers, strict=True))
    assert drawing.count('class="limit c-threshold"') == 3
    assert 'aria-label="L"' in drawing


def test_where_nothing_is_asked_nothing_is_marked() -> None:
    asked, told = Difference("a", 0.1, 0.0, 0.2, 0.01), Difference("b", 0.1, 0.0, 0.2, None)
    assert forest([asked, told], "L").count('class="limit c-threshold"') == 1
    assert forest([told], "L").count("<circle") == 1


@pytest.mark.parametrize(("lower", "upper"), [(-np.inf, np.inf), (float("nan"), 0.5), (0.0, 0.0)])
def test_bounds_that_are_not_finite_reach_the_edge(lower: float, upper: float) -> None:
    drawing = forest([Difference("a", 0.0, lower, upper, 0.0)], "L")
    assert not re.search(r"nan|inf", drawing)
    assert all(0 <= float(x) <= 460 for x in re.findall(r'x[12]="(-?[\d.]+)"', drawing))


def test_a_ratio_is_drawn_with_one_and_the_minimum_and_none_is_blank() -> None:
    strip = ratio_strip(0.9, 0.7, 5.0, 0.8)
    (point,) = re.findall(r'cx="([\d.]+)"', strip)
    one, least, bounds = re.findall(r'x1="([\d.]+)" x2="([\d.]+)"', strip)
    assert float(least[0]) < float(point) < float(one[0])
    assert float(bounds[1]) == 129.0, "what lies beyond 2 is held at the edge"
    assert ratio_strip(None, None, None, 0.8) == ratio_strip(float("nan"), 0.1, 0.2, 0.8) == ""


@pytest.mark.parametrize("rates", [(0.2, 0.5, 0.7), (0.0, 0.0, 0.0), (0.001, 0.01, 0.9), (1.0, 1.0, 1.0)])
def test_any_bins_are_drawn_inside_the_frame(rates: tuple[float, ...]) -> None:
    points = [Point(max(rate, 1e-6), rate, max(0.0, rate - 0.1), min(1.0, rate + 0.1)) for rate in rates]
    drawing = reliability_plot(points, "R")
    places = re.findall(r'<circle cx="(-?[\d.]+)" cy="(-?[\d.]+)"', drawing)
    assert len(places) == len(points) == drawing.count('class="whisker"')
    assert all(0 <= float(x) <= 460 and 0 <= float(y) <= 340 for x, y in places)


def test_what_happened_more_often_than_said_lies_above_the_diagonal() -> None:
    drawing = reliability_plot([Point(0.2, 0.4, 0.3, 0.5), Point(0.6, 0.3, 0.2, 0.4)], "R")
    (x1, y1), (x2, y2) = [(float(x), float(y)) for x, y in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', drawing)]
    ideal = re.search(r'x1="([\d.]+)" y1="([\d.]+)" x2="([\d.]+)" y2="([\d.]+)" class="ideal', drawing)
    left, foot, right, top = map(float, ideal.groups())

    def diagonal(x: float) -> float:
        return foot + (x - left) / (right - left) * (top - foot)

    assert y1 < diagonal(x1)
    assert y2 > diagonal(x2)


def test_small_probabilities_get_a_logarithmic_axis() -> None:
    assert ">0.1 %<" in reliability_plot([Point(0.001, 0.001, 0.0005, 0.002), Point(0.1, 0.1, 0.09, 0.11)], "R")


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


def test_only_finite_values_count() -> None:
    assert [finite(v) for v in (None, float("nan"), float("inf"), 0, 1.5)] == [None, None, None, 0.0, 1.5]


def test_days_of_a_chart_are_those_of_values_and_markers_on_its_axis() -> None:
    values = (DailyValue(date(2026, 6, 3), 1.0), DailyValue(DAY, 2.0), DailyValue(date(2026, 7, 1), 3.0))
    chart = Chart("T", (Series("s", values),), "count", (DAY, date(2026, 6, 5)), markers=(Marker(DAY, "block", "x"),))
    assert chart.days == [DAY, date(2026, 6, 3)]


def test_glyphs_differ_in_shape_and_each_has_a_name() -> None:
    kinds = get_args(MarkerKind)
    assert set(GLYPHS) == set(MARKER_NAMES) == set(kinds)
    assert len(set(GLYPHS.values())) == len(kinds)


def test_a_sign_stands_in_the_middle_of_its_day_and_a_run_covers_its_days() -> None:
    run = Run(FIRST + timedelta(days=2), FIRST + timedelta(days=4), "alarm", "three days")
    sign = Sign(FIRST + timedelta(days=9), "block", "M0 0Z", "fault & more")
    drawn = render_lanes([Lane("Drift", "alarm on 3 of 10 days", (run,), (sign,))], SPAN)
    assert 'class="run m-alarm" style="left:20%;width:30%" data-tip="three days"' in drawn
    assert 'class="sign m-block" style="left:95%" data-tip="fault &amp; more"' in drawn
    assert 'aria-label="Drift: alarm on 3 of 10 days"' in drawn


def test_the_axis_of_lanes_names_the_year_of_long_histories_and_an_empty_lane_says_so() -> None:
    assert re.search(r">1 Jun</span>", render_lanes([], SPAN))
    assert re.search(r">1 Jun 2026</span>", render_lanes([], (FIRST, FIRST + timedelta(days=400))))
    assert 'aria-label="Gate: nothing"' in render_lanes([Lane("Gate")], SPAN)
