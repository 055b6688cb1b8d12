"""Data drift: did the inputs of the model move, column by column?

Belongs here: the report and the words. Does not belong here: the distances (`adapters.nannyml_calculators`) and their
limits (`thresholds`).

Concept: P(x) moves. Each watched column of the day's sample is compared with the reference; the limit of each distance
is learned from A/A days at the day's false alarm rate divided by the number of columns, so the whole report alarms on a
drift-free day with at most that rate. Columns are ranked by effect (distance over limit) times importance.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import UpstreamMismatchError
from mlife_assets.core.monitoring.reference import MonitoringReference, numbers, tidy
from mlife_assets.core.monitoring.reports import Finding, MonitoringReport, conclude
from mlife_assets.core.monitoring.thresholds import Statistic, Threshold, by_key

REPORT = "data_drift_report"
KIND = "data"
SHARE_CHANGES_TOLD = 2


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
    `importance` (column -> share, for instance mean |SHAP|) only orders the findings. Raises UpstreamMismatchError
    when a statistic has no stored limit.
    """
    limits = by_key(reference.thresholds)
    day = tidy(pairs, reference.columns, reference.columns.watched)
    ranked: list[tuple[float, Finding]] = []
    for statistic in statistics:
        limit = limit_of(limits, statistic, reference)
        is_watched = statistic.column in reference.columns.alarming
        is_over = statistic.value > limit.upper
        words = describe(reference.sample, day, statistic.column)
        if is_over and not is_watched:
            words += "; it moves with the calendar or our own sending, so it is no evidence of drift"
        sentence = f"{statistic.column}: {words} (distance {statistic.value:.3f}, limit {limit.upper:.3f})."
        finding = Finding(
            KIND, statistic.column, statistic.method, statistic.value, limit.upper, is_over and is_watched, sentence
        )
        weight = 1.0 if importance is None else importance.get(statistic.column, 0.0)
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
        ok=f"None of {len(findings)} columns moved beyond what drift-free days show.",
        alarm=f"{len(moved)} of {len(findings)} columns moved. " + " ".join(f.sentence for f in moved[:3]),
    )
    if importance is None:
        return report
    return MonitoringReport(
        report.name, as_of, report.model_version, report.sample_rows, report.status, tuple(findings), report.sentence
    )


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


def describe(reference: pa.Table, day: pa.Table, name: str) -> str:
    """Return direction and size of a column's change in words, from two tidy tables."""
    if pa.types.is_string(reference[name].type):
        before, after = _shares(reference, name), _shares(day, name)
        change = {value: after.get(value, 0.0) - before.get(value, 0.0) for value in {*before, *after}}
        told = sorted(change, key=lambda value: (-abs(change[value]), value))[:SHARE_CHANGES_TOLD]
        parts = [
            f"{value} {'is new with' if value not in before else 'now'} {after.get(value, 0.0):.1%}"
            + ("" if value not in before else f" (was {before[value]:.1%})")
            for value in told
        ]
        return ", ".join(parts)
    old, new = numbers(reference, name), numbers(day, name)
    old, new = old[~np.isnan(old)], new[~np.isnan(new)]
    if not len(new):
        return "no values"
    spread = float(old.std()) or 1.0
    shift = (float(new.mean()) - float(old.mean())) / spread
    direction = "up" if shift > 0 else "down"
    if abs(shift) < 0.02:
        return f"same mean {new.mean():.4g}, spread {new.std():.3g} (was {old.std():.3g})"
    return f"{direction} to {new.mean():.4g} from {old.mean():.4g} on average ({shift:+.2f} sd)"


def _shares(table: pa.Table, name: str) -> dict[str, float]:
    counts = pc.value_counts(pc.fill_null(table[name], "missing"))
    return {entry["values"]: entry["counts"] / table.num_rows for entry in counts.to_pylist()}
