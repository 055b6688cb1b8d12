"""Estimates with intervals: differences and their limits, ratios and their minimum, reliability.

Concept: an interval is always drawn; a point without one would look certain. A bound that is not finite reaches the
edge. Both axes of reliability are alike, so calibrated probabilities lie on the diagonal; if probabilities differ by a
lot, both are logarithmic, since small ones would crowd at zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mlife_assets.core.pages.charts.values import Role, Scale, Unit, finite, fit_axis, format_tick
from mlife_assets.core.pages.markup import Markup, element, join, number

RATIO_MAXIMUM = 2.0

LOG_FROM_RATIO = 20.0
"""From this ratio of the largest to the smallest probability on, a linear axis would crowd the small ones."""


@dataclass(frozen=True)
class Difference:
    """One line of a forest plot; `limit` is the minimum of the lower bound, None without one."""

    name: str
    estimate: float
    lower: float
    upper: float
    limit: float | None
    role: Role = "main"


def forest(rows: Sequence[Difference], label: str) -> Markup:
    """Return differences with their intervals, zero and each row's limit marked."""
    width, left, right, tall, foot = 460.0, 98.0, 16.0, 34.0, 26.0
    height = tall * len(rows) + foot
    values = [v for row in rows for v in (row.lower, row.upper, row.estimate, row.limit) if v is not None]
    axis = fit_axis(values, from_zero=True)
    across = Scale(axis.low, axis.high, left, width - right, axis.ticks)
    parts = []
    for tick in axis.ticks:
        x = across.place(tick)
        base = " base" if abs(tick) < axis.step / 1000 else ""
        parts.append(element("line", x1=x, x2=x, y1=4, y2=height - foot, class_=f"grid-line{base}"))
        parts.append(element("text", format_tick(tick, "score", axis.step), x=x, y=height - 8, class_="tick mid"))
    for place, row in enumerate(rows):
        y, limit = tall * (place + 0.5), None if row.limit is None else across.place(row.limit)
        low, high = (
            across.place(edge if finite(bound) is None else bound)
            for bound, edge in ((row.lower, axis.low), (row.upper, axis.high))
        )
        marks = [limit] if limit is not None else []
        drawn = (
            element("text", row.name, x=left - 12, y=y + 4, class_="tick end name"),
            *(element("line", x1=x, x2=x, y1=y - 11, y2=y + 11, class_="limit c-threshold") for x in marks),
            element("line", x1=low, x2=high, y1=y, y2=y, class_="whisker"),
            element("circle", cx=across.place(row.estimate), cy=y, r=4, class_="dot"),
        )
        parts.append(element("g", *drawn, class_=f"c-{row.role}"))
    return figure(width, height, label, join(*parts))


def ratio_strip(ratio: float | None, lower: float | None, upper: float | None, minimum: float) -> Markup:
    """Return one ratio from 0 to 2 with its interval, 1 and the minimum marked; blank where there is no ratio."""
    if finite(ratio) is None or ratio is None:
        return Markup("")
    width, height = 132.0, 18.0
    across = Scale(0.0, RATIO_MAXIMUM, 3.0, width - 3.0)
    one, least, middle = across.place(1), across.place(minimum), height / 2
    parts = [
        element("line", x1=one, x2=one, y1=2, y2=height - 2, class_="grid-line base"),
        element("line", x1=least, x2=least, y1=1, y2=height - 1, class_="limit c-threshold"),
    ]
    if finite(lower) is not None and lower is not None and upper is not None:
        ends = {"x1": across.place(lower), "x2": across.place(upper)}
        parts.append(element("line", y1=middle, y2=middle, class_="whisker", **ends))
    parts.append(element("circle", cx=across.place(ratio), cy=middle, r=3.5, class_="dot"))
    drawing = element("g", *parts, class_="c-main")
    box = f"0 0 {number(width)} {number(height)}"
    return element("svg", drawing, viewBox=box, class_="strip-plot", aria_hidden="true")


def figure(width: float, height: float, label: str, body: Markup) -> Markup:
    """Return a drawing as wide as its place, with its label for screen readers."""
    box = f"0 0 {number(width)} {number(height)}"
    drawing = element("svg", body, viewBox=box, role="img", aria_label=label, class_="figure")
    return element("div", drawing, class_="drawing")


@dataclass(frozen=True)
class Point:
    """One bin: the mean prediction, the observed rate and its bounds."""

    said: float
    happened: float
    lower: float
    upper: float


def reliability_plot(points: Sequence[Point], label: str) -> Markup:
    """Return predicted against observed rates, one point per bin with its interval."""
    width, height, left, right, top, bottom = 460.0, 340.0, 58.0, 14.0, 14.0, 46.0
    low, high, ticks, is_log = _shared_axis(points)
    across = Scale(low, high, left, width - right, ticks, is_log)
    up = Scale(low, high, height - bottom, top, ticks, is_log)
    parts = [_frame(across, up, "share")]
    parts.append(element("line", x1=across.start, y1=up.start, x2=across.end, y2=up.end, class_="ideal c-muted"))
    places = []
    for point in points:
        x = across.place(point.said)
        parts.append(element("line", x1=x, x2=x, y1=up.place(point.lower), y2=up.place(point.upper), class_="whisker"))
        places.append((x, up.place(point.happened)))
    if len(places) > 1:
        parts.append(element("path", d="M" + "L".join(f"{number(x)} {number(y)}" for x, y in places), class_="line"))
    parts += [element("circle", cx=x, cy=y, r=3.5, class_="dot") for x, y in places]
    parts.append(element("text", "said", x=(across.start + across.end) / 2, y=height - 6, class_="tick mid"))
    turned = f"translate(13 {number((up.start + up.end) / 2)}) rotate(-90)"
    parts.append(element("text", "happened", transform=turned, class_="tick mid"))
    return figure(width, height, label, element("g", *parts, class_="c-main"))


def _frame(across: Scale, up: Scale, unit: Unit) -> Markup:
    parts = []
    for tick in across.ticks:
        x, y = across.place(tick), up.place(tick)
        words = format_tick(tick, unit, tick if across.is_log else across.ticks[1] - across.ticks[0])
        parts.append(element("line", x1=across.start, x2=across.end, y1=y, y2=y, class_="grid-line"))
        parts.append(element("line", x1=x, x2=x, y1=up.start, y2=up.end, class_="grid-line"))
        parts.append(element("text", words, x=across.start - 7, y=y + 4, class_="tick end"))
        parts.append(element("text", words, x=x, y=up.start + 16, class_="tick mid"))
    return join(*parts)


def _shared_axis(points: Sequence[Point]) -> tuple[float, float, tuple[float, ...], bool]:
    """Return low, high, ticks and whether they are logarithmic, for both directions alike."""
    said, uppers = [point.said for point in points], [point.upper for point in points]
    highest = max([*said, *uppers])
    if said and min(said) > 0 and max(said) / min(said) >= LOG_FROM_RATIO:
        low, high = 10.0 ** math.floor(math.log10(min(said))), min(1.0, highest * 1.1)
        ticks = [m * 10.0**power for power in range(round(math.log10(low)), 1) for m in (1.0, 2.0, 5.0)]
        inside = tuple(tick for tick in ticks if low <= tick * (1 + 1e-9) and tick <= high)
        few = inside if len(inside) <= 8 else tuple(tick for tick in inside if f"{tick:e}"[0] == "1")
        return low, high, few, True
    axis = fit_axis([0.0, *said, *uppers], from_zero=True)
    return axis.low, axis.high, axis.ticks, False
