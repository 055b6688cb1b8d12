"""What is missing is None, whatever way it is missing."""

from __future__ import annotations

import re
from datetime import date
from typing import get_args

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
