"""The challenger of a day, and the check that repeats the gate's verdict on it."""

from datetime import date

import dagster as dg

from mlife_assets.components.graph.model_graph import ModelGraph
from mlife_assets.components.graph.partitions import checked_days
from mlife_assets.components.shown.figures import comparison_figures, condition_figures
from mlife_assets.components.shown.metadata import runbook_link
from mlife_assets.components.shown.says_why import says_why
from mlife_assets.core.training.gate import RUNBOOK
from mlife_assets.deployments.ports import ModelPorts, Models

GROUP = "model"
PROMOTION_REPORT = "promotion"
CHALLENGER_REPORT = "challenger"


def challenger_version(platform: ModelPorts, day: date) -> str:
    """Return the version that `candidate_model` registered on a day."""
    version: str = platform.model_tables.read_report(CHALLENGER_REPORT, day)["model_version"]
    return version


def build_checks(graph: ModelGraph) -> list[dg.AssetChecksDefinition]:
    """Return the checks of one model."""

    @dg.asset_check(
        asset=graph.key(GROUP, "evaluation"),
        description="Green when every condition of the gate is met; a refusal is a warning, not an error.",
    )
    @says_why
    def challenger_may_be_promoted(
        context: dg.AssetCheckExecutionContext, platform: dg.ResourceParam[Models]
    ) -> dg.AssetCheckResult:
        """Repeat the gate's stored verdicts."""
        tables = graph.view(platform).model_tables
        days = checked_days(context)
        reports = [tables.read_report(PROMOTION_REPORT, day) for day in days]
        return dg.AssetCheckResult(
            passed=all(report["outcome"] == "promoted" for report in reports),
            severity=dg.AssetCheckSeverity.WARN,
            description=" ".join(sentence for report in reports for sentence in report["sentences"]),
            metadata={
                "day": days[-1].isoformat(),
                **condition_figures(one["is_met"] for one in reports[-1].get("conditions", ())),
                **comparison_figures(reports[-1]),
                "runbook": runbook_link(graph.view(platform).home, RUNBOOK),
            },
        )

    return [challenger_may_be_promoted]
