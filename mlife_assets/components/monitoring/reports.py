"""Monitoring: what the day looks like to the champion, and what to do about it.

Belongs here: the assets of the group `monitoring` and their checks. Does not belong here: statistics
(`adapters.nannyml_calculators`), limits, words and the governor (`core.monitoring`).

Concept: every report is written every day, faults included; none of them stops a run. What would act on a bad day reads
the quality report through a blocking check (`quality_gate`). The governor's verdict is an event and drives the sensor.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.components.events.feedback_arrivals import late_feedback_days
from mlife_assets.components.graph import keys
from mlife_assets.components.graph.ownership import OWNERS
from mlife_assets.components.graph.partitions import DAILY, RANGE_IN_ONE_RUN, checked_days, only_day
from mlife_assets.components.monitoring.inputs import SAMPLE_TABLE, explained_pairs, read_reference, sampled_examples
from mlife_assets.components.monitoring.performance_history import (
    performance_picture,
    performance_values,
    write_performance,
)
from mlife_assets.components.monitoring.quality_inputs import judge_quality
from mlife_assets.components.platform.resources import Platform
from mlife_assets.components.shown.figures import report_figures, report_glance
from mlife_assets.components.shown.links import runbook_link
from mlife_assets.components.shown.metadata import plot, sentences, wide_table
from mlife_assets.components.shown.runbooks import BY_REPORT, runbook_of
from mlife_assets.components.shown.says_why import says_why
from mlife_assets.core.monitoring import concept, drift, latent, quality
from mlife_assets.core.monitoring.governor import importance_of
from mlife_assets.core.monitoring.lateness import LateFeedback, judged_again_on, late_within
from mlife_assets.core.monitoring.moved_plot import plot_moved
from mlife_assets.core.monitoring.outcomes import OUTCOMES, Outcome, has_enough_positives, positives_of
from mlife_assets.core.monitoring.plots import plot_findings
from mlife_assets.core.monitoring.reference import MonitoringReference
from mlife_assets.core.monitoring.reports import MonitoringReport, undecided
from mlife_assets.core.monitoring.sizes import COLUMN_SIZES, JOINT_SIZES
from mlife_assets.core.monitoring.thresholds import Statistic
from mlife_assets.core.policies import MonitoringPolicy
from mlife_assets.core.windows import add_days, last_mature_exposure_day

GROUP = "monitoring"
_COMMON: dict[str, Any] = {
    "group_name": GROUP,
    "partitions_def": DAILY,
    "backfill_policy": RANGE_IN_ONE_RUN,
    "owners": OWNERS[GROUP],
    "tags": {"layer": "monitoring"},
}


def _percent(share: float | None) -> str:
    return "not known" if share is None else f"{share:.1%}"


def _undecided(name: str, day: date, reference: MonitoringReference, pairs: pa.Table, why: str) -> MonitoringReport:
    return undecided(name, as_of=day, model_version=reference.model_version, sample_rows=pairs.num_rows, sentence=why)


def _publish(
    platform: Platform,
    day: date,
    report: MonitoringReport,
    reference: MonitoringReference,
    pairs: pa.Table | None = None,
) -> dg.MaterializeResult:
    """Store a report and show it: the sentence, the plots, every finding; of `pairs`, the sample, what moved."""
    platform.write_monitoring_report(report.name, day, report)
    moved = None if pairs is None else plot_moved(report, reference, pairs)
    rows = [
        {
            "column": finding.column or "(row)",
            "method": finding.method,
            "statistic": finding.statistic,
            "threshold": finding.threshold,
            "alarm": finding.is_alarm,
            "importance": _percent(finding.importance_share),
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
            **({} if moved is None else {"before_and_after": plot(moved, "columns that moved, before and after")}),
            "findings": plot(plot_findings(report), report.name),
            **report_figures(report),
            "all_findings": wide_table(rows),
        }
    )


@dg.asset(
    key=keys.DATA_QUALITY_REPORT,
    deps=[keys.USER_FEATURES, keys.JOB_FEATURES, keys.MONITORING_REFERENCE],
    kinds={"numpy"},
    description="Is what arrived what it claims to be, and is every feature what raw events give? A fault blocks.",
    **_COMMON,
)
@says_why
def data_quality_report(
    context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]
) -> dg.MaterializeResult:
    """Judge a sample of the day's pairs, what landed the day before, who changed overnight, and rows derived again."""
    day = only_day(context, platform)
    reference = read_reference(platform, day)
    judged = judge_quality(platform, day, reference)
    platform.tables.write(SAMPLE_TABLE, day, judged.pairs)
    return _publish(platform, day, judged.report, reference, judged.pairs)


