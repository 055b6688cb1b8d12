"""The send ledger: what was planned, leased, submitted, answered.

Concept: one row per (person, campaign, date), moved only along the edges of `recruiting.messaging.states`. Each move
appends to `send_transitions` in the same transaction: the outbox of which events are made. `begin_submit` decides and
commits in one statement: not paused, not suppressed, caps kept, lease held.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from mlife_assets.adapters.send_ledger.migrations import upgrade
from mlife_assets.adapters.send_ledger.people import BATCH, LogEntry, People, log_moves, move_rows, people_of_accounts
from mlife_assets.adapters.send_ledger.records import (
    STREAMS,
    Approvals,
    LedgerHeads,
    LogFiles,
    Replies,
    Switches,
    as_table,
    stream_rows,
)
from mlife_assets.adapters.send_ledger.restoring import Restoring
from mlife_assets.adapters.send_ledger.schema import (
    FACTS_OF,
    LOG_SUBMIT,
    NOT_LEASED,
    ROW_COLUMNS,
    SET_STATE,
    SUBMIT,
    WHY_NOT,
    Instant,
    Subject,
    accounts,
    checkpoint,
    close_engine,
    is_suppressed,
    open_engine,
    send_transitions,
    sends,
    texts_taken,
    write,
    writer,
)
from mlife_assets.core.errors import NotFoundError
from mlife_assets.core.windows import add_days
from mlife_assets.recruiting.application import Channel
from mlife_assets.recruiting.messaging.eligibility import OPTED_OUT
from mlife_assets.recruiting.messaging.states import BEFORE_SUBMITTING, MAY_HAVE_REACHED, SendState, check_edge
from mlife_assets.recruiting.messaging_policy import ContactPolicy, MessagingPolicy
from mlife_assets.recruiting.ports import LedgerRow

EXPIRED = "expired"


@dataclass(frozen=True)
class Transition:
    """One move for `SqlLedger.transition_many`; `occurred_at` is the provider's time if it gave one."""

    message_id: str
    to_state: str
    provider_message_id: str | None = None
    detail: str | None = None
    occurred_at: datetime | None = None


