"""Sends that another record knows of: a ledger that was lost or is an older copy gets them back.

Concept: what was sent is a fact, so the edges of the states are not asked. A send only ever moves on: what the ledger
knows and the other record does not stays.

Rows go from one database to another as a stream, through the column types of this schema. A counter may be ahead of its
newest row, since numbers that were published are never given again; so it is carried, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

import sqlalchemy as sa

from mlife_assets.adapters.send_ledger.people import BATCH, log_moves, people_of_accounts
from mlife_assets.adapters.send_ledger.records import STREAMS
from mlife_assets.adapters.send_ledger.schema import (
    Subject,
    accounts,
    metadata,
    numbers,
    send_transitions,
    sends,
    switches,
    write,
)
from mlife_assets.recruiting.application import EVERYTHING, Channel
from mlife_assets.recruiting.messaging.states import BEFORE_SUBMITTING, SendState

ROWS_AT_ONCE = 1_000
"""Rows that are in memory at once."""

_NUMBERED = tuple(table for table in metadata.sorted_tables if table.autoincrement_column is not None)
_SQLITE_COUNTERS = sa.table("sqlite_sequence", sa.column("name"), sa.column("seq"))
_POSTGRESQL_COUNTER = sa.text(
    "SELECT last_value FROM pg_catalog.pg_sequences WHERE quote_ident(schemaname) || '.' || quote_ident(sequencename) "
    "= pg_get_serial_sequence(:table, 'sequence')"
)
CAUGHT_UP = "caught_up"


@dataclass(frozen=True)
class Move:
    """One state that a send reached."""

    state: SendState
    attempt: int
    provider_message_id: str | None
    detail: str | None
    occurred_at: datetime
    at: datetime


@dataclass(frozen=True)
class RestoredSend:
    """A send with all its known moves, in their order; at least one."""

    message_id: str
    user_id: str
    job_id: str
    campaign: str
    as_of_date: date
    body: str = field(repr=False)
    moves: tuple[Move, ...]
    channel: str = Channel.SMS


def accepted_moves(provider_message_id: str, *, attempt: int, now: datetime) -> tuple[Move, ...]:
    """Return the moves of a send that only the provider remembers."""
    return (
        Move(SendState.SUBMITTING, attempt, None, None, now, now),
        Move(SendState.ACCEPTED, attempt, provider_message_id, "restored", now, now),
    )


class Restoring(Subject):
    """Sends and switches that another record brings back."""

    def restore_sends(self, restored: Sequence[RestoredSend], *, only_waiting: bool = False) -> int:
        """Add missing sends and moves, or those of waiting sends alone; returns how many were added or moved on."""
        count = 0
        for start in range(0, len(restored), BATCH):
            with write(self.engine) as connection:
                count += self._restore(connection, restored[start : start + BATCH], only_waiting=only_waiting)
        return count

    def restore_switch(
        self, sequence: int, *, is_paused: bool, actor: str, reason: str, at: datetime, campaign: str = EVERYTHING
    ) -> None:
        """Add a switch under the number that it had."""
        row = {"sequence": sequence, "is_paused": is_paused, "actor": actor, "reason": reason, "campaign": campaign}
        with write(self.engine) as connection:
            connection.execute(sa.insert(switches).values(**row, at=at))

    def continue_after(self, reached: Mapping[str, int]) -> None:
        """Number new rows of each stream after what it had reached, so that no number is given twice."""
        with write(self.engine) as connection:
            for name, table in STREAMS.items():
                last = max(last_number(connection, table), reached.get(name, 0))
                if last:
                    continue_numbering(connection, table, last)

    def mark_caught_up(self, last_transition: int, *, now: datetime) -> None:
        """Leave a move that is no event when the newest is older than `last_transition`: a lost plan left no events."""
        with write(self.engine) as connection:
            newest = connection.execute(sa.select(sa.func.max(send_transitions.c.sequence))).scalar() or 0
            if newest < last_transition:
                row = {
                    "sequence": last_transition,
                    "to_state": SendState.PLANNED,
                    "attempt": 0,
                    "as_of_date": now.date(),
                }
                row |= dict.fromkeys(("message_id", "user_id", "campaign", "detail"), CAUGHT_UP)
                connection.execute(sa.insert(send_transitions).values(**row, occurred_at=now, at=now))

    def _restore(self, connection: sa.Connection, restored: Sequence[RestoredSend], *, only_waiting: bool) -> int:
        ids = [send.message_id for send in restored]
        rows = connection.execute(sa.select(sends.c.message_id, sends.c.state).where(sends.c.message_id.in_(ids)))
        states = {row.message_id: SendState(row.state) for row in rows}
        if only_waiting:
            restored = [send for send in restored if states.get(send.message_id) in BEFORE_SUBMITTING]
            if not restored:
                return 0
        moves = send_transitions.c
        known = {
            (row.message_id, row.to_state, row.attempt)
            for row in connection.execute(
                sa.select(moves.message_id, moves.to_state, moves.attempt).where(moves.message_id.in_(ids))
            )
        }
        people = people_of_accounts(connection, [send.user_id for send in restored], restored[0].moves[-1].at)
        count = 0
        for send in restored:
            fresh = [move for move in send.moves if (send.message_id, move.state, move.attempt) not in known]
            if send.message_id not in states:
                self._insert(connection, send, people[send.user_id])
            elif not fresh:
                continue
            before: str | None = states.get(send.message_id)
            for move in fresh:
                facts = {name: getattr(send, name) for name in ("message_id", "user_id", "campaign", "as_of_date")}
                facts["attempts"] = move.attempt
                entry = (facts, before, move.state, move.provider_message_id, move.detail, move.occurred_at)
                log_moves(connection, [entry], move.at)
                before = move.state
            self._set_state(connection, send, states.get(send.message_id))
            count += 1
        return count

    def _insert(self, connection: sa.Connection, send: RestoredSend, person_id: str) -> None:
        """Insert a send; of two accounts of one person whom an earlier release texted both, the later stands alone."""
        is_taken = sa.select(sends.c.message_id).where(
            sends.c.person_id == person_id, sends.c.campaign == send.campaign, sends.c.as_of_date == send.as_of_date
        )
        taken = connection.execute(is_taken).first() is not None
        facts = {name: value for name, value in vars(send).items() if name != "moves"}
        facts |= {"state": send.moves[-1].state, "attempts": 0, "updated_at": send.moves[-1].at}
        connection.execute(sa.insert(sends).values(**facts, person_id=send.message_id if taken else person_id))

    def _set_state(self, connection: sa.Connection, send: RestoredSend, before: SendState | None) -> None:
        last, submitted = send.moves[-1], [move for move in send.moves if move.state == SendState.SUBMITTING]
        if before is not None and before not in BEFORE_SUBMITTING and not submitted:
            return
        providers = [move.provider_message_id for move in send.moves if move.provider_message_id]
        connection.execute(
            sa.update(sends)
            .where(sends.c.message_id == send.message_id)
            .values(
                state=last.state,
                attempts=max(move.attempt for move in send.moves),
                provider_message_id=providers[-1] if providers else None,
                updated_at=last.at,
                submitted_at=submitted[-1].at if submitted else None,
                lease_worker=None,
                lease_until=None,
            )
        )


def last_number(connection: sa.Connection, table: sa.Table) -> int:
    """Return the number after which new rows of a table go on; 0 where there was none."""
    if connection.dialect.name == "postgresql":
        counter = connection.execute(_POSTGRESQL_COUNTER, {"table": table.name}).scalar()
    else:
        of_table = sa.select(_SQLITE_COUNTERS.c.seq).where(_SQLITE_COUNTERS.c.name == table.name)
        counter = connection.execute(of_table).scalar()
    newest = connection.execute(sa.select(sa.func.max(table.c.sequence))).scalar()
    return max(counter or 0, newest or 0)


def continue_numbering(connection: sa.Connection, table: sa.Table, last: int) -> None:
    """Let the next row of a table get the number after `last`."""
    if connection.dialect.name == "postgresql":
        sequence = sa.func.pg_get_serial_sequence(table.name, "sequence")
        connection.execute(sa.select(sa.func.setval(sequence, max(last, 1), last > 0)))
        return
    connection.execute(sa.delete(_SQLITE_COUNTERS).where(_SQLITE_COUNTERS.c.name == table.name))
    connection.execute(sa.insert(_SQLITE_COUNTERS).values(name=table.name, seq=last))


def known_beyond(one: sa.Connection, other: sa.Connection) -> list[str]:
    """Return the tables of which one ledger knows what another does not, by name; each of any released schema.

    Moves are numbered, so the last number says it, and sends follow them. Accounts and numbers are registered anew from
    the contact book. Of every other table it is a row that the other lacks, or has otherwise, as in another release's
    columns: a reply, somebody who must not be written to, an approval, a signed head.
    """
    found = []
    for table in metadata.sorted_tables:
        names, others = _columns(one, table), _columns(other, table)
        if table in (accounts, numbers, sends) or not names:
            continue
        if table is send_transitions:
            is_beyond = last_number(one, table) > (last_number(other, table) if others else 0)
        else:
            rows = sa.select(*(column for column in table.c if column.name in names))
            known = set(map(tuple, other.execute(rows))) if names == others else set()
            is_beyond = not set(map(tuple, one.execute(rows))) <= known
        if is_beyond:
            found.append(table.name)
    return sorted(found)


def _columns(connection: sa.Connection, table: sa.Table) -> set[str]:
    inspector = sa.inspect(connection)
    return {one["name"] for one in inspector.get_columns(table.name)} if inspector.has_table(table.name) else set()


def holds_rows(connection: sa.Connection) -> bool:
    return any(connection.execute(sa.select(table).limit(1)).first() is not None for table in metadata.sorted_tables)


def replace_rows(source: sa.Connection, target: sa.Connection) -> None:
    """Make one ledger hold what a transaction sees of another, instead of what it held."""
    # First: other writers of the source go on, and a number that they take meanwhile would only be skipped.
    last_numbers = {table: last_number(source, table) for table in _NUMBERED}
    for table in metadata.sorted_tables:
        target.execute(sa.delete(table))
        in_order = sa.select(table).order_by(*table.primary_key).execution_options(yield_per=ROWS_AT_ONCE)
        for batch in source.execute(in_order).mappings().partitions():
            target.execute(sa.insert(table), [dict(row) for row in batch])
    for table, last in last_numbers.items():
        continue_numbering(target, table, last)
