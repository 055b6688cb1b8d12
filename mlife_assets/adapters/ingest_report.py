"""The report of an ingest: what became of what was delivered, file by file where it was not taken.

Concept: reports are stored as JSON for years, so fields are added at the end with a default and never renamed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.landed_names import IgnoredFile
from mlife_assets.recruiting.late_labels import LateRows

EXAMPLES_PER_REASON = 3
NO_IDS = pa.nulls(0, pa.string())


@dataclass(frozen=True)
class RejectedExample:
    """One refused row (`row` is its index in the file, -1 for the whole file)."""

    source: str
    row: int
    event_id: str | None
    reason: str
    field: str | None
    detail: str


@dataclass(frozen=True)
class TypeReport:
    """What became of one event type: counts of files and rows; `rejected` maps reason to rows (or files, row -1).

    `examples` are the first three of each reason, by file and row; `extra_columns` were dropped.
    """

    event_type: str
    files: int
    accepted: int
    rejected: Mapping[str, int]
    examples: tuple[RejectedExample, ...]
    extra_columns: tuple[str, ...]


@dataclass(frozen=True)
class IngestReport:
    """What became of one landing day, by event type in order of name. The same day again gives the same report.

    `ignored` is what lies in landing and was left alone; `late` is what rows changed that came late, None where nobody
    knows.
    """

    day: date
    types: tuple[TypeReport, ...]
    ignored: tuple[IgnoredFile, ...] = ()
    late: tuple[LateRows, ...] | None = ()

    @property
    def files(self) -> int:
        """Return the number of landing files."""
        return sum(report.files for report in self.types)

    @property
    def accepted(self) -> int:
        """Return the number of accepted rows."""
        return sum(report.accepted for report in self.types)

    @property
    def rejected(self) -> int:
        """Return the number of rejected rows and files."""
        return sum(self.rejected_by_reason.values())

    @property
    def rejected_by_reason(self) -> dict[str, int]:
        """Return rejected rows and files by reason, in order of reason."""
        total = Counter[str]()
        for report in self.types:
            total.update(report.rejected)
        return dict(sorted(total.items()))


@dataclass(frozen=True)
class Replayed:
    """What became of the rejections of a landing day and a type that were judged again.

    Attributes:
        day: on which they were landed.
        report: of what is good by now and what is still refused; `files` counts stored objects.
        appended: rows that are good and were in the log by no earlier replay: what this one adds, or would add.
    """

    day: date
    report: TypeReport
    appended: int


@dataclass(frozen=True)
class Outcome:
    """What became of one file; `appended` are the ids of the accepted rows that the log did not hold yet."""

    accepted: int
    rejected: pa.Table
    extra_columns: tuple[str, ...] = ()
    appended: pa.Array = field(default_factory=lambda: NO_IDS)


def type_report(event_type: str, outcomes: Sequence[tuple[str, Outcome]]) -> TypeReport:
    """Count the outcomes of the files of a type, given by source."""
    counts = Counter[str]()
    examples: list[RejectedExample] = []
    for source, outcome in outcomes:
        reasons = outcome.rejected.column("reason")
        if len(reasons) == 1 and counts[reason := reasons[0].as_py()] >= EXAMPLES_PER_REASON:  # one of very many files
            counts[reason] += 1
            continue
        chosen: list[int] = []
        for entry in pc.value_counts(reasons).to_pylist():
            wanted = max(EXAMPLES_PER_REASON - counts[entry["values"]], 0)
            rows = pc.indices_nonzero(pc.equal(reasons, entry["values"]))
            chosen += rows[:wanted].to_pylist()
            counts[entry["values"]] += entry["counts"]
        shown = outcome.rejected.drop_columns(["raw"]).take(pa.array(sorted(chosen), pa.int64()))
        examples += [RejectedExample(source=source, **row) for row in shown.to_pylist()]
    return TypeReport(
        event_type=event_type,
        files=len(outcomes),
        accepted=sum(outcome.accepted for _, outcome in outcomes),
        rejected=dict(sorted(counts.items())),
        examples=tuple(examples),
        extra_columns=tuple(dict.fromkeys(name for _, outcome in outcomes for name in outcome.extra_columns)),
    )
