"""The checks on the reports of a day: green when a report does not alarm.

Belongs here: one check per report. Does not belong here: the reports (`reports`), what would act on a bad day, which
carries a blocking check (`quality_gate`).
"""

import dagster as dg

from mlife_assets.components.graph.model_graph import ModelGraph
from mlife_assets.components.graph.partitions import checked_days
from mlife_assets.components.platform.model_platform import ModelPlatform
from mlife_assets.components.shown.links import runbook_link
from mlife_assets.components.shown.metadata import percent, sentences
from mlife_assets.components.shown.runbooks import BY_REPORT, runbook_of
from mlife_assets.components.shown.says_why import says_why
from mlife_assets.core.monitoring import concept, drift, latent, quality
from mlife_assets.core.monitoring.governor import importance_of

GROUP = "monitoring"


def build_checks(graph: ModelGraph) -> list[dg.AssetChecksDefinition]:
    """Return what is checked of one model."""
    return [
        _report_check(
            graph,
            "data_quality_report",
            "no_quality_fault",
            quality.REPORT,
            "Green when no data-quality rule is broken.",
        ),
        _report_check(
            graph,
            "data_drift_report",
            "no_column_drifted",
            drift.REPORT,
            "Green when every column is within its limit.",
        ),
        _report_check(
            graph,
            "latent_drift_report",
            "no_joint_drift",
            latent.REPORT,
            "Green when no joint detector sets the day apart.",
        ),
        _report_check(
            graph,
            "concept_drift_report",
            "outcomes_are_as_expected",
            concept.REPORT,
            "Green when mature outcomes match what the champion expects.",
        ),
    ]


def _report_check(
    graph: ModelGraph, report: str, name: str, report_name: str, description: str
) -> dg.AssetChecksDefinition:
    """Return a non-blocking check that is green when the report does not alarm."""

    @dg.asset_check(
        asset=graph.key(GROUP, report), name=name, description=f"{description} Runbook: {BY_REPORT[report_name]}."
    )
    @says_why
    def check(context: dg.AssetCheckExecutionContext, platform: dg.ResourceParam[ModelPlatform]) -> dg.AssetCheckResult:
        reports = [graph.view(platform).read_monitoring_report(report_name, day) for day in checked_days(context)]
        alarms = [finding for report in reports for finding in report.alarms]
        return dg.AssetCheckResult(
            passed=not alarms,
            severity=dg.AssetCheckSeverity.WARN,
            description=" ".join(report.sentence for report in reports),
            metadata={
                "columns_that_moved": ", ".join(
                    dict.fromkeys(name for report in reports for name in report.moved_columns)
                ),
                "importance_of_what_moved": percent(importance_of(reports[-1])) if alarms else "",
                "why": sentences([finding.sentence for finding in alarms]) if alarms else "",
                "runbook": runbook_link(platform, runbook_of(report_name, reports)),
            },
        )

    return check
