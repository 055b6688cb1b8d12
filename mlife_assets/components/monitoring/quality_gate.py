"""The day's quality verdict, for later steps.

Concept: the report itself never stops a run, so the governor's verdict is written on bad days too. Assets that would
use bad data (candidates, training) carry a blocking check that reads the report.
"""

from collections.abc import Iterable
from datetime import date

import dagster as dg

from mlife_assets.components.graph.model_graph import ModelGraph
from mlife_assets.components.graph.partitions import checked_days
from mlife_assets.components.shown.figures import report_figures
from mlife_assets.components.shown.metadata import runbook_link
from mlife_assets.components.shown.says_why import BY_REPORT, blocks_and_says_why, runbook_of, runbook_words
from mlife_assets.core.errors import GateClosedError, NotFoundError
from mlife_assets.core.monitoring.quality import REPORT
from mlife_assets.core.monitoring.reports import MonitoringReport
from mlife_assets.core.windows import run_time
from mlife_assets.deployments.ports import ModelPorts, Models


def quality_report(platform: ModelPorts, day: date) -> MonitoringReport:
    """Return the quality report of a day. Raises NotFoundError naming the asset to materialize."""
    return platform.reports.read(REPORT, day)


def quarantined_days(platform: ModelPorts, days: Iterable[date]) -> list[date]:
    """Return the `days` with a failed report: their features must not be used in training or a reference.

    Only the reports of these days are read, so the cost does not grow with history.
    """
    asked = set(days)
    reported = [day for day in platform.model_tables.report_days(REPORT) if day in asked]
    return [day for day in reported if quality_report(platform, day).status != "ok"]


def require_sound_day(platform: ModelPorts, day: date) -> None:
    """Refuse a day whose quality report failed or is missing: checks gate only their own run.

    Before the first promotion there is no reference and thus no report, so all days pass.

    Raises:
        GateClosedError: the day is not known to be sound.
    """
    if platform.registry.champion_at(run_time(day)) is None:
        return
    try:
        report = quality_report(platform, day)
    except NotFoundError as error:
        raise GateClosedError(f"data quality of {day} is unknown: {error}") from error
    if report.status != "ok":
        raise GateClosedError(f"data quality of {day} is not sound: {report.sentence}")


def quality_check(
    asset_key: dg.AssetKey, name: str, description: str, graph: ModelGraph | None = None
) -> dg.AssetChecksDefinition:
    """Return a blocking check on `asset_key` that is green if the day's quality report passed, for the model of `graph`
    or the first.

    Before the first promotion there is no reference and thus no report; then the check says so and is green.
    """

    @dg.asset_check(
        asset=asset_key, name=name, description=f"{description} {runbook_words(BY_REPORT[REPORT])}", blocking=True
    )
    @blocks_and_says_why
    def check(context: dg.AssetCheckExecutionContext, platform: dg.ResourceParam[Models]) -> dg.AssetCheckResult:
        covered = checked_days(context)
        ports = platform.of_model() if graph is None else graph.view(platform)
        if ports.registry.champion_at(run_time(covered[-1])) is None:
            return dg.AssetCheckResult(
                passed=True,
                description="No model serves yet, so there is no reference to judge the day against.",
            )
        reports = [quality_report(ports, day) for day in covered]
        failed = [report for report in reports if report.status != "ok"]
        return dg.AssetCheckResult(
            passed=not failed,
            severity=dg.AssetCheckSeverity.ERROR,
            description=" ".join(report.sentence for report in failed) or None,
            metadata={
                "day": covered[-1].isoformat(),
                "rows": reports[-1].sample_rows,
                **report_figures(reports[-1]),
                "faults": "\n".join(finding.sentence for report in failed for finding in report.alarms),
                "runbook": runbook_link(ports.home, runbook_of(REPORT, failed)),
            },
        )

    return check
