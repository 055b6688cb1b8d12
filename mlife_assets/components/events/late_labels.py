"""What rows that came late changed, by what the event log holds.

Belongs here: which days of the log are read for it. Does not belong here: which label a row moves
(`recruiting.late_labels`), which rows came late (`adapters.landing`).

Concept: what a late row can move was shown within a window before it happened, and what was known in time was known
within a window after that. So some days around those of the late rows are read, and nothing when no row came late. Only
what was known before a late row counts, so the report of a day is the same whenever the day runs again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.adapters.dispatcher.settling import AWAITED_DAYS
from mlife_assets.adapters.event_log import LogFile, ParquetEventLog
from mlife_assets.components.events.event_history import EventHistory
from mlife_assets.core.windows import add_days
from mlife_assets.recruiting.events import EVENT_TYPES, LABEL_EVENT_TYPES
from mlife_assets.recruiting.late_labels import EXPOSURE, LateRows, exposures_of, label_windows, late_rows
from mlife_assets.recruiting.policies import LabelPolicy

TIMES = ("event_id", "occurred_at", "observed_at")
REPORTED = (EXPOSURE, *LABEL_EVENT_TYPES)
COLUMNS = {
    EXPOSURE: TIMES,
    **dict.fromkeys(LABEL_EVENT_TYPES, (*TIMES, "exposure_id")),
    "message_planned": (*TIMES, "message_id", "channel"),
    "message_status": (*TIMES, "message_id", "status"),
}
Spans = list[tuple[date, date]]


def late_labels(log: ParquetEventLog, files: Iterable[LogFile], policy: LabelPolicy) -> tuple[LateRows, ...]:
    """Return what rows changed that came late, by event type; `files` of the log hold them."""
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
    # A text is an exposure as well; its plan is older than its receipt, by as many days as receipts are waited for.
    of_messages = spans if impressions.num_rows < len(asked) else []
    statuses = _read(about, "message_status", of_messages)
    planned = _read(about, "message_planned", [(add_days(first, -AWAITED_DAYS), last) for first, last in of_messages])
    return late_rows(event_type, late, known, exposures_of(impressions, planned, statuses), windows)


def _of_exposures(rows: pa.Table) -> pa.Table:
    """Return rows with the exposure that they are about: that of an impression is itself."""
    if "exposure_id" not in rows.column_names:
        rows = rows.append_column("exposure_id", rows["event_id"])
    return rows.select([*TIMES, "exposure_id"])


def _spans(late: pa.Table, event_type: str, windows: Mapping[str, int]) -> Spans:
    """Return the first and last days of what decides: around when rows happened, and before they became known.

    Exposures may follow what came of them, as clocks differ, so those are looked at, too, whose label was open then.
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
