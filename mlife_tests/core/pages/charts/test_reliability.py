"""Points lie where their probabilities are, inside the frame, whatever the bins are."""

from __future__ import annotations

import re

import pytest

from mlife_assets.core.pages.charts.reliability import Point, reliability_plot


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
