"""Replies: what people texted back, what it did to them, what somebody thought of it.

Belongs here: inbound texts with their effects, the inbox of unclear ones and their reviews. Does not belong here: what
a keyword or a review amounts to (`recruiting.messaging.effects`), bodies, which are never stored.

Concept: a reply and its effect are one transaction, a review and its effect too: the person is listed and all their
waiting rows, leased too, are suppressed together. Reading a reply again does nothing. A reply that somebody understood
as an opt-out is recorded once more as the STOP that it was, so whoever reads the log alone learns of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from mlife_assets.adapters.send_ledger.people import People
from mlife_assets.adapters.send_ledger.schema import inbound_texts, write
from mlife_assets.adapters.send_ledger.statements import accounts_of_person
from mlife_assets.core.errors import InvalidInputError, NotFoundError
from mlife_assets.recruiting.application import Channel
from mlife_assets.recruiting.messaging.effects import (
    INBOUND_STOP,
    OPT_OUT,
    UNCLEAR_REPLY,
    Effect,
    effect_of_reply,
    effect_of_review,
)
from mlife_assets.recruiting.messaging.keywords import OTHER, STOP, STOP_ALL
from mlife_assets.recruiting.messaging_policy import MessagingPolicy

_MADE_BY = {INBOUND_STOP: (STOP, STOP_ALL), UNCLEAR_REPLY: (OTHER,)}
"""Which keywords made a suppression of a reason."""


@dataclass(frozen=True)
class UnclearReply:
    """An inbound text that waits for somebody to look at it."""

    inbound_id: str
    user_id: str
    received_at: datetime


class Replies(People):
    """Inbound texts of a ledger; see `SqlLedger`."""

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
            effect = effect_of_reply(keyword, received_at, MessagingPolicy(), channel)
        with write(self.engine) as connection:
            is_known = sa.select(inbound_texts.c.sequence).where(inbound_texts.c.inbound_id == inbound_id)
            if connection.execute(is_known).first() is not None:
                return False
            if effect.suppress is not None and (effect.until is None or effect.until > now):
                self._suppress(connection, user_id, now, effect.suppress, effect.until, effect.channel)
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

    def review_reply(self, inbound_id: str, verdict: str, *, actor: str, now: datetime) -> str:
        """Record what somebody thought of an unclear reply, with its effect. Returns the user id it came from.

        The pause of a person with other unread replies stays. Giving the same verdict again changes nothing.

        Raises:
            NotFoundError: no such reply.
            InvalidInputError: another verdict was given, or the reply was clear.
        """
        effect_of_review(verdict)  # an unknown verdict is refused before anything is looked up
        with write(self.engine) as connection:
            this = inbound_texts.c.inbound_id == inbound_id
            row = connection.execute(sa.select(inbound_texts).where(this)).first()
            if row is None:
                raise NotFoundError(f"there is no reply {inbound_id!r}; `mlife messages inbox` lists those that wait")
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
                self._suppress(connection, row.user_id, now, effect.suppress, effect.until, effect.channel)
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
