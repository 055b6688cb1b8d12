"""The check that repeats what the gate said of a challenger.

Belongs here: the report that an evaluation leaves, and the check on it, of every model. Does not belong here: the
evaluations (`evaluation`, `example_evaluation`), acting on a verdict (`promotion`).
"""

import dagster as dg

from mlife_assets.components.graph.model_graph import ModelGraph
from mlife_assets.components.graph.partitions import checked_days
from mlife_assets.components.platform.model_platform import ModelPlatform
from mlife_assets.components.shown.says_why import says_why

GROUP = "model"
PROMOTION_REPORT = "promotion"


def build_checks(graph: ModelGraph) -> list[dg.AssetChecksDefinition]:
    """Return what is checked of one model."""

    @dg.asset_check(
        asset=graph.key(GROUP, "evaluation"),
        description="Green when every condition of the gate is met; a refusal is a warning, not an error.",
    )
    @says_why
    def challenger_may_be_promoted(
        context: dg.AssetCheckExecutionContext, platform: dg.ResourceParam[ModelPlatform]
    ) -> dg.AssetCheckResult:
        """Repeat the verdicts that the gate left."""
        tables = graph.view(platform).model_tables
        reports = [tables.read_report(PROMOTION_REPORT, day) for day in checked_days(context)]
        return dg.AssetCheckResult(
            passed=all(report["outcome"] == "promoted" for report in reports),
            severity=dg.AssetCheckSeverity.WARN,
            description=" ".join(sentence for report in reports for sentence in report["sentences"]),
        )

    return [challenger_may_be_promoted]
