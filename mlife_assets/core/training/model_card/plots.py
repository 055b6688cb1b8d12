"""Drawings of a card as inline SVG: reliability, differences with intervals, impact ratios.

Belongs here: geometry. Does not belong here: colours (`style` maps classes to them), words around a drawing
(`sections`).

Concept: a drawing repeats what a table beside it says, so nothing is lost without it. An interval is always drawn; a
point without one would look certain.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mlife_assets.core.dashboard.data import Unit, finite
from mlife_assets.core.dashboard.markup import Markup, element, join, number
from mlife_assets.core.dashboard.scales import fit_axis, format_tick
from mlife_assets.core.statistics import wilson_interval
from mlife_assets.core.training.fairness import ImpactRow
from mlife_assets.core.training.gate import Comparison
from mlife_assets.core.training.reliability import Calibration, ReliabilityBin

LOG_FROM_RATIO = 20.0
"""From this ratio of the largest to the smallest probability on, a linear axis would crowd the small ones."""
RATIO_MAXIMUM = 2.0


@dataclass(frozen=True)
class _Scale:
    """From a value to a place between `start` and `end`, in pixels; values beyond the bounds are held at them."""

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[float, ...]
    is_log: bool = False

    def place(self, value: float) -> float:
        held = min(max(value, self.low), self.high)
        if self.is_log:
            share = math.log(held / self.low) / math.log(self.high / self.low)
        else:
            share = (held - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def reliability_plot(calibration: Calibration) -> Markup:
    """Return what was said against what happened, one point per bin with its 95 % Wilson interval."""
    width, height, left, right, top, bottom = 460.0, 340.0, 58.0, 14.0, 14.0, 46.0
    bins = calibration.bins
    rates = {part: _rate_interval(part) for part in bins}
    low, high, ticks, is_log = _shared_axis(bins, [upper for _, upper in rates.values()])
    across = _Scale(low, high, left, width - right, ticks, is_log)
    up = _Scale(low, high, height - bottom, top, ticks, is_log)
    parts = [_frame(across, up, "share")]
    parts.append(element("line", x1=across.start, y1=up.start, x2=across.end, y2=up.end, class_="ideal c-muted"))
    points = []
    for part, (lower, upper) in rates.items():
        x = across.place(part.mean_probability)
        parts.append(element("line", x1=x, x2=x, y1=up.place(lower), y2=up.place(upper), class_="whisker"))
        points.append((x, up.place(part.outcome_rate)))
    if len(points) > 1:
        parts.append(element("path", d="M" + "L".join(f"{number(x)} {number(y)}" for x, y in points), class_="line"))
    parts += [element("circle", cx=x, cy=y, r=3.5, class_="dot") for x, y in points]
    parts.append(element("text", "said", x=(across.start + across.end) / 2, y=height - 6, class_="tick mid"))
    turned = f"translate(13 {number((up.start + up.end) / 2)}) rotate(-90)"
    parts.append(element("text", "happened", transform=turned, class_="tick mid"))
    label = f"Reliability of {calibration.n:,} probabilities in {len(bins)} bins of equal size"
    return _svg(width, height, label, element("g", *parts, class_="c-main"))


def differences_plot(comparisons: Sequence[Comparison], words: Sequence[str]) -> Markup:
    """Return the difference of each comparison with its interval, and the margin that its lower bound must exceed."""
    width, left, right, row, foot = 460.0, 98.0, 16.0, 34.0, 26.0
    height = row * len(comparisons) + foot
    bounds = [value for c in comparisons for value in (c.delta.lower, c.delta.upper, c.delta.estimate, c.margin, 0.0)]
    axis = fit_axis(bounds, from_zero=True)
    across = _Scale(axis.low, axis.high, left, width - right, axis.ticks)
    parts = []
    for tick in axis.ticks:
        x = across.place(tick)
        base = " base" if abs(tick) < axis.step / 1000 else ""
        parts.append(element("line", x1=x, x2=x, y1=4, y2=height - foot, class_=f"rule-line{base}"))
        parts.append(element("text", format_tick(tick, "score", axis.step), x=x, y=height - 8, class_="tick mid"))
    for place, (comparison, name) in enumerate(zip(comparisons, words, strict=True)):
        y = row * place + row / 2
        delta = comparison.delta
        drawn = [element("text", name, x=left - 12, y=y + 4, class_="tick end name")]
        margin = across.place(comparison.margin)
        drawn.append(element("line", x1=margin, x2=margin, y1=y - 11, y2=y + 11, class_="margin c-threshold"))
        ends = [
            across.place(edge if finite(bound) is None else bound)
            for bound, edge in ((delta.lower, axis.low), (delta.upper, axis.high))
        ]
        drawn.append(element("line", x1=ends[0], x2=ends[1], y1=y, y2=y, class_="whisker"))
        drawn.append(element("circle", cx=across.place(delta.estimate), cy=y, r=4, class_="dot"))
        parts.append(element("g", *drawn, class_="c-accent" if comparison.is_won else "c-rival"))
    return _svg(width, height, "Differences with their intervals", join(*parts))


def ratio_strip(row: ImpactRow, minimum: float) -> Markup:
    """Return one impact ratio from 0 to 2 with its interval, the minimum marked; blank where there is no ratio."""
    width, height = 132.0, 18.0
    across = _Scale(0.0, RATIO_MAXIMUM, 3.0, width - 3.0, ())
    parts = [
        element("line", x1=across.place(1), x2=across.place(1), y1=2, y2=height - 2, class_="rule-line base"),
        element(
            "line", x1=across.place(minimum), x2=across.place(minimum), y1=1, y2=height - 1, class_="margin c-threshold"
        ),
    ]
    ratio, lower, upper = finite(row.ratio), finite(row.lower), row.upper
    if ratio is None:
        return Markup("")
    if lower is not None and upper is not None:
        middle = height / 2
        parts.append(
            element("line", x1=across.place(lower), x2=across.place(upper), y1=middle, y2=middle, class_="whisker")
        )
    parts.append(element("circle", cx=across.place(ratio), cy=height / 2, r=3.5, class_="dot"))
    drawing = element("g", *parts, class_="c-main")
    return element(
        "svg", drawing, viewBox=f"0 0 {number(width)} {number(height)}", class_="strip-plot", aria_hidden="true"
    )


def _svg(width: float, height: float, label: str, body: Markup) -> Markup:
    drawing = element(
        "svg", body, viewBox=f"0 0 {number(width)} {number(height)}", role="img", aria_label=label, class_="figure"
    )
    return element("div", drawing, class_="drawing")


def _frame(across: _Scale, up: _Scale, unit: Unit) -> Markup:
    parts = []
    for tick in across.ticks:
        x, y = across.place(tick), up.place(tick)
        words = _tick_words(tick, across, unit)
        parts.append(element("line", x1=across.start, x2=across.end, y1=y, y2=y, class_="rule-line"))
        parts.append(element("line", x1=x, x2=x, y1=up.start, y2=up.end, class_="rule-line"))
        parts.append(element("text", words, x=across.start - 7, y=y + 4, class_="tick end"))
        parts.append(element("text", words, x=x, y=up.start + 16, class_="tick mid"))
    return join(*parts)


def _tick_words(tick: float, scale: _Scale, unit: Unit) -> str:
    step = tick if scale.is_log else scale.ticks[1] - scale.ticks[0]
    return format_tick(tick, unit, step)


def _rate_interval(part: ReliabilityBin) -> tuple[float, float]:
    happened = wilson_interval(round(part.outcome_rate * part.rows), part.rows)
    return happened.lower, happened.upper


def _shared_axis(
    bins: Sequence[ReliabilityBin], uppers: Sequence[float]
) -> tuple[float, float, tuple[float, ...], bool]:
    """Return low, high, ticks and whether they are logarithmic, for both directions alike."""
    said = [part.mean_probability for part in bins]
    highest = max([*said, *uppers])
    if said and min(said) > 0 and max(said) / min(said) >= LOG_FROM_RATIO:
        low, high = 10.0 ** math.floor(math.log10(min(said))), min(1.0, highest * 1.1)
        ticks = [m * 10.0**power for power in range(round(math.log10(low)), 1) for m in (1.0, 2.0, 5.0)]
        inside = tuple(tick for tick in ticks if low <= tick * (1 + 1e-9) and tick <= high)
        few = inside if len(inside) <= 8 else tuple(tick for tick in inside if f"{tick:e}"[0] == "1")
        return low, high, few, True
    axis = fit_axis([0.0, *said, *uppers], from_zero=True)
    return axis.low, axis.high, axis.ticks, False
