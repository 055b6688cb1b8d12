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

from mlife_assets.core.monitoring import concept, drift, latent, quality
from mlife_assets.core.monitoring.plots import plot_findings
from mlife_assets.core.monitoring.reference import MonitoringReference
from mlife_assets.core.monitoring.reports import MonitoringReport
from mlife_assets.core.windows import add_days, last_mature_exposure_day
from mlife_assets.defs import keys
from mlife_assets.defs.metadata import plot, sentences, table
from mlife_assets.defs.monitoring_inputs import (
    SAMPLE_TABLE,
    landed_counts,
    landed_history,
    read_reference,
    sampled_pairs,
    scored_examples,
)
from mlife_assets.defs.ownership import OWNERS
from mlife_assets.defs.partitions import DAILY, RANGE_IN_ONE_RUN, only_day, run_days
from mlife_assets.defs.resources import Platform

GROUP = "monitoring"
LANDED_HISTORY_DAYS = 14
_COMMON: dict[str, Any] = {
    "group_name": GROUP,
    "partitions_def": DAILY,
    "backfill_policy": RANGE_IN_ONE_RUN,
    "owners": OWNERS[GROUP],
    "tags": {"layer": "monitoring"},
}


def _publish(platform: Platform, day: date, report: MonitoringReport) -> dg.MaterializeResult:
    """Store a report and show it: the sentence, the plot, every finding."""
    platform.write_monitoring_report(report.name, day, report)
    rows = [
        {
            "column": finding.column or "(row)",
            "method": finding.method,
            "statistic": finding.statistic,
            "threshold": finding.threshold,
            "alarm": finding.is_alarm,
            "sentence": finding.sentence,
        }
        for finding in report.findings
    ]
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": report.sample_rows,
            "status": report.status,
            "verdict": report.sentence,
            "model_version": report.model_version or "none",
            "findings": plot(plot_findings(report), report.name),
            "all_findings": table(rows),
        }
    )


@dg.asset(
    key=keys.DATA_QUALITY_REPORT,
    deps=[keys.USER_FEATURES, keys.JOB_FEATURES, keys.MONITORING_REFERENCE],
    kinds={"nannyml"},
    description="Is what arrived what it claims to be? Missing, unseen, out of range, volume, freshness, duplicates.",
    **_COMMON,
)
def data_quality_report(
    context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]
) -> dg.MaterializeResult:
    """Judge a fixed-size sample of the day's candidate pairs, and what landed on the eve."""
    day = only_day(context)
    reference = read_reference(platform, day)
    sample = sampled_pairs(platform, day)
    platform.tables.write(SAMPLE_TABLE, day, sample.pairs)
    report = quality.data_quality_report(
        as_of=day,
        reference=reference,
        pairs=sample.pairs,
        pair_rows=sample.population_rows,
        policy=platform.policies.monitoring,
        landed=landed_counts(platform, day),
        landed_history=landed_history(platform, day, LANDED_HISTORY_DAYS),
        duplicate_pairs=sample.duplicate_pairs,
    )
    return _publish(platform, day, report)


@dg.asset(
    key=keys.DATA_DRIFT_REPORT,
    deps=[keys.DATA_QUALITY_REPORT, keys.MONITORING_REFERENCE],
    kinds={"nannyml"},
    description="Does P(x) move? Each column of a fixed-size sample against the reference. Power: docs/adr/0006.",
    **_COMMON,
)
def data_drift_report(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult:
    """Measure each column's distance and rank it by importance to the model."""
    from mlife_assets.adapters.nannyml_calculators import drift_statistics

    day = only_day(context)
    reference = read_reference(platform, day)
    pairs = platform.tables.read(SAMPLE_TABLE, day)
    report = drift.data_drift_report(
        as_of=day,
        reference=reference,
        pairs=pairs,
        statistics=drift_statistics(reference, pairs),
        importance=platform.importance(reference.model_version),
    )
    return _publish(platform, day, report)


@dg.asset(
    key=keys.LATENT_DRIFT_REPORT,
    deps=[keys.DATA_QUALITY_REPORT, keys.MONITORING_REFERENCE],
    kinds={"nannyml"},
    description="Do features or embeddings move jointly although each alone may not? Domain classifier and PCA.",
    **_COMMON,
)
def latent_drift_report(
    context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]
) -> dg.MaterializeResult:
    """Ask a classifier and PCA whether they can tell the day from the reference."""
    from mlife_assets.adapters.nannyml_calculators import latent_statistics

    day = only_day(context)
    reference = read_reference(platform, day)
    pairs = platform.tables.read(SAMPLE_TABLE, day)
    report = latent.latent_drift_report(
        as_of=day,
        reference=reference,
        sample_rows=pairs.num_rows,
        statistics=latent_statistics(reference, pairs, platform.policies.monitoring),
    )
    return _publish(platform, day, report)


