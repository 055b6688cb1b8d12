"""The outbox: what the send ledger recorded, published to the event log.

Belongs here: which recorded changes are not published yet. Does not belong here: how a change becomes an event
(`core.messaging.events`), recording it (`send_ledger`).

Concept: the ledger commits first, the log follows. A crash between publishing and remembering publishes again, with the
same event ids, which every reader of the log counts once; nothing is ever skipped: a position that the ledger never
reached (another ledger, or one restored from an older copy) is refused.
"""

from __future__ import annotations

from collections.abc import Callable

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.core.errors import IntegrityError, NotFoundError
from mlife_assets.core.messaging.events import inbound_events, switch_events, transition_events
from mlife_assets.core.ports import EventLog, ObjectStore

WRITER = "ledger"
POSITION_KEY = "outbox/ledger_position.json"
STREAMS = ("transitions", "inbound", "switches")


class LedgerOutbox:
    """Publishes transitions, inbound texts and switches in the order in which the ledger recorded them."""

    def __init__(self, ledger: SqlLedger, event_log: EventLog, store: ObjectStore, *, provider: str) -> None:
        """Remember the position in `store`; `provider` is named in the events."""
        self._ledger, self._event_log, self._store, self._provider = ledger, event_log, store, provider

    def publish(self) -> dict[str, int]:
        """Append everything new to the event log; return rows by event type.

        Raises:
            IntegrityError: the remembered position cannot be read, or the ledger does not hold what was published last.
        """
        position = self._position()
        transitions = _after(self._ledger.transitions, "transitions", position)
        inbound = _after(self._ledger.inbound, "inbound", position)
        switches = _after(self._ledger.switches, "switches", position)
        events = {**transition_events(transitions, provider=self._provider), **inbound_events(inbound)}
        events |= switch_events(switches)
        for event_type, rows in events.items():
            if rows.num_rows:
                self._event_log.append(event_type, rows, writer=WRITER)
        read = {"transitions": transitions, "inbound": inbound, "switches": switches}
        reached = {name: _last(rows, position[name]) for name, rows in read.items()}
        self._store.replace(POSITION_KEY, orjson.dumps(reached, option=orjson.OPT_SORT_KEYS))
        return {event_type: rows.num_rows for event_type, rows in sorted(events.items())}

    def _position(self) -> dict[str, int]:
        try:
            stored = orjson.loads(self._store.get(POSITION_KEY))
            return {name: int(stored[name]) for name in STREAMS}
        except NotFoundError:
            return dict.fromkeys(STREAMS, 0)
        except (KeyError, TypeError, ValueError) as error:
            raise IntegrityError(
                f"{POSITION_KEY} cannot be read ({error}); delete it to publish everything again, which counts once"
            ) from error


def _after(read: Callable[[int], pa.Table], name: str, position: dict[str, int]) -> pa.Table:
    """Return the rows after the position, once the ledger has shown that it holds the row at the position."""
    last = position[name]
    if last == 0:
        return read(0)
    rows = read(last - 1)
    if rows.num_rows == 0 or rows["sequence"][0].as_py() != last:
        raise IntegrityError(
            f"the ledger lacks row {last} of its {name}, which was published: it is another or an older ledger; "
            f"restore it, or delete {POSITION_KEY} to publish this one from its start"
        )
    return rows.slice(1)


def _last(rows: pa.Table, before: int) -> int:
    return int(pc.max(rows["sequence"]).as_py()) if rows.num_rows else before
