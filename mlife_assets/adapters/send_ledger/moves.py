"""Moving rows of the ledger, and the outbox of moves.

Concept: a move and its entry in `send_transitions` are one transaction.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from mlife_assets.adapters.send_ledger.migrations import upgrade
from mlife_assets.adapters.send_ledger.schema import (
    checkpoint,
    close_engine,
    open_engine,
    send_transitions,
    sends,
    write,
    writer,
)
from mlife_assets.recruiting.messaging.states import SendState

_APPEND = sa.insert(send_transitions)

LogEntry = tuple[Mapping[str, Any], str | None, str, str | None, str | None, datetime]
"""Row facts, from, to, provider message id, detail, occurred at."""


class Moves:
    """The open ledger; see `SqlLedger`."""

    def __init__(self, url: str | sa.Engine, *, survives_power_cut: bool = True) -> None:
        """Open the ledger; its tables are created when missing and moved on when an earlier release made them."""
        self.engine = open_engine(url, survives_power_cut=survives_power_cut)
        self._of_thread = threading.local()
        self._close_once = weakref.finalize(self, close_engine, self.engine)
        upgrade(self.engine)

    def close(self) -> None:
        """Move everything into the one file of a SQLite ledger and close all connections; done at exit, too."""
        self._close_once()

    @contextmanager
    def on_one_connection(self) -> Iterator[None]:
        """Let the moves of this thread share a connection inside: opening one takes a third of a move's time in SQLite.

        Each is still a transaction of its own. A server may be restarted between two moves, so there each connects.
        """
        if self.engine.dialect.name != "sqlite":
            yield
            return
        with writer(self.engine) as self._of_thread.writer:
            try:
                yield
            finally:
                self._of_thread.writer = None

    def _write(self) -> AbstractContextManager[sa.Connection]:
        return write(self.engine, getattr(self._of_thread, "writer", None))

    def checkpoint(self) -> None:
        """Move everything into the one file of a SQLite ledger, so that a plain copy of it is whole."""
        checkpoint(self.engine)

    def _log(self, connection: sa.Connection, entries: Sequence[LogEntry], now: datetime) -> None:
        connection.execute(
            _APPEND,
            [
                {
                    "message_id": facts["message_id"],
                    "user_id": facts["user_id"],
                    "campaign": facts["campaign"],
                    "as_of_date": facts["as_of_date"],
                    "from_state": from_state,
                    "to_state": str(to_state),
                    "attempt": facts["attempts"],
                    "provider_message_id": provider_id,
                    "detail": detail,
                    "occurred_at": occurred_at,
                    "at": now,
                }
                for facts, from_state, to_state, provider_id, detail, occurred_at in entries
            ],
        )

    def _move(
        self,
        connection: sa.Connection,
        condition: sa.ColumnElement[bool],
        to_state: SendState,
        now: datetime,
        detail: str | None = None,
        *,
        ids: Sequence[str] | None = None,
    ) -> int:
        """Move all rows that meet `condition`, in the order of message ids; `ids` names them if already known."""
        if ids is not None and not ids:
            return 0
        found = connection.execute(
            sa.select(
                sends.c.message_id,
                sends.c.user_id,
                sends.c.campaign,
                sends.c.as_of_date,
                sends.c.state,
                sends.c.attempts,
                sends.c.provider_message_id,
            )
            .where(condition)
            .order_by(sends.c.message_id)
        ).all()
        if not found:
            return 0
        connection.execute(sa.update(sends).where(condition).values(state=to_state, updated_at=now))
        self._log(
            connection,
            [(row._asdict(), row.state, to_state, row.provider_message_id, detail, now) for row in found],
            now,
        )
        return len(found)
