"""Monitoring: what the day looks like to the champion, and what to do about it.

Belongs here: the assets of the group `monitoring` and their checks. Does not belong here: statistics
(`adapters.nannyml_calculators`), limits, words and the governor (`core.monitoring`).

Concept: every report is written every day, faults included; none of them stops a run. What would act on a bad day reads
the quality report through a blocking check (`quality_gate`). The governor's verdict is an event and drives the sensor.
"""

from datetime import date
from typing import Any

import dagster as dg
import pyarrow as pa

from mlife_assets.components.graph.model_graph import ModelGraph
from mlife_assets.components.graph.ownership import OWNERS
from mlife_assets.components.graph.partitions import DAILY, only_day
from mlife_assets.components.monitoring.computed import badges, computed_by_entry
from mlife_assets.components.monitoring.inputs import (
    SAMPLE_TABLE,
    explained_pairs,
    known_reference,
)
from mlife_assets.components.monitoring.outcome_windows import outcome_performance, outcome_window
from mlife_assets.components.monitoring.performance_history import (
    performance_picture,
    performance_values,
    write_performance,
)
from mlife_assets.components.monitoring.quality_inputs import judge_quality
from mlife_assets.components.monitoring.special import Special
from mlife_assets.components.platform.model_platform import ModelPlatform
from mlife_assets.components.shown.figures import report_figures, report_glance
from mlife_assets.components.shown.metadata import percent, plot, wide_table
from mlife_assets.components.shown.says_why import says_why
from mlife_assets.core.monitoring import concept, drift, latent, quality
from mlife_assets.core.monitoring.plots import plot_findings, plot_moved
from mlife_assets.core.monitoring.reference import MonitoringReference
from mlife_assets.core.monitoring.reports import MonitoringReport, undecided, without_model
from mlife_assets.core.monitoring.sizes import COLUMN_SIZES, JOINT_SIZES

GROUP = "monitoring"
_COMMON: dict[str, Any] = {
    "partitions_def": DAILY,
    "owners": OWNERS[GROUP],
    "tags": {"layer": "monitoring"},
}


def _undecided(name: str, day: date, reference: MonitoringReference, pairs: pa.Table, why: str) -> MonitoringReport:
    return undecided(name, as_of=day, model_version=reference.model_version, sample_rows=pairs.num_rows, sentence=why)


def _publish(
    platform: ModelPlatform,
    day: date,
    report: MonitoringReport,
    reference: MonitoringReference | None = None,
    pairs: pa.Table | None = None,
) -> dg.MaterializeResult:
    """Store a report and show it: the sentence, the plots, every finding; of `pairs`, the sample, what moved."""
    platform.write_monitoring_report(report.name, day, report)
    moved = None if pairs is None or reference is None else plot_moved(report, reference, pairs)
    rows = [
        {
            "column": finding.column or "(row)",
            "method": finding.method,
            "statistic": finding.statistic,
            "threshold": finding.threshold,
            "alarm": finding.is_alarm,
            "importance": percent(finding.importance_share),
            "moved": ", ".join(finding.moved_columns),
            "sentence": finding.sentence,
        }
        for finding in report.findings
    ]
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": report.sample_rows,
            "status": report.status,
            "verdict": report.sentence,
            **report_glance(report),
            "model_version": report.model_version or "none",
            **computed_by_entry(report.name),
            **({} if moved is None else {"before_and_after": plot(moved, "columns that moved, before and after")}),
            "findings": plot(plot_findings(report), report.name),
            **report_figures(report),
            "all_findings": wide_table(rows),
        }
    )


def _without_model(platform: ModelPlatform, day: date, name: str) -> dg.MaterializeResult:
    """Publish a report of a day on which no model serves: as `quality_check` has it, such a day is no fault."""
    return _publish(platform, day, without_model(name, day, "ok" if name == quality.REPORT else "not_enough_evidence"))


