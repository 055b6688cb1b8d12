"""What charts draw: daily values, series, markers and their signs, the same on every page.

Concept: every value carries its day. A missing value is None and is drawn as a gap, never as zero; one whose outcomes
are still arriving is missing and says until when. Values that are not finite count as missing. Shares and points are
fractions; money is in US dollars.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Literal

from mlife_assets.core.windows import add_days

MISSING = "–"  # noqa: RUF001 - an en dash is how tables show that there is nothing
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_STEPS_OF_DAYS = (1, 2, 3, 7, 14, 28, 56, 91, 182, 365)
Unit = Literal["share", "points", "count", "usd", "score"]
"""Format of a number: 0.123 as `12.3 %`, as `+12.3 points` (a difference of shares), as `0`, `$0.12`, `0.123`."""
Role = Literal["main", "rival", "muted", "accent", "threshold"]
Form = Literal["line", "dashed", "bar", "whisker"]
MarkerKind = Literal["retrain", "promoted", "refused", "block", "rollback"]
GLYPHS: dict[MarkerKind, str] = {
    "retrain": "M0 -5L5 4H-5Z",
    "promoted": "M-4.5 0A4.5 4.5 0 1 0 4.5 0A4.5 4.5 0 1 0 -4.5 0Z",
    "refused": "M0 -5L5 0L0 5L-5 0Z",
    "block": "M-4 -4H4V4H-4Z",
    "rollback": "M-5 -4H5L0 5Z",
}
MARKER_NAMES: dict[MarkerKind, str] = {
    "retrain": "retrain decided",
    "promoted": "model promoted",
    "refused": "promotion refused",
    "block": "blocked by data quality",
    "rollback": "rolled back",
}


def finite(value: float | None) -> float | None:
    """Return `value` as a float, or None when it is missing, NaN or infinite."""
    return float(value) if value is not None and math.isfinite(value) else None


@dataclass(frozen=True)
class DailyValue:
    """One value of one day, with a 95 % interval when there is one.

    `pending_until`: the day on which the value will be known; set only if `value` is None for that reason.
    """

    day: date
    value: float | None
    lower: float | None = None
    upper: float | None = None
    pending_until: date | None = None


@dataclass(frozen=True)
class Marker:
    """An event of a day, drawn on every chart that it may explain."""

    day: date
    kind: MarkerKind
    label: str


@dataclass(frozen=True)
class Series:
    """One named series of a chart; `alarms` are days drawn as alarms."""

    name: str
    values: tuple[DailyValue, ...]
    role: Role = "main"
    form: Form = "line"
    alarms: frozenset[date] = frozenset()


@dataclass(frozen=True)
class Chart:
    """A chart: its words, unit, series and time axis (`span`: first and last day, both shown).

    `height` and `width` are in CSS pixels of the drawing.
    """

    title: str
    series: tuple[Series, ...]
    unit: Unit
    span: tuple[date, date]
    subtitle: str = ""
    markers: tuple[Marker, ...] = ()
    from_zero: bool = True
    width: float = 400.0
    height: float = 160.0

    @property
    def first(self) -> date:
        return self.span[0]

    @property
    def last(self) -> date:
        return self.span[1]

    @property
    def days(self) -> list[date]:
        """Return every day with a value or a marker on the time axis, ascending."""
        found = {v.day for s in self.series for v in s.values} | {m.day for m in self.markers}
        return sorted(day for day in found if self.first <= day <= self.last)

    @property
    def pending(self) -> tuple[date, date] | None:
        """Return the first day whose values are still pending and the day on which the last will be known."""
        waits = [v for s in self.series for v in s.values if v.pending_until and finite(v.value) is None]
        known = [v.day for s in self.series for v in s.values if not v.pending_until]
        begin = max([self.first, *(add_days(day, 1) for day in known)])
        until = [v.pending_until for v in waits if v.pending_until]
        return (begin, max(until)) if until and begin <= self.last else None


def format_day(day: date, *, year: bool = False) -> str:
    """Return `2 Jun` or `2 Jun 2026`, in any locale."""
    short = f"{day.day} {_MONTHS[day.month - 1]}"
    return f"{short} {day.year}" if year else short


def format_span(first: date, last: date) -> str:
    """Return `2 Jun`, `2 to 5 Jun` or `29 May to 2 Jun`."""
    if first == last:
        return format_day(first)
    is_one_month = (first.year, first.month) == (last.year, last.month)
    return f"{first.day if is_one_month else format_day(first)} to {format_day(last)}"


def format_value(value: float | None, unit: Unit) -> str:
    """Return a value for people: `12.3 %`, `+1.2 points`, `4,109`, `$1,234`, `0.412`; a dash when it is missing."""
    value = finite(value)
    if value is None:
        return MISSING
    if unit == "share":
        return f"{100 * value:.{1 if abs(value) >= 0.02 else 2}f} %"
    if unit == "points":
        return f"{100 * value:+.1f} points"
    if unit == "score":
        return f"{value:.3f}"
    sign, size = ("-" if value < 0 else ""), abs(value)
    mark = "$" if unit == "usd" else ""
    if size >= 1e6:
        return f"{sign}{mark}{size / 1e6:,.2f} M"
    cents = unit == "usd" and size < 100
    return f"{sign}{mark}{size:,.{2 if cents else 0}f}"


def format_tick(value: float, unit: Unit, step: float) -> str:
    """Return an axis label with just the decimals that ticks of this step need."""
    shown, shown_step = (100 * value, 100 * step) if unit in ("share", "points") else (value, step)
    large = unit in ("count", "usd") and shown_step >= 1000
    if large:
        shown, shown_step = shown / 1000, shown_step / 1000
    decimals = next((d for d in range(9) if abs(round(shown_step, d) - shown_step) < 1e-6 * shown_step), 9)
    large = large and round(abs(shown), decimals) > 0
    mark, end = ("$" if unit == "usd" else ""), ("k" if large else "") + (" %" if unit == "share" else "")
    sign = "-" if shown < 0 and round(abs(shown), decimals) else ""
    return f"{sign}{mark}{abs(shown):,.{decimals}f}{end}"


@dataclass(frozen=True)
class Axis:
    """A vertical axis: bounds and ticks, all multiples of `step`."""

    low: float
    high: float
    step: float

    @property
    def ticks(self) -> tuple[float, ...]:
        return tuple(self.low + i * self.step for i in range(round((self.high - self.low) / self.step) + 1))


def fit_axis(values: Iterable[float | None], *, from_zero: bool, ticks: int = 4) -> Axis:
    """Return the axis that holds all finite values in about `ticks` round steps; [0, 1] when there are none."""
    known = [v for v in map(finite, values) if v is not None]
    if not known:
        return Axis(0.0, 1.0, 0.25)
    low, high = min(known), max(known)
    if from_zero:
        low, high = min(0.0, low), max(0.0, high)
    if high - low <= 1e-12 * max(1.0, abs(high)):
        pad = abs(high) * 0.1 or 1.0
        low, high = (low if from_zero and low == 0 else low - pad), high + pad
    rough = (high - low) / ticks
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(m * magnitude for m in (1, 2, 2.5, 5, 10) if m * magnitude >= rough * (1 - 1e-9))
    return Axis(math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step, step)


def day_ticks(first: date, last: date, wanted: int = 6) -> list[date]:
    """Return evenly spaced days from `first` on, `wanted` or a few more."""
    span = (last - first).days
    step = next((s for s in _STEPS_OF_DAYS if span / s <= wanted), max(1, math.ceil(span / wanted)))
    return [add_days(first, i) for i in range(0, span + 1, step)]


@dataclass(frozen=True)
class Scale:
    """From a value to a place between `start` and `end`, in pixels; values beyond the bounds are held at them."""

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[float, ...] = ()
    is_log: bool = False

    def place(self, value: float) -> float:
        """Return the place of a value."""
        held = min(max(value, self.low), self.high)
        if self.is_log:
            share = math.log(held / self.low) / math.log(self.high / self.low)
        else:
            share = (held - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)
