"""Monitoring reports of the day against the champion's reference, and the governor's decision.

Concept: every report is written every day, faults included; none of them stops a run. Assets that would act on a bad
day read the quality report through a blocking check (`quality_gate`). The governor's verdict is an event and drives the
sensor. Every problem of a day becomes a fault in its report, not an exception without one, so a mart's missing column
or repeated key is a finding like any other. The models that scored the reference's outcomes score later ones, in the
same shares: the serving fit has other errors, and on few rows the difference exceeds many drifts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.components.graph.model_graph import DayRun, Findings, Metadata, ModelGraph, model_asset
from mlife_assets.components.graph.partitions import checked_days
from mlife_assets.components.monitoring.computed import badges, computed_by_entry
from mlife_assets.components.monitoring.inputs import (
    SAMPLE_TABLE,
    explained_pairs,
    known_reference,
    landed_counts,
    landed_history,
    sampled_examples,
    sampled_pairs,
)
from mlife_assets.components.monitoring.performance_history import (
    performance_picture,
    performance_values,
    write_performance,
)
from mlife_assets.components.shown.figures import report_figures, report_glance, report_verdict
from mlife_assets.components.shown.metadata import percent, plot, runbook_link, sentences, wide_table
from mlife_assets.components.shown.says_why import BY_REPORT, runbook_of, runbook_words, says_why
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.monitoring import concept, drift, latent, quality
from mlife_assets.core.monitoring.governor import importance_of
from mlife_assets.core.monitoring.lateness import LateFeedback, judged_again_on, late_within
from mlife_assets.core.monitoring.outcomes import has_enough_positives, positives_of
from mlife_assets.core.monitoring.plots import plot_findings, plot_moved
from mlife_assets.core.monitoring.quality import Landed, Refusal, schema_fault
from mlife_assets.core.monitoring.reference import MonitoringReference
from mlife_assets.core.monitoring.reports import Finding, MonitoringReport, undecided, without_model
from mlife_assets.core.monitoring.sampling import DaySample
from mlife_assets.core.monitoring.thresholds import COLUMN_SIZES, JOINT_SIZES, Statistic
from mlife_assets.core.policies import MonitoringPolicy
from mlife_assets.core.training.fold_scores import first_unlearned_day
from mlife_assets.core.validation import WHOLE_FILE
from mlife_assets.core.windows import add_days, last_mature_exposure_day
from mlife_assets.deployments.ports import ModelPorts, Models
from mlife_assets.recruiting.events import STRANGERS_WORDS

GROUP = "monitoring"
LANDED_HISTORY_DAYS = 14


def _undecided(name: str, day: date, reference: MonitoringReference, pairs: pa.Table, why: str) -> MonitoringReport:
    return undecided(name, as_of=day, model_version=reference.model_version, sample_rows=pairs.num_rows, sentence=why)


def _publish(
    platform: ModelPorts,
    day: date,
    report: MonitoringReport,
    reference: MonitoringReference | None = None,
    pairs: pa.Table | None = None,
) -> Metadata:
    """Store a report and show it: the sentence, the plots, every finding; and the moves in `pairs`, the sample."""
    platform.reports.write(report.name, day, report)
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
    return {
        "dagster/row_count": report.sample_rows,
        "status": report.status,
        "verdict": report_verdict(report),
        "why": report.sentence,
        **report_glance(report),
        "model_version": report.model_version or "none",
        **computed_by_entry(report.name),
        **({} if moved is None else {"before_and_after": plot(moved, "columns that moved, before and after")}),
        "findings": plot(plot_findings(report), report.name),
        **report_figures(report),
        "all_findings": wide_table(rows),
    }


def _without_model(platform: ModelPorts, day: date, name: str) -> Metadata:
    """Publish a report of a day without a serving model; as in `quality_check`, that is no fault."""
    return _publish(platform, day, without_model(name, day, "ok" if name == quality.REPORT else "not_enough_evidence"))


@model_asset(
    GROUP,
    deps=lambda graph: [*graph.tables, graph.key("model", "monitoring_reference")],
    kinds={"numpy"},
    description="Checks of arrived rows, and of features against raw events. A fault blocks.",
    layer="monitoring",
)
def data_quality_report(run: DayRun) -> Metadata:
    """Judge a sample of the day's rows, what landed the day before, and what only this model can be asked."""
    ports, day = run.ports, run.day
    run.graph.require_in_order(run.context, ports, day)
    if (reference := known_reference(ports, day)) is None:
        return _without_model(ports, day, quality.REPORT)
    judged = judge_quality(ports, day, reference, run.graph.special.findings)
    ports.model_tables.write(SAMPLE_TABLE, day, judged.pairs)
    return _publish(ports, day, judged.report, reference, judged.pairs)


