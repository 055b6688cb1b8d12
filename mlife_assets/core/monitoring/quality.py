"""Data quality: are the inputs intact? A fault blocks; it never retrains.

Concept: a fault has no explanation by a change of the world: a price in cents, a distance of exactly zero, a value out
of a closed vocabulary, an event type that stopped arriving, everybody's home moved. A new city, more users or new
behaviour is not a fault, so open vocabularies, counts of behaviour and moderate growth are left to drift. Rules that
hold are reported too, so that a report shows everything that was checked.

A count is compared with its usual days. Labels may be late: if none land, that is reported without alarm, because
maturity already waits for them. Limits of columns come from the worst day of the reference. A column may be broken in
some rows only, so rules count rows; a changed unit of all rows also shows in the median.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.monitoring.reference import MonitoringReference, most_frequent, numbers, plain_values, tidy
from mlife_assets.core.monitoring.reports import Finding, MonitoringReport, conclude
from mlife_assets.core.monitoring.sampling import DaySample
from mlife_assets.core.policies import MonitoringPolicy
from mlife_assets.core.validation import WHOLE_FILE, Reason

REPORT = "data_quality_report"
FAULTS_NAMED = 5

UNIT_RATIO = 5.0
"""A real change never moves the median of a price or a distance fivefold overnight; cents, metres or thousands do."""
NEAR_ZERO_SHARE = 0.05
"""A column whose smallest reference value is below this share of its median has no lower bound but zero."""
CONTINUOUS_SHARE = 0.2
"""A column whose most frequent value has at most this share of a reference day is continuous."""
ONE_VALUE_EXCESS = 0.15
CONSTANT_SHARE = 0.99
VARYING_SHARE = 0.95
"""A column is constant when one value holds `CONSTANT_SHARE`, and that is a fault where none held `VARYING_SHARE`."""

KIND = "quality"
SCHEMA = "schema"

VOLUME_RATIO = (0.5, 2.0)
"""Limits of candidate pairs over the median reference day: beyond them a pipe is broken or doubled."""
OFF_DAYS_SHARE = 0.25
"""A type missing on more days than this does not land daily, so its absence is no fault."""
RARE_EVENTS = 30
"""Fewer than so many events a day may be missing by chance."""
REFUSED_ROWS_MINIMUM = 5
"""Fewer refused rows are a fault only if they are most of the delivery."""
WORDS_SHARE = 0.25
"""From this share on, rows refused for strangers' words are the exporter's fault: below, a few writers suffice."""
_WORDS_REASONS = frozenset({Reason.CONTROL_CHARACTER.value, Reason.TOO_LONG.value})
_SCHEMA_REASONS = frozenset(
    reason.value
    for reason in (Reason.UNREADABLE_FILE, Reason.EMPTY_FILE, Reason.UNKNOWN_EVENT_TYPE, Reason.MISSING_COLUMN)
)


@dataclass(frozen=True)
class Refusal:
    """Rows of one event type that an ingest refused for one reason.

    Attributes:
        event_type: of the landing file.
        reason: a value of `validation.Reason`.
        rows: refused rows; files where the reason concerns a file as a whole.
        first_row: row of the first example, `validation.WHOLE_FILE` for a file.
        field: column of the first example.
        detail: the remedy.
        is_of_strangers: whether the column of every example holds words that strangers write.
    """

    event_type: str
    reason: str
    rows: int
    first_row: int = 0
    field: str | None = None
    detail: str = ""
    is_of_strangers: bool = False

    def __post_init__(self) -> None:
        if self.rows < 0:
            raise InvalidInputError(f"{self.event_type} refused {self.rows} rows as {self.reason}; count from zero")

    @property
    def is_duplicate(self) -> bool:
        """Whether the rows repeat others, which does not harm the log and is counted apart."""
        return self.reason == Reason.DUPLICATE_EVENT_ID.value

    @property
    def is_schema(self) -> bool:
        """Whether a whole file violates its contract."""
        return self.reason in _SCHEMA_REASONS or self.first_row == WHOLE_FILE


@dataclass(frozen=True)
class Landed:
    """Landed events of the day before; empty where no events land.

    Attributes:
        counts: events by type.
        history: the same for earlier days.
        refused: refusals of that day's ingest.
        own_types: event types that we write ourselves, so that they need not land.
        label_types: event types that may be late.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    history: Mapping[str, Sequence[int]] = field(default_factory=dict)
    refused: Sequence[Refusal] = ()
    own_types: Collection[str] = ()
    label_types: Collection[str] = ()


