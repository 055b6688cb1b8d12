"""Charts over days as inline SVG.

Concept: all charts of a page share one time axis, so that a day hovered in one chart lights up in all. Without scripts
the page still shows everything; scripts only add the reading line and its values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from mlife_assets.core.pages.charts.values import (
    GLYPHS,
    MARKER_NAMES,
    Axis,
    Chart,
    DailyValue,
    Series,
    day_ticks,
    finite,
    fit_axis,
    format_day,
    format_tick,
    format_value,
)
from mlife_assets.core.pages.markup import Markup, element, join, number

YEAR_SHOWN_FROM_DAYS = 300
LEFT, RIGHT, TOP, BOTTOM = 52.0, 10.0, 22.0, 24.0
TICKS = 4


@dataclass(frozen=True)
class _Frame:
    chart: Chart
    axis: Axis

    @property
    def step(self) -> float:
        """Pixels of one day; bars and whiskers keep half a day free at both ends."""
        return (self.chart.width - LEFT - RIGHT) / ((self.chart.last - self.chart.first).days + 1)

    def x(self, day: date) -> float:
        return LEFT + ((day - self.chart.first).days + 0.5) * self.step

    def y(self, value: float) -> float:
        share = (value - self.axis.low) / (self.axis.high - self.axis.low)
        return self.chart.height - BOTTOM - share * (self.chart.height - TOP - BOTTOM)


def render_chart(chart: Chart) -> Markup:
    """Return the chart as a `<figure>` with legend, drawing and, folded away, a table of its values."""
    if not any(finite(v.value) is not None for s in chart.series for v in s.values):
        waits = chart.pending
        words = f"Pending until {format_day(waits[1])}." if waits else "No data yet."
        body = element("p", words, class_="empty")
        return element("figure", _caption(chart, legend=False), body, class_="card chart")
    extent = [bound for s in chart.series for v in s.values for bound in (v.value, v.lower, v.upper)]
    frame = _Frame(chart, fit_axis(extent, from_zero=chart.from_zero))
    drawing = element(
        "svg",
        _grid(frame),
        _pending(frame),
        _markers(frame),
        *(_series(frame, s, i) for i, s in enumerate(chart.series)),
        _hover(frame),
        viewBox=f"0 0 {number(chart.width)} {number(chart.height)}",
        role="img",
        tabindex="0",
        aria_label=f"{chart.title}. {_spoken(chart)}",
    )
    return element(
        "figure", _caption(chart), element("div", drawing, class_="plot"), _table(chart), class_="card chart"
    )


def _latest(series: Series) -> DailyValue | None:
    known = [v for v in series.values if finite(v.value) is not None]
    return max(known, key=lambda v: v.day) if known else None


def _spoken(chart: Chart) -> str:
    return "; ".join(
        f"{s.name}: {format_value(latest.value, chart.unit)} on {format_day(latest.day, year=True)}"
        for s in chart.series
        if (latest := _latest(s))
    )


def _caption(chart: Chart, *, legend: bool = True) -> Markup:
    heading = element("h3", chart.title)
    subtitle = element("p", chart.subtitle, class_="subtitle") if chart.subtitle else Markup("")
    keys, late = [], set[date]()
    for s in chart.series if legend else ():
        latest = _latest(s)
        value = element("b", format_value(latest.value if latest else None, chart.unit))
        keys.append(element("li", element("i", class_=f"key {s.form} c-{s.role}"), s.name, " ", value))
        if latest and latest.day != chart.last:
            late.add(latest.day)
    keys += [element("li", f"on {format_day(day)}") for day in sorted(late)[-1:]]
    return element("figcaption", heading, subtitle, element("ul", *keys, class_="legend") if keys else "")


def _grid(frame: _Frame) -> Markup:
    chart, axis = frame.chart, frame.axis
    parts = []
    for tick in axis.ticks:
        y = frame.y(tick)
        base = " base" if tick == axis.low else ""
        parts.append(element("line", x1=LEFT, x2=chart.width - RIGHT, y1=y, y2=y, class_=f"grid-line{base}"))
        label = format_tick(tick, chart.unit, axis.step)
        parts.append(element("text", label, x=LEFT - 8, y=y + 3.5, class_="tick end"))
    for day in day_ticks(chart.first, chart.last, TICKS):
        parts.append(element("text", format_day(day), x=frame.x(day), y=chart.height - 7, class_="tick mid"))
    return join(*parts)


def _pending(frame: _Frame) -> Markup:
    """Shade the days whose values are not known yet: blank space would read as zero."""
    waits = frame.chart.pending
    if waits is None:
        return Markup("")
    left, right = frame.x(waits[0]) - frame.step / 2, frame.x(frame.chart.last) + frame.step / 2
    top, foot = TOP - 6, frame.chart.height - BOTTOM
    shade = element("rect", x=left, y=top, width=right - left, height=foot - top, class_="pending")
    words = f"pending until {format_day(waits[1])}"
    is_narrow = right - left < 6.2 * len(words)
    place = {"x": right - 3 if is_narrow else (left + right) / 2, "y": foot - 6}
    return join(shade, element("text", words, class_=f"tick halo {'end' if is_narrow else 'mid'}", **place))


def _markers(frame: _Frame) -> Markup:
    parts, seen = [], dict[date, int]()
    for marker in frame.chart.markers:
        if not frame.chart.first <= marker.day <= frame.chart.last:
            continue
        level = seen[marker.day] = seen.get(marker.day, -1) + 1
        x, foot = frame.x(marker.day), frame.chart.height - BOTTOM
        if level == 0:
            parts.append(element("line", x1=x, x2=x, y1=TOP - 6, y2=foot, class_=f"rule m-{marker.kind}"))
        place = f"translate({number(x)} {number(9 + 12.0 * level)})"
        parts.append(element("path", d=GLYPHS[marker.kind], transform=place, class_=f"mark m-{marker.kind}"))
    return join(*parts)


def _series(frame: _Frame, series: Series, index: int) -> Markup:
    inside = [v for v in sorted(series.values, key=lambda v: v.day) if frame.chart.first <= v.day <= frame.chart.last]
    if series.form == "bar":
        drawn = _bars(frame, inside, index)
    elif series.form == "whisker":
        drawn = _whiskers(frame, inside, index)
    else:
        drawn = _line(frame, inside, series)
    return element("g", drawn, class_=f"series c-{series.role}")


def _bars(frame: _Frame, values: list[DailyValue], index: int) -> Markup:
    wide = min(22.0, frame.step * 0.72) * (0.62 if index else 1.0)
    parts = []
    for v in values:
        if value := finite(v.value):
            top, foot = sorted((frame.y(value), frame.y(max(0.0, frame.axis.low))))
            x, tall = frame.x(v.day) - wide / 2, max(foot - top, 1.0)
            parts.append(element("rect", x=x, y=top, width=wide, height=tall, class_="bar"))
    return join(*parts)


def _whiskers(frame: _Frame, values: list[DailyValue], index: int) -> Markup:
    shift = (-1 if index % 2 == 0 else 1) * min(4.0, frame.step * 0.2)
    parts = []
    for v in values:
        x, low, high, value = frame.x(v.day) + shift, finite(v.lower), finite(v.upper), finite(v.value)
        if low is not None and high is not None:
            y1, y2 = frame.y(low), frame.y(high)
            parts.append(element("line", x1=x, x2=x, y1=y1, y2=y2, class_="whisker"))
            parts += [element("line", x1=x - 3, x2=x + 3, y1=y, y2=y, class_="whisker") for y in (y1, y2)]
        if value is not None:
            parts.append(element("circle", cx=x, cy=frame.y(value), r=3.5, class_="dot"))
    return join(*parts)


def _line(frame: _Frame, values: list[DailyValue], series: Series) -> Markup:
    runs: list[list[DailyValue]] = [[]]
    for v in values:
        if finite(v.value) is None:
            runs.append([])
        else:
            runs[-1].append(v)
    parts = []
    for run in filter(None, runs):
        points = [(frame.x(v.day), frame.y(float(v.value or 0.0))) for v in run]
        band = [v for v in run if finite(v.lower) is not None and finite(v.upper) is not None]
        if len(band) > 1:
            upper = [(frame.x(v.day), frame.y(float(v.upper or 0.0))) for v in band]
            lower = [(frame.x(v.day), frame.y(float(v.lower or 0.0))) for v in reversed(band)]
            parts.append(element("path", d=_path(upper + lower) + "Z", class_="band"))
        if len(points) == 1:
            parts.append(element("circle", cx=points[0][0], cy=points[0][1], r=2.5, class_="dot"))
        else:
            parts.append(element("path", d=_path(points), class_=f"line {series.form}"))
        parts += [
            element("circle", cx=x, cy=y, r=3.2, class_="alarm")
            for (x, y), v in zip(points, run, strict=True)
            if v.day in series.alarms
        ]
    return join(*parts)


def _path(points: list[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{number(x)} {number(y)}" for x, y in points)


def _words(chart: Chart, series: Series, day: date) -> str | None:
    found = [v for v in series.values if v.day == day]
    if not found:
        return None
    v = found[0]
    if v.pending_until and finite(v.value) is None:
        return f"pending until {format_day(v.pending_until)}"
    words = format_value(v.value, chart.unit)
    if finite(v.lower) is not None and finite(v.upper) is not None:
        words += f" ({format_value(v.lower, chart.unit)} to {format_value(v.upper, chart.unit)})"
    return words + (" alarm" if day in series.alarms else "")


def _hover(frame: _Frame) -> Markup:
    chart = frame.chart
    parts = [element("line", x1=0, x2=0, y1=TOP - 6, y2=chart.height - BOTTOM, class_="reading")]
    for day in chart.days:
        lines = [format_day(day, year=True)]
        for s in chart.series:
            if words := _words(chart, s, day):
                lines.append(f"{s.name}: {words}")
        lines += [f"{MARKER_NAMES[m.kind]}: {m.label}" for m in chart.markers if m.day == day]
        parts.append(
            element(
                "rect",
                x=frame.x(day) - frame.step / 2,
                y=0,
                width=frame.step,
                height=chart.height - BOTTOM,
                class_="day",
                data_day=day.isoformat(),
                data_tip="\n".join(lines),
            )
        )
    return join(*parts)


def _table(chart: Chart) -> Markup:
    head = element("tr", element("th", "Day"), *(element("th", s.name) for s in chart.series))
    rows = []
    for day in chart.days:
        cells = (element("td", _words(chart, s, day) or "") for s in chart.series)
        rows.append(element("tr", element("td", day.isoformat()), *cells))
    table = element("table", element("thead", head), element("tbody", *rows))
    box = element("div", table, class_="scroll", tabindex="0", role="region", aria_label=f"Values: {chart.title}")
    return element("details", element("summary", "Values"), box)


@dataclass(frozen=True)
class Sign:
    """A shape (`path`, within 7 pixels of the origin) on a day; `kind` gives its colour, `tip` its words."""

    day: date
    kind: str
    path: str
    tip: str


@dataclass(frozen=True)
class Run:
    """Days in a row of one kind."""

    first: date
    last: date
    kind: str
    tip: str


@dataclass(frozen=True)
class Lane:
    """One row: its name, a note below the name, and its track."""

    name: str
    note: str = ""
    runs: tuple[Run, ...] = ()
    signs: tuple[Sign, ...] = ()


def render_lanes(lanes: Sequence[Lane], span: tuple[date, date], *, ticks: int = 6) -> Markup:
    """Return the lanes as a table, the axis of days above."""
    days = (span[1] - span[0]).days + 1

    def across(day: date, part: float = 0.5) -> str:
        return number(100 * ((day - span[0]).days + part) / days) + "%"

    def track(lane: Lane) -> Markup:
        runs = [
            element(
                "span",
                class_=f"run m-{run.kind}",
                style=f"left:{across(run.first, 0)};width:{number(100 * ((run.last - run.first).days + 1) / days)}%",
                data_tip=run.tip,
            )
            for run in lane.runs
        ]
        signs = [
            element(
                "svg",
                element("path", d=sign.path),
                viewBox="-7 -7 14 14",
                class_=f"sign m-{sign.kind}",
                style=f"left:{across(sign.day)}",
                data_tip=sign.tip,
            )
            for sign in lane.signs
        ]
        spoken = f"{lane.name}: {lane.note or 'nothing'}"
        return element("div", *runs, *signs, class_="track", role="img", aria_label=spoken)

    is_long = days > YEAR_SHOWN_FROM_DAYS
    dates = [
        element("span", format_day(day, year=is_long), class_="when", style=f"left:{across(day)}")
        for day in day_ticks(*span, ticks)
    ]
    axis = element("tr", element("td"), element("td", element("div", *dates, class_="track", aria_hidden="true")))
    rows = [
        element(
            "tr",
            element("th", lane.name, element("small", lane.note) if lane.note else "", scope="row"),
            element("td", track(lane)),
        )
        for lane in lanes
    ]
    return element("table", element("thead", axis), element("tbody", *rows), class_="lanes")