@dg.asset(
    key=keys.DATA_DRIFT_REPORT,
    deps=[keys.DATA_QUALITY_REPORT, keys.MONITORING_REFERENCE],
    kinds={"nannyml"},
    description="Does P(x) move? Each column of a fixed-size sample against the reference. Power: docs/adr/0006.",
    **_COMMON,
)
@says_why
def data_drift_report(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult:
    """Measure each column's distance and rank it by importance to the model."""
    from mlife_assets.adapters.nannyml_calculators import drift_statistics

    day = only_day(context, platform)
    reference = read_reference(platform, day)
    pairs = platform.tables.read(SAMPLE_TABLE, day)
    if (why := reference.why_incomparable(pairs, platform.policies.monitoring, COLUMN_SIZES)) is not None:
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
    key=keys.LATENT_DRIFT_REPORT,
    deps=[keys.DATA_QUALITY_REPORT, keys.MONITORING_REFERENCE],
    kinds={"nannyml"},
    description="Do features, embeddings or the champion's SHAP values move jointly? Domain classifier and PCA.",
    **_COMMON,
)
@says_why
def latent_drift_report(
    context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]
) -> dg.MaterializeResult:
    """Ask a classifier and PCA whether they can tell the day from the reference."""
    from mlife_assets.adapters.nannyml_calculators import latent_statistics

    day = only_day(context, platform)
    reference = read_reference(platform, day)
    policy = platform.policies.monitoring
    sample = platform.tables.read(SAMPLE_TABLE, day)
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
    key=keys.CONCEPT_DRIFT_REPORT,
    deps=[keys.LABELLED_EXAMPLES, keys.CLICK_EXAMPLES, keys.MONITORING_REFERENCE],
    kinds={"nannyml"},
    description="Does P(y|x) move? Realised against estimated performance, and residuals, on mature labels only.",
    **_COMMON,
)
@says_why
def concept_drift_report(
    context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]
) -> dg.MaterializeResult:
    """Score what has matured since the reference, clicks sooner than applies, and compare it with what was expected."""
    day = only_day(context, platform)
    policy = platform.policies.monitoring
    reference = read_reference(platform, day)
    read = {outcome: _window(platform, reference, day, outcome) for outcome in OUTCOMES if reference.has(outcome)}
    windows = {outcome: window for outcome, (window, _) in read.items()}
    statistics = {outcome: _performance(reference, window, outcome, policy) for outcome, window in windows.items()}
    report = concept.concept_drift_report(
        as_of=day,
        reference=reference,
        examples=windows["apply"],
        statistics=statistics["apply"],
        policy=policy,
        clicks=windows.get("click"),
        click_statistics=statistics.get("click", ()),
        late={outcome: late for outcome, (_, late) in read.items() if late is not None},
    )
    write_performance(platform, day, report, windows, statistics)
    result = _publish(platform, day, report, reference)
    return dg.MaterializeResult(
        metadata={
            **(result.metadata or {}),
            **performance_values(statistics),
            "performance": plot(performance_picture(platform, day), "realised and estimated performance"),
        }
    )


def _window(
    platform: Platform, reference: MonitoringReference, day: date, outcome: Outcome
) -> tuple[pa.Table, LateFeedback | None]:
    """Return what has matured of an outcome since the reference, scored; nothing and why if feedback was late."""
    label = platform.policies.label
    windows: dict[Outcome, int] = {"apply": label.apply_window_days, "click": label.click_window_days}
    last = last_mature_exposure_day(day, windows[outcome])
    first = add_days(last, 1 - concept.WINDOW_DAYS)
    known: date | None = pc.max(reference.scored(outcome)["exposure_date"]).as_py()
    if known is not None:  # a sample is spent on no other days
        first = max(first, add_days(known, 1))
    late = late_within(late_feedback_days(platform, add_days(first, -1), add_days(day, -1)), first, day)
    if late:
        again = judged_again_on(late, maturity_days=windows[outcome], window_days=concept.WINDOW_DAYS)
        return reference.scored(outcome).slice(0, 0), LateFeedback(late, again)
    scored = sampled_examples(platform, reference.model_version, first, last, outcome=outcome)
    return concept.concept_window(scored, reference=reference, as_of=day, outcome=outcome), None


def _performance(
    reference: MonitoringReference, window: pa.Table, outcome: Outcome, policy: MonitoringPolicy
) -> Sequence[Statistic]:
    """Return estimated and realised performance; none without enough outcomes, or where the reference has none."""
    from mlife_assets.adapters.nannyml_calculators import performance_statistics

    if not has_enough_positives(window, policy) or not positives_of(reference.scored(outcome)):
        return ()
    return performance_statistics(reference, window, outcome=outcome)


def _report_check(key: dg.AssetKey, name: str, report_name: str, description: str) -> dg.AssetChecksDefinition:
    """Return a non-blocking check that is green when the report does not alarm."""

    @dg.asset_check(asset=key, name=name, description=f"{description} Runbook: {BY_REPORT[report_name]}.")
    @says_why
    def check(context: dg.AssetCheckExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.AssetCheckResult:
        reports = [platform.read_monitoring_report(report_name, day) for day in checked_days(context)]
        alarms = [finding for report in reports for finding in report.alarms]
        return dg.AssetCheckResult(
            passed=not alarms,
            severity=dg.AssetCheckSeverity.WARN,
            description=" ".join(report.sentence for report in reports),
            metadata={
                "columns_that_moved": ", ".join(
                    dict.fromkeys(name for report in reports for name in report.moved_columns)
                ),
                "importance_of_what_moved": _percent(importance_of(reports[-1])) if alarms else "",
                "why": sentences([finding.sentence for finding in alarms]) if alarms else "",
                "runbook": runbook_link(platform, runbook_of(report_name, reports)),
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
        keys.LATENT_DRIFT_REPORT, "no_joint_drift", latent.REPORT, "Green when no joint detector sets the day apart."
    ),
    _report_check(
        keys.CONCEPT_DRIFT_REPORT,
        "outcomes_are_as_expected",
        concept.REPORT,
        "Green when mature outcomes match what the champion expects.",
    ),
]
