"""What is missing is None, whatever way it is missing."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import get_args

from mlife_assets.core.pages.charts.lanes import Lane, Run, Sign, render_lanes
from mlife_assets.core.pages.charts.values import (
    GLYPHS,
    MARKER_NAMES,
    Chart,
    DailyValue,
    Marker,
    MarkerKind,
    Series,
    finite,
    glyph,
)

FIRST = date(2026, 6, 1)
SPAN = (FIRST, FIRST + timedelta(days=9))
DAY = date(2026, 6, 1)


def test_only_finite_values_count() -> None:
    assert [finite(v) for v in (None, float("nan"), float("inf"), 0, 1.5)] == [None, None, None, 0.0, 1.5]


def test_days_of_a_chart_are_those_of_values_and_markers_on_its_axis() -> None:
    values = (DailyValue(date(2026, 6, 3), 1.0), DailyValue(DAY, 2.0), DailyValue(date(2026, 7, 1), 3.0))
    chart = Chart("T", (Series("s", values),), "count", (DAY, date(2026, 6, 5)), markers=(Marker(DAY, "block", "x"),))
    assert chart.days == [DAY, date(2026, 6, 3)]


def test_glyphs_differ_in_shape_and_each_has_a_name() -> None:
    kinds = get_args(MarkerKind)
    assert set(GLYPHS) == set(MARKER_NAMES) == set(kinds)
    assert len({re.sub("m-[a-z]+", "", glyph(kind)) for kind in kinds}) == len(kinds)


def test_a_sign_stands_in_the_middle_of_its_day_and_a_run_covers_its_days() -> None:
    run = Run(FIRST + timedelta(days=2), FIRST + timedelta(days=4), "alarm", "three days")
    sign = Sign(FIRST + timedelta(days=9), "block", "M0 0Z", "fault & more")
    drawn = render_lanes([Lane("Drift", "alarm on 3 of 10 days", (run,), (sign,))], SPAN)
    assert 'class="run m-alarm" style="left:20%;width:30%" data-tip="three days"' in drawn
    assert 'class="sign m-block" style="left:95%" data-tip="fault &amp; more"' in drawn
    assert 'aria-label="Drift: alarm on 3 of 10 days"' in drawn


def test_the_axis_names_the_year_of_long_histories_only() -> None:
    assert re.search(r">1 Jun</span>", render_lanes([], SPAN))
    assert re.search(r">1 Jun 2026</span>", render_lanes([], (FIRST, FIRST + timedelta(days=400))))


def test_a_lane_with_nothing_says_so() -> None:
    assert 'aria-label="Gate: nothing"' in render_lanes([Lane("Gate")], SPAN)
