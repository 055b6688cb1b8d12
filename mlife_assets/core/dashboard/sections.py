"""The charts of the page: what is drawn together, and why.

Belongs here: the choice of series, forms and words of each chart. Does not belong here: geometry (`charts`), tables.
"""

from __future__ import annotations

from mlife_assets.core.dashboard.charts import GLYPHS, MARKER_NAMES, Chart, Series, glyph, render_chart
from mlife_assets.core.dashboard.data import DailyValue, DashboardData, DriftSeries, lifecycle_markers
from mlife_assets.core.dashboard.markup import Markup, element, join
from mlife_assets.core.dashboard.scales import format_value

_KINDS = {"data": "data drift", "latent": "latent drift", "concept": "concept drift"}
_DRIFT_ORDER = {"data": 0, "latent": 1, "concept": 2}


def model_section(data: DashboardData) -> Markup:
    """Return ranking quality, realised against estimated AUC, and every drift statistic against its threshold."""
    span = (data.first_date, data.as_of_date)
    markers = lifecycle_markers(data)
    model = data.model
    ranking = Chart(
        "Ranking quality, MAP@10",
        (
            Series("model", model.map_realised),
            Series("recruiter rule", model.map_human, "rival"),
            Series("random order", model.map_random, "muted"),
        ),
        "score",
        subtitle=model.map_cohort,
        markers=markers,
        span=span,
    )
    auc = Chart(
        "AUC, realised and estimated",
        (
            Series("estimated without labels (CBPE)", model.auc_estimated, "accent", "dashed"),
            Series("realised on mature labels", model.auc_realised),
        ),
        "score",
        subtitle="a realised line that falls below the estimate is the sign of concept drift",
        markers=markers,
        from_zero=False,
        span=span,
    )
    clicks = Chart(
        "AUC of clicks, realised and estimated",
        (
            Series("estimated without labels (CBPE)", model.click_auc_estimated, "accent", "dashed"),
            Series("realised on mature clicks", model.click_auc_realised),
        ),
        "score",
        subtitle="the funnel's first step: known days before applies are",
        markers=markers,
        from_zero=False,
        span=span,
    )
    drifts = sorted(model.drift, key=lambda d: _DRIFT_ORDER[d.kind])
    panels = [_drift_panel(data, drift) for drift in drifts]
    key = element("ul", *(element("li", glyph(kind), MARKER_NAMES[kind]) for kind in GLYPHS), class_="legend marks")
    nothing = element("div", element("p", "No drift statistics yet.", class_="empty"), class_="card")
    return element(
        "section",
        element("h2", "The model"),
        key,
        element("div", render_chart(ranking), render_chart(auc), render_chart(clicks), class_="grid two"),
        element("h2", "Drift against thresholds", class_="minor"),
        element("div", *panels, class_="grid two") if panels else nothing,
        aria_label="The model",
    )


def _drift_panel(data: DashboardData, drift: DriftSeries) -> Markup:
    inside = [v for v in drift.values if data.first_date <= v.day <= data.as_of_date]
    alarms = frozenset(v.day for v in inside if v.is_alarm)
    days = "day" if len(alarms) == 1 else "days"
    chart = Chart(
        drift.name,
        (
            Series("statistic", tuple(DailyValue(v.day, v.statistic) for v in inside), "main", "line", alarms),
            Series("threshold", tuple(DailyValue(v.day, v.threshold) for v in inside), "threshold", "dashed"),
        ),
        "score",
        (data.first_date, data.as_of_date),
        subtitle=f"alarm on {len(alarms)} of {len(inside)} {days}" if alarms else "no alarm",
        markers=tuple(m for m in lifecycle_markers(data) if m.kind in ("retrain", "block")),
        from_zero=False,
        height=170.0,
        tag=_KINDS[drift.kind],
    )
    return render_chart(chart)


def production_section(data: DashboardData) -> Markup:
    """Return what the texts did: volume, clicks, causal effect, vacancies, money, opt-outs."""
    span = (data.first_date, data.as_of_date)
    p = data.production
    charts = (
        Chart(
            "Texts per day",
            (Series("sent", p.sent, "muted", "bar"), Series("delivered", p.delivered, "main", "bar")),
            "count",
            span=span,
        ),
        Chart("Click-through rate", (Series("clicks per delivered text", p.click_through_rate),), "share", span=span),
        Chart(
            "People with an apply, treated against holdout",
            (
                Series("treated", p.apply_rate_treated, "main", "whisker"),
                Series("holdout", p.apply_rate_holdout, "rival", "whisker"),
            ),
            "share",
            subtitle="any cause, intention to treat, with 95 % intervals",
            span=span,
        ),
        Chart("Revenue per day", (Series("revenue", p.revenue_usd, "main", "bar"),), "usd", span=span),
        Chart("Fill rate of vacancies", (Series("openings filled", p.fill_rate),), "share", span=span),
        Chart("Opt-outs per day", (Series("opt-outs", p.opt_outs, "rival", "bar"),), "count", span=span),
    )
    return element(
        "section",
        element("h2", "Production"),
        element("div", *(render_chart(chart) for chart in charts), _suppressions(data), class_="grid two"),
        aria_label="Production",
    )


def _suppressions(data: DashboardData) -> Markup:
    rows = sorted(data.suppressions, key=lambda s: (-s.count, s.reason))
    total, largest = sum(s.count for s in rows), max((s.count for s in rows), default=0)
    body: list[Markup] = []
    for s in rows:
        fill = element("i", style=f"width:{100 * s.count / largest if largest else 0:.1f}%")
        share = format_value(s.count / total if total else None, "share")
        label = element("th", s.reason.replace("_", " "), scope="row")
        body.append(
            element(
                "tr",
                label,
                element("td", fill, class_="meter"),
                element("td", format_value(s.count, "count"), class_="num"),
                element("td", share, class_="num quiet"),
            )
        )
    table = element("table", element("tbody", *body), class_="meters")
    empty = element("p", "Nothing was suppressed.", class_="empty")
    caption = element(
        "figcaption",
        element("h3", "Messages suppressed, by reason"),
        element("p", f"{total:,} in all: the rules that keep people from being texted", class_="subtitle"),
    )
    return element("figure", caption, join(table if rows else empty), class_="card chart wide")
