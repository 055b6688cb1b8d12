"""The quality of a day: gathering what the rules look at.

Belongs here: from landed files, marts and the event log to one report. Does not belong here: the rules
(`core.monitoring.quality`), the asset that shows the report (`monitoring`).

Concept: whatever is wrong with a day must end as a fault in its report and not as an exception without one, so a mart
that lacks a column, or repeats a key, is a finding like any other.
"""

from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from mlife_assets.components.monitoring.inputs import DaySample, landed_counts, landed_history, sampled_pairs
from mlife_assets.components.monitoring.special import Findings
from mlife_assets.components.platform.model_platform import ModelPlatform
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.monitoring.quality import Refusal, data_quality_report, schema_fault
from mlife_assets.core.monitoring.reference import MonitoringReference
from mlife_assets.core.monitoring.reports import Finding, MonitoringReport
from mlife_assets.core.validation import WHOLE_FILE

LANDED_HISTORY_DAYS = 14


@dataclass(frozen=True, eq=False)
class JudgedDay:
    """The verdict on a day and the sampled pairs it was given on, none where the marts could not be joined."""

    report: MonitoringReport
    pairs: pa.Table


def judge_quality(
    platform: ModelPlatform, day: date, reference: MonitoringReference, findings: Findings | None
) -> JudgedDay:
    """Return the quality report of a day against the reference of its champion, with further `findings`."""
    sample, further = _sample(platform, day, reference, findings)
    report = data_quality_report(
        as_of=day,
        reference=reference,
        pairs=sample.pairs,
        pair_rows=sample.population_rows,
        policy=platform.model.monitoring,
        landed=landed_counts(platform, day),
        landed_history=landed_history(platform, day, LANDED_HISTORY_DAYS),
        refused=refused_rows(platform, day),
        duplicate_pairs=sample.duplicate_pairs,
        own_types=platform.own_types,
        label_types=platform.label_types,
        further=further,
    )
    return JudgedDay(report, sample.pairs)


def _sample(
    platform: ModelPlatform, day: date, reference: MonitoringReference, findings: Findings | None
) -> tuple[DaySample, list[Finding]]:
    try:
        sample = sampled_pairs(platform, day)
        return sample, [] if findings is None else findings(platform, day, sample.pairs)
    except InvalidInputError as error:
        broken = schema_fault("", f"The features of {day} are not what was agreed: {error}.")
        return DaySample(reference.sample.slice(0, 0), 0, 0), [broken]


def refused_rows(platform: ModelPlatform, day: date) -> list[Refusal]:
    """Return what the ingest of a partition refused, by type and reason, each with its first example."""
    refused = []
    for entry in platform.ingest_report(day)["types"]:
        for reason, count in entry["rejected"].items():
            example = next((one for one in entry["examples"] if one["reason"] == reason), None)
            refused.append(
                Refusal(
                    event_type=entry["event_type"],
                    reason=reason,
                    rows=count,
                    first_row=example["row"] if example else WHOLE_FILE,
                    field=example["field"] if example else None,
                    detail=example["detail"] if example else "",
                )
            )
    return refused
