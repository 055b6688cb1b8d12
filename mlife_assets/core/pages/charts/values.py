"""What charts draw: daily values, series, markers and their signs, the same on every page.

Concept: every value carries its day. A missing value is None and is drawn as a gap, never as zero; one whose outcomes
are still arriving is missing and says until when. Values that are not finite count as missing. Shares and points are
fractions; money is in US dollars.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from typing import Literal

from mlife_assets.core.windows import add_days

Unit = Literal["share", "points", "count", "usd", "score"]
"""How a number is written: 0.123 as `12.3 %`, as `+12.3 points` (a difference of shares), as `0`, `$0.12`, `0.123`."""
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

    `pending_until`: the day on which the value will be known; set only where `value` is None because it is not yet.
    """

    day: date
    value: float | None
    lower: float | None = None
    upper: float | None = None
    pending_until: date | None = None


@dataclass(frozen=True)
class Marker:
    """Something that happened on a day; drawn on every chart that it may explain."""

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
        """Return the first day of the time axis."""
        return self.span[0]

    @property
    def last(self) -> date:
        """Return the last day of the time axis."""
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
