"""What the ledger knows beside the sends: whether sending is paused, what was sent lately, what is unpublished.

Concept: what waits can be stopped at any time, and every change is a row that the outbox publishes later. A reply and
its effect are one transaction, a review and its effect too: the person is listed and all their waiting rows, leased
too, are suppressed together. Reading a reply again does nothing. A reply that somebody understood as an opt-out is
recorded once more as the STOP that it was, for readers of the log alone.

The ledger is outside the lake, so a head of the event log in it is a second witness; a head in turn says how far the
ledger had come, so that an older copy of it shows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from mlife_assets.adapters.send_ledger.people import People
from mlife_assets.adapters.send_ledger.schema import (
    accounts,
    accounts_of_person,
    inbound_texts,
    is_switched_off,
    log_heads,
    send_transitions,
    sends,
    switches,
    texts_taken,
    write,
)
from mlife_assets.core.errors import ContentConflictError, InvalidInputError, NotFoundError
from mlife_assets.recruiting.application import EVERYTHING, Channel
from mlife_assets.recruiting.events import TIMESTAMP
from mlife_assets.recruiting.messaging.people import is_stranger
from mlife_assets.recruiting.messaging.replies import (
    HARMLESS,
    INBOUND_STOP,
    OPT_OUT,
    OTHER,
    STOP,
    STOP_ALL,
    UNCLEAR_REPLY,
    Effect,
    effect_of_reply,
    effect_of_review,
)
from mlife_assets.recruiting.messaging.states import BEFORE_SUBMITTING, MAY_HAVE_REACHED, SendState
from mlife_assets.recruiting.messaging_policy import MessagingPolicy

STREAMS = {"inbound": inbound_texts, "switches": switches, "transitions": send_transitions}
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
_MADE_BY = {INBOUND_STOP: (STOP, STOP_ALL), UNCLEAR_REPLY: (OTHER,)}
"""Which keywords made a suppression of a reason."""


def _arrow(connection: sa.Connection, query: sa.Select[Any]) -> pa.Table:
    result = connection.execute(query)
    names = list(result.keys())
    columns = list(zip(*result.all(), strict=True)) or [()] * len(names)
    arrays = [pa.array(c, _ARROW_TYPES.get(n, pa.string())) for n, c in zip(names, columns, strict=True)]
    return pa.table(arrays, names=names)


@dataclass(frozen=True)
class UnclearReply:
    """An inbound text that waits for somebody to look at it."""

    inbound_id: str
    user_id: str
    received_at: datetime


class Guards(People):
    """Lists, switches, outbox and replies of a ledger; see `SqlLedger`."""

    @property
    def heads(self) -> LedgerHeads:
        return LedgerHeads(self.engine)

    def positions(self) -> dict[str, int]:
        """Return the last sequence of each stream: `inbound`, `switches`, `transitions`."""
        return positions(self.engine)

    def suppress_send(self, message_id: str, *, now: datetime, reason: str) -> int:
        """Suppress one waiting row, not its user. Returns 1, or 0 when it no longer waits."""
        is_waiting = sa.and_(sends.c.message_id == message_id, sends.c.state.in_(sorted(BEFORE_SUBMITTING)))
        with self._write() as connection:
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

    def newest_submission(self, since: date) -> datetime | None:
        """Return when something was handed over last, of the sends of `since` or later; None when nothing was."""
        query = sa.select(sa.func.max(sends.c.submitted_at)).where(sends.c.as_of_date >= since)
        with self.engine.connect() as connection:
            found: datetime | None = connection.execute(query).scalar()
            return found

    def count_texts(self, as_of_date: date) -> int:
        """Return how many texts of a day, of all applications, may have reached a person or are about to."""
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

    def record_inbound(
        self,
        inbound_id: str,
        user_id: str,
        keyword: str,
        *,
        received_at: datetime,
        now: datetime,
        effect: Effect | None = None,
        channel: str = Channel.SMS,
    ) -> bool:
        """Record an inbound text once, with its effect. Returns whether it was new.

        Args:
            inbound_id: the provider's id of it.
            user_id: the account that it came from.
            keyword: what it asks for.
            received_at: when the provider got it.
            now: the present.
            effect: what follows from it (`effects.effect_of_reply`); by default that of the default policy, so that a
                ledger that is brought forward from the log pauses, too. A suppression is lifted only if what made it
                came before this text.
            channel: by which it came.
        """
        if effect is None:
            effect = effect_of_reply(keyword, MessagingPolicy(), channel)
        with write(self.engine) as connection:
            is_known = sa.select(inbound_texts.c.sequence).where(inbound_texts.c.inbound_id == inbound_id)
            if connection.execute(is_known).first() is not None:
                return False
            if effect.suppress is not None:
                self._suppress(connection, user_id, now, effect.suppress, None, effect.channel)
            for reason in effect.lifts:
                last = self._last(connection, user_id, _MADE_BY[reason], channel)
                if last is not None and last < received_at:
                    self._lift(connection, user_id, reason, effect.channel)
            self._record(connection, inbound_id, user_id, keyword, received_at, now, channel)
        return True

    def _last(self, connection: sa.Connection, user_id: str, keywords: Sequence[str], channel: str) -> datetime | None:
        """Return when the last text with a keyword that holds in a channel came from any account of the person."""
        holds = sa.or_(inbound_texts.c.keyword == STOP_ALL, inbound_texts.c.channel == channel)
        found: datetime | None = connection.execute(
            sa.select(sa.func.max(inbound_texts.c.received_at)).where(
                inbound_texts.c.user_id.in_(accounts_of_person(user_id)), inbound_texts.c.keyword.in_(keywords), holds
            )
        ).scalar()
        return found

    def _record(
        self,
        connection: sa.Connection,
        inbound_id: str,
        user_id: str,
        keyword: str,
        received_at: datetime,
        now: datetime,
        channel: str,
    ) -> None:
        self._people(connection, [user_id], now)  # known from now on, so that what joins people finds this text
        values = {"inbound_id": inbound_id, "user_id": user_id, "keyword": keyword, "received_at": received_at}
        connection.execute(sa.insert(inbound_texts).values(**values, at=now, channel=channel))

    def known_inbound(self, *, since: datetime | None = None) -> frozenset[str]:
        """Return the ids of the recorded inbound texts, or of those that were received at `since` or later."""
        query = sa.select(inbound_texts.c.inbound_id)
        if since is not None:
            query = query.where(inbound_texts.c.received_at >= since)
        with self.engine.connect() as connection:
            return frozenset(connection.execute(query).scalars())

    def inbound_ids(self) -> list[str]:
        """Return the ids of the recorded inbound texts in the order in which they were recorded."""
        query = sa.select(inbound_texts.c.inbound_id)
        with self.engine.connect() as connection:
            return list(connection.execute(query.order_by(inbound_texts.c.sequence)).scalars())

    def unclear_replies(self) -> tuple[UnclearReply, ...]:
        """Return the texts without a clear meaning that nobody has looked at, oldest first."""
        query = (
            sa.select(inbound_texts.c.inbound_id, inbound_texts.c.user_id, inbound_texts.c.received_at)
            .where(inbound_texts.c.keyword == OTHER, inbound_texts.c.review.is_(None))
            .order_by(inbound_texts.c.received_at, inbound_texts.c.sequence)
        )
        with self.engine.connect() as connection:
            return tuple(UnclearReply(**row._asdict()) for row in connection.execute(query))

    def review_reply(
        self, inbound_id: str, verdict: str, *, actor: str, now: datetime, also_of: str | None = None
    ) -> str:
        """Record what somebody thought of an unclear reply, with its effect. Returns the user id it came from.

        The pause of a person with other unread replies stays. Giving the same verdict again changes nothing. An opt-out
        of a stranger is `also_of` an account that we know under another address.

        Raises:
            NotFoundError: no such reply or account.
            InvalidInputError: another verdict was given, or the reply was clear.
        """
        effect_of_review(verdict)  # an unknown verdict is refused before anything is looked up
        with write(self.engine) as connection:
            this = inbound_texts.c.inbound_id == inbound_id
            row = connection.execute(sa.select(inbound_texts).where(this)).first()
            if row is None:
                raise NotFoundError(f"there is no reply {inbound_id!r}; `mlife messages inbox` lists those that wait")
            if also_of is not None:
                self._stop_also(connection, row, also_of, verdict, now)
            if row.review == verdict:
                return str(row.user_id)
            if row.keyword != OTHER or row.review is not None:
                known = f"was found {row.review}" if row.review else f"is {row.keyword}"
                raise InvalidInputError(f"reply {inbound_id} {known} already; only unclear replies are reviewed, once")
            effect = effect_of_review(verdict, row.channel)
            values = {"review": verdict, "reviewed_by": actor, "reviewed_at": now}
            connection.execute(sa.update(inbound_texts).where(this).values(values))
            if verdict == OPT_OUT:
                self._record(
                    connection, f"{inbound_id}:{OPT_OUT}", row.user_id, STOP, row.received_at, now, row.channel
                )
            if effect.suppress is not None:
                self._suppress(connection, row.user_id, now, effect.suppress, None, effect.channel)
            unread = sa.select(inbound_texts.c.sequence).where(
                inbound_texts.c.user_id.in_(accounts_of_person(row.user_id)),
                inbound_texts.c.keyword == OTHER,
                inbound_texts.c.review.is_(None),
                inbound_texts.c.channel == row.channel,
            )
            if connection.execute(unread).first() is None:
                for reason in effect.lifts:
                    self._lift(connection, row.user_id, reason, effect.channel)
        return str(row.user_id)

    def _stop_also(self, connection: sa.Connection, row: sa.Row[Any], of: str, verdict: str, now: datetime) -> None:
        if verdict != OPT_OUT or row.review == HARMLESS or row.keyword != OTHER or not is_stranger(row.user_id):
            raise InvalidInputError(
                f"reply {row.inbound_id} is no stranger's opt-out and is of {row.user_id} alone; leave the user out"
            )
        if connection.execute(sa.select(accounts).where(accounts.c.user_id == of)).first() is None:
            raise NotFoundError(f"there is no account {of!r}; pass the user id of somebody who gets our messages")
        key = f"{row.inbound_id}:{OPT_OUT}:{of}"
        if connection.execute(sa.select(inbound_texts).where(inbound_texts.c.inbound_id == key)).first() is None:
            self._record(connection, key, of, STOP, row.received_at, now, row.channel)
            self._suppress(connection, of, now, INBOUND_STOP, None, row.channel)


class LedgerHeads:
    """`ports.HeadStore` over the database of a ledger."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    @property
    def name(self) -> str:
        return "ledger"

    def put(self, sequence: int, body: bytes, *, at: datetime, replaces: bool = False) -> None:
        row = {"sha256": hashlib.sha256(body).hexdigest(), "body": body.decode(), "at": at}
        is_ours = log_heads.c.sequence == sequence
        with write(self._engine) as connection:
            known = connection.execute(sa.select(log_heads.c.body).where(is_ours)).scalar()
            if known is None:
                connection.execute(sa.insert(log_heads).values(sequence=sequence, **row))
            elif replaces:
                connection.execute(sa.update(log_heads).where(is_ours).values(**row))
            elif known != row["body"]:
                raise ContentConflictError(f"the ledger holds another head {sequence}; a head is written once")

    def get(self, sequence: int) -> bytes:
        query = sa.select(log_heads.c.body).where(log_heads.c.sequence == sequence)
        with self._engine.connect() as connection:
            body = connection.execute(query).scalar()
        if body is None:
            raise NotFoundError(f"head {sequence} is not in the ledger")
        return str(body).encode()

    def sequences(self) -> list[int]:
        query = sa.select(log_heads.c.sequence).order_by(log_heads.c.sequence)
        with self._engine.connect() as connection:
            return [int(number) for number in connection.execute(query).scalars()]


def positions(engine: sa.Engine) -> dict[str, int]:
    """Return the last sequence of each stream of a ledger, 0 where it is empty."""
    with engine.connect() as connection:
        return {
            name: int(connection.execute(sa.select(sa.func.max(table.c.sequence))).scalar() or 0)
            for name, table in STREAMS.items()
        }
