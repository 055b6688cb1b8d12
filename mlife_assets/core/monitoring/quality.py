"""Data quality: is what arrived what it claims to be? A fault here blocks; it never retrains.

Belongs here: checks that separate a broken pipe from a changed world. Does not belong here: drift.

Concept: a fault is what no change of the world explains: pay in cents, a distance of exactly zero, a value outside a
closed vocabulary, an event type that stopped arriving. A new city, more users or new behaviour is not a fault, so open
vocabularies, counts of behaviour and moderate growth are left to drift.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.events import EVENT_TYPES
from mlife_assets.core.monitoring.reference import MonitoringReference, numbers, tidy
from mlife_assets.core.monitoring.reports import Finding, MonitoringReport, conclude
from mlife_assets.core.policies import MonitoringPolicy

REPORT = "data_quality_report"
KIND = "quality"
VOLUME_RATIO = (0.5, 2.0)
"""Candidate pairs against the median reference day: beyond these a pipe is broken or doubled, not a city opened."""
DUPLICATE_SHARE = 0.01
OFF_DAYS_SHARE = 0.25
"""A type that fails to land on more days than these does not land daily, so its absence is no fault."""
RARE_EVENTS = 30
"""Fewer than so many events a day may be missing by chance. Types that we write ourselves need not land at all."""


def data_quality_report(
    *,
    as_of: date,
    reference: MonitoringReference,
    pairs: pa.Table,
    pair_rows: int,
    policy: MonitoringPolicy,
    landed: Mapping[str, int],
    landed_history: Mapping[str, Sequence[int]],
    duplicate_pairs: int = 0,
    duplicate_events: int = 0,
) -> MonitoringReport:
    """Return the quality report of day `as_of`.

    `pairs` is the day's sample (columns of the reference), `pair_rows` the number of candidate pairs it was drawn from.
    `landed` counts the events that landed for the eve, by type; `landed_history` the same for earlier days.
    `duplicate_pairs` counts repeated (user, job) among the candidate pairs, `duplicate_events` repeated event ids.
    An empty sample is a fault, not an empty answer. Raises InvalidInputError on negative counts.
    """
    counts = {
        "pair_rows": pair_rows,
        "duplicate_pairs": duplicate_pairs,
        "duplicate_events": duplicate_events,
        **landed,
    }
    for name, count in counts.items():
        if count < 0:
            raise InvalidInputError(f"{name} is {count}; count rows from zero")
    findings = [*_volume(reference, pair_rows), *_freshness(landed, landed_history)]
    findings += _duplicates(duplicate_pairs, pair_rows, "pairs", 0.0)
    findings += _duplicates(duplicate_events, sum(landed.values()), "events", DUPLICATE_SHARE)
    if pairs.num_rows:
        names = [profile.column for profile in reference.profiles]
        day = tidy(pairs, reference.columns, names)
        findings += [
            *_missing(reference, day, policy),
            *_unseen(reference, day, policy),
            *_out_of_range(reference, day, policy),
            *_zeros(reference, day, policy),
        ]
    faults = [finding.sentence for finding in findings if finding.is_alarm]
    return conclude(
        REPORT,
        as_of=as_of,
        model_version=reference.model_version,
        sample_rows=pairs.num_rows,
        findings=findings,
        ok=f"{len(findings)} quality checks on {pairs.num_rows} sampled pairs passed.",
        alarm=f"{len(faults)} of {len(findings)} quality checks failed. " + " ".join(faults[:5]),
    )


def _volume(reference: MonitoringReference, pair_rows: int) -> Iterator[Finding]:
    usual = float(np.median(list(reference.pair_rows.values())))
    low, high = VOLUME_RATIO[0] * usual, VOLUME_RATIO[1] * usual
    is_low, is_high = pair_rows < low, pair_rows > high
    text = f"{pair_rows:,} candidate pairs, {usual:,.0f} on a usual reference day"
    yield Finding(
        KIND, "", "volume", pair_rows, low if pair_rows < usual else high, is_low or is_high,
        f"{text}: {'too few' if is_low else 'too many' if is_high else 'as expected'}.",
    )  # fmt: skip


def _freshness(landed: Mapping[str, int], history: Mapping[str, Sequence[int]]) -> Iterator[Finding]:
    for name in sorted(history):
        usual = list(history[name])
        is_ours = name in EVENT_TYPES and EVENT_TYPES[name].source == "platform"
        if is_ours or not usual or np.quantile(usual, OFF_DAYS_SHARE) == 0 or np.median(usual) < RARE_EVENTS:
            continue
        count, needed = landed.get(name, 0), max(1.0, 0.1 * float(np.median(usual)))
        is_alarm = count < needed
        text = "nothing landed" if count == 0 else f"{count:,} events landed"
        yield Finding(
            KIND, name, "freshness", count, needed, is_alarm,
            f"{name}: {text} for the eve, {np.median(usual):,.0f} on a usual day{'' if is_alarm else ': fresh'}.",
        )  # fmt: skip


def _duplicates(count: int, total: int, what: str, limit: float) -> Iterator[Finding]:
    share = count / max(total, 1)
    yield Finding(
        KIND, "", f"duplicate_{what}", share, limit, share > limit, f"{count:,} of {total:,} {what} repeat another."
    )


def _missing(reference: MonitoringReference, day: pa.Table, policy: MonitoringPolicy) -> Iterator[Finding]:
    for profile in reference.profiles:
        column = day[profile.column]
        is_number = pa.types.is_floating(column.type)
        share = float(np.mean(np.isnan(column.to_numpy()) if is_number else np.asarray(column.is_null())))
        # Where missing is a value ("never clicked"), newcomers raise it; a fault is what takes most of the rest away.
        limit = (1 + profile.missing_share) / 2 if profile.missing_share > 0.001 else policy.missing_share_maximum
        yield _share(profile.column, "missing_share", share, limit, "missing", profile.missing_share)


def _unseen(reference: MonitoringReference, day: pa.Table, policy: MonitoringPolicy) -> Iterator[Finding]:
    for name, allowed in sorted(reference.columns.closed.items()):
        known = pa.array(sorted({*allowed, *reference.profile(name).values}), type=pa.string())
        column = pc.drop_null(day[name])
        share = float(np.mean(~np.asarray(pc.is_in(column, value_set=known)))) if len(column) else 0.0
        yield _share(name, "unseen_share", share, policy.unseen_share_maximum, "outside the closed vocabulary", 0.0)


def _out_of_range(reference: MonitoringReference, day: pa.Table, policy: MonitoringPolicy) -> Iterator[Finding]:
    for name in reference.columns.ranged:
        profile = reference.profile(name)
        low, high = float(profile.minimum or 0.0), float(profile.maximum or 0.0)
        width = max(high - low, abs(high), 1e-9)
        column = numbers(day, name)
        share = float(np.mean((column < low - width) | (column > high + width)))
        text = f"far outside the range of the reference ({low:.4g} to {high:.4g})"
        finding = _share(name, "out_of_range_share", share, policy.out_of_range_share_maximum, text, 0.0)
        if finding.is_alarm:
            usual, seen = float(np.nanmedian(numbers(reference.sample, name))), float(np.nanmedian(column))
            finding = Finding(
                KIND, name, finding.method, share, finding.threshold, True,
                f"{finding.sentence[:-1]}; median {seen:.4g}, usually {usual:.4g}.",
            )  # fmt: skip
        yield finding


def _zeros(reference: MonitoringReference, day: pa.Table, policy: MonitoringPolicy) -> Iterator[Finding]:
    for name in reference.columns.never_zero:
        usual = reference.profile(name).zero_share
        share = float(np.mean(numbers(day, name) == 0))
        limit = usual + policy.out_of_range_share_maximum
        yield _share(name, "zero_share", share, limit, "exactly zero", usual)


def _share(column: str, method: str, share: float, limit: float, text: str, usual: float) -> Finding:
    is_alarm = share > limit
    usually = f", at most {usual:.1%} in the reference" if usual else ""
    return Finding(
        KIND,
        column,
        method,
        share,
        limit,
        is_alarm,
        f"{column}: {share:.1%} of rows are {text}{usually} (limit {limit:.1%}).",
    )
