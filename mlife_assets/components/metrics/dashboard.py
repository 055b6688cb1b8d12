"""The dashboard: production and model metrics on one page.

Concept: the page is a file without any request to a network. It reads marts, reports and decisions; nothing on it is
computed only for it, except realised MAP, which ranks each mature day once more. The gate's figures of other models
than the first are those of the champion; before one serves, they are the newest challenger's, with the reason why none
serves. A damaged file of one model hides no other. Totals cover all days; daily values cover the newest days only, so
that the page costs the same at any age of a deployment.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import Any

import dagster as dg
import pyarrow.compute as pc

from mlife_assets.components.graph import keys
from mlife_assets.components.graph.keys import OWNERS
from mlife_assets.components.messages.calls import CALL_PLANNED
from mlife_assets.components.metrics.map_history import MapDay, gains_of_promotions, map_by_day
from mlife_assets.components.model.challengers import PROMOTION_REPORT
from mlife_assets.components.model.retrain_decision import decision_rows
from mlife_assets.components.monitoring.performance_history import REPORT as PERFORMANCE
from mlife_assets.components.shown.figures import lift_figures
from mlife_assets.components.shown.metadata import page_link, table
from mlife_assets.components.shown.says_why import says_why
from mlife_assets.components.shown.verdicts import verdicts
from mlife_assets.core.errors import IntegrityError, NotFoundError
from mlife_assets.core.monitoring import concept, drift, latent, quality
from mlife_assets.core.monitoring.governor import importance_of
from mlife_assets.core.monitoring.reports import MonitoringReport
from mlife_assets.core.pages.charts.values import DailyValue, Marker
from mlife_assets.core.pages.document import BACKTEST, DASHBOARD, between, card_key, nav
from mlife_assets.core.windows import days_between, is_mature
from mlife_assets.deployments.board_ports import BoardPorts
from mlife_assets.deployments.ports import ModelPorts
from mlife_assets.recruiting.dashboard.data import (
    ApplicationFigures,
    DashboardData,
    Decision,
    DriftKind,
    DriftSeries,
    DriftValue,
    ModelMetrics,
    ModelVersion,
    OtherModel,
    Ranking,
    ReportDigest,
    RuleGain,
    Suppression,
    application_figures,
    lift_of,
    paired_gain,
    pending_days,
    production,
    texting,
    tiles,
)
from mlife_assets.recruiting.dashboard.page import render_dashboard

GROUP = "metrics"
_METHODS = {"jensen_shannon": "Jensen-Shannon distance", "kolmogorov_smirnov": "Kolmogorov-Smirnov distance"}
DAYS_SHOWN = 182
"""Newest days shown singly: 26 weeks. SQL covers all days."""
PERFORMANCE_FIELDS = {
    "auc_realised": "realised_roc_auc",
    "auc_estimated": "estimated_roc_auc",
    "click_auc_realised": "click_realised_roc_auc",
    "click_auc_estimated": "click_estimated_roc_auc",
}
REPORTS: dict[DriftKind, str] = {"data": drift.REPORT, "latent": latent.REPORT, "concept": concept.REPORT}


def _worst(report: MonitoringReport) -> dict[str, DriftValue]:
    """Return per method (and block of columns) the finding nearest to, or farthest over, its limit."""
    worst: dict[str, DriftValue] = {}
    for finding, ratio in report.by_ratio:
        name = f"{finding.method} of {finding.column}" if finding.kind == latent.KIND else finding.method
        worst.setdefault(name, DriftValue(report.as_of_date, ratio, 1.0, finding.is_alarm))
    return worst


def _digests(platform: BoardPorts, day: date) -> tuple[ReportDigest, ...]:
    reports = [platform.of_model().reports.read(name, day) for name in (quality.REPORT, *REPORTS.values())]
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


def _drift(platform: BoardPorts) -> tuple[DriftSeries, ...]:
    series: dict[tuple[DriftKind, str], list[DriftValue]] = {}
    for kind, name in REPORTS.items():
        for day in platform.tables.newest_report_days(name, DAYS_SHOWN):
            for method, value in _worst(platform.of_model().reports.read(name, day)).items():
                series.setdefault((kind, method), []).append(value)
    return tuple(
        DriftSeries(_METHODS.get(method) or method.replace("_", " ").capitalize(), kind, tuple(values))
        for (kind, method), values in series.items()
    )


def _performance(platform: BoardPorts) -> dict[str, tuple[DailyValue, ...]]:
    """Return realised and estimated ranking quality of labelled days, for the label and for clicks."""
    days = platform.tables.newest_report_days(PERFORMANCE, DAYS_SHOWN)
    reports = [platform.tables.read_report(PERFORMANCE, day) for day in days]
    return {
        field: tuple(DailyValue(date.fromisoformat(one["as_of_date"]), one.get(name)) for one in reports)
        for field, name in PERFORMANCE_FIELDS.items()
    }


def _models(platform: BoardPorts, map_days: Sequence[MapDay], since: date) -> tuple[ModelVersion, ...]:
    """Return the models of the days shown, and the champion."""
    judged = {row["model_version"]: row for row in verdicts(platform.of_model())}
    champion, gains = platform.of_model().registry.champion(), gains_of_promotions(platform, map_days)
    found = []
    for row in platform.of_model().registry.versions():
        version = row["model_version"]
        if row["as_of_date"] < since and version != champion:
            continue
        verdict = judged.get(version)
        found.append(
            ModelVersion(
                model_version=version,
                registered_on=row["as_of_date"],
                training_start=row["training_start_date"],
                training_end=row["training_end_date"],
                examples=row["examples"],
                positives=row["positives"],
                outcome=verdict["outcome"] if verdict else "pending",
                judged_in=verdict["environment"] or "" if verdict else "",
                delta_map=DailyValue(
                    row["as_of_date"], verdict["delta_map"], verdict["delta_map_lower"], verdict["delta_map_upper"]
                )
                if verdict and not verdict["environment"]
                else None,
                sentences=tuple(verdict["sentences"]) if verdict else (),
                is_champion=version == champion,
                against="the champion" if verdict and verdict["champion_version"] else "recruiters",
                card=between(DASHBOARD, card_key(version)) if platform.of_model().registry.card(version) else None,
                won=gains[version].sentence if version in gains else "",
            )
        )
    return tuple(found)


def _suppressions(platform: BoardPorts, since: date) -> tuple[Suppression, ...]:
    rows = platform.event_log.read("message_suppressed", start=since, columns=["reason", "campaign"])
    rows = rows.filter(pc.equal(rows["campaign"], platform.application.name))
    counts = (
        rows.group_by("reason")
        .aggregate([([], "count_all")])
        .sort_by([("count_all", "descending"), ("reason", "ascending")])
    )
    return tuple(Suppression(row["reason"], row["count_all"]) for row in counts.to_pylist())


def world_of(platform: BoardPorts) -> str:
    """Return the origin of the data in words."""
    if platform.days.is_simulated:
        return f"simulated market, seed {platform.settings.market.seed}"
    return f"{platform.settings.deployment}, data that others deliver"


def _ranking(map_days: Sequence[MapDay]) -> Ranking | None:
    if not map_days:
        return None
    simple = [one.simple for one in map_days if one.simple is not None]
    return Ranking(
        map_days[0].day,
        map_days[-1].day,
        len(map_days),
        model=sum(one.champion for one in map_days) / len(map_days),
        human=sum(one.human for one in map_days) / len(map_days),
        simple=sum(simple) / len(map_days) if len(simple) == len(map_days) else None,
        gain=paired_gain([one.champion - one.human for one in map_days]),
    )


def _model(platform: BoardPorts, map_days: Sequence[MapDay], days: Sequence[date]) -> ModelMetrics:
    label = platform.policies.label
    waits = pending_days(days_between(days[0], days[-1]), label.apply_window_days, days[-1])
    return ModelMetrics(
        map_realised=(*(DailyValue(one.day, one.champion) for one in map_days), *waits),
        map_human=(*(DailyValue(one.day, one.human) for one in map_days), *waits),
        map_random=(*(DailyValue(one.day, one.random) for one in map_days), *waits),
        map_simple=tuple(DailyValue(one.day, one.simple) for one in map_days if one.simple is not None),
        map_replaced=tuple(DailyValue(one.day, one.replaced) for one in map_days if one.replaced is not None),
        **_performance(platform),
        drift=_drift(platform),
        map_cohort="by mature day, among the jobs that people were shown",
    )


def collect(platform: BoardPorts) -> DashboardData:
    """Return the content of the page, as of the newest decided day."""
    found = platform.tables.newest_report_days(drift.REPORT, DAYS_SHOWN + 1)
    if not found:
        raise NotFoundError("no day has run yet; run daily_lifecycle_job (or `mlife day`) before the dashboard")
    days, is_cut = found[-DAYS_SHOWN:], len(found) > DAYS_SHOWN
    since = days[0] if is_cut else date.min
    as_of, label = days[-1], platform.policies.label
    first = platform.settings.days.first_lived_date
    kpis = [row for row in platform.warehouse.read("kpi_daily").to_pylist() if first <= row["kpi_date"] <= as_of]
    readout = platform.warehouse.read("experiment_readout").to_pylist()
    readout = [row for row in readout if row["experiment"] == platform.application.name]
    came_to = applications(platform, as_of)
    lifts = {one.name: found.lift for one, found in zip(platform.home.applications, came_to, strict=True)}
    map_days = map_by_day(platform, [day for day in days if is_mature(day, as_of, label.apply_window_days)])
    ranking, texted = _ranking(map_days), texting(kpis, lifts[platform.application.name], as_of)
    return DashboardData(
        as_of_date=as_of,
        first_date=days[0],
        is_cut=is_cut,
        world=f"{platform.settings.environment}, {world_of(platform)}",
        kpis=tiles(kpis, texted, ranking, label, as_of),
        model=_model(platform, map_days, days),
        production=production(
            [row for row in kpis if row["kpi_date"] >= since],
            [row for row in readout if row["period_end_date"] >= since],
            label,
            as_of,
        ),
        decisions=tuple(decision_of(row) for row in decision_rows(platform.of_model()) if row["as_of_date"] >= since),
        models=_models(platform, map_days, since),
        others=other_models(platform),
        suppressions=_suppressions(platform, since),
        reports=_digests(platform, as_of),
        extra_markers=tuple(
            Marker(reign.since.date(), "rollback", f"to {reign.model_version[:12]}: {reign.reason}")
            for reign in platform.of_model().registry.history()
            if reign.kind == "rolled_back" and reign.since.date() >= since
        ),
        ranking=ranking,
        texting=texted,
        applications=came_to,
        nav=nav(DASHBOARD, has_backtest=platform.lake.exists(BACKTEST)),
    )


@dg.asset(
    key=keys.DASHBOARD,
    deps=[keys.KPI_DAILY, keys.APPLICATION_DAILY, keys.EXPERIMENT_READOUT, keys.LIFT_DAILY, keys.RETRAIN_DECISION],
    group_name=GROUP,
    owners=OWNERS[GROUP],
    kinds={"html"},
    tags={"layer": "page"},
    description="Rolling model metrics and production metrics on one self-contained page.",
)
@says_why
def dashboard(platform: dg.ResourceParam[BoardPorts]) -> dg.MaterializeResult:
    """Render and publish the page."""
    data = collect(platform)
    page = render_dashboard(data).encode()
    platform.lake.replace(DASHBOARD, page)
    return dg.MaterializeResult(
        metadata={
            "page": page_link(platform.home, DASHBOARD),
            "bytes": len(page),
            "as_of_date": str(data.as_of_date),
            **lift_figures(None if data.texting is None else data.texting.lift),
            "kpis": table([{"kpi": kpi.label, "value": kpi.value, "detail": kpi.detail} for kpi in data.kpis]),
        }
    )


ASSETS = [dashboard]


def applications(platform: BoardPorts, as_of: date) -> tuple[ApplicationFigures, ...]:
    """Return the figures of each application, in their order."""
    first, home = platform.settings.days.first_lived_date, platform.home
    daily = [row for row in platform.warehouse.read("application_daily").to_pylist() if row["kpi_date"] >= first]
    sums, called = platform.warehouse.read("lift_daily").to_pylist(), _called(platform)
    return tuple(
        application_figures(
            one,
            daily,
            lift_of(one, sums, platform.policies, as_of, among=home.applications),
            platform.policies.label,
            as_of,
            called=called[one.name],
        )
        for one in home.applications
    )


def _called(platform: BoardPorts) -> Counter[str]:
    listed = platform.event_log.read(CALL_PLANNED, columns=["campaign", "person_id"])
    return Counter(row["campaign"] for row in listed.group_by(["campaign", "person_id"]).aggregate([]).to_pylist())


def decision_of(row: dict[str, Any]) -> Decision:
    """Return a decision for the page."""
    return Decision(
        row["as_of_date"], row["verdict"], tuple(row["sentences"]), tuple(row["codes"]), row["model_version"]
    )


def other_models(platform: BoardPorts) -> tuple[OtherModel, ...]:
    first = platform.of_model().model_name
    return tuple(_stands(platform.of_model(one.name)) for one in platform.home.models if one.name != first)


def _stands(view: ModelPorts) -> OtherModel:
    try:
        return _read(view)
    except IntegrityError as error:
        return OtherModel(view.model_name, view.model.title, fault=str(error))


def _read(view: ModelPorts) -> OtherModel:
    reigns, decisions = view.registry.history(), decision_rows(view)
    version = reigns[-1].model_version if reigns else None
    day, report = _judged(view, version)
    return OtherModel(
        name=view.model_name,
        title=view.model.title,
        model_version=version,
        since=reigns[-1].since.date() if reigns else None,
        card=between(DASHBOARD, card_key(version)) if version and view.registry.card(version) else None,
        outcome=report.get("outcome"),
        gain=_gain(day, report),
        decision=decision_of(decisions[-1]) if decisions else None,
    )


def _judged(view: ModelPorts, version: str | None) -> tuple[date, dict[str, Any]]:
    """Return day and report of the gate's last verdict on a version, by default on any; empty without one."""
    for day in reversed(view.model_tables.report_days(PROMOTION_REPORT)):
        report = view.model_tables.read_report(PROMOTION_REPORT, day)
        if version in (None, report["model_version"]):
            return day, report
    return date.min, {}


def _gain(day: date, report: dict[str, Any]) -> RuleGain | None:
    for one in report.get("comparisons", ()):
        if one["against"] == "human":
            delta = one["delta"]
            value = DailyValue(day, delta["estimate"], delta["lower"], delta["upper"])
            return RuleGain(report["objective"], one["model_version"], value)
    return None
