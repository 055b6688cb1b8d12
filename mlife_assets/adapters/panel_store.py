"""Panels of recruiters: files by content, their recording as events.

Concept: a human baseline is worth something only when nobody could know the outcomes that it is judged on. The file
lies at the hash of its bytes and the event log says since when that hash was known. Two things are refused: recording
after the ranked day has ended, and recording while an application to a ranked pair is in the log already. A correction
is a new file; of several panels of one day the newest counts, and all stay.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import GateClosedError, IntegrityError, InvalidInputError, NotFoundError
from mlife_assets.core.ids import event_id
from mlife_assets.core.ports import EventLog, ObjectStore
from mlife_assets.core.windows import add_days, day_start
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.panel.ballots import Panel, parse_panel, require_candidates

PANELS = "panels"
WRITER = "panel"
EVENT = "panel_recorded"
OUTCOME = "apply"
STEP = timedelta(seconds=1)

CandidateSource: TypeAlias = Callable[[tuple[str, ...]], pa.Table]
"""Takes user ids, returns user_id and job_id of their candidates on the panel's day."""


@dataclass(frozen=True)
class RecordedPanel:
    """A panel as the event log knows it; its id begins `sha256`, in hex digits, which is known since `recorded_at`."""

    panel_id: str
    as_of_date: date
    recruiters: int
    users: int
    pairs: int
    sha256: str
    actor: str
    recorded_at: datetime

    @property
    def key(self) -> str:
        return f"{PANELS}/{self.sha256}.csv"


def recording_ends(as_of: date) -> datetime:
    """Return the end of the day in UTC, from which a panel of `as_of` is late: then outcomes are exported."""
    return day_start(add_days(as_of, 1))


class PanelStore:
    """Files at `panels/<sha256>.csv`, events `panel_recorded` in the log."""

    def __init__(self, store: ObjectStore, event_log: EventLog) -> None:
        self._store, self._event_log = store, event_log

    def record(
        self, data: bytes, *, as_of: date, candidates: CandidateSource, actor: str, now: datetime
    ) -> RecordedPanel:
        """Check, store and record a panel after all others; the same file again changes nothing.

        Raises InvalidInputError if it does not rank the `candidates` of `as_of` as its schema says, GateClosedError if
        it is late or an outcome of a ranked pair is known already.
        """
        panel = parse_panel(data)
        if panel.as_of_date != as_of:
            raise InvalidInputError(
                f"as_of_date of the file is {panel.as_of_date}, asked to record was {as_of}; name the day of the file"
            )
        recorded = self.recorded()
        if known := next((one for one in recorded if one.sha256 == panel.sha256), None):
            return known
        now = max([now, *(one.recorded_at + STEP for one in recorded)])
        _require_in_time(as_of, now)
        require_candidates(panel, candidates(panel.user_ids))
        self._require_no_outcome(panel, now)
        made = RecordedPanel(
            panel.panel_id,
            as_of,
            len(panel.recruiters),
            len(panel.user_ids),
            panel.pairs,
            panel.sha256,
            actor,
            now,
        )
        self._store.put_if_absent(made.key, data)
        row = {"event_id": event_id(EVENT, panel.sha256), "occurred_at": now, "observed_at": now}
        row |= {column.name: getattr(made, column.name) for column in EVENT_TYPES[EVENT].columns}
        table = pa.Table.from_pylist([row], schema=EVENT_TYPES[EVENT].schema)
        self._event_log.append(EVENT, table, writer=WRITER)
        return made

    def recorded(self, until: datetime | None = None) -> list[RecordedPanel]:
        rows = self._event_log.read(EVENT).to_pylist()
        return [_recorded(row) for row in rows if until is None or row["observed_at"] <= until]

    def resolve(self, text: str) -> RecordedPanel:
        """Return the panel whose hash begins with `text`. Raises NotFoundError or, if several do, InvalidInputError."""
        if not text:
            raise InvalidInputError("a panel id is empty; write at least its first digits")
        found = [one for one in self.recorded() if one.sha256.startswith(text)]
        if not found:
            raise NotFoundError(f"there is no panel {text}; `mlife panel list` shows all")
        if len(found) > 1:
            raise InvalidInputError(f"{text} is the beginning of {len(found)} panels; write more of it")
        return found[0]

    def load(self, recorded: RecordedPanel) -> Panel:
        """Return a recorded panel. Raises IntegrityError if its file was changed, GateClosedError if it was late."""
        _require_in_time(recorded.as_of_date, recorded.recorded_at)
        try:
            data = self._store.get(recorded.key)
        except NotFoundError as error:
            raise IntegrityError(f"{recorded.key} is missing; restore it from a copy of the lake") from error
        panel = _parsed(data, recorded)
        if (panel.sha256, panel.as_of_date) != (recorded.sha256, recorded.as_of_date):
            raise IntegrityError(
                f"{recorded.key} does not match the hash recorded at {recorded.recorded_at.isoformat()} for "
                f"{recorded.as_of_date}; it was changed since, restore it from a copy of the lake"
            )
        return panel

    def panels_of(self, days: Collection[date], until: datetime | None = None) -> tuple[Panel, ...]:
        """Return the newest panel of each of `days` recorded by `until`, verified as by `load`, in order of days."""
        newest = {one.as_of_date: one for one in self.recorded(until)}
        return tuple(self.load(newest[day]) for day in sorted(set(days) & set(newest)))

    def _require_no_outcome(self, panel: Panel, now: datetime) -> None:
        """Refuse when an application to a ranked pair of the day is in the log."""
        names = ["user_id", "job_id", "occurred_at", "observed_at"]
        known = self._event_log.read(OUTCOME, start=panel.as_of_date, end=now.date(), columns=names)
        begun = pa.scalar(day_start(panel.as_of_date), known.schema.field("occurred_at").type)
        seen = pa.scalar(now, known.schema.field("observed_at").type)
        counted = known.filter((pc.field("occurred_at") >= begun) & (pc.field("observed_at") <= seen))
        ranked = {(ballot.user_id, job) for ballot in panel.ballots for job in ballot.job_ids}
        for row in counted.to_pylist():
            if (row["user_id"], row["job_id"]) in ranked:
                raise GateClosedError(
                    f"user {row['user_id']} applied to job {row['job_id']} of this panel, known since "
                    f"{row['observed_at'].isoformat()}; a ranking after its outcome proves nothing, so remove the rows "
                    "of this user"
                )


def _require_in_time(as_of: date, at: datetime) -> None:
    ends = recording_ends(as_of)
    if at >= ends:
        raise GateClosedError(
            f"a panel of {as_of} must be recorded before {ends.isoformat()} and it is {at.isoformat()}: outcomes may "
            "be known by then, and a hash after the outcomes proves nothing; rank the candidates of a newer day"
        )


def _parsed(data: bytes, recorded: RecordedPanel) -> Panel:
    try:
        return parse_panel(data)
    except InvalidInputError as error:
        raise IntegrityError(f"{recorded.key} was changed since it was recorded ({error}); restore it") from error


def _recorded(row: dict[str, Any]) -> RecordedPanel:
    values = {column.name: row[column.name] for column in EVENT_TYPES[EVENT].columns}
    return RecordedPanel(**values, recorded_at=row["observed_at"])
