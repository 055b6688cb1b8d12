"""Positions are in the order of values, limits are marked, nothing is drawn beyond its frame.

Points of the reliability plot lie where their probabilities are, inside the frame, whatever the bins are.
"""

from __future__ import annotations

import re

import numpy as np
import pytest

from mlife_assets.core.pages.charts.intervals import Difference, Point, forest, ratio_strip, reliability_plot


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
