"""The outbox: publishes rows of the send ledger to the event log.

Concept: the ledger commits first, the log follows. A crash between publishing and remembering publishes again, with the
same event ids, which every reader of the log counts once; nothing is ever skipped: a position that the ledger never
reached (another ledger, or one restored from an older copy) is refused. A position that is missing is found again in
the log: its rows are not appended twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.adapters.event_log import LogFile, ParquetEventLog
from mlife_assets.core.errors import IntegrityError, NotFoundError
from mlife_assets.core.ports import ObjectStore
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.messaging.events import inbound_events, switch_events, transition_events

if TYPE_CHECKING:
    from mlife_assets.adapters.send_ledger import SqlLedger

WRITER = "ledger"
POSITION_KEY = "outbox/ledger_position.json"
STREAMS = ("transitions", "inbound", "switches")
SWITCHES = ("sending_paused", "sending_resumed")
PUBLISHED = ("message_submitted", "message_status", "message_suppressed", "inbound_message", "consent", *SWITCHES)
ROWS_NAMED_MAXIMUM = 10**9
HEALED_DAYS = 2
"""Newest published days whose files are checked: a power cut takes the last writes."""


def events_of(rows: Mapping[str, pa.Table], providers: Mapping[str, str]) -> dict[str, pa.Table]:
    """Return event type -> events, of rows of each stream."""
    sends = transition_events(rows["transitions"], providers=providers)
    return {**sends, **inbound_events(rows["inbound"]), **switch_events(rows["switches"])}


class LedgerOutbox:
    """Publishes transitions, inbound texts and switches in the order in which the ledger recorded them."""

    def __init__(
        self,
        ledger: SqlLedger,
        event_log: ParquetEventLog,
        store: ObjectStore,
        *,
        providers: Mapping[str, str],
        former: Sequence[Mapping[str, str]] = (),
    ) -> None:
        """Remember the position in `store`; events name `providers` by channel, earlier events `former` ones."""
        self._ledger, self.event_log, self._store = ledger, event_log, store
        self._providers, self._former = providers, former
        self._streams: dict[str, Callable[[int], pa.Table]] = {
            "transitions": ledger.sends.transitions,
            "inbound": ledger.replies.rows,
            "switches": ledger.switches.rows,
        }

    def publish(self, *, is_position_trusted: bool = True) -> dict[str, int]:
        """Append everything new to the log; return rows by event type. Without a position, compare all with the log.

        Raises IntegrityError if the position cannot be read, or the ledger lacks the last published row.
        """
        self.heal()
        position = self.position() if is_position_trusted else None
        reached = position or dict.fromkeys(STREAMS, 0)
        rows = {name: _after(read, name, reached[name]) for name, read in self._streams.items()}
        events = events_of(rows, self._providers)
        if position is None:
            events = {event_type: self._unknown(event_type, table) for event_type, table in events.items()}
        for event_type, table in events.items():
            if table.num_rows:
                self.event_log.append(event_type, table, writer=WRITER)
        newest = {name: int(pc.max(table["sequence"]).as_py()) for name, table in rows.items() if table.num_rows}
        after = reached | newest
        self._store.replace(POSITION_KEY, orjson.dumps(after, option=orjson.OPT_SORT_KEYS))
        self._ledger.checkpoint()
        return {event_type: table.num_rows for event_type, table in sorted(events.items())}

    def heal(self) -> None:
        """Write and list again files of the newest days that the ledger gives to the byte; others stay unlisted.

        Raises IntegrityError if the ledger no longer gives a damaged one.
        """
        for event_type, recent in self._recent().items():
            damaged = [file for file in recent if not self.event_log.is_whole(file)]
            if damaged:
                self._restore(event_type, recent, damaged)
            unlisted = [file for file in recent if not self.event_log.is_listed(file)]
            if unlisted:
                recorded = self._recorded(event_type)
                self.event_log.relist([file for file in unlisted if self._gives(event_type, recorded, file)])

    def _recent(self) -> dict[str, list[LogFile]]:
        """Return event type -> the files of the ledger on the newest days that have some; older days are not listed."""
        days = {name: frozenset(self.event_log.days(name)) for name in PUBLISHED}
        found, seen = {name: list[LogFile]() for name in PUBLISHED}, 0
        for day in sorted(frozenset().union(*days.values()), reverse=True):
            if seen == HEALED_DAYS:
                break
            of_day = {name: self.files(name, day, day) for name in PUBLISHED if day in days[name]}
            seen += any(of_day.values())
            for name, files in of_day.items():
                found[name] = files + found[name]
        return found

    def _gives(self, event_type: str, recorded: Sequence[pa.Table], file: LogFile) -> bool:
        """Return whether a file holds exactly the ledger's rows of its events."""
        ids = self._ids(file)
        of_file = (rows.filter(pc.is_in(rows["event_id"], value_set=ids)) for rows in recorded)
        return any(not self.event_log.restore(event_type, rows, [file]) for rows in of_file)

    def _restore(self, event_type: str, recent: Sequence[LogFile], damaged: Sequence[LogFile]) -> None:
        """Write damaged files again. The ledger may have gone on in their hour: the first rows of it were theirs."""
        whole = [self._ids(file) for file in recent if file not in damaged]
        known = pa.concat_arrays([pa.array([], pa.string()), *whole])
        fresh, left = [_without(rows, known) for rows in self._recorded(event_type)], list(damaged)
        for rows in fresh:
            left = self.event_log.restore(event_type, rows, left)
        for file in left:
            named = min(int(file.batch), ROWS_NAMED_MAXIMUM) if file.batch.isdecimal() else 0  # rows, by its name
            first = [_of_hour(rows, file).slice(0, named) for rows in fresh]
            if all(self.event_log.restore(event_type, rows, [file]) for rows in first):
                raise IntegrityError(
                    f"{file.key} is damaged and the ledger no longer gives its rows; restore it from a copy, or remove "
                    "it where `mlife log verify` calls it unlisted"
                )
            fresh = [_without(rows, first[0]["event_id"].combine_chunks()) for rows in fresh]

    def _ids(self, file: LogFile) -> pa.Array:
        return self.event_log.read_file(file, ["event_id"])["event_id"].combine_chunks()

    def _recorded(self, event_type: str) -> list[pa.Table]:
        """Return all of a type's events in the ledger, under present then former providers: one gives a whole file."""
        rows = {name: read(0) for name, read in self._streams.items()}
        return [events_of(rows, providers)[event_type] for providers in (self._providers, *self._former)]

    def position(self) -> dict[str, int] | None:
        """Return the last published sequence by stream, None if none is remembered. Raises IntegrityError."""
        try:
            stored = orjson.loads(self._store.get(POSITION_KEY))
            return {name: int(stored[name]) for name in STREAMS}
        except NotFoundError:
            return None
        except (KeyError, TypeError, ValueError) as error:
            raise IntegrityError(
                f"{POSITION_KEY} cannot be read ({error}); delete it to publish everything again, which counts once"
            ) from error

    def holds(self, name: str, sequence: int) -> bool:
        """Return whether the ledger holds row `sequence` of a stream; 0 stands for none and is always held."""
        rows = self._streams[name](sequence - 1) if sequence else None
        return rows is None or (rows.num_rows > 0 and rows["sequence"][0].as_py() == sequence)

    def unpublished_messages(self) -> list[str]:
        """Return the ids of messages that moved since the ledger was published last."""
        position = self.position() or dict.fromkeys(STREAMS, 0)
        moved: list[str] = self._ledger.sends.transitions(position["transitions"])["message_id"].to_pylist()
        return moved

    def logged(
        self, event_type: str, columns: Sequence[str], *, start: date | None = None, end: date | None = None
    ) -> pa.Table:
        return self.rows_of(event_type, self.files(event_type, start, end), columns)

    def files(self, event_type: str, start: date | None = None, end: date | None = None) -> list[LogFile]:
        return [file for file in self.event_log.files(event_type, start=start, end=end) if file.writer == WRITER]

    def rows_of(self, event_type: str, files: Sequence[LogFile], columns: Sequence[str]) -> pa.Table:
        """Return columns of files of a type; in no order."""
        schema = EVENT_TYPES[event_type].schema
        empty = pa.schema([schema.field(name) for name in columns]).empty_table()
        return pa.concat_tables(
            [empty, *(self.event_log.read_file(file, columns).cast(empty.schema) for file in files)]
        )

    def _unknown(self, event_type: str, rows: pa.Table) -> pa.Table:
        """Return the rows that the log does not hold. A switch is known by its time: its id counts a ledger's rows."""
        if rows.num_rows == 0:
            return rows
        name = "occurred_at" if event_type in SWITCHES else "event_id"
        known = self.logged(event_type, [name])[name].combine_chunks()
        return rows.filter(pc.invert(pc.is_in(rows[name], value_set=known)))


def _without(rows: pa.Table, event_ids: pa.Array) -> pa.Table:
    return rows.filter(pc.invert(pc.is_in(rows["event_id"], value_set=event_ids)))


def _of_hour(rows: pa.Table, file: LogFile) -> pa.Table:
    """Return the rows that were observed in the hour of a file, in the order of the ledger."""
    start = datetime(file.day.year, file.day.month, file.day.day, file.hour, tzinfo=UTC)
    at = rows["observed_at"]
    return rows.filter(pc.and_(pc.greater_equal(at, start), pc.less(at, start + timedelta(hours=1))))


def _after(read: Callable[[int], pa.Table], name: str, last: int) -> pa.Table:
    """Return the rows after the position, once the ledger has shown that it holds the row at the position."""
    if last == 0:
        return read(0)
    rows = read(last - 1)
    if rows.num_rows == 0 or rows["sequence"][0].as_py() != last:
        raise IntegrityError(
            f"the ledger lacks row {last} of its {name}, which was published: it is another or an older ledger; "
            f"restore it, or delete {POSITION_KEY} to publish this one from its start"
        )
    return rows.slice(1)
