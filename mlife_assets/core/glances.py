"""Glances: drawings so short that Dagster's UI shows them at once.

Belongs here: small SVG drawings of intervals, bars and days, as Markdown. Does not belong here: larger pictures (the
`plots` beside what is computed), the pages' own charts, what is shown (`defs`).

Concept: the UI renders Markdown of fewer than 1,000 characters in place and hides longer text behind a button. So a
glance says the key figure in that space: rows stand in the order of their importance, and those that do not fit are
counted. Colours can be read on a light and on a dark ground.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape

from mlife_assets.core.errors import InvalidInputError

CHARACTERS_MAXIMUM = 999
TEXT, GOOD, BAD, QUIET = "#777", "#3b78c4", "#d0443a", "#8a97a5"
WIDTH, ROW, LABEL_CHARACTERS = 440, 20, 30
_ENCODED = {"%": "%25", "#": "%23", "<": "%3C", ">": "%3E", "\\": "%5C", "\n": " "}


@dataclass(frozen=True)
class Estimate:
    """A value with its bounds."""

    label: str
    value: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Bar:
    """A value of at least 0; `is_alarm` colours it."""

    label: str
    value: float
    is_alarm: bool


def forest(rows: Sequence[Estimate], title: str, *, limit: float, limit_words: str) -> str:
    """Return Markdown of estimates with their intervals and the line that they are held against.

    Blue lies above the line with the whole interval, red below, grey on both sides.
    """
    place = _scale([limit, *(bound for row in rows for bound in (row.lower, row.upper))], 120, 262)

    def draw(count: int) -> str:
        shown, foot = rows[:count], ROW * count
        parts = []
        for colour in (GOOD, BAD, QUIET):
            chosen = [(ROW * n + 10, row) for n, row in enumerate(shown) if _colour(row, limit) == colour]
            lines = "".join(f"M{place(row.lower)} {y}H{place(row.upper)}" for y, row in chosen)
            dots = "".join(f"M{place(row.value)} {y}h0" for y, row in chosen)
            if chosen:
                parts.append(f"<g stroke='{colour}' stroke-linecap='round'><path d='{lines}' stroke-width='2'/>")
                parts.append(f"<path d='{dots}' stroke-width='8'/></g>")
        parts.append(f"<path d='M{place(limit)} 0V{foot}' stroke='{TEXT}' stroke-dasharray='3'/>")
        parts += [_text(0, ROW * number + 14, row.label) for number, row in enumerate(shown)]
        numbers = (f"{row.value:+.3f} ({row.lower:+.3f} to {row.upper:+.3f})" for row in shown)
        ends = "".join(_text(WIDTH, ROW * number + 14, words) for number, words in enumerate(numbers))
        parts.append(f"<g text-anchor='end'>{ends}</g>")
        parts.append(_text(place(limit) - 12, foot + 14, limit_words + _left_out(len(rows) - count)))
        return _svg(WIDTH, foot + 18, parts)

    return _fitting(draw, len(rows), title)


def bars(rows: Sequence[Bar], title: str, *, limit: float | None = None, unit: str = "") -> str:
    """Return Markdown of bars, the first row on top, with a line at `limit` and each value followed by its `unit`."""
    place = _scale([0.0, *(row.value for row in rows), *([] if limit is None else [limit])], 218, 352)

    def draw(count: int) -> str:
        shown, parts = rows[:count], []
        for colour, is_alarm in ((BAD, True), (QUIET, False)):
            chosen = [(ROW * number + 10, row) for number, row in enumerate(shown) if row.is_alarm is is_alarm]
            lines = "".join(f"M218 {y}H{place(row.value)}" for y, row in chosen)
            parts += [f"<path d='{lines}' stroke='{colour}' stroke-width='11'/>"] if chosen else []
        if limit is not None:
            parts.append(f"<path d='M{place(limit)} 0V{ROW * count}' stroke='{TEXT}' stroke-dasharray='3'/>")
        labels = "".join(_text(212, ROW * number + 14, row.label) for number, row in enumerate(shown))
        parts.append(f"<g text-anchor='end'>{labels}</g>")
        for number, row in enumerate(shown):
            parts.append(_text(place(row.value) + 6, ROW * number + 14, f"{row.value:.3g}{unit}"))
        if more := _left_out(len(rows) - count):
            parts.append(_text(218, ROW * count + 14, more[2:]))
        return _svg(WIDTH, ROW * count + (18 if more else 2), parts)

    return _fitting(draw, len(rows), title)


def columns(values: Sequence[tuple[date, float]], title: str, *, unit: str) -> str:
    """Return Markdown of a column per day, oldest first, with the first and last day and the largest value."""

    def draw(count: int) -> str:
        shown = values[-count:]
        high, step = max(value for _, value in shown), max(3, WIDTH // max(count, 20))
        lines = "".join(
            f"M{step * number + step // 2} 60V{round(60 - 54 * value / (high or 1.0))}"
            for number, (_, value) in enumerate(shown)
        )
        words = f"{shown[0][0]:%d %b} to {shown[-1][0]:%d %b}, at most {unit}{high:,.0f} a day"
        path = f"<path d='{lines}' stroke='{GOOD}' stroke-width='{max(2, step - 2)}'/>"
        return _svg(WIDTH, 80, [path, _text(0, 76, words)])

    return _fitting(draw, len(values), title)


def _colour(row: Estimate, limit: float) -> str:
    if row.lower > limit:
        return GOOD
    return BAD if row.upper < limit else QUIET


def _left_out(count: int) -> str:
    return f"; {count} more" if count else ""


def _text(x: int, y: int, words: str) -> str:
    short = words if len(words) <= LABEL_CHARACTERS or x == 0 else words[: LABEL_CHARACTERS - 1] + "…"
    return f"<text x='{x}' y='{y}'>{escape(short, quote=False)}</text>"


def _svg(width: int, height: int, parts: Sequence[str]) -> str:
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' font-family='sans-serif' "
        f"font-size='12' fill='{TEXT}'>{''.join(parts)}</svg>"
    )


def _scale(values: Sequence[float], start: int, end: int) -> Callable[[float], int]:
    low, high = min(values), max(values)
    return lambda value: round(start + (value - low) / ((high - low) or 1.0) * (end - start))


def _fitting(draw: Callable[[int], str], rows: int, title: str) -> str:
    """Return the drawing of as many rows as fit. Raises InvalidInputError when not even one does."""
    for count in range(rows, 0, -1):
        encoded = "".join(_ENCODED.get(letter, letter) for letter in draw(count))
        if len(found := f"![{title}](<data:image/svg+xml,{encoded}>)") <= CHARACTERS_MAXIMUM:
            return found
    raise InvalidInputError(f"the glance {title!r} has no row of at most {CHARACTERS_MAXIMUM} characters; shorten it")