def build_assets(graph: ModelGraph, special: Special) -> list[dg.AssetsDefinition]:
    """Return what the module makes of one model."""

    @dg.asset(
        key=graph.key(GROUP, "data_quality_report"),
        deps=[*graph.tables, graph.key("model", "monitoring_reference")],
        kinds={"numpy"},
        description="Is what arrived what it claims to be, and is every feature what raw events give? A fault blocks.",
        group_name=graph.group(GROUP),
        backfill_policy=graph.backfill_policy,
        **_COMMON,
    )
    @says_why
    def data_quality_report(
        context: dg.AssetExecutionContext, platform: dg.ResourceParam[ModelPlatform]
    ) -> dg.MaterializeResult:
        """Judge a sample of the day's rows, what landed the day before, and what only this model can be asked."""
        platform = graph.view(platform)
        day = only_day(context, platform)
        graph.require_in_order(context, platform, day)
        if (reference := known_reference(platform, day)) is None:
            return _without_model(platform, day, quality.REPORT)
        judged = judge_quality(platform, day, reference, special.findings)
        platform.model_tables.write(SAMPLE_TABLE, day, judged.pairs)
        return _publish(platform, day, judged.report, reference, judged.pairs)

    @dg.asset(
        key=graph.key(GROUP, "data_drift_report"),
        deps=[graph.key(GROUP, "data_quality_report"), graph.key("model", "monitoring_reference")],
        kinds=badges(),
        description="Does P(x) move? Each column of a fixed-size sample against the reference. Power: docs/adr/0006.",
        group_name=graph.group(GROUP),
        backfill_policy=graph.backfill_policy,
        **_COMMON,
    )
    @says_why
    def data_drift_report(
        context: dg.AssetExecutionContext, platform: dg.ResourceParam[ModelPlatform]
    ) -> dg.MaterializeResult:
        """Measure each column's distance and rank it by importance to the model."""
        from mlife_assets.adapters.nannyml_calculators import drift_statistics

        platform = graph.view(platform)
        day = only_day(context, platform)
        if (reference := known_reference(platform, day)) is None:
            return _without_model(platform, day, drift.REPORT)
        pairs = platform.model_tables.read(SAMPLE_TABLE, day)
        if (why := reference.why_incomparable(pairs, platform.model.monitoring, COLUMN_SIZES)) is not None:
            return _publish(platform, day, _undecided(drift.REPORT, day, reference, pairs, why), reference)
        report = drift.data_drift_report(
            as_of=day,
            reference=reference,
            pairs=pairs,
            statistics=drift_statistics(reference, pairs),
            importance=platform.importance(reference.model_version),
        )
        return _publish(platform, day, report, reference, pairs)

    @dg.asset(
        key=graph.key(GROUP, "latent_drift_report"),
        deps=[graph.key(GROUP, "data_quality_report"), graph.key("model", "monitoring_reference")],
        kinds=badges(),
        description="Do features, embeddings or the champion's SHAP values move jointly? Domain classifier and PCA.",
        group_name=graph.group(GROUP),
        backfill_policy=graph.backfill_policy,
        **_COMMON,
    )
    @says_why
    def latent_drift_report(
        context: dg.AssetExecutionContext, platform: dg.ResourceParam[ModelPlatform]
    ) -> dg.MaterializeResult:
        """Ask a classifier and PCA whether they can tell the day from the reference."""
        from mlife_assets.adapters.nannyml_calculators import latent_statistics

        platform = graph.view(platform)
        day = only_day(context, platform)
        if (reference := known_reference(platform, day)) is None:
            return _without_model(platform, day, latent.REPORT)
        policy = platform.model.monitoring
        sample = platform.model_tables.read(SAMPLE_TABLE, day)
        if (why := reference.why_incomparable(sample, policy, JOINT_SIZES)) is not None:
            return _publish(platform, day, _undecided(latent.REPORT, day, reference, sample, why), reference)
        pairs = explained_pairs(platform, reference.model_version, sample, reference.columns)
        report = latent.latent_drift_report(
            as_of=day,
            reference=reference,
            sample_rows=pairs.num_rows,
            statistics=latent_statistics(reference, pairs, policy),
            importance=platform.importance(reference.model_version),
            pairs=pairs,
        )
        return _publish(platform, day, report, reference, pairs)

    @dg.asset(
        key=graph.key(GROUP, "concept_drift_report"),
        deps=[*graph.examples, graph.key("model", "monitoring_reference")],
        kinds=badges(),
        description="Does P(y|x) move? Realised against estimated performance, and residuals, on mature labels only.",
        group_name=graph.group(GROUP),
        backfill_policy=graph.backfill_policy,
        **_COMMON,
    )
    @says_why
    def concept_drift_report(
        context: dg.AssetExecutionContext, platform: dg.ResourceParam[ModelPlatform]
    ) -> dg.MaterializeResult:
        """Score what has matured since the reference, each step by its own time, and compare it with the estimate."""
        platform = graph.view(platform)
        day = only_day(context, platform)
        policy = platform.model.monitoring
        if (reference := known_reference(platform, day)) is None:
            return _without_model(platform, day, concept.REPORT)
        read = {outcome: outcome_window(platform, reference, day, outcome) for outcome in reference.outcomes}
        windows = {outcome: window for outcome, (window, _) in read.items()}
        statistics = {
            outcome: outcome_performance(reference, window, outcome, policy) for outcome, window in windows.items()
        }
        report = concept.concept_drift_report(
            as_of=day,
            reference=reference,
            examples=windows,
            statistics=statistics,
            policy=policy,
            late={outcome: late for outcome, (_, late) in read.items() if late is not None},
            words=platform.model.wording,
        )
        write_performance(platform, day, report, windows, statistics)
        result = _publish(platform, day, report, reference)
        return dg.MaterializeResult(
            metadata={
                **(result.metadata or {}),
                **performance_values(statistics),
                "performance": plot(
                    performance_picture(platform, day, special.rankings), "realised and estimated performance"
                ),
            }
        )

    return [data_quality_report, data_drift_report, latent_drift_report, concept_drift_report]
