"""The dashboard: production and model metrics on one page.

Belongs here: collecting what the page shows, publishing it. Does not belong here: metrics themselves (dbt), how the
page looks (`core.dashboard`).

Concept: the page is a file without any request to a network. It reads marts, reports and decisions; nothing on it is
computed only for it, except realised MAP, which ranks each mature day once more.
"""

from collections.abc import Iterable
from datetime import date
from typing import Any

import dagster as dg

from mlife_assets.core.dashboard.data import (
    DailyValue,
    DashboardData,
    Decision,
    DriftKind,
    DriftSeries,
    DriftValue,
    Kpi,
    Marker,
    ModelMetrics,
    ModelVersion,
    ProductionMetrics,
    ReportDigest,
    Suppression,
    Tone,
)
from mlife_assets.core.dashboard.page import render_dashboard
from mlife_assets.core.errors import NotFoundError
from mlife_assets.core.monitoring import concept, drift, latent, quality
from mlife_assets.core.monitoring.governor import importance_of
from mlife_assets.core.monitoring.reports import MonitoringReport
from mlife_assets.core.statistics import proportion_difference_interval, wilson_interval
from mlife_assets.core.windows import last_mature_exposure_day
from mlife_assets.defs import keys
from mlife_assets.defs.map_history import MapDay, map_by_day
from mlife_assets.defs.metadata import table
from mlife_assets.defs.ownership import OWNERS
from mlife_assets.defs.resources import Platform
from mlife_assets.defs.retrain_decision import decision_rows
from mlife_assets.defs.says_why import says_why

GROUP = "metrics"
PAGE = "dashboard/index.html"
REPORTS: dict[DriftKind, str] = {"data": drift.REPORT, "latent": latent.REPORT, "concept": concept.REPORT}


def _daily(rows: Iterable[dict[str, Any]], name: str) -> tuple[DailyValue, ...]:
    return tuple(DailyValue(row["kpi_date"], row[name]) for row in rows)


def _worst(report: MonitoringReport) -> dict[str, DriftValue]:
    """Return per method (and block of columns) the finding that comes nearest to (or farthest over) its limit.

    Columns that are beyond their limit and may be, because they move with the calendar, are no drift and left out; what
    is better than expected is as far from its limit as nothing, 0.
    """
    worst: dict[str, DriftValue] = {}
    for finding in report.findings:
        ratio = max(0.0, finding.statistic) / max(abs(finding.threshold), 1e-12)
        if ratio > 1 and not finding.is_alarm:
            continue
        name = f"{finding.method} of {finding.column}" if finding.kind == latent.KIND else finding.method
        before = worst.get(name)
        if before is None or ratio > (before.statistic or 0.0):
            worst[name] = DriftValue(report.as_of_date, ratio, 1.0, finding.is_alarm)
    return worst


def _digests(platform: Platform, day: date) -> tuple[ReportDigest, ...]:
    reports = [platform.read_monitoring_report(name, day) for name in (quality.REPORT, *REPORTS.values())]
    return tuple(
        ReportDigest(
            name=report.name,
            day=report.as_of_date,
            status=report.status,
            sentence=report.sentence,
            sample_rows=report.sample_rows,
            findings=len(report.findings),
            alarms=len(report.alarms),
            moved=report.moved_columns,
            importance=importance_of(report),
        )
        for report in reports
    )


def _drift(platform: Platform) -> tuple[DriftSeries, ...]:
    series: dict[tuple[DriftKind, str], list[DriftValue]] = {}
    for kind, name in REPORTS.items():
        for day in platform.tables.report_days(name):
            for method, value in _worst(platform.read_monitoring_report(name, day)).items():
                series.setdefault((kind, method), []).append(value)
    return tuple(
        DriftSeries(f"{method.replace('_', ' ')} (worst, in units of its limit)", kind, tuple(values))
        for (kind, method), values in series.items()
    )


