"""Data drift: did the inputs of the model move, column by column?

Concept: P(x) moves. Each watched column of the day's sample is compared with the reference; the limit of each distance
is learned from A/A days at the day's false alarm rate divided by the number of columns (Bonferroni), so the whole
report alarms on a drift-free day with at most that rate, which its sentence states. Columns are ranked by effect
(distance over limit) times importance.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import UpstreamMismatchError
from mlife_assets.core.monitoring.contributions import importance_shares, share_of
from mlife_assets.core.monitoring.reference import MonitoringReference, numbers, tidy
from mlife_assets.core.monitoring.reports import Finding, MonitoringReport, conclude
from mlife_assets.core.monitoring.thresholds import Statistic, Threshold, by_key, family_error

REPORT = "data_drift_report"
KIND = "data"
SHARE_CHANGES_NAMED = 2
COLUMNS_NAMED = 3


def data_drift_report(
    *,
    as_of: date,
    reference: MonitoringReference,
    pairs: pa.Table,
    statistics: Iterable[Statistic],
    importance: Mapping[str, float] | None = None,
) -> MonitoringReport:
    """Return the data drift report of day `as_of`.

    `pairs` is the day's sample, `statistics` the distances of its columns from `drift_statistics` on the same sample;
    `importance` (feature -> mean |SHAP|) orders the findings and gives each its share of the sum. Values unknown to the
    reference have no measured importance, so their share is at least their share of rows. All alarms are reported; the
    governor decides which count. Raises UpstreamMismatchError when a statistic has no stored limit.
    """
    limits = by_key(reference.thresholds)
    shares = importance_shares(importance)
    day = tidy(pairs, reference.columns, reference.columns.watched)
    ranked: list[tuple[float, Finding]] = []
    for statistic in statistics:
        limit = limit_of(limits, statistic, reference)
        is_watched = statistic.column in reference.columns.alarming
        is_over = statistic.value > limit.upper
        words = describe(reference, day, statistic.column)
        if is_over and not is_watched:
            words += "; it moves with the calendar or our own sending, so it is no evidence of drift"
        share = weight_of([statistic.column], reference, day, shares)
        matters = "" if share is None else f", {share:.1%} of importance"
        sentence = f"{statistic.column}: {words} (distance {statistic.value:.3f}, limit {limit.upper:.3f}{matters})."
        finding = Finding(
            KIND,
            statistic.column,
            statistic.method,
            statistic.value,
            limit.upper,
            is_over and is_watched,
            sentence,
            importance_share=share,
        )
        weight = 1.0 if share is None else share
        ranked.append((weight * statistic.value / max(limit.upper, 1e-12), finding))
    ranked.sort(key=lambda pair: (-pair[0], pair[1].column))
    findings = [finding for _, finding in ranked]
    moved = [finding for finding in findings if finding.is_alarm]
    report = conclude(
        REPORT,
        as_of=as_of,
        model_version=reference.model_version,
        sample_rows=pairs.num_rows,
        findings=findings,
        ok=f"None of {len(findings)} columns moved beyond what drift-free days show{error_words(reference, findings)}.",
        alarm=" ".join([_summary(moved, len(findings)), *(f.sentence for f in moved[:COLUMNS_NAMED])]),
    )
    return report if shares is None else replace(report, findings=tuple(findings))


def error_words(reference: MonitoringReference, findings: Sequence[Finding]) -> str:
    """Return the rate of false alarms of a report with these findings, in words; empty if none can alarm."""
    alarming = set(reference.columns.alarming)
    limits = by_key(reference.thresholds)
    held = [limits[f.method, f.column] for f in findings if f.kind != KIND or f.column in alarming]
    if not held:
        return ""
    return f" (by design {family_error(held):.1%} of drift-free days alarm; Bonferroni over {len(held)})"


def _summary(moved: Sequence[Finding], total: int) -> str:
    shares = [finding.importance_share for finding in moved if finding.importance_share is not None]
    if not shares:
        return f"{len(moved)} of {total} columns moved."
    return f"{len(moved)} of {total} columns moved, which carry {min(1.0, sum(shares)):.1%} of the model's importance."


def weight_of(
    columns: Sequence[str], reference: MonitoringReference, day: pa.Table, shares: Mapping[str, float] | None
) -> float | None:
    """Return the weight of a tidy day's columns: their share of importance, or the share of rows with new values.

    A model's treatment of a new value cannot be inferred from other values, so each such row counts in full. None if
    importance is unknown.
    """
    share = share_of(columns, shares)
    if share is None:
        return None
    unseen = [
        _unseen_share(reference.profile(name).values, day[name])
        for name in columns
        if name in reference.columns.categorical and name in day.column_names
    ]
    return max([share, *unseen])


def _unseen_share(known: Sequence[str], column: pa.ChunkedArray) -> float:
    seen = pc.or_(pc.is_in(column, value_set=pa.array(known, pa.string())), pc.is_null(column))
    return float(1 - pc.mean(seen.cast(pa.float64())).as_py()) if len(column) else 0.0


def limit_of(
    limits: Mapping[tuple[str, str], Threshold], statistic: Statistic, reference: MonitoringReference
) -> Threshold:
    """Return the stored limit of a statistic. Raises UpstreamMismatchError when the reference has none."""
    limit = limits.get((statistic.method, statistic.column))
    if limit is None:
        raise UpstreamMismatchError(
            f"the reference of {reference.model_version} has no limit for {statistic.method} on {statistic.column}; "
            "materialize monitoring_reference again"
        )
    return limit


def describe(reference: MonitoringReference, day: pa.Table, name: str) -> str:
    """Return direction and size of a column's change in words; `day` is tidy."""
    if pa.types.is_string(day[name].type):
        before, after = _shares(reference.sample, name), _shares(day, name)
        change = {value: after.get(value, 0.0) - before.get(value, 0.0) for value in {*before, *after}}
        largest = sorted(change, key=lambda value: (-abs(change[value]), value))[:SHARE_CHANGES_NAMED]
        parts = [
            f"{value} {'is new with' if value not in before else 'now'} {after.get(value, 0.0):.1%}"
            + ("" if value not in before else f" (was {before[value]:.1%})")
            for value in largest
        ]
        return ", ".join(parts)
    values = numbers(day, name)
    values = values[~np.isnan(values)]
    if not len(values):
        return "no values"
    usual = reference.profile(name)
    mean, spread = usual.mean or 0.0, usual.standard_deviation or 0.0
    shift = (float(values.mean()) - mean) / (spread or 1.0)
    direction = "up" if shift > 0 else "down"
    if abs(shift) < 0.02:
        return f"same mean {values.mean():.4g}, spread {values.std():.3g} (was {spread:.3g})"
    return f"{direction} to {values.mean():.4g} from {mean:.4g} on average ({shift:+.2f} sd)"


def _shares(table: pa.Table, name: str) -> dict[str, float]:
    counts = pc.value_counts(pc.fill_null(table[name], "missing"))
    return {entry["values"]: entry["counts"] / table.num_rows for entry in counts.to_pylist()}
