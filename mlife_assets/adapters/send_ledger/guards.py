"""What the ledger knows beside the sends: whether sending is paused, what was sent lately, what is unpublished.

Belongs here: the kill switch, the outbox and the tables that planning reads. Does not belong here: moving a single send
(`ledger`), the suppression list (`people`), what people replied (`replies`).

Concept: what waits can be stopped at any time, and every change is a row that the outbox publishes later.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from mlife_assets.adapters.send_ledger.heads import LedgerHeads, positions
from mlife_assets.adapters.send_ledger.replies import Replies
from mlife_assets.adapters.send_ledger.schema import accounts, inbound_texts, send_transitions, sends, switches, write
from mlife_assets.adapters.send_ledger.statements import is_switched_off, texts_taken
from mlife_assets.recruiting.application import EVERYTHING, Channel
from mlife_assets.recruiting.events import TIMESTAMP
from mlife_assets.recruiting.messaging.states import BEFORE_SUBMITTING, MAY_HAVE_REACHED, SendState

EXPIRED = "expired"

_ARROW_TYPES: dict[str, pa.DataType] = {
    "sequence": pa.int64(),
    "attempt": pa.int64(),
    "as_of_date": pa.date32(),
    "occurred_at": TIMESTAMP,
    "received_at": TIMESTAMP,
    "reviewed_at": TIMESTAMP,
    "at": TIMESTAMP,
    "is_paused": pa.bool_(),
}


def _arrow(connection: sa.Connection, query: sa.Select[Any]) -> pa.Table:
    result = connection.execute(query)
    names = list(result.keys())
    columns = list(zip(*result.all(), strict=True)) or [()] * len(names)
    arrays = [pa.array(c, _ARROW_TYPES.get(n, pa.string())) for n, c in zip(names, columns, strict=True)]
    return pa.table(arrays, names=names)


class Guards(Replies):
    """Lists, switches and outbox of a ledger; see `SqlLedger`."""

    @property
    def heads(self) -> LedgerHeads:
        """Signed heads of the event log that this database keeps."""
        return LedgerHeads(self.engine)

    def positions(self) -> dict[str, int]:
        """Return the last sequence of each stream: `inbound`, `switches`, `transitions`."""
        return positions(self.engine)

    def suppress_send(self, message_id: str, *, now: datetime, reason: str) -> int:
        """Suppress one waiting row, not its user. Returns 1, or 0 when it no longer waits."""
        is_waiting = sa.and_(sends.c.message_id == message_id, sends.c.state.in_(sorted(BEFORE_SUBMITTING)))
        with write(self.engine) as connection:
            return self._move(connection, is_waiting, SendState.SUPPRESSED, now, reason)

    def has_approved(self, campaign: str, as_of_date: date) -> bool:
        """Return whether rows of a campaign day wait to be sent."""
        query = sa.select(sends.c.message_id).where(
            sends.c.campaign == campaign,
            sends.c.as_of_date == as_of_date,
            sends.c.state.in_([SendState.APPROVED, SendState.LEASED]),
        )
        with self.engine.connect() as connection:
            return connection.execute(query.limit(1)).first() is not None

    def expire(self, campaign: str, before: date, *, now: datetime) -> int:
        """Suppress waiting rows of days before `before`: yesterday's job is never texted today. Returns how many."""
        is_stale = sa.and_(
            sends.c.campaign == campaign,
            sends.c.as_of_date < before,
            sends.c.state.in_(sorted(BEFORE_SUBMITTING)),
        )
        with write(self.engine) as connection:
            return self._move(connection, is_stale, SendState.SUPPRESSED, now, EXPIRED)

    def pause(self, *, actor: str, reason: str, now: datetime, campaign: str = EVERYTHING) -> None:
        """Stop all sending of an application, or of all, of rows in flight too."""
        self._switch(True, campaign, actor, reason, now)

    def resume(self, *, actor: str, reason: str, now: datetime, campaign: str = EVERYTHING) -> None:
        """Allow what was paused under the same name: everything, or one application."""
        self._switch(False, campaign, actor, reason, now)

    def _switch(self, is_paused: bool, campaign: str, actor: str, reason: str, now: datetime) -> None:
        values = {"is_paused": is_paused, "actor": actor, "reason": reason, "at": now, "campaign": campaign}
        with write(self.engine) as connection:
            connection.execute(sa.insert(switches).values(values))

    def is_paused(self, campaign: str = EVERYTHING) -> bool:
        """Return whether everything was paused, or this application by its own switch."""
        is_off = sa.or_(is_switched_off(EVERYTHING), is_switched_off(campaign))
        with self.engine.connect() as connection:
            return bool(connection.execute(sa.select(is_off)).scalar())

    def recent_sends(self, since: date) -> pa.Table:
        """Return sends of all campaigns since a day: `person_id` as known now, `as_of_date`, `campaign`.

        Holds what may have reached the person and what still may (planned, approved, leased).
        """
        counted = sorted(MAY_HAVE_REACHED | BEFORE_SUBMITTING)
        query = (
            sa.select(accounts.c.person_id, sends.c.as_of_date, sends.c.campaign)
            .join(accounts, accounts.c.user_id == sends.c.user_id)
            .where(sends.c.as_of_date >= since, sends.c.state.in_(counted))
            .order_by(sends.c.message_id)
        )
        with self.engine.connect() as connection:
            return _arrow(connection, query)

    def count_submitted(self, campaign: str, as_of_date: date) -> int:
        """Return how many sends of a campaign day may have reached someone."""
        query = sa.select(sa.func.count()).where(
            sends.c.campaign == campaign,
            sends.c.as_of_date == as_of_date,
            sends.c.state.in_(sorted(MAY_HAVE_REACHED)),
        )
        with self.engine.connect() as connection:
            return int(connection.execute(query).scalar_one())

    def count_texts(self, as_of_date: date) -> int:
        """Return how many texts of a day, whoever planned them, may have reached someone or are about to."""
        with self.engine.connect() as connection:
            return int(connection.execute(texts_taken(as_of_date)).scalar_one())

    def transitions(self, since_sequence: int = 0) -> pa.Table:
        """Return all transitions after a sequence, in order: the columns of `send_transitions`, and `channel`."""
        channel = sa.func.coalesce(sends.c.channel, Channel.SMS).label("channel")
        moves = sa.select(send_transitions, channel).outerjoin(
            sends, sends.c.message_id == send_transitions.c.message_id
        )
        return self._rows(moves, send_transitions, since_sequence)

    def inbound(self, since_sequence: int = 0) -> pa.Table:
        """Return recorded inbound texts after a sequence: `sequence`, `inbound_id`, `user_id`, `keyword`, times,
        `channel`.
        """
        return self._after(inbound_texts, since_sequence)

    def switches(self, since_sequence: int = 0) -> pa.Table:
        """Return pauses and resumptions after a sequence: `sequence`, `is_paused`, who, why, when, `campaign`."""
        return self._after(switches, since_sequence)

    def _after(self, table: sa.Table, since_sequence: int) -> pa.Table:
        return self._rows(sa.select(table), table, since_sequence)

    def _rows(self, rows: sa.Select[Any], table: sa.Table, since_sequence: int) -> pa.Table:
        query = rows.where(table.c.sequence > since_sequence).order_by(table.c.sequence)
        with self.engine.connect() as connection:
            return _arrow(connection, query)
