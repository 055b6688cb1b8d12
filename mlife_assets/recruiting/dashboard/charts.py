"""The charts of the page: what is drawn together, and why.

Belongs here: the choice of series, forms and words of each chart. Does not belong here: geometry (`core.pages.charts`),
what is words and tables (the template).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from mlife_assets.core.pages import Markup, join
from mlife_assets.core.pages.charts.days import render_chart
from mlife_assets.core.pages.charts.scales import MISSING, format_span
from mlife_assets.core.pages.charts.values import Chart, DailyValue, Marker, Series, finite
from mlife_assets.core.windows import add_days
from mlife_assets.recruiting.dashboard.data import DashboardData, DriftSeries, DriftValue
from mlife_assets.recruiting.dashboard.overview import KINDS

PANELS_MAXIMUM = 3
RECENT_DAYS = 7
_KIND_ORDER = tuple(KINDS)


@dataclass(frozen=True)
class Detector:
    """A row of the table of detectors: its values in units of its limit, and when it alarmed."""

    name: str
    kind: str
    newest: str
    highest: str
    alarms: str


def model_charts(data: DashboardData, markers: Sequence[Marker]) -> Markup:
    """Return ranking quality and realised against estimated AUC of applies and clicks."""
    model, marks = data.model, tuple(markers)
    optional = (
        Series("model that it replaced", model.map_replaced, "main", "dashed"),
        Series("simple rule", model.map_simple, "accent", "dashed"),
    )
    ranking = Chart(
        "Ranking quality, MAP@10",
        (
            Series("model", model.map_realised),
            Series("recruiters' rule", model.map_human, "rival", "dashed"),
            *(one for one in optional if one.values),
            Series("random order", model.map_random, "muted"),
        ),
        "score",
        data.span,
        subtitle=model.map_cohort,
        markers=marks,
    )
    aucs = (
        ("applies", model.auc_estimated, model.auc_realised, "realised below the estimate: a sign of concept drift"),
        ("clicks", model.click_auc_estimated, model.click_auc_realised, "known days before applies are"),
    )
    charts = [
        Chart(
            f"AUC of {name}",
            (Series("estimated (CBPE)", estimated, "accent", "dashed"), Series("realised", realised)),
            "score",
            data.span,
            subtitle=words,
            markers=marks,
            from_zero=False,
        )
        for name, estimated, realised, words in aucs
    ]
    return join(*map(render_chart, (ranking, *charts)))


def drift_panels(data: DashboardData, markers: Sequence[Marker]) -> Markup:
    """Return three detectors that alarmed within a week: of each kind the farthest over its limit, then the next."""
    since = add_days(data.as_of_date, 1 - RECENT_DAYS)
    recent = [drift for drift in data.model.drift if any(v.is_alarm and v.day >= since for v in drift.values)]
    worst = sorted(recent, key=lambda drift: (-_highest(drift, since), drift.name))
    first_of_kind = {drift.kind: drift for drift in reversed(worst)}.values()
    shown = [*(d for d in worst if d in first_of_kind), *(d for d in worst if d not in first_of_kind)][:PANELS_MAXIMUM]
    marks = tuple(marker for marker in markers if marker.kind in ("retrain", "block"))
    return join(*(render_chart(_drift_chart(data, drift, marks)) for drift in shown))


def detectors(data: DashboardData) -> list[Detector]:
    """Return every detector with its newest and highest value, those that alarmed on most days first."""
    ordered = sorted(data.model.drift, key=lambda d: (-len(_alarms(d)), _KIND_ORDER.index(d.kind), d.name))
    return [_detector(drift) for drift in ordered]


def _detector(drift: DriftSeries) -> Detector:
    values = sorted(drift.values, key=lambda value: value.day)
    alarms = _alarms(drift)
    span = format_span(min(alarms), max(alarms)) if alarms else ""
    return Detector(
        drift.name,
        KINDS[drift.kind],
        _ratio_words(values[-1]) if values else MISSING,
        f"{_highest(drift, date.min):.2f}",
        f"{len(alarms)} of {len(values)} days, {span}" if alarms else "none",
    )


def _alarms(drift: DriftSeries) -> list[date]:
    return sorted(value.day for value in drift.values if value.is_alarm)


def _ratio(value: DriftValue) -> float | None:
    statistic, threshold = finite(value.statistic), finite(value.threshold)
    return None if statistic is None or not threshold else statistic / threshold


def _ratio_words(value: DriftValue) -> str:
    ratio = _ratio(value)
    return MISSING if ratio is None else f"{ratio:.2f}"


def _highest(drift: DriftSeries, since: date) -> float:
    return max((ratio for v in drift.values if v.day >= since and (ratio := _ratio(v)) is not None), default=0.0)


def _drift_chart(data: DashboardData, drift: DriftSeries, markers: tuple[Marker, ...]) -> Chart:
    inside = [v for v in drift.values if data.first_date <= v.day <= data.as_of_date]
    alarms = frozenset(v.day for v in inside if v.is_alarm)
    return Chart(
        drift.name,
        (
            Series("statistic", tuple(DailyValue(v.day, v.statistic) for v in inside), alarms=alarms),
            Series("limit", tuple(DailyValue(v.day, v.threshold) for v in inside), "threshold", "dashed"),
        ),
        "score",
        data.span,
        subtitle=f"{KINDS[drift.kind]}: the worst column in units of its limit",
        markers=markers,
        from_zero=False,
    )


def production_charts(data: DashboardData) -> Markup:
    """Return what the texts did: volume, clicks, causal effect, money, vacancies, opt-outs."""
    p = data.production
    charts = (
        Chart(
            "Texts per day",
            (Series("sent", p.sent, "muted", "bar"), Series("delivered", p.delivered, "main", "bar")),
            "count",
            data.span,
        ),
        Chart(
            "Click-through rate",
            (Series("clicks per delivered text", p.click_through_rate),),
            "share",
            data.span,
            subtitle="by day of the text",
        ),
        Chart(
            "People with an apply, texted or not",
            (
                Series("may be texted", p.apply_rate_treated, "main", "whisker"),
                Series("holdout, never texted", p.apply_rate_holdout, "rival", "whisker"),
            ),
            "share",
            data.span,
            subtitle="by week, any cause, 95 % intervals",
        ),
        Chart(
            "Bids of applies after texts",
            (Series("by day of the text", p.revenue_usd, "main", "bar"),),
            "usd",
            data.span,
        ),
        Chart("Openings filled", (Series("of all posted so far", p.fill_rate),), "share", data.span),
        Chart(
            "Opt-outs per day",
            (Series("people who want no more texts", p.opt_outs, "rival", "bar"),),
            "count",
            data.span,
        ),
    )
    return join(*(render_chart(chart) for chart in charts))