def data_quality_report(
    *,
    as_of: date,
    reference: MonitoringReference,
    sample: DaySample,
    policy: MonitoringPolicy,
    landed: Landed,
    further: Iterable[Finding] = (),
) -> MonitoringReport:
    """Return the quality report of day `as_of`.

    Args:
        as_of: the day.
        reference: of the serving model.
        sample: of the day, with the columns of the reference; a missing one, or one of another type, is a fault. So is
            an empty sample.
        policy: limits, and findings accepted by a person.
        landed: events of the day before.
        further: findings of other rules, such as those on two days.

    Raises:
        InvalidInputError: a count is negative.
    """
    pairs, pair_rows, repeated = sample.pairs, sample.population_rows, sample.duplicate_pairs
    for name, count in {"pair_rows": pair_rows, "duplicate_pairs": repeated, **landed.counts}.items():
        if count < 0:
            raise InvalidInputError(f"{name} is {count}; count rows from zero")
    found = [
        *volume(reference, pair_rows),
        *freshness(landed.counts, landed.history, own_types=landed.own_types, label_types=landed.label_types),
        *refusals(landed.refused, landed.counts, landed.history, policy),
        repeated_pairs(repeated, pair_rows),
        duplicate_events(landed.refused, landed.counts, policy),
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
    """Return the finding, without its alarm if the policy accepts it."""
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
        # Price lists have no long tail at the low end: half the smallest price is as extreme as twice the largest.
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
    """Compare the median of a measured column with the reference: a ratio above one, either way."""
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
    """Find a column filled with one value: a default or a constant."""
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
    there = column[~np.isnan(column)]
    return float(np.median(there)) if len(there) else 0.0


def share_finding(column: str, method: str, share: float, limit: float, text: str, usual: float) -> Finding:
    """Return the finding of a share of rows; it alarms above `limit`. `usual` is the worst day of the reference."""
    usually = f", at most {usual:.1%} in the reference" if usual else ""
    sentence = f"{column}: {share:.1%} of rows are {text}{usually} (limit {limit:.1%})."
    return Finding(KIND, column, method, share, limit, share > limit, sentence)


def schema_fault(column: str, sentence: str) -> Finding:
    """Return the fault of a table or a file that lacks a column or has one of another type; `sentence` says which."""
    return Finding(KIND, column, SCHEMA, 1.0, 0.0, True, sentence)


def volume(reference: MonitoringReference, pair_rows: int) -> Iterator[Finding]:
    """Compare the number of candidate pairs with the usual reference day."""
    usual = float(np.median(list(reference.pair_rows.values())))
    low, high = VOLUME_RATIO[0] * usual, VOLUME_RATIO[1] * usual
    is_low, is_high = pair_rows < low, pair_rows > high
    text = f"{pair_rows:,} candidate pairs, {usual:,.0f} on a usual reference day"
    yield Finding(
        KIND, "", "volume", pair_rows, low if pair_rows < usual else high, is_low or is_high,
        f"{text}: {'too few' if is_low else 'too many' if is_high else 'as expected'}.",
    )  # fmt: skip


def freshness(
    landed: Mapping[str, int],
    history: Mapping[str, Sequence[int]],
    *,
    own_types: Collection[str] = (),
    label_types: Collection[str] = (),
) -> Iterator[Finding]:
    """Compare each type that lands daily with its usual count.

    Types that we write ourselves (`own_types`) need not land. Labels (`label_types`) are reported and do not alarm.
    """
    for name in sorted(history):
        usual = list(history[name])
        if name in own_types or not usual or np.quantile(usual, OFF_DAYS_SHARE) == 0 or np.median(usual) < RARE_EVENTS:
            continue
        count, needed = landed.get(name, 0), max(1.0, 0.1 * float(np.median(usual)))
        is_missing, is_label = count < needed, name in label_types
        text = "nothing landed" if count == 0 else f"{count:,} events landed"
        ending = ": fresh"
        if is_missing:
            ending = "; labels may be late, so this is left to their maturity" if is_label else ""
        yield Finding(
            KIND, name, "freshness", count, needed, is_missing and not is_label,
            f"{name}: {text} for the day before, {np.median(usual):,.0f} on a usual day{ending}.",
        )  # fmt: skip


def repeated_pairs(count: int, pair_rows: int) -> Finding:
    """Return the finding of repeated (entity, item) among the candidate pairs: one is too many."""
    return _repeated(count, pair_rows, "pairs", 0.0)


def duplicate_events(refused: Sequence[Refusal], landed: Mapping[str, int], policy: MonitoringPolicy) -> Finding:
    """Return the finding of events that were delivered twice; the log keeps one of each."""
    count = sum(refusal.rows for refusal in refused if refusal.is_duplicate)
    return _repeated(count, sum(landed.values()) + count, "events", policy.duplicate_share_maximum)


def refusals(
    refused: Sequence[Refusal],
    landed: Mapping[str, int],
    history: Mapping[str, Sequence[int]],
    policy: MonitoringPolicy,
) -> Iterator[Finding]:
    """Compare refused with landed rows of each type.

    A few bad rows, illegible words of strangers, or a stray file beside good ones, are noted without alarm: the log
    took the rest. Whole files are a schema fault if nothing else of the type landed, even for labels: a refused file is
    not late.
    """
    by_type: dict[str, list[Refusal]] = defaultdict(list)
    for refusal in refused:
        if not refusal.is_duplicate and refusal.rows:
            by_type[refusal.event_type].append(refusal)
    for name in sorted({*by_type, *landed}):
        for refusal in (one for one in by_type[name] if one.is_schema):
            yield _broken_file(refusal, landed.get(name, 0), history.get(name, ()), policy)
        rows = [refusal for refusal in by_type[name] if not refusal.is_schema]
        count = sum(refusal.rows for refusal in rows)
        written = sum(one.rows for one in rows if one.reason in _WORDS_REASONS and one.is_of_strangers)
        total = count + landed.get(name, 0)
        worst = max(rows, key=lambda refusal: (refusal.rows, refusal.reason), default=None)
        why = f", most for {worst.reason} in {worst.field}: {worst.detail}" if worst else ""
        yield Finding(
            KIND, name, "rejected_share", count / max(total, 1), policy.rejected_share_maximum,
            _is_much(count if count >= WORDS_SHARE * total else count - written, total, policy),
            f"{name}: {count:,} of {total:,} landed rows were refused{why}.",
        )  # fmt: skip


def _broken_file(refusal: Refusal, landed: int, usual: Sequence[int], policy: MonitoringPolicy) -> Finding:
    """Return the finding of files, or of all rows of a file, that violate the contract."""
    is_file = refusal.first_row == WHOLE_FILE
    what = "files were" if is_file else "rows were"
    sentence = f"{refusal.event_type}: {refusal.rows:,} {what} refused for {refusal.reason}: {refusal.detail}"
    needed = 0.1 * float(np.median(list(usual))) if usual else 1.0
    is_expected = not usual or float(np.median(list(usual))) >= RARE_EVENTS
    if (is_expected and landed < needed) or (not is_file and _is_much(refusal.rows, refusal.rows + landed, policy)):
        return schema_fault(refusal.event_type, f"{sentence}.")
    text = f"{sentence}; {landed:,} good rows landed."
    return Finding(KIND, refusal.event_type, SCHEMA, 0.0, 0.0, False, text)


def _is_much(refused: int, total: int, policy: MonitoringPolicy) -> bool:
    share = refused / max(total, 1)
    return share > policy.rejected_share_maximum and (refused >= REFUSED_ROWS_MINIMUM or share > 0.5)


def _repeated(count: int, total: int, what: str, limit: float) -> Finding:
    share = count / max(total, 1)
    sentence = f"{count:,} of {total:,} {what} repeat another."
    return Finding(KIND, "", f"duplicate_{what}", share, limit, share > limit, sentence)