@model_asset(
    GROUP,
    deps=lambda graph: [graph.key(GROUP, "data_quality_report"), graph.key("model", "monitoring_reference")],
    kinds=lambda _: badges(),
    description="Does P(x) move? Each column of a fixed-size sample against the reference.",
    layer="monitoring",
)
def data_drift_report(run: DayRun) -> Metadata:
    """Measure each column's distance and rank it by importance to the model."""
    from mlife_assets.adapters.nannyml_calculators import drift_statistics

    ports, day = run.ports, run.day
    if (reference := known_reference(ports, day)) is None:
        return _without_model(ports, day, drift.REPORT)
    pairs = ports.model_tables.read(SAMPLE_TABLE, day)
    if (why := reference.why_incomparable(pairs, ports.model.monitoring, COLUMN_SIZES)) is not None:
        return _publish(ports, day, _undecided(drift.REPORT, day, reference, pairs, why), reference)
    report = drift.data_drift_report(
        as_of=day,
        reference=reference,
        pairs=pairs,
        statistics=drift_statistics(reference, pairs),
        importance=ports.scorers.importance(reference.model_version),
    )
    return _publish(ports, day, report, reference, pairs)


@model_asset(
    GROUP,
    deps=lambda graph: [graph.key(GROUP, "data_quality_report"), graph.key("model", "monitoring_reference")],
    kinds=lambda _: badges(),
    description="Do features, embeddings or the champion's SHAP values move jointly? Domain classifier and PCA.",
    layer="monitoring",
)
def latent_drift_report(run: DayRun) -> Metadata:
    """Ask a classifier and PCA whether they can tell the day from the reference."""
    from mlife_assets.adapters.nannyml_calculators import latent_statistics

    ports, day = run.ports, run.day
    if (reference := known_reference(ports, day)) is None:
        return _without_model(ports, day, latent.REPORT)
    policy = ports.model.monitoring
    sample = ports.model_tables.read(SAMPLE_TABLE, day)
    if (why := reference.why_incomparable(sample, policy, JOINT_SIZES)) is not None:
        return _publish(ports, day, _undecided(latent.REPORT, day, reference, sample, why), reference)
    pairs = explained_pairs(ports, reference.model_version, sample, reference.columns)
    report = latent.latent_drift_report(
        as_of=day,
        reference=reference,
        sample_rows=pairs.num_rows,
        statistics=latent_statistics(reference, pairs, policy),
        importance=ports.scorers.importance(reference.model_version),
        pairs=pairs,
    )
    return _publish(ports, day, report, reference, pairs)


@model_asset(
    GROUP,
    deps=lambda graph: [*graph.examples, graph.key("model", "monitoring_reference")],
    kinds=lambda _: badges(),
    description="Does P(y|x) move? Realised against estimated performance, and residuals, on mature labels only.",
    layer="monitoring",
)
def concept_drift_report(run: DayRun) -> Metadata:
    """Measure performance on rows matured since the reference, per step, and compare it with the estimate."""
    ports, day = run.ports, run.day
    policy = ports.model.monitoring
    if (reference := known_reference(ports, day)) is None:
        return _without_model(ports, day, concept.REPORT)
    read = {outcome: outcome_window(ports, reference, day, outcome) for outcome in reference.outcomes}
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
        words={outcome: step.wording for outcome, step in ports.model.outcomes.items()},
    )
    write_performance(ports, day, report, windows, statistics)
    return {
        **_publish(ports, day, report, reference),
        **performance_values(statistics),
        "performance": plot(
            performance_picture(ports, day, run.graph.special.rankings), "realised and estimated performance"
        ),
    }


def outcome_window(
    platform: ModelPorts, reference: MonitoringReference, day: date, outcome: str
) -> tuple[pa.Table, LateFeedback | None]:
    """Return the scored rows of an outcome matured since the reference; none and the reason if feedback was late.

    Its days are outside the training data of every step of the scoring models: a funnel's click step learned from days
    after the reference's newest labels, on which a model would look too good.
    """
    maturity_days = platform.model.outcomes[outcome].maturity_days
    last = last_mature_exposure_day(day, maturity_days)
    asked = reference.scored_by.get(outcome) or {reference.model_version: 1}
    unlearned = max(first_unlearned_day(platform.registry.load(version)) for version in asked)
    first = max(add_days(last, 1 - concept.WINDOW_DAYS), unlearned)
    known: date | None = pc.max(reference.scored(outcome)["exposure_date"]).as_py()
    if known is not None:  # the sample should not include other days
        first = max(first, add_days(known, 1))
    late = late_within(platform.days.late_feedback(add_days(first, -1), add_days(day, -1)), first, day)
    if late:
        again = judged_again_on(late, maturity_days=maturity_days, window_days=concept.WINDOW_DAYS)
        return reference.scored(outcome).slice(0, 0), LateFeedback(late, again, platform.days.feedback)
    scored = sampled_examples(platform, asked, first, last, outcome=outcome)
    return concept.concept_window(scored, reference=reference, as_of=day, outcome=outcome), None


