"""Geometry: higher values lie higher, later days lie to the right, gaps stay gaps, alarms and markers are drawn."""

from __future__ import annotations

import re
from datetime import date, timedelta

from mlife_assets.core.pages.charts.days import render_chart
from mlife_assets.core.pages.charts.values import Chart, DailyValue, Form, Marker, Series

FIRST = date(2026, 6, 1)


def chart(values: list[float | None], form: Form = "line", **options: object) -> str:
    points = tuple(DailyValue(FIRST + timedelta(days=i), v) for i, v in enumerate(values))
    alarms = frozenset({FIRST}) if options.pop("alarm", False) else frozenset()
    span = (FIRST, FIRST + timedelta(days=len(values) - 1))
    return render_chart(Chart("T", (Series("s", points, "main", form, alarms),), "score", span, **options))  # type: ignore[arg-type]


def points_of(page: str) -> list[tuple[float, float]]:
    (path,) = re.findall(r'<path d="M([^"]+)" class="line', page)
    return [(float(x), float(y)) for x, y in (pair.split() for pair in path.split("L"))]


def test_line_rises_with_its_values() -> None:
    points = points_of(chart([0.1, 0.2, 0.4]))
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert [y for _, y in points] == sorted((y for _, y in points), reverse=True)


def test_line_breaks_at_missing_values() -> None:
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


def test_chart_without_values_says_so() -> None:
    page = chart([None, float("nan")])
    assert "No data yet." in page
    assert "<svg" not in page


def test_chart_speaks_its_latest_value() -> None:
    assert 'aria-label="T. s: 0.200 on 2 Jun 2026"' in chart([0.1, 0.2, None])


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
