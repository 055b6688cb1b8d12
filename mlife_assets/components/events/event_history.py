"""Reading the event log back, for a few users and jobs, in memory that does not grow with the log, and the effects of
late rows.

Concept: an event counts from its first delivery, but ingest looks for duplicates only a few days back. So a range alone
does not show its repeats. No event is delivered before it happens, so only rows that occurred before the range can be
repeats: their ids are looked up in the days since. A few files are read at a time and only rows of the wanted ids kept,
so memory grows with the range or the wanted ids, not with the log.

A late row can change labels of exposures within a window before it, and punctual rows arrived within a window after
those. So some days around the late rows are read, and none without late rows. Only earlier knowledge counts for a late
row, so the report of a day is the same whenever the day runs again.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property, reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.adapters.dispatcher.reports import AWAITED_DAYS
from mlife_assets.adapters.event_log import LogFile, ParquetEventLog
from mlife_assets.adapters.object_store import read_at_once
from mlife_assets.core.windows import add_days, day_start
from mlife_assets.recruiting.events import EVENT_TYPES, LABEL_EVENT_TYPES
from mlife_assets.recruiting.late_labels import EXPOSURE, LateRows, exposures_of, label_windows, late_rows
from mlife_assets.recruiting.policies import LabelPolicy
from mlife_assets.recruiting.recompute.compare import SOURCE_COLUMNS

TIMES = ("event_id", "occurred_at", "observed_at")
REPORTED = (EXPOSURE, *LABEL_EVENT_TYPES)
COLUMNS = {
    EXPOSURE: TIMES,
    **dict.fromkeys(LABEL_EVENT_TYPES, (*TIMES, "exposure_id")),
    "message_planned": (*TIMES, "message_id", "channel"),
    "message_status": (*TIMES, "message_id", "status"),
}
Spans = list[tuple[date, date]]
FILES_AT_ONCE, SMALL_FILE_ROWS = 32, 10_000
BLOCK_DAYS = 28
FIRST_BLOCKS_DAYS = (1, 7, 28)
"""Lengths in days of the newest blocks, which usually suffice."""


@dataclass(frozen=True)
class EventHistory:
    """The part of the event log about some ids.

    Attributes:
        log: the event log.
        wanted: column -> ids; rows with one of them are kept, and all rows of types without these columns.
        is_thorough: look for an earlier delivery of every row, even if it claims to have occurred within its range.
            This reads every file of the requested types once and holds a history as a whole; it rules out that an
            exporter redated a redelivery.
        columns: event type -> columns to read; by default those of features.
    """

    log: ParquetEventLog
    wanted: dict[str, pa.Array]
    is_thorough: bool = False
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: SOURCE_COLUMNS)

    @cached_property
    def _files(self) -> dict[str, tuple[LogFile, ...]]:
        return {}

    def files(self, event_type: str, start: date | None, end: date) -> list[LogFile]:
        """Return the files of the days [start, end], oldest first."""
        if event_type not in self._files:
            self._files[event_type] = self.log.files(event_type)
        return [file for file in self._files[event_type] if (start is None or file.day >= start) and file.day <= end]

    def between(self, event_type: str, start: date | None, end: date) -> pa.Table:
        """Return events first observed on the days [start, end]: one row each, by (observed_at, event_id).

        Without `start` all wanted rows of a type until `end`, each file read once.
        """
        columns, schema = self.columns[event_type], EVENT_TYPES[event_type].schema
        nothing = pa.schema([schema.field(name) for name in columns]).empty_table()
        files = self.files(event_type, start, end)
        rows = pa.concat_tables([nothing, *self._about_each(files, columns)])
        rows = rows.sort_by([("observed_at", "ascending"), ("event_id", "ascending")])
        _, places = np.unique(np.asarray(rows["event_id"].to_pylist(), dtype=str), return_index=True)
        first = rows.take(pa.array(np.sort(places)))
        return first if start is None else self._without_earlier(event_type, first, start)

    def latest(self, event_type: str, key: str, ids: pa.Array, end: date) -> pa.Table:
        """Return the last row of each of `ids` observed until `end`, reading back only as far as needed."""
        found = []
        for start, until in self._blocks(event_type, end):
            if not len(ids):
                break
            rows = self.between(event_type, start, until)
            rows = last_rows(rows.filter(pc.is_in(rows[key], value_set=ids)), key)
            ids = ids.filter(pc.invert(pc.is_in(ids, value_set=rows[key].combine_chunks())))
            found.append(rows)
        return pa.concat_tables(found) if found else self.between(event_type, add_days(end, 1), end)

    def _blocks(self, event_type: str, end: date) -> Iterator[tuple[date, date]]:
        """Yield (first, last) day of blocks from `end` back to the first day of a type, the newest first.

        A thorough read has one block: comparing each with the ids of all files before it would be quadratic.
        """
        files = self.files(event_type, None, end)
        if self.is_thorough and files:
            yield files[0].day, end
            return
        days = iter(FIRST_BLOCKS_DAYS)
        while files and end >= files[0].day:
            start = add_days(end, 1 - next(days, BLOCK_DAYS))
            yield start, end
            end = add_days(start, -1)

    def _about_each(self, files: Sequence[LogFile], columns: tuple[str, ...]) -> Iterator[pa.Table]:
        """Yield the wanted rows of a few files at a time: for small files, filtering is most of the work."""

        def read(file: LogFile) -> pa.Table:
            rows = self.log.read_file(file, columns)
            return rows if rows.num_rows <= SMALL_FILE_ROWS else self._about(rows)

        for start in range(0, len(files), FILES_AT_ONCE):
            some = files[start : start + FILES_AT_ONCE]
            yield self._about(pa.concat_tables(read_at_once(read, some, self.log.readers)))

    def _about(self, rows: pa.Table) -> pa.Table:
        masks = [pc.is_in(rows[key], value_set=ids) for key, ids in self.wanted.items() if key in rows.column_names]
        return rows.filter(reduce(pc.or_, masks)) if masks else rows

    def _without_earlier(self, event_type: str, rows: pa.Table, start: date) -> pa.Table:
        """Return the rows whose event was not delivered before `start`."""
        occurred = rows["occurred_at"]
        is_doubtful = pc.less(occurred, pa.scalar(day_start(start), occurred.type))
        doubtful = rows if self.is_thorough else rows.filter(is_doubtful)
        if not doubtful.num_rows:
            return rows
        since = None if self.is_thorough else pc.min(doubtful["occurred_at"]).as_py().date()
        ids = doubtful["event_id"].combine_chunks()
        for file in self.files(event_type, since, add_days(start, -1)):
            earlier = self.log.read_file(file, ("event_id",))["event_id"].combine_chunks()
            is_earlier = pc.is_in(rows["event_id"], value_set=earlier.filter(pc.is_in(earlier, value_set=ids)))
            rows = rows.filter(pc.invert(is_earlier))
        return rows


def last_rows(rows: pa.Table, key: str) -> pa.Table:
    _, places = np.unique(np.asarray(rows[key].to_pylist(), dtype=str)[::-1], return_index=True)
    return rows.take(pa.array(np.sort(rows.num_rows - 1 - places), pa.int64()))


def late_labels(log: ParquetEventLog, files: Iterable[LogFile], policy: LabelPolicy) -> tuple[LateRows, ...]:
    """Return the changes by late rows, by event type; `files` of the log hold the rows."""
    of_type: dict[str, list[LogFile]] = {}
    for file in files:
        of_type.setdefault(file.event_type, []).append(file)
    windows = label_windows(policy)
    return tuple(_changed(log, name, of_type[name], windows) for name in REPORTED if name in of_type)


def _changed(log: ParquetEventLog, event_type: str, files: Iterable[LogFile], windows: Mapping[str, int]) -> LateRows:
    columns = COLUMNS[event_type]
    late = _of_exposures(log.in_order(event_type, {file: log.read_file(file, columns) for file in files}, columns))
    asked = pc.unique(late["exposure_id"]).drop_null()
    about = EventHistory(log, dict.fromkeys(("event_id", "exposure_id", "message_id"), asked), columns=COLUMNS)
    spans = _spans(late, event_type, windows)
    known = _of_exposures(_read(about, event_type, spans))
    impressions = known if event_type == EXPOSURE else _read(about, EXPOSURE, spans)
    # A text is an exposure too; its plan precedes its receipt by as many days as receipts are awaited.
    of_messages = spans if impressions.num_rows < len(asked) else []
    statuses = _read(about, "message_status", of_messages)
    planned = _read(about, "message_planned", [(add_days(first, -AWAITED_DAYS), last) for first, last in of_messages])
    return late_rows(event_type, late, known, exposures_of(impressions, planned, statuses), windows)


def _of_exposures(rows: pa.Table) -> pa.Table:
    """Return rows with the exposure that they belong to; an impression is its own."""
    if "exposure_id" not in rows.column_names:
        rows = rows.append_column("exposure_id", rows["event_id"])
    return rows.select([*TIMES, "exposure_id"])


def _spans(late: pa.Table, event_type: str, windows: Mapping[str, int]) -> Spans:
    """Return the first and last days to read: around the rows' time, and before they became known.

    Clocks differ, so an exposure may follow its outcome: exposures with an open label then are read, too.
    """
    if event_type not in (EXPOSURE, *windows):
        return []
    window, final = windows.get(event_type, 0), max(windows.values())
    asked = [(add_days(day, -window), add_days(day, final)) for day in _days(late["occurred_at"])]
    asked += [(add_days(day, -final), day) for day in _days(late["observed_at"])]
    spans: Spans = []
    for first, last in sorted(asked):
        if spans and first <= add_days(spans[-1][1], 1):
            spans[-1] = (spans[-1][0], max(spans[-1][1], last))
        else:
            spans.append((first, last))
    return spans


def _days(times: pa.ChunkedArray) -> list[date]:
    return list(pc.unique(times.cast(pa.date32())).to_pylist())


def _read(about: EventHistory, event_type: str, spans: Spans) -> pa.Table:
    schema = EVENT_TYPES[event_type].schema
    nothing = pa.schema([schema.field(name) for name in COLUMNS[event_type]]).empty_table()
    return pa.concat_tables([nothing, *(about.between(event_type, first, last) for first, last in spans)])