def outcome_performance(
    reference: MonitoringReference, window: pa.Table, outcome: str, policy: MonitoringPolicy
) -> Sequence[Statistic]:
    """Return estimated and realised performance; empty without enough outcomes, or if the reference has none."""
    from mlife_assets.adapters.nannyml_calculators import performance_statistics

    if not has_enough_positives(window, policy) or not positives_of(reference.scored(outcome)):
        return ()
    return performance_statistics(reference, window, outcome=outcome)


@dataclass(frozen=True, eq=False)
class JudgedDay:
    """The verdict on a day and its sampled pairs, None if the marts could not be joined."""

    report: MonitoringReport
    pairs: pa.Table


def judge_quality(
    platform: ModelPorts, day: date, reference: MonitoringReference, findings: Findings | None
) -> JudgedDay:
    """Return the quality report of a day against the reference of its champion, with further `findings`."""
    sample, further = _sample(platform, day, reference, findings)
    report = quality.data_quality_report(
        as_of=day,
        reference=reference,
        sample=sample,
        policy=platform.model.monitoring,
        landed=Landed(
            landed_counts(platform, day),
            landed_history(platform, day, LANDED_HISTORY_DAYS),
            refused_rows(platform, day),
            platform.days.own_types,
            platform.days.label_types,
        ),
        further=further,
    )
    return JudgedDay(report, sample.pairs)


def _sample(
    platform: ModelPorts, day: date, reference: MonitoringReference, findings: Findings | None
) -> tuple[DaySample, list[Finding]]:
    try:
        sample = sampled_pairs(platform, day)
        return sample, [] if findings is None else findings(platform, day, sample.pairs)
    except InvalidInputError as error:
        broken = schema_fault("", f"The features of {day} are not what was agreed: {error}.")
        return DaySample(reference.sample.slice(0, 0), 0), [broken]


def refused_rows(platform: ModelPorts, day: date) -> list[Refusal]:
    """Return the refused rows of a partition's ingest, by type and reason, each with its first example."""
    refused = []
    for entry in platform.days.report(day)["types"]:
        kind = entry["event_type"]
        for reason, count in entry["rejected"].items():
            examples = [one for one in entry["examples"] if one["reason"] == reason]
            example = next(iter(examples), None)
            refused.append(
                Refusal(
                    event_type=kind,
                    reason=reason,
                    rows=count,
                    first_row=example["row"] if example else WHOLE_FILE,
                    field=example["field"] if example else None,
                    detail=example["detail"] if example else "",
                    is_of_strangers=bool(examples) and {(kind, one["field"]) for one in examples} <= STRANGERS_WORDS,
                )
            )
    return refused


CHECKS = {
    quality.REPORT: ("no_quality_fault", "Green when no data-quality rule is broken."),
    drift.REPORT: ("no_column_drifted", "Green when every column is within its limit."),
    latent.REPORT: ("no_joint_drift", "Green when no joint detector sets the day apart."),
    concept.REPORT: ("outcomes_are_as_expected", "Green when mature outcomes match the champion's expectations."),
}
"""Report -> name and description of its check, which does not block and is green if the report does not alarm."""


def build_checks(graph: ModelGraph) -> list[dg.AssetChecksDefinition]:
    return [_report_check(graph, report, *check) for report, check in CHECKS.items()]


def _report_check(graph: ModelGraph, report_name: str, name: str, description: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=graph.key(GROUP, report_name),
        name=name,
        description=f"{description} {runbook_words(BY_REPORT[report_name])}",
    )
    @says_why
    def check(context: dg.AssetCheckExecutionContext, platform: dg.ResourceParam[Models]) -> dg.AssetCheckResult:
        ports = graph.view(platform)
        reports = [ports.reports.read(report_name, day) for day in checked_days(context)]
        alarms = [finding for report in reports for finding in report.alarms]
        return dg.AssetCheckResult(
            passed=not alarms,
            severity=dg.AssetCheckSeverity.WARN,
            description=" ".join(report.sentence for report in reports),
            metadata={
                "day": reports[-1].as_of_date.isoformat(),
                "rows": reports[-1].sample_rows,
                **report_figures(reports[-1]),
                "columns_that_moved": ", ".join(
                    dict.fromkeys(name for report in reports for name in report.moved_columns)
                ),
                "importance_of_what_moved": percent(importance_of(reports[-1])) if alarms else "",
                "why": sentences([finding.sentence for finding in alarms]) if alarms else "",
                "runbook": runbook_link(ports.home, runbook_of(report_name, reports)),
            },
        )

    return check
