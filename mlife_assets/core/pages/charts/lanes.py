"""Lanes: what happened when, one row per actor, on one axis of days.

Concept: a track is HTML placed by percent, so it is as readable at any width; its words are said by its
label and by the note beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from mlife_assets.core.pages.charts.scales import day_ticks, format_day
from mlife_assets.core.pages.markup import Markup, element, number

YEAR_SHOWN_FROM_DAYS = 300


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
    """One row: its name, a note below the name, and what lies on its track."""

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
