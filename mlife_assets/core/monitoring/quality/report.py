"""The data quality report: all rules of a day in one verdict.

Belongs here: putting rules together, and the rules on the day's sampled pairs, column by column: schema, missing,
unseen, range, units, zeros, one value. Does not belong here: how much arrived (`arrivals`), the same entity on two days
(`overnight`), drift.

Concept: a fault is what no change of the world explains: a price in cents, a distance of exactly zero, a value out of a
closed vocabulary, an event type that stopped arriving, everybody's home somewhere else. A new city, more users or new
behaviour is not a fault, so open vocabularies, counts of behaviour and moderate growth are left to drift.

Limits of columns come from the worst day of the reference. A column that is broken may be so for a part of its rows, so
rules count rows; a unit that changed for all of them shows in the median as well.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.monitoring.profiles import most_frequent, plain_values
from mlife_assets.core.monitoring.quality.arrivals import Refusal, duplicate_events, freshness, refusals, volume
from mlife_assets.core.monitoring.quality.arrivals import duplicate_pairs as repeated_pairs
from mlife_assets.core.monitoring.quality.shares import KIND, schema_fault, share_finding
from mlife_assets.core.monitoring.reference import MonitoringReference, numbers, tidy
from mlife_assets.core.monitoring.reports import Finding, MonitoringReport, conclude
from mlife_assets.core.policies import MonitoringPolicy

REPORT = "data_quality_report"
FAULTS_NAMED = 5

UNIT_RATIO = 5.0
"""No world moves the median of a price or a distance fivefold overnight; cents, metres or thousands do."""
NEAR_ZERO_SHARE = 0.05
"""A column whose smallest reference value is below this share of its median has no lower bound but zero."""
CONTINUOUS_SHARE = 0.2
"""A column whose most frequent value has at most this share of a reference day is continuous."""
ONE_VALUE_EXCESS = 0.15
CONSTANT_SHARE = 0.99
VARYING_SHARE = 0.95
"""A column is constant when one value holds `CONSTANT_SHARE`, and that is a fault where none held `VARYING_SHARE`."""


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


def sampled_row_findings(reference: MonitoringReference, pairs: pa.Table, policy: MonitoringPolicy) -> list[Finding]:
    """Return the findings on a sample of at least one row; columns with a broken schema are judged by that alone."""
    names = [profile.column for profile in reference.profiles]
    broken = list(_schema(reference, pairs, names))
    lost = {finding.column for finding in broken}
    if lost & set(reference.ids):
        return broken
    sound = [name for name in names if name not in lost]
    day = tidy(pairs, reference.columns, sound)
    rules = (_missing, _unseen, _out_of_range, _units, _zeros, _one_value)
    return [*broken, *(finding for rule in rules for finding in rule(reference, day, policy))]


def _schema(reference: MonitoringReference, pairs: pa.Table, names: list[str]) -> Iterator[Finding]:
    numeric = {*reference.columns.numeric, *reference.columns.embedding}
    for name in [*reference.ids, *names]:
        if name not in pairs.column_names:
            yield schema_fault(name, f"{name}: the day's pairs lack this column, which the reference has.")
            continue
        found = pairs.schema.field(name).type
        is_number = pa.types.is_integer(found) or pa.types.is_floating(found) or pa.types.is_boolean(found)
        if pa.types.is_null(found) or is_number == (name in numeric):
            continue
        expected = "numbers" if name in numeric else "text"
        yield schema_fault(name, f"{name}: the day's pairs hold {found}, the reference holds {expected}.")


def _missing(reference: MonitoringReference, day: pa.Table, policy: MonitoringPolicy) -> Iterator[Finding]:
    for profile in reference.profiles:
        if profile.column not in day.column_names:
            continue
        column = day[profile.column]
        is_number = pa.types.is_floating(column.type)
        share = float(np.mean(np.isnan(column.to_numpy()) if is_number else np.asarray(column.is_null())))
        # Where missing is a value ("never seen"), newcomers raise it; a fault is what takes most of the rest away.
        limit = (1 + profile.missing_share) / 2 if profile.missing_share > 0.001 else policy.missing_share_maximum
        yield share_finding(profile.column, "missing_share", share, limit, "missing", profile.missing_share)


def _unseen(reference: MonitoringReference, day: pa.Table, policy: MonitoringPolicy) -> Iterator[Finding]:
    for name, allowed in sorted(reference.columns.closed.items()):
        if name not in day.column_names:
            continue
        known = pa.array(sorted({*allowed, *reference.profile(name).values}), type=pa.string())
        column = pc.drop_null(day[name])
        share = float(np.mean(~np.asarray(pc.is_in(column, value_set=known)))) if len(column) else 0.0
        limit = policy.unseen_share_maximum
        yield share_finding(name, "unseen_share", share, limit, "outside the closed vocabulary", 0.0)


def _out_of_range(reference: MonitoringReference, day: pa.Table, policy: MonitoringPolicy) -> Iterator[Finding]:
    for name in reference.columns.ranged:
        if name not in day.column_names:
            continue
        profile = reference.profile(name)
        low, high = float(profile.minimum or 0.0), float(profile.maximum or 0.0)
        width = max(high - low, abs(high), 1e-9)
        usual, column = float(profile.median or 0.0), numbers(day, name)
        # Below a price list lies no long tail: half of the smallest price is as far outside as twice the largest.
        is_bounded = name in reference.columns.never_zero and low > NEAR_ZERO_SHARE * usual
        is_outside = (column < (low / 2 if is_bounded else low - width)) | (column > high + width)
        share, limit = float(np.mean(is_outside)), policy.out_of_range_share_maximum
        text = f"far outside the range of the reference ({low:.4g} to {high:.4g})"
        finding = share_finding(name, "out_of_range_share", share, limit, text, 0.0)
        if finding.is_alarm:
            sentence = f"{finding.sentence[:-1]}; median {_median(column):.4g}, usually {usual:.4g}."
            finding = Finding(KIND, name, finding.method, share, limit, True, sentence)
        yield finding


def _units(reference: MonitoringReference, day: pa.Table, _: MonitoringPolicy) -> Iterator[Finding]:
    """Hold the median of what is measured in a unit against the reference: a ratio above one, either way."""
    for name in reference.columns.never_zero:
        if name not in day.column_names:
            continue
        usual, seen = float(reference.profile(name).median or 0.0), _median(numbers(day, name))
        if usual <= 0:
            continue
        ratio = max(seen / usual, usual / seen) if seen > 0 else UNIT_RATIO
        is_alarm = ratio >= UNIT_RATIO and seen > 0
        yield Finding(
            KIND, name, "unit_ratio", ratio, UNIT_RATIO, is_alarm,
            f"{name}: median {seen:.4g}, usually {usual:.4g}{'; is it in another unit?' if is_alarm else ''}.",
        )  # fmt: skip


def _zeros(reference: MonitoringReference, day: pa.Table, policy: MonitoringPolicy) -> Iterator[Finding]:
    for name in reference.columns.never_zero:
        if name not in day.column_names:
            continue
        usual = reference.profile(name).zero_share
        share = float(np.mean(numbers(day, name) == 0))
        limit = usual + policy.out_of_range_share_maximum
        yield share_finding(name, "zero_share", share, limit, "exactly zero", usual)


def _one_value(reference: MonitoringReference, day: pa.Table, _: MonitoringPolicy) -> Iterator[Finding]:
    """Find a column that one value took over: a default that was filled in, or a constant.

    Counts of behaviour are left out: late labels make them zero.
    """
    columns = reference.columns
    for name in dict.fromkeys([*columns.alarming, *columns.ranged]):
        if name not in day.column_names:
            continue
        usual = reference.profile(name).most_frequent_share
        is_continuous = usual <= CONTINUOUS_SHARE and name in columns.ranged
        limit = usual + ONE_VALUE_EXCESS if is_continuous else CONSTANT_SHARE
        if usual >= VARYING_SHARE:
            continue
        value, share = most_frequent(plain_values(day[name]))
        yield share_finding(name, "one_value_share", share, limit, f"the same value ({value})", usual)


def _median(column: npt.NDArray[np.float64]) -> float:
    """Return the median of what is there, 0 when nothing is."""
    there = column[~np.isnan(column)]
    return float(np.median(there)) if len(there) else 0.0