@dg.asset(
    key=keys.CONCEPT_DRIFT_REPORT,
    deps=[keys.LABELLED_EXAMPLES, keys.MONITORING_REFERENCE],
    kinds={"nannyml"},
    description="Does P(y|x) move? Realised against estimated performance, and residuals, on mature labels only.",
    **_COMMON,
)
def concept_drift_report(
    context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]
) -> dg.MaterializeResult:
    """Score what has matured since the reference and compare outcomes with what was expected."""
    from mlife_assets.adapters.nannyml_calculators import performance_statistics

    day = only_day(context)
    policy = platform.policies.monitoring
    reference = read_reference(platform, day)
    examples = _concept_examples(platform, reference, day)
    enough = concept.has_enough_positives(examples, policy)
    statistics = performance_statistics(reference, examples) if enough else ()
    report = concept.concept_drift_report(
        as_of=day, reference=reference, examples=examples, statistics=statistics, policy=policy
    )
    performance = {f"{statistic.method}_{statistic.column}": statistic.value for statistic in statistics}
    platform.tables.write_report(
        "realised_performance", day, {"as_of_date": day, "exposures": examples.num_rows, **performance}
    )
    result = _publish(platform, day, report)
    return dg.MaterializeResult(metadata={**(result.metadata or {}), **performance})


def _concept_examples(platform: Platform, reference: MonitoringReference, day: date) -> pa.Table:
    window = platform.policies.label.apply_window_days
    last = last_mature_exposure_day(day, window)
    scored = scored_examples(platform, reference.model_version, add_days(last, 1 - concept.WINDOW_DAYS), last)
    return concept.concept_window(scored, reference=reference, as_of=day)


def _report_check(key: dg.AssetKey, name: str, report_name: str, description: str) -> dg.AssetChecksDefinition:
    """Return a non-blocking check that is green when the report does not alarm."""

    @dg.asset_check(asset=key, name=name, description=description)
    def check(context: dg.AssetCheckExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.AssetCheckResult:
        reports = [platform.read_monitoring_report(report_name, day) for day in run_days(context.run)]
        alarms = [finding for report in reports for finding in report.alarms]
        return dg.AssetCheckResult(
            passed=not alarms,
            severity=dg.AssetCheckSeverity.WARN,
            description=" ".join(report.sentence for report in reports),
            metadata={
                "columns_that_moved": ", ".join(sorted({finding.column or finding.method for finding in alarms})),
                "why": sentences([finding.sentence for finding in alarms]) if alarms else "",
            },
        )

    return check


ASSETS: list[dg.AssetsDefinition] = [
    data_quality_report,
    data_drift_report,
    latent_drift_report,
    concept_drift_report,
]
CHECKS = [
    _report_check(
        keys.DATA_QUALITY_REPORT, "no_quality_fault", quality.REPORT, "Green when no data-quality rule is broken."
    ),
    _report_check(
        keys.DATA_DRIFT_REPORT, "no_column_drifted", drift.REPORT, "Green when every column is within its limit."
    ),
    _report_check(
        keys.LATENT_DRIFT_REPORT, "no_joint_drift", latent.REPORT, "Green when no joint detector tells the day apart."
    ),
    _report_check(
        keys.CONCEPT_DRIFT_REPORT,
        "outcomes_are_as_expected",
        concept.REPORT,
        "Green when mature outcomes match what the champion expects.",
    ),
]