class Sends(Subject):
    """What a ledger says about its sends."""

    def awaited(self, since: date) -> dict[str, date]:
        """Return message id -> day of the sends of `since` or later that a provider may still say something about."""
        # `concat` keeps the index of states from being used: what nobody ever reports on stays accepted, for years.
        is_awaited = sends.c.state.concat("").in_((SendState.ACCEPTED, SendState.AMBIGUOUS))
        query = sa.select(sends.c.message_id, sends.c.as_of_date).where(sends.c.as_of_date >= since, is_awaited)
        return {row.message_id: row.as_of_date for row in self.fetch(query)}

    def unsettled(self, channel: str) -> dict[str, tuple[str, date]]:
        """Return message id -> state and day of a channel's sends that a receipt would close, unknown ones for ever."""
        is_open = sends.c.state.in_((SendState.ACCEPTED, SendState.AMBIGUOUS, SendState.UNKNOWN))
        query = sa.select(sends.c.message_id, sends.c.state, sends.c.as_of_date).order_by(sends.c.message_id)
        found = self.fetch(query.where(is_open, sends.c.channel == channel))
        return {message: (state, day) for message, state, day in found}

    def state_counts(self, as_of_date: date) -> dict[tuple[str, str], int]:
        """Return (campaign, state) -> sends of a day, in this order."""
        key = (sends.c.campaign, sends.c.state)
        query = sa.select(*key, sa.func.count()).where(sends.c.as_of_date == as_of_date).group_by(*key).order_by(*key)
        return {(campaign, state): count for campaign, state, count in self.fetch(query)}

    def rows(
        self,
        *,
        campaign: str | None = None,
        channel: str | None = None,
        as_of_date: date | None = None,
        state: str | None = None,
    ) -> list[LedgerRow]:
        """Return rows by filter, ordered by message id."""
        wanted = {"campaign": campaign, "channel": channel, "as_of_date": as_of_date, "state": state}
        query = sa.select(*ROW_COLUMNS).order_by(sends.c.message_id)
        query = query.where(*(sends.c[name] == value for name, value in wanted.items() if value is not None))
        return [LedgerRow(**row._asdict()) for row in self.fetch(query)]

    def attempts(self, message_ids: Sequence[str]) -> dict[str, tuple[str, int]]:
        """Return (state, attempts) of the sends that there are, by message id."""
        found: dict[str, tuple[str, int]] = {}
        with self.engine.connect() as connection:
            for start in range(0, len(message_ids), BATCH):
                rows = connection.execute(FACTS_OF, {"messages": message_ids[start : start + BATCH]})
                found.update({row.message_id: (row.state, row.attempts) for row in rows})
        return found

    def first_submitted(self, since: date = date.min) -> date | None:
        """Return the first day, of `since` or later, on which something was submitted; None when nothing was."""
        query = sa.select(sends.c.as_of_date).where(sends.c.as_of_date >= since, sends.c.attempts > 0)
        found: date | None = self.value(query.order_by(sends.c.as_of_date).limit(1))
        return found

    def submitted(self, since: date) -> dict[str, int]:
        """Return the attempts of the sends of `since` and later that were submitted at all, by message id."""
        query = sa.select(sends.c.message_id, sends.c.attempts).where(sends.c.as_of_date >= since, sends.c.attempts > 0)
        return {row.message_id: row.attempts for row in self.fetch(query)}

    def has_approved(self, campaign: str, as_of_date: date) -> bool:
        """Return whether rows of a campaign day wait to be sent."""
        query = sa.select(sends.c.message_id).where(
            sends.c.campaign == campaign,
            sends.c.as_of_date == as_of_date,
            sends.c.state.in_([SendState.APPROVED, SendState.LEASED]),
        )
        return bool(self.fetch(query.limit(1)))

    def recent(self, since: date) -> pa.Table:
        """Return sends that reached or may reach a person since a day: `person_id`, `as_of_date`, `campaign`."""
        counted = sorted(MAY_HAVE_REACHED | BEFORE_SUBMITTING)
        query = (
            sa.select(accounts.c.person_id, sends.c.as_of_date, sends.c.campaign)
            .join(accounts, accounts.c.user_id == sends.c.user_id)
            .where(sends.c.as_of_date >= since, sends.c.state.in_(counted))
            .order_by(sends.c.message_id)
        )
        return as_table(self.engine, query)

    def count_submitted(self, campaign: str, as_of_date: date) -> int:
        """Return how many sends of a campaign day may have reached someone."""
        query = sa.select(sa.func.count()).where(
            sends.c.campaign == campaign, sends.c.as_of_date == as_of_date, sends.c.state.in_(sorted(MAY_HAVE_REACHED))
        )
        return int(self.value(query))

    def newest_submission(self, since: date) -> datetime | None:
        """Return when something was handed over last, of the sends of `since` or later; None when nothing was."""
        query = sa.select(sa.func.max(sends.c.submitted_at)).where(sends.c.as_of_date >= since)
        found: datetime | None = self.value(query)
        return found

    def count_texts(self, as_of_date: date) -> int:
        """Return how many texts of a day, of all applications, may have reached a person or are about to."""
        return int(self.value(texts_taken(as_of_date)))

    def transitions(self, since_sequence: int = 0) -> pa.Table:
        """Return all transitions after a sequence, in order: the columns of `send_transitions`, and `channel`."""
        channel = sa.func.coalesce(sends.c.channel, Channel.SMS).label("channel")
        moves = sa.select(send_transitions, channel).outerjoin(
            sends, sends.c.message_id == send_transitions.c.message_id
        )
        return stream_rows(self.engine, moves, send_transitions, since_sequence)