def _performance(platform: Platform, name: str) -> tuple[DailyValue, ...]:
    reports = [
        platform.tables.read_report("realised_performance", d)
        for d in platform.tables.report_days("realised_performance")
    ]
    return tuple(DailyValue(date.fromisoformat(report["as_of_date"]), report.get(name)) for report in reports)


def _decisions(platform: Platform) -> tuple[Decision, ...]:
    return tuple(
        Decision(row["as_of_date"], row["verdict"], tuple(row["sentences"]), tuple(row["codes"]), row["model_version"])
        for row in decision_rows(platform)
    )


def _models(platform: Platform) -> tuple[ModelVersion, ...]:
    verdicts = {row["model_version"]: row for row in platform.event_log.read("promotion_decided").to_pylist()}
    champion = platform.registry.champion()
    found = []
    for row in platform.registry.versions():
        version = row["model_version"]
        verdict = verdicts.get(version)
        found.append(
            ModelVersion(
                model_version=version,
                registered_on=row["as_of_date"],
                training_start=row["training_start_date"],
                training_end=row["training_end_date"],
                examples=row["examples"],
                positives=row["positives"],
                outcome=verdict["outcome"] if verdict else "pending",
                delta_map=DailyValue(
                    row["as_of_date"], verdict["delta_map"], verdict["delta_map_lower"], verdict["delta_map_upper"]
                )
                if verdict
                else None,
                sentences=tuple(verdict["sentences"]) if verdict else (),
                is_champion=version == champion,
            )
        )
    return tuple(found)


def _arms(rows: list[dict[str, Any]], arm: str) -> tuple[DailyValue, ...]:
    found = []
    for row in rows:
        if row["arm"] == arm and row["period_kind"] == "week":
            interval = wilson_interval(row["users_with_apply"], row["eligible_users"])
            found.append(DailyValue(row["period_end_date"], interval.estimate, interval.lower, interval.upper))
    return tuple(found)


