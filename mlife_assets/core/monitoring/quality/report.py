"""The data quality report: all rules of a day in one verdict.

Belongs here: putting rules together. Does not belong here: the rules (`arrivals`, `sampled_rows`), drift.

Concept: a fault is what no change of the world explains: a price in cents, a distance of exactly zero, a value out of a
closed vocabulary, an event type that stopped arriving, everybody's home somewhere else. A new city, more users or new
behaviour is not a fault, so open vocabularies, counts of behaviour and moderate growth are left to drift.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date

import pyarrow as pa

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.monitoring.quality.arrivals import (
    Refusal,
    duplicate_events,
    freshness,
    refusals,
    volume,
)
from mlife_assets.core.monitoring.quality.arrivals import (
    duplicate_pairs as repeated_pairs,
)
from mlife_assets.core.monitoring.quality.sampled_rows import sampled_row_findings
from mlife_assets.core.monitoring.reference import MonitoringReference
from mlife_assets.core.monitoring.reports import Finding, MonitoringReport, conclude
from mlife_assets.core.policies import MonitoringPolicy

REPORT = "data_quality_report"
FAULTS_NAMED = 5


def data_quality_report(
    *,
    as_of: date,
    reference: MonitoringReference,
    pairs: pa.Table,
    pair_rows: int,
    policy: MonitoringPolicy,
    landed: Mapping[str, int],
    landed_history: Mapping[str, Sequence[int]],
    refused: Sequence[Refusal] = (),
    duplicate_pairs: int = 0,
    own_types: Collection[str] = (),
    label_types: Collection[str] = (),
    further: Iterable[Finding] = (),
) -> MonitoringReport:
    """Return the quality report of day `as_of`.

    Args:
        as_of: the day.
        reference: of the serving model.
        pairs: the day's sample, with the columns of the reference; one it lacks, or has in another type, is a fault.
        pair_rows: candidate pairs that the sample was drawn from. An empty sample is a fault, not an empty answer.
        policy: limits, and the findings that a person has accepted.
        landed: events that landed for the day before, by type.
        landed_history: the same for earlier days.
        refused: what that day's ingest refused.
        duplicate_pairs: repeated (entity, item) among the candidate pairs.
        own_types: event types that we write ourselves, so that they need not land.
        label_types: event types that may be late.
        further: findings of rules that need more than the sample say of two days.

    Raises:
        InvalidInputError: a count is negative.
    """
    for name, count in {"pair_rows": pair_rows, "duplicate_pairs": duplicate_pairs, **landed}.items():
        if count < 0:
            raise InvalidInputError(f"{name} is {count}; count rows from zero")
    found = [
        *volume(reference, pair_rows),
        *freshness(landed, landed_history, own_types=own_types, label_types=label_types),
        *refusals(refused, landed, landed_history, policy),
        repeated_pairs(duplicate_pairs, pair_rows),
        duplicate_events(refused, landed, policy),
        *(sampled_row_findings(reference, pairs, policy) if pairs.num_rows else ()),
        *further,
    ]
    findings = [_accepted(finding, policy) for finding in found]
    faults = [finding.sentence for finding in findings if finding.is_alarm]
    return conclude(
        REPORT,
        as_of=as_of,
        model_version=reference.model_version,
        sample_rows=pairs.num_rows,
        findings=findings,
        ok=f"{len(findings)} quality checks on {pairs.num_rows} sampled pairs passed.",
        alarm=f"{len(faults)} of {len(findings)} quality checks failed. " + " ".join(faults[:FAULTS_NAMED]),
    )


def _accepted(finding: Finding, policy: MonitoringPolicy) -> Finding:
    """Return the finding without its alarm where the policy says that a person answers for it."""
    if not finding.is_alarm or f"{finding.column}/{finding.method}" not in policy.accepted_findings:
        return finding
    return replace(finding, is_alarm=False, sentence=f"{finding.sentence[:-1]}; accepted by policy.")