class SqlLedger:
    """Every send, on SQLAlchemy Core, for SQLite and PostgreSQL; arguments as of `schema.open_engine`."""

    def __init__(self, url: str | sa.Engine, *, survives_power_cut: bool = True) -> None:
        """Open the ledger; its tables are created when missing and moved on when an earlier release made them."""
        self.engine = open_engine(url, survives_power_cut=survives_power_cut)
        self._of_thread = threading.local()
        self._close_once = weakref.finalize(self, close_engine, self.engine)
        upgrade(self.engine)
        self.sends = Sends(self.engine)
        self.people = People(self.engine)
        self.approvals = Approvals(self.engine)
        self.switches = Switches(self.engine)
        self.replies = Replies(self.engine)
        self.log_files = LogFiles(self.engine)
        self.heads = LedgerHeads(self.engine)
        self.restoring = Restoring(self.engine)

    def close(self) -> None:
        """Move everything into the one file of a SQLite ledger and close all connections; done at exit, too."""
        self._close_once()

    @contextmanager
    def on_one_connection(self) -> Iterator[None]:
        """Let moves of this thread share one SQLite connection, whose opening takes a third of a move's time."""
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

    def positions(self) -> dict[str, int]:
        """Return the last sequence of each stream: `inbound`, `switches`, `transitions`."""
        with self.engine.connect() as connection:
            return {
                name: int(connection.execute(sa.select(sa.func.max(table.c.sequence))).scalar() or 0)
                for name, table in STREAMS.items()
            }

    def plan(self, rows: Iterable[LedgerRow], *, now: datetime) -> int:
        """Insert rows in state planned; rows whose (person, campaign, date) exists stay. Returns how many were new."""
        ordered = sorted(rows, key=lambda row: row.message_id)
        if not ordered:
            return 0
        with self._write() as connection:
            days = sorted({row.as_of_date for row in ordered})
            known = connection.execute(
                sa.select(sends.c.message_id, sends.c.user_id, sends.c.campaign, sends.c.as_of_date).where(
                    sends.c.as_of_date.in_(days)
                )
            ).all()
            users = [row.user_id for row in known] + [row.user_id for row in ordered]
            people = people_of_accounts(connection, users, now)
            message_ids = {row.message_id for row in known}
            keys = {(people[row.user_id], row.campaign, row.as_of_date) for row in known}
            fresh: list[dict[str, object]] = []
            for row in ordered:
                key = (people[row.user_id], row.campaign, row.as_of_date)
                if key in keys or row.message_id in message_ids:
                    continue
                keys.add(key)
                message_ids.add(row.message_id)
                new = replace(row, state=SendState.PLANNED, attempts=0, provider_message_id=None, updated_at=now)
                fresh.append({**vars(new), "person_id": people[row.user_id]})
            if fresh:
                connection.execute(sa.insert(sends), fresh)
                log_moves(connection, [(row, None, SendState.PLANNED, None, None, now) for row in fresh], now)
        return len(fresh)

    def approve(self, campaign: str, as_of_date: date, *, now: datetime) -> int:
        """Move planned rows of a campaign day to approved; rows of suppressed users become suppressed instead."""
        is_ours = sa.and_(
            sends.c.campaign == campaign, sends.c.as_of_date == as_of_date, sends.c.state == SendState.PLANNED
        )
        with self._write() as connection:
            is_listed = is_suppressed(sends.c.user_id, sends.c.channel, sa.literal(now, Instant))
            move_rows(connection, sa.and_(is_ours, is_listed), SendState.SUPPRESSED, now, OPTED_OUT)
            return move_rows(connection, is_ours, SendState.APPROVED, now)

    def lease(
        self,
        campaign: str,
        as_of_date: date,
        *,
        worker: str,
        limit: int,
        now: datetime,
        until: datetime,
        texts_per_day: int | None = None,
    ) -> list[LedgerRow]:
        """Lease up to `limit` rows by message id, expired leases first, within `texts_per_day` of all applications."""
        ours = sa.select(*ROW_COLUMNS).where(sends.c.campaign == campaign, sends.c.as_of_date == as_of_date)
        ours = ours.order_by(sends.c.message_id)
        is_lapsed = sa.and_(sends.c.state == SendState.LEASED, sends.c.lease_until <= now)
        with self._write() as connection:
            lapsed = connection.execute(ours.where(is_lapsed).limit(limit)).all()
            room = limit - len(lapsed)
            if texts_per_day is not None:
                room = min(room, texts_per_day - int(connection.execute(texts_taken(as_of_date)).scalar_one()))
            approved = ours.where(sends.c.state == SendState.APPROVED).limit(max(room, 0))
            chosen = sorted([*lapsed, *connection.execute(approved)], key=lambda row: row.message_id)
            ids = [row.message_id for row in chosen]
            fresh = [row.message_id for row in chosen if row.state == SendState.APPROVED]
            move_rows(connection, sends.c.message_id.in_(fresh), SendState.LEASED, now, ids=fresh)
            if ids:
                connection.execute(
                    sa.update(sends)
                    .where(sends.c.message_id.in_(ids))
                    .values(lease_worker=worker, lease_until=until, updated_at=now)
                )
        return [LedgerRow(**{**row._asdict(), "state": str(SendState.LEASED), "updated_at": now}) for row in chosen]

    def begin_submit(
        self, message_id: str, *, worker: str, now: datetime, policy: MessagingPolicy, contact: ContactPolicy, day: date
    ) -> str | None:
        """Commit `submitting`, if everything that the ledger knows allows this send at this moment.

        The caps of `policy` count the sends of its campaign, those of `contact` the sends of all campaigns. They look
        both ways, since a clock that was set back makes an earlier day of one that others followed.

        Returns:
            None when committed: the caller may now call the provider, once. Else why not: `paused`, `not_leased`
            (another worker or a STOP was faster), `opted_out`, `frequency_7_days`, `frequency_gap` or `same_person`;
            nothing was changed.
        """
        values = {
            "message": message_id,
            "worker": worker,
            "at": now,
            "own_maximum": policy.maximum_messages_per_7_days,
            "all_maximum": contact.maximum_messages_per_7_days,
        }
        gaps = {"own_gap": policy.minimum_days_between_messages, "all_gap": contact.minimum_days_between_messages}
        for name, days in {"week": 7, **gaps}.items():
            values |= {f"{name}_start": add_days(day, -days), f"{name}_end": add_days(day, days)}
        with self._write() as connection:
            if connection.execute(SUBMIT, values).rowcount == 1:
                connection.execute(LOG_SUBMIT, {"message": message_id})
                return None
            reason = connection.execute(WHY_NOT, values).scalar()
        return str(reason) if reason else NOT_LEASED

    def transition_many(self, moves: Sequence[Transition], *, now: datetime) -> None:
        """Move rows, all or none. Raises PermanentError on a forbidden edge, NotFoundError on an unknown message id."""
        if not moves:
            return
        ids = sorted({move.message_id for move in moves})
        with self._write() as connection:
            rows: dict[str, dict[str, Any]] = {}
            for start in range(0, len(ids), BATCH):
                found = connection.execute(FACTS_OF, {"messages": ids[start : start + BATCH]})
                rows.update((row.message_id, row._asdict()) for row in found)
            entries: list[LogEntry] = []
            for move in moves:
                facts = rows.get(move.message_id)
                if facts is None:
                    raise NotFoundError(f"the ledger has no send {move.message_id}; plan it first")
                check_edge(move.message_id, facts["state"], move.to_state)
                rows[move.message_id] = {
                    **facts,
                    "state": str(move.to_state),
                    "attempts": facts["attempts"] + (move.to_state == SendState.SUBMITTING),
                    "provider_message_id": move.provider_message_id or facts["provider_message_id"],
                }
                after, occurred_at = rows[move.message_id], move.occurred_at or now
                provider_id = after["provider_message_id"]
                entries.append((after, facts["state"], move.to_state, provider_id, move.detail, occurred_at))
            connection.execute(
                SET_STATE,
                [
                    {
                        "message": message_id,
                        "to_state": rows[message_id]["state"],
                        "tries": rows[message_id]["attempts"],
                        "provider_id": rows[message_id]["provider_message_id"],
                        "at": now,
                    }
                    for message_id in ids
                ],
            )
            log_moves(connection, entries, now)

    def recover(self, *, worker: str, now: datetime) -> int:
        """Clean up after a crash of `worker`, or of any whose lease ran out. Returns how many sends became ambiguous.

        Rows in `submitting` become ambiguous: the call may have been made. Rows still leased can be leased again.
        """
        is_left = sa.or_(sends.c.lease_worker == worker, sends.c.lease_until <= now, sends.c.lease_until.is_(None))
        with self._write() as connection:
            connection.execute(
                sa.update(sends).where(is_left, sends.c.state == SendState.LEASED).values(lease_until=now)
            )
            is_submitting = sa.and_(is_left, sends.c.state == SendState.SUBMITTING)
            return move_rows(connection, is_submitting, SendState.AMBIGUOUS, now, "interrupted")

    def suppress_send(self, message_id: str, *, now: datetime, reason: str) -> int:
        """Suppress one waiting row, not its user. Returns 1, or 0 when it no longer waits."""
        is_waiting = sa.and_(sends.c.message_id == message_id, sends.c.state.in_(sorted(BEFORE_SUBMITTING)))
        with self._write() as connection:
            return move_rows(connection, is_waiting, SendState.SUPPRESSED, now, reason)

    def expire(self, campaign: str, before: date, *, now: datetime) -> int:
        """Suppress waiting rows of days before `before`: yesterday's job is never texted today. Returns how many."""
        is_stale = sa.and_(
            sends.c.campaign == campaign, sends.c.as_of_date < before, sends.c.state.in_(sorted(BEFORE_SUBMITTING))
        )
        with write(self.engine) as connection:
            return move_rows(connection, is_stale, SendState.SUPPRESSED, now, EXPIRED)
