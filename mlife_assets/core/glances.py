"""Glances: drawings so short that Dagster's UI shows them at once.

Concept: the UI renders Markdown of fewer than 1,000 characters in place and hides longer text behind a button. So a
glance says the key figure in that space: rows are ordered by importance, and those that do not fit are counted. Colours
can be read on a light and on a dark ground.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape

from mlife_assets.core.errors import InvalidInputError

CHARACTERS_MAXIMUM = 999
ROW_CHARACTERS_MINIMUM = 6
"""Characters of the shortest possible row, such as `M4 0H4`."""
TEXT, GOOD, BAD, QUIET = "#777", "#3b78c4", "#d0443a", "#8a97a5"
WIDTH, ROW, LINE, LABEL_CHARACTERS = 290, 34, 23, 28
_ENCODED = {"%": "%25", "&": "%26", "#": "%23", "<": "%3C", ">": "%3E", "\\": "%5C", "\n": " "}


@dataclass(frozen=True)
class Estimate:
    """A value with its bounds."""

    label: str
    value: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Bar:
    """A value >= 0; `is_alarm` colours it."""

    label: str
    value: float
    is_alarm: bool


def forest(rows: Sequence[Estimate], title: str, *, limit: float, limit_words: str, form: str = "+.3f") -> str:
    """Return Markdown of estimates with their intervals, and the line to compare with.

    Blue: the interval is above the line; red: below; grey: on both sides. `form` formats a number.
    """
    place = _scale([limit, *(bound for row in rows for bound in (row.lower, row.upper))])

    def draw(count: int) -> str:
        shown, foot, parts = rows[:count], ROW * count, []
        for colour in (GOOD, BAD, QUIET):
            chosen = [(ROW * n + LINE, row) for n, row in enumerate(shown) if _colour(row, limit) == colour]
            lines = "".join(f"M{place(row.lower)} {y}H{place(row.upper)}" for y, row in chosen)
            dots = "".join(f"M{place(row.value)} {y}h0" for y, row in chosen)
            if chosen:
                parts.append(f"<g stroke='{colour}' stroke-linecap='round'><path d='{lines}' stroke-width='2'/>")
                parts.append(f"<path d='{dots}' stroke-width='8'/></g>")
        ticks = "".join(f"M{place(limit)} {ROW * n + LINE - 6}v12" for n in range(count))
        parts.append(f"<path d='{ticks}' stroke='{TEXT}'/>")
        for n, row in enumerate(shown):
            bounds = f"{row.value:{form}} ({row.lower:{form}} to {row.upper:{form}})"
            parts.append(_text(ROW * n + 12, f"{_short(row.label)}: {bounds}"))
        parts.append(_text(foot + 12, f"upright: {limit_words}{_left_out(len(rows) - count)}"))
        return _svg(foot + 18, parts)

    return _fitting(draw, len(rows), title)


def bars(rows: Sequence[Bar], title: str, *, limit: float | None = None, unit: str = "") -> str:
    """Return Markdown of bars, the first row on top, with a line at `limit` and each value followed by its `unit`."""
    place = _scale([0.0, *(row.value for row in rows), *([] if limit is None else [limit])])

    def draw(count: int) -> str:
        shown, foot, parts = rows[:count], ROW * count, []
        for colour, is_alarm in ((BAD, True), (QUIET, False)):
            chosen = [(ROW * n + LINE, row) for n, row in enumerate(shown) if row.is_alarm is is_alarm]
            lines = "".join(f"M4 {y}H{place(row.value)}" for y, row in chosen)
            parts += [f"<path d='{lines}' stroke='{colour}' stroke-width='9'/>"] if chosen else []
        if limit is not None:
            ticks = "".join(f"M{place(limit)} {ROW * n + LINE - 7}v14" for n in range(count))
            parts.append(f"<path d='{ticks}' stroke='{TEXT}'/>")
        parts += [_text(ROW * n + 12, f"{_short(row.label)}: {row.value:.3g}{unit}") for n, row in enumerate(shown)]
        if more := _left_out(len(rows) - count):
            parts.append(_text(foot + 12, more[2:]))
        return _svg(foot + (18 if more else 2), parts)

    return _fitting(draw, len(rows), title)


def columns(values: Sequence[tuple[date, float]], title: str, *, unit: str) -> str:
    """Return Markdown of a column per day, oldest first, with the first and last day and the largest value."""

    def draw(count: int) -> str:
        shown = values[-count:]
        high, step = max(value for _, value in shown), max(3, WIDTH // max(count, 14))
        lines = "".join(
            f"M{step * number + step // 2} 60V{round(60 - 54 * value / (high or 1.0))}"
            for number, (_, value) in enumerate(shown)
        )
        words = f"{shown[0][0]:%d %b} to {shown[-1][0]:%d %b}, at most {unit}{high:,.0f} a day"
        path = f"<path d='{lines}' stroke='{GOOD}' stroke-width='{max(2, step - 2)}'/>"
        return _svg(80, [path, _text(76, words)])

    return _fitting(draw, len(values), title)


def _colour(row: Estimate, limit: float) -> str:
    if row.lower > limit:
        return GOOD
    return BAD if row.upper < limit else QUIET


def _left_out(count: int) -> str:
    return f"; {count} more" if count else ""


def _short(label: str) -> str:
    return label if len(label) <= LABEL_CHARACTERS else label[: LABEL_CHARACTERS - 1] + "…"


def _text(y: int, words: str) -> str:
    return f"<text y='{y}'>{escape(words, quote=False)}</text>"


def _svg(height: int, parts: Sequence[str]) -> str:
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{height}' font-family='sans-serif' "
        f"font-size='12' fill='{TEXT}'>{''.join(parts)}</svg>"
    )


def _scale(values: Sequence[float]) -> Callable[[float], int]:
    low, high = min(values), max(values)
    return lambda value: round(4 + (value - low) / ((high - low) or 1.0) * (WIDTH - 8))


def _fitting(draw: Callable[[int], str], rows: int, title: str) -> str:
    """Return the drawing of the most rows that fit. Raises InvalidInputError when not even one does.

    Larger counts are not tried: drawing costs the square of the number of days.
    """
    for count in range(min(rows, CHARACTERS_MAXIMUM // ROW_CHARACTERS_MINIMUM), 0, -1):
        encoded = "".join(_ENCODED.get(letter, letter) for letter in draw(count))
        if len(found := f"![{title}](<data:image/svg+xml,{encoded}>)") <= CHARACTERS_MAXIMUM:
            return found
    raise InvalidInputError(f"the glance {title!r} has no row of at most {CHARACTERS_MAXIMUM} characters; shorten it")
