"""What arrived: how much of it, whether all types came, what was refused at the door, what came twice.

Belongs here: rules on counts of events and pairs. Does not belong here: values of columns (`report`).

Concept: a count is held against the usual days of the same count. Labels may be late:
when none land this is reported and does not alarm, because waiting for them is the business of maturity.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.monitoring.quality.shares import KIND, SCHEMA, schema_fault
from mlife_assets.core.monitoring.reference import MonitoringReference
from mlife_assets.core.monitoring.reports import Finding
from mlife_assets.core.policies import MonitoringPolicy
from mlife_assets.core.validation import WHOLE_FILE, Reason

VOLUME_RATIO = (0.5, 2.0)
"""Candidate pairs against the median reference day: beyond these a pipe is broken or doubled, not a city opened."""
OFF_DAYS_SHARE = 0.25
"""A type that fails to land on more days than these does not land daily, so its absence is no fault."""
RARE_EVENTS = 30
"""Fewer than so many events a day may be missing by chance."""
REFUSED_ROWS_MINIMUM = 5
"""Fewer refused rows than these are a fault only where they are most of what came."""
_SCHEMA_REASONS = frozenset(
    reason.value
    for reason in (Reason.UNREADABLE_FILE, Reason.EMPTY_FILE, Reason.UNKNOWN_EVENT_TYPE, Reason.MISSING_COLUMN)
)


@dataclass(frozen=True)
class Refusal:
    """What an ingest refused of one event type for one reason.

    Attributes:
        event_type: of the landing file.
        reason: a value of `validation.Reason`.
        rows: refused rows; files where the reason concerns a file as a whole.
        first_row: row of the first example, `validation.WHOLE_FILE` for a file.
        field: column of the first example.
        detail: what to do about it.
    """

    event_type: str
    reason: str
    rows: int
    first_row: int = 0
    field: str | None = None
    detail: str = ""

    def __post_init__(self) -> None:
        """Refuse a count below zero."""
        if self.rows < 0:
            raise InvalidInputError(f"{self.event_type} refused {self.rows} rows as {self.reason}; count from zero")

    @property
    def is_duplicate(self) -> bool:
        """Whether the rows repeat others, which keeps the log right and is counted apart."""
        return self.reason == Reason.DUPLICATE_EVENT_ID.value

    @property
    def is_schema(self) -> bool:
        """Whether a whole file is not what was agreed."""
        return self.reason in _SCHEMA_REASONS or self.first_row == WHOLE_FILE


def volume(reference: MonitoringReference, pair_rows: int) -> Iterator[Finding]:
    """Hold the number of candidate pairs against the usual reference day."""
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
    """Hold each type that lands daily against its usual count.

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


def duplicate_pairs(count: int, pair_rows: int) -> Finding:
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
    """Hold what each type had refused against what it landed.

    A few bad rows, or a stray file beside good ones, are noted without alarm: the log took what was good. Whole files
    are a fault of the schema when the type did not land without them, labels included: a refused file is not late.
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
        total = count + landed.get(name, 0)
        worst = max(rows, key=lambda refusal: (refusal.rows, refusal.reason), default=None)
        why = f", most for {worst.reason} in {worst.field}: {worst.detail}" if worst else ""
        yield Finding(
            KIND, name, "rejected_share", count / max(total, 1), policy.rejected_share_maximum,
            _is_much(count, total, policy),
            f"{name}: {count:,} of {total:,} landed rows were refused{why}.",
        )  # fmt: skip


def _broken_file(refusal: Refusal, landed: int, usual: Sequence[int], policy: MonitoringPolicy) -> Finding:
    """Return the finding of files, or of all rows of a file, that are not what was agreed."""
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
