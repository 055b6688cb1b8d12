"""The whole page.

Belongs here: what the template is given. Does not belong here: the layout (`core/pages/templates/dashboard.html`),
words (`headline`, `overview`), charts.

Concept: one string in, one file out. The page loads nothing; without its script it still shows everything. The same
data gives the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.pages import page, reading_script, render
from mlife_assets.core.pages.charts.scales import MISSING, format_day, format_value
from mlife_assets.core.pages.charts.signs import GLYPHS, MARKER_NAMES
from mlife_assets.core.pages.charts.values import DailyValue
from mlife_assets.core.statistics import Interval
from mlife_assets.recruiting.dashboard.charts import detectors, drift_panels, model_charts, production_charts
from mlife_assets.recruiting.dashboard.data import DashboardData, Suppression, lifecycle_markers
from mlife_assets.recruiting.dashboard.headline import headline
from mlife_assets.recruiting.dashboard.overview import OUTCOMES, lanes, verdict_runs

SHORT = 12
COLUMNS_SHOWN = 8
REASONS_NAMED = 3
CHANNELS = {"sms": "text", "email": "mail", "call": "call"}
STATUSES = {"ok": "ok", "alarm": "alarm", "not_enough_evidence": "not enough evidence"}


@dataclass(frozen=True)
class ReasonRow:
    """One reason for not texting, its bar and its numbers."""

    name: str
    note: str
    share: float
    cells: tuple[str, ...]


def render_dashboard(data: DashboardData) -> str:
    """Return the dashboard as one self-contained HTML document.

    Raises:
        InvalidInputError: `first_date` lies after `as_of_date`.
    """
    if data.first_date > data.as_of_date:
        raise InvalidInputError(
            f"DashboardData.first_date {data.first_date} lies after as_of_date {data.as_of_date}; swap or correct them"
        )
    markers = lifecycle_markers(data)
    kinds = {marker.kind for marker in markers}
    body = render(
        "dashboard.html",
        package="mlife_assets.recruiting.dashboard",
        data=data,
        headline=headline(data),
        lanes=lanes(data, markers),
        signs=[(kind, GLYPHS[kind], MARKER_NAMES[kind]) for kind in GLYPHS if kind in kinds],
        model_charts=model_charts(data, markers),
        drift_panels=drift_panels(data, markers),
        detectors=detectors(data),
        production_charts=production_charts(data),
        reasons=_reasons(data.suppressions),
        held_back=_held_back(data),
        runs=verdict_runs(data.decisions),
        models=sorted(data.models, key=lambda m: (m.registered_on, m.model_version), reverse=True),
        outcomes=OUTCOMES,
        statuses=STATUSES,
        delta=_delta,
        points=_points,
        value=format_value,
        missing=MISSING,
        channels=CHANNELS,
        short=SHORT,
        columns_shown=COLUMNS_SHOWN,
    )
    title = f"mlife, {format_day(data.as_of_date, year=True)}"
    return page(title, body, nav=data.nav, script=reading_script(), is_wide=True)


def _held_back(data: DashboardData) -> str:
    """Return how many texts were held back on the days that are shown, and the reasons that did so most often."""
    suppressions = data.suppressions
    since = f" since {format_day(data.first_date)}" if data.is_cut else ""
    if not suppressions:
        return f"No text was held back{since}."
    total = sum(one.count for one in suppressions)
    named = ", ".join(f"{row.name} {row.cells[1]}" for row in _reasons(suppressions)[:REASONS_NAMED])
    return f"{total:,} texts were held back{since} by the rules that protect people ({named})."


def _reasons(suppressions: tuple[Suppression, ...]) -> list[ReasonRow]:
    rows = sorted(suppressions, key=lambda one: (-one.count, one.reason))
    total, largest = sum(one.count for one in rows), max((one.count for one in rows), default=0)
    return [
        ReasonRow(
            one.reason.replace("_", " "),
            "",
            one.count / largest if largest else 0.0,
            (format_value(one.count, "count"), format_value(one.count / total if total else None, "share")),
        )
        for one in rows
    ]


def _delta(delta: DailyValue | None) -> tuple[str, str]:
    """Return the difference that the gate measured, and its bounds."""
    if delta is None:
        return MISSING, ""
    value = format_value(delta.value, "score")
    signed = f"+{value}" if delta.value is not None and delta.value > 0 else value
    bounds = f"{format_value(delta.lower, 'score')} to {format_value(delta.upper, 'score')}"
    return signed, bounds if delta.lower is not None else ""


def _points(lift: Interval | None) -> tuple[str, str]:
    """Return a difference of shares in points, and its bounds."""
    if lift is None:
        return MISSING, ""
    return f"{100 * lift.estimate:+.1f} points", f"{100 * lift.lower:+.1f} to {100 * lift.upper:+.1f}"
