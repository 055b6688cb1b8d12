"""Realised against estimated performance over time, as stored and as drawn.

Concept: one small report a day is the history; a picture of day D shows days until D only, so it does not change when
later days come.
"""

from collections.abc import Mapping, Sequence
from datetime import date

import pyarrow as pa

from mlife_assets.components.graph.model_graph import Rankings
from mlife_assets.core.monitoring.columns import LABEL, prefix_of
from mlife_assets.core.monitoring.outcomes import METRICS, SHORTFALL, positives_of
from mlife_assets.core.monitoring.plots import PerformanceDay, plot_performance
from mlife_assets.core.monitoring.reports import MonitoringReport
from mlife_assets.core.monitoring.thresholds import Statistic
from mlife_assets.core.windows import last_mature_exposure_day
from mlife_assets.deployments.ports import ModelPorts

REPORT = "realised_performance"
HISTORY_DAYS = 90


def performance_values(statistics: Mapping[str, Sequence[Statistic]]) -> dict[str, float]:
    """Return performance by name, `realised_roc_auc` or `estimated_roc_auc`; that of an earlier step begins with it."""
    return {
        f"{prefix_of(outcome)}{statistic.method}_{statistic.column}": statistic.value
        for outcome, found in statistics.items()
        for statistic in found
    }


def write_performance(
    platform: ModelPorts,
    day: date,
    report: MonitoringReport,
    windows: Mapping[str, pa.Table],
    statistics: Mapping[str, Sequence[Statistic]],
) -> None:
    """Store the performance of a day, with its allowed shortfall from the estimate."""
    allowed = {
        f"{finding.method.removesuffix(SHORTFALL)}allowed_shortfall_{finding.column}": finding.threshold
        for finding in report.findings
        if finding.method.endswith(SHORTFALL)
    }
    counts = {f"{prefix_of(outcome)}positives": positives_of(window) for outcome, window in windows.items()}
    exposures = windows[LABEL].num_rows
    platform.model_tables.write_report(
        REPORT,
        day,
        {"as_of_date": day, "exposures": exposures, **counts, **performance_values(statistics), **allowed},
    )


def performance_history(platform: ModelPorts, until: date) -> list[PerformanceDay]:
    """Return the performance of the latest days until a day, oldest first; None where outcomes lack labels."""
    days = [day for day in platform.model_tables.report_days(REPORT) if day <= until][-HISTORY_DAYS:]
    found = []
    for day in days:
        report = platform.model_tables.read_report(REPORT, day)
        for outcome in platform.model.outcomes:
            prefix = prefix_of(outcome)
            for metric in METRICS:
                if (realised := report.get(f"{prefix}realised_{metric}")) is None:
                    continue
                estimated = report[f"{prefix}estimated_{metric}"]
                allowed = report.get(f"{prefix}allowed_shortfall_{metric}")
                found.append(PerformanceDay(day, outcome, metric, estimated, realised, allowed))
    return found


def performance_picture(platform: ModelPorts, day: date, rankings: Rankings | None) -> bytes:
    """Return the picture of a day: estimates against outcomes of mature labels, and `rankings` of mature days."""
    mature = last_mature_exposure_day(day, platform.model.label_step.maturity_days)
    reported = [one for one in platform.model_tables.report_days(REPORT) if one <= mature][-HISTORY_DAYS:]
    ranked = [] if rankings is None else rankings(platform, reported)
    words = {outcome: step.wording for outcome, step in platform.model.outcomes.items()}
    return plot_performance(performance_history(platform, day), ranked, words)
