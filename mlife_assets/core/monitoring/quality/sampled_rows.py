"""Rules on the day's sampled pairs, column by column: schema, missing, unseen, range, units, zeros, one value.

Belongs here: what no change of the world does to the values of a column. Does not belong here: how much arrived
(`arrivals`), the same entity on two days (`overnight`).

Concept: limits come from the worst day of the reference. A column that is broken may be so for a part of its rows, so
rules count rows; a unit that changed for all of them shows in the median as well.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.monitoring.profiles import most_frequent, plain_values
from mlife_assets.core.monitoring.quality.shares import KIND, schema_fault, share_finding
from mlife_assets.core.monitoring.reference import MonitoringReference, numbers, tidy
from mlife_assets.core.monitoring.reports import Finding
from mlife_assets.core.policies import MonitoringPolicy

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
