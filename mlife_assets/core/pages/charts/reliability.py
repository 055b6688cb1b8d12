"""What was said against what happened: whether probabilities can be believed, as a drawing.

Belongs here: geometry of the reliability plot. Does not belong here: measuring it (`core.training.reliability`).

Concept: both axes are alike, so what is right lies on the diagonal; where probabilities differ by a lot both are
logarithmic, since small ones would be crowded at zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mlife_assets.core.pages.charts.intervals import figure
from mlife_assets.core.pages.charts.scales import Scale, fit_axis, format_tick
from mlife_assets.core.pages.charts.values import Unit
from mlife_assets.core.pages.markup import Markup, element, join, number

LOG_FROM_RATIO = 20.0
"""From this ratio of the largest to the smallest probability on, a linear axis would crowd the small ones."""


@dataclass(frozen=True)
class Point:
    """One bin: the mean of what was said, the rate of what happened and its bounds."""

    said: float
    happened: float
    lower: float
    upper: float


def reliability_plot(points: Sequence[Point], label: str) -> Markup:
    """Return what was said against what happened, one point per bin with its interval."""
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
