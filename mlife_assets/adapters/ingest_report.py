"""The report of an ingest, with files not accepted, and its rejections: rows with reasons, unreadable files.

Concept: reports are stored as JSON for years, so fields are added at the end with a default and never renamed.

Rejections are kept in the lake, written once under a digest of their bytes, and stay if their rows are accepted later.
The folder of an unknown event type begins with `unknown_`, so no stranger's name is a path.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.adapters.event_log.manifests import content_hash
from mlife_assets.adapters.object_store import put_addressed
from mlife_assets.adapters.parquet_bytes import decode_table, encode_table
from mlife_assets.core.landed_names import IgnoredFile
from mlife_assets.core.ports import ObjectStore
from mlife_assets.core.validation import REJECTED_SCHEMA, WHOLE_FILE, Reason
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.late_labels import LateRows

REJECTED = "rejected"
STORED_ROWS_MAXIMUM = 131_072
"""Rows of one stored object of rejections."""

STORED_REJECTED_SCHEMA = pa.schema([pa.field("source", pa.string(), nullable=False), *REJECTED_SCHEMA])
"""A stored rejection: the landing key, then the columns of `core.validation.REJECTED_SCHEMA`."""

NEVER_READ = frozenset({Reason.UNSAFE_NAME, Reason.NOT_A_FILE, Reason.TOO_MANY_FILES, Reason.TOO_LARGE})
"""Reasons of refusing files whose bytes are mostly not kept."""

_KEY = re.compile(rf"{REJECTED}/event_type=([A-Za-z0-9_]+)/dt=(\d{{4}}-\d{{2}}-\d{{2}})/")
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
    """Results of one event type: counts of files and rows; `rejected` maps reason to rows (or files, row -1).

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
    """Results of one landing day, by event type in order of name. The same day again gives the same report.

    `ignored` lists entries left alone; `late`, labels changed by late rows, None if unknown.
    """

    day: date
    types: tuple[TypeReport, ...]
    ignored: tuple[IgnoredFile, ...] = ()
    late: tuple[LateRows, ...] | None = ()

    @property
    def files(self) -> int:
        return sum(report.files for report in self.types)

    @property
    def accepted(self) -> int:
        return sum(report.accepted for report in self.types)

    @property
    def rejected(self) -> int:
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
    """Results of judging a day's rejections of a type again; `appended` rows are new to the log, or would be."""

    day: date
    report: TypeReport
    appended: int


@dataclass(frozen=True)
class Outcome:
    """Result of one file; `appended` are the ids of accepted rows that were new to the log."""

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
        if len(reasons) == 1 and counts[reason := reasons[0].as_py()] >= EXAMPLES_PER_REASON:  # of many files
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


@dataclass(frozen=True, order=True)
class RejectedFolder:
    """The rejections of a landing day and a type; `name` is the event type, or begins with `unknown_`."""

    day: date
    name: str

    @property
    def prefix(self) -> str:
        return f"{REJECTED}/event_type={self.name}/dt={self.day.isoformat()}"


def folder_of(day: date, event_type: str) -> RejectedFolder:
    safe = event_type if event_type in EVENT_TYPES else "unknown_" + re.sub(r"[^A-Za-z0-9_]", "_", event_type)
    return RejectedFolder(day, safe)


def never_read(whole: Sequence[pa.Table], kept: int) -> list[tuple[str, pa.Table]]:
    """Return source and rejection of `whole` files that were not `kept`: they cannot be judged again."""
    rows = _each_once(pa.concat_tables([STORED_REJECTED_SCHEMA.empty_table(), *whole]))
    places = sorted(range(rows.num_rows), key=lambda place: rows["reason"][place].as_py() not in NEVER_READ)
    left = rows.take(pa.array(places[: max(0, len(places) - kept)], pa.int64()))
    return [
        (left["source"][place].as_py(), left.slice(place, 1).drop_columns(["source"])) for place in range(left.num_rows)
    ]


def _each_once(rows: pa.Table) -> pa.Table:
    """Drop duplicate rejections of a file: alone by an earlier release, and with the day's others since."""
    seen, kept = set[tuple[object, ...]](), []
    for place in pc.indices_nonzero(pc.equal(rows["row"], WHOLE_FILE)).to_pylist():
        said = tuple(rows[name][place].as_py() for name in ("source", "reason", "detail"))
        kept += [place] if said in seen else []
        seen.add(said)
    return rows.take(pa.array(sorted({*range(rows.num_rows)} - {*kept}), pa.int64())) if kept else rows


class RejectedRows:
    """The rejections of a lake."""

    def __init__(self, lake: ObjectStore) -> None:
        self._lake = lake

    def store(
        self, day: date, event_type: str, rejections: Sequence[tuple[str, pa.Table]], data: bytes | None = None
    ) -> None:
        """Store rejected rows by source, together, and the bytes of a file refused as a whole."""
        prefix = folder_of(day, event_type).prefix
        rejected = pa.concat_tables([REJECTED_SCHEMA.empty_table(), *(rows for _, rows in rejections)])
        if data is not None and pc.any(pc.equal(rejected.column("row"), WHOLE_FILE)).as_py():
            put_addressed(self._lake, f"{prefix}/{content_hash(data)}.bin", data, content_hash(data))
        sources = [source for source, rows in rejections for _ in range(rows.num_rows)]
        for start in range(0, rejected.num_rows, STORED_ROWS_MAXIMUM):
            end = start + STORED_ROWS_MAXIMUM
            part = rejected.slice(start, STORED_ROWS_MAXIMUM).combine_chunks()
            columns = [pa.array(sources[start:end], pa.string()), *part.columns]
            stored = encode_table(pa.table(columns, schema=STORED_REJECTED_SCHEMA))
            put_addressed(self._lake, f"{prefix}/{content_hash(stored)}.parquet", stored, content_hash(stored))

    def folders(self) -> list[RejectedFolder]:
        found = {_KEY.match(key) for key in self._lake.list(f"{REJECTED}/")}
        return sorted({RejectedFolder(date.fromisoformat(one[2]), one[1]) for one in found if one})

    def objects(self, folder: RejectedFolder) -> Iterator[tuple[str, bytes]]:
        for key in self._lake.list(folder.prefix):
            yield key, self._lake.get(key)

    def rows(self, day: date, event_type: str) -> pa.Table:
        return self.rows_in(folder_of(day, event_type))

    def rows_in(self, folder: RejectedFolder) -> pa.Table:
        """Return the stored rejections of a folder: `STORED_REJECTED_SCHEMA`, by file and row."""
        keys = [key for key in self._lake.list(folder.prefix) if key.endswith(".parquet")]
        tables = [decode_table(self._lake.get(key)).cast(STORED_REJECTED_SCHEMA) for key in keys]
        return _each_once(pa.concat_tables([STORED_REJECTED_SCHEMA.empty_table(), *tables]))