def experiment_total(readout: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return treated and holdout apply rates over the whole experiment with the interval of their difference."""
    total = {row["arm"]: row for row in readout if row["period_kind"] == "total"}
    if set(total) != {"treated", "holdout"}:
        return None
    treated, holdout = total["treated"], total["holdout"]
    interval = proportion_difference_interval(
        treated["users_with_apply"],
        treated["eligible_users"],
        holdout["users_with_apply"],
        holdout["eligible_users"],
    )
    return {
        "treated_apply_rate": treated["apply_rate"],
        "holdout_apply_rate": holdout["apply_rate"],
        "lift": interval.estimate,
        "interval": [interval.lower, interval.upper],
        "treated_users": treated["eligible_users"],
        "holdout_users": holdout["eligible_users"],
    }


def _suppressions(platform: Platform) -> tuple[Suppression, ...]:
    rows = platform.event_log.read("message_suppressed", columns=["reason"])
    counts = (
        rows.group_by("reason")
        .aggregate([([], "count_all")])
        .sort_by([("count_all", "descending"), ("reason", "ascending")])
    )
    return tuple(Suppression(row["reason"], row["count_all"]) for row in counts.to_pylist())


def _kpis(kpis: list[dict[str, Any]], total: dict[str, Any] | None, map_days: list[MapDay]) -> tuple[Kpi, ...]:
    sums = {
        name: sum(row[name] or 0 for row in kpis)
        for name in ("messages_delivered", "clicks", "revenue_usd", "opt_outs")
    }
    delivered = sums["messages_delivered"]
    shown = [
        Kpi("texts delivered", delivered, "count", "since mlife sends"),
        Kpi(
            "click-through rate",
            sums["clicks"] / delivered if delivered else None,
            "share",
            "clicks per delivered text",
        ),
        Kpi("revenue", sums["revenue_usd"], "usd", "bids of applies that texts caused"),
        Kpi("opt-outs", sums["opt_outs"] / delivered if delivered else None, "share", "per delivered text"),
    ]
    if total is not None:
        low, high = total["interval"]
        tone: Tone = "good" if low > 0 else "bad" if high < 0 else "neutral"
        shown.insert(
            0,
            Kpi(
                "apply rate, texted minus holdout",
                total["lift"],
                "share",
                f"95 % interval {low:.1%} to {high:.1%}",
                tone,
            ),
        )
    if map_days:
        latest = map_days[-1]
        shown.append(Kpi("MAP@10 of the champion", latest.champion, "score", f"human {latest.human:.3f}, {latest.day}"))
    return tuple(shown)


def collect(platform: Platform) -> DashboardData:
    """Return everything that the page shows, as of the newest decided day."""
    days = platform.tables.report_days(drift.REPORT)
    if not days:
        raise NotFoundError("no day was lived yet; run daily_lifecycle_job (or `mlife day`) before the dashboard")
    first = platform.settings.first_lived_date
    kpis = [row for row in platform.warehouse.read("kpi_daily").to_pylist() if row["kpi_date"] >= first]
    readout = platform.warehouse.read("experiment_readout").to_pylist()
    mature = last_mature_exposure_day(days[-1], platform.policies.label.apply_window_days)
    map_days = map_by_day(platform, [day for day in days if day <= mature])
    return DashboardData(
        as_of_date=days[-1],
        first_date=days[0],
        world=f"{platform.settings.environment}, simulated market, seed {platform.settings.seed}",
        kpis=_kpis(kpis, experiment_total(readout), map_days),
        model=ModelMetrics(
            map_realised=tuple(DailyValue(one.day, one.champion) for one in map_days),
            map_human=tuple(DailyValue(one.day, one.human) for one in map_days),
            map_random=tuple(DailyValue(one.day, one.random) for one in map_days),
            auc_realised=_performance(platform, "realised_roc_auc"),
            auc_estimated=_performance(platform, "estimated_roc_auc"),
            click_auc_realised=_performance(platform, "click_realised_roc_auc"),
            click_auc_estimated=_performance(platform, "click_estimated_roc_auc"),
            drift=_drift(platform),
        ),
        production=ProductionMetrics(
            sent=_daily(kpis, "messages_submitted"),
            delivered=_daily(kpis, "messages_delivered"),
            click_through_rate=_daily(kpis, "ctr"),
            apply_rate_treated=_arms(readout, "treated"),
            apply_rate_holdout=_arms(readout, "holdout"),
            fill_rate=_daily(kpis, "fill_rate"),
            revenue_usd=_daily(kpis, "revenue_usd"),
            opt_outs=_daily(kpis, "opt_outs"),
        ),
        decisions=_decisions(platform),
        models=_models(platform),
        suppressions=_suppressions(platform),
        reports=_digests(platform, days[-1]),
        extra_markers=tuple(
            Marker(reign.since.date(), "rollback", f"to {reign.model_version[:12]}: {reign.reason}")
            for reign in platform.registry.history()
            if reign.kind == "rolled_back"
        ),
    )


@dg.asset(
    key=keys.DASHBOARD,
    deps=[keys.KPI_DAILY, keys.EXPERIMENT_READOUT, keys.RETRAIN_DECISION],
    group_name=GROUP,
    owners=OWNERS[GROUP],
    kinds={"html"},
    tags={"layer": "page"},
    description="Rolling model metrics and production metrics on one self-contained page.",
)
@says_why
def dashboard(platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult:
    """Render and publish the page."""
    data = collect(platform)
    page = render_dashboard(data).encode()
    platform.lake.replace(PAGE, page)
    path = platform.settings.lake_folder / PAGE
    return dg.MaterializeResult(
        metadata={
            "page": dg.MetadataValue.url(path.as_uri()),
            "bytes": len(page),
            "as_of_date": str(data.as_of_date),
            "kpis": table([{"kpi": kpi.label, "value": kpi.value, "detail": kpi.detail} for kpi in data.kpis]),
        }
    )


ASSETS = [dashboard]
