"""Estimates with their intervals: differences against what they must exceed, ratios against a minimum.

Belongs here: geometry of points, intervals and limits on a line. Does not belong here: words beside a drawing (each
page).

Concept: an interval is always drawn; a point without one would look certain. A bound that is not finite reaches the
edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlife_assets.core.pages.charts.scales import Scale, fit_axis, format_tick
from mlife_assets.core.pages.charts.values import Role, finite
from mlife_assets.core.pages.markup import Markup, element, join, number

RATIO_MAXIMUM = 2.0


@dataclass(frozen=True)
class Difference:
    """One line of a forest plot; `limit` is what a lower bound is held against, None where nothing is asked."""

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
    """Return a drawing as wide as its place, with its label for whoever cannot see it."""
    box = f"0 0 {number(width)} {number(height)}"
    drawing = element("svg", body, viewBox=box, role="img", aria_label=label, class_="figure")
    return element("div", drawing, class_="drawing")
