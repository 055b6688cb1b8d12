"""What a ledger records beside sends and people: replies, approvals, switches, files of the log, signed heads.

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
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from mlife_assets.adapters.send_ledger.people import lift_from_person, people_of_accounts, suppress_person
from mlife_assets.adapters.send_ledger.schema import (
    Subject,
    accounts,
    accounts_of_person,
    approvals,
    inbound_texts,
    is_switched_off,
    log_files,
    log_heads,
    plans,
    rejections,
    send_transitions,
    switches,
    write,
)
from mlife_assets.core.errors import ContentConflictError, GateClosedError, InvalidInputError, NotFoundError
from mlife_assets.recruiting.application import EVERYTHING, Channel
from mlife_assets.recruiting.events import EARLIER, TAKEN_OVER, TIMESTAMP
from mlife_assets.recruiting.messaging.approve import Approval, Rejection, require_not_rejected
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
from mlife_assets.recruiting.messaging_policy import MessagingPolicy

STREAMS = {"inbound": inbound_texts, "switches": switches, "transitions": send_transitions}
REJECTED = tuple(field.name for field in fields(Rejection))
_MADE_BY = {INBOUND_STOP: (STOP, STOP_ALL), UNCLEAR_REPLY: (OTHER,)}
"""Which keywords made a suppression of a reason."""
_RECORD_FILE = sa.text("INSERT INTO log_files VALUES (:key, :origin) ON CONFLICT DO NOTHING")

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


def as_table(engine: sa.Engine, query: sa.Select[Any]) -> pa.Table:
    """Return the rows of a query as a table."""
    names = list(query.selected_columns.keys())
    columns = list(zip(*Subject(engine).fetch(query), strict=True)) or [()] * len(names)
    arrays = [pa.array(c, _ARROW_TYPES.get(n, pa.string())) for n, c in zip(names, columns, strict=True)]
    return pa.table(arrays, names=names)


def stream_rows(engine: sa.Engine, rows: sa.Select[Any], table: sa.Table, since_sequence: int) -> pa.Table:
    """Return the rows of a stream after a sequence, in order."""
    return as_table(engine, rows.where(table.c.sequence > since_sequence).order_by(table.c.sequence))


@dataclass(frozen=True)
class RecordedApproval:
    """One row of `approvals`."""

    plan_id: str
    campaign: str
    as_of_date: date
    plan_digest: str
    planned_count: int
    approved_by: str
    reason: str | None
    at: datetime


class Approvals(Subject):
    """Plans of a ledger: noted, approved, rejected."""

    def note_plan(self, campaign: str, as_of_date: date, *, plan_id: str, plan_digest: str, now: datetime) -> None:
        """Remember what was planned last for a campaign day, so that an exchanged plan is never approved."""
        is_day = sa.and_(plans.c.campaign == campaign, plans.c.as_of_date == as_of_date)
        with write(self.engine) as connection:
            connection.execute(sa.delete(plans).where(is_day))
            connection.execute(
                sa.insert(plans).values(
                    campaign=campaign, as_of_date=as_of_date, plan_id=plan_id, plan_digest=plan_digest, at=now
                )
            )

    def noted_plan(self, campaign: str, as_of_date: date) -> tuple[str, str] | None:
        """Return (plan id, digest) of what was planned last for a campaign day, None when nothing was."""
        query = sa.select(plans.c.plan_id, plans.c.plan_digest).where(
            plans.c.campaign == campaign, plans.c.as_of_date == as_of_date
        )
        return next(((plan_id, digest) for plan_id, digest in self.fetch(query)), None)

    def record(self, approval: Approval, *, now: datetime) -> bool:
        """Record an approval; returns whether it is new. Raises GateClosedError on another one, or on a rejection."""
        with write(self.engine) as connection:
            require_not_rejected(_rejection(connection, approval.plan_digest))
            known = connection.execute(_of_day(approval.campaign, approval.as_of_date)).first()
            if known is None:
                facts = {name: value for name, value in asdict(approval).items() if name in approvals.c}
                connection.execute(sa.insert(approvals).values(**facts, at=now))
                return True
        if (known.plan_id, known.plan_digest) != (approval.plan_id, approval.plan_digest):
            raise GateClosedError(
                f"{known.plan_id} was approved for {approval.campaign} {approval.as_of_date} by {known.approved_by}, "
                f"and {approval.plan_id} differs from it; a day has one plan, so nothing of the other is sent"
            )
        return False

    def of_day(self, campaign: str, as_of_date: date) -> RecordedApproval | None:
        """Return what was approved for a campaign day, None when nothing was."""
        return next((RecordedApproval(**row._asdict()) for row in self.fetch(_of_day(campaign, as_of_date))), None)

    def record_rejection(self, rejection: Rejection, *, now: datetime) -> bool:
        """Record that a plan is never sent; returns whether that is new. Raises GateClosedError if it was approved."""
        with write(self.engine) as connection:
            approved = connection.execute(_of_day(rejection.campaign, rejection.as_of_date)).first()
            if approved is not None and approved.plan_digest == rejection.plan_digest:
                raise GateClosedError(
                    f"plan {rejection.plan_id} was approved by {approved.approved_by}, so it cannot be rejected any "
                    "more; `mlife messages pause` stops what was not sent yet"
                )
            is_new = _rejection(connection, rejection.plan_digest) is None
            if is_new:
                connection.execute(sa.insert(rejections).values(**asdict(rejection), at=now))
        return is_new

    def rejection(self, plan_digest: str) -> Rejection | None:
        with self.engine.connect() as connection:
            return _rejection(connection, plan_digest)


def _rejection(connection: sa.Connection, plan_digest: str) -> Rejection | None:
    row = connection.execute(sa.select(rejections).where(rejections.c.plan_digest == plan_digest)).first()
    return None if row is None else Rejection(**{name: getattr(row, name) for name in REJECTED})


def _of_day(campaign: str, as_of_date: date) -> sa.Select[tuple[object, ...]]:
    return sa.select(approvals).where(approvals.c.campaign == campaign, approvals.c.as_of_date == as_of_date)


@dataclass(frozen=True)
class UnclearReply:
    """An inbound text that waits for somebody to look at it."""

    inbound_id: str
    user_id: str
    received_at: datetime


class Replies(Subject):
    """Inbound texts of a ledger."""

    def rows(self, since_sequence: int = 0) -> pa.Table:
        """Return recorded inbound texts after a sequence: `sequence`, ids, `keyword`, times, `channel`."""
        return stream_rows(self.engine, sa.select(inbound_texts), inbound_texts, since_sequence)

    def record(
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
        """Record an inbound text once, with its effect; returns whether it was new.

        Without `effect` it is the default policy's, as when a ledger is brought forward from the log. A suppression is
        lifted only if what made it came before this text.
        """
        if effect is None:
            effect = effect_of_reply(keyword, MessagingPolicy(), channel)
        with write(self.engine) as connection:
            is_known = sa.select(inbound_texts.c.sequence).where(inbound_texts.c.inbound_id == inbound_id)
            if connection.execute(is_known).first() is not None:
                return False
            if effect.suppress is not None:
                suppress_person(connection, user_id, now, effect.suppress, None, effect.channel)
            for reason in effect.lifts:
                last = _last(connection, user_id, _MADE_BY[reason], channel)
                if last is not None and last < received_at:
                    lift_from_person(connection, user_id, reason, effect.channel)
            _record(connection, inbound_id, user_id, keyword, received_at, now, channel)
        return True

    def known(self, *, since: datetime | None = None) -> frozenset[str]:
        """Return the ids of the recorded inbound texts, or of those that were received at `since` or later."""
        query = sa.select(inbound_texts.c.inbound_id)
        if since is not None:
            query = query.where(inbound_texts.c.received_at >= since)
        return frozenset(one for (one,) in self.fetch(query))

    def ids(self) -> list[str]:
        """Return the ids of the recorded inbound texts in the order in which they were recorded."""
        return [one for (one,) in self.fetch(sa.select(inbound_texts.c.inbound_id).order_by(inbound_texts.c.sequence))]

    def unclear(self) -> tuple[UnclearReply, ...]:
        """Return the texts without a clear meaning that nobody has looked at, oldest first."""
        query = (
            sa.select(inbound_texts.c.inbound_id, inbound_texts.c.user_id, inbound_texts.c.received_at)
            .where(inbound_texts.c.keyword == OTHER, inbound_texts.c.review.is_(None))
            .order_by(inbound_texts.c.received_at, inbound_texts.c.sequence)
        )
        return tuple(UnclearReply(**row._asdict()) for row in self.fetch(query))

    def review(self, inbound_id: str, verdict: str, *, actor: str, now: datetime, also_of: str | None = None) -> str:
        """Record what somebody thought of an unclear reply, with its effect. Returns the user id it came from.

        The pause of a person with other unread replies stays. Giving the same verdict again changes nothing. An opt-out
        of a stranger is `also_of` an account that we know under another address.

        Raises NotFoundError if there is no such reply or account, InvalidInputError if another verdict was given or the
        reply was clear.
        """
        effect_of_review(verdict)  # an unknown verdict is refused before anything is looked up
        with write(self.engine) as connection:
            this = inbound_texts.c.inbound_id == inbound_id
            row = connection.execute(sa.select(inbound_texts).where(this)).first()
            if row is None:
                raise NotFoundError(f"there is no reply {inbound_id!r}; `mlife messages inbox` lists those that wait")
            if also_of is not None:
                _stop_also(connection, row, also_of, verdict, now)
            if row.review == verdict:
                return str(row.user_id)
            if row.keyword != OTHER or row.review is not None:
                known = f"was found {row.review}" if row.review else f"is {row.keyword}"
                raise InvalidInputError(f"reply {inbound_id} {known} already; only unclear replies are reviewed, once")
            effect = effect_of_review(verdict, row.channel)
            values = {"review": verdict, "reviewed_by": actor, "reviewed_at": now}
            connection.execute(sa.update(inbound_texts).where(this).values(values))
            if verdict == OPT_OUT:
                _record(connection, f"{inbound_id}:{OPT_OUT}", row.user_id, STOP, row.received_at, now, row.channel)
            if effect.suppress is not None:
                suppress_person(connection, row.user_id, now, effect.suppress, None, effect.channel)
            unread = sa.select(inbound_texts.c.sequence).where(
                inbound_texts.c.user_id.in_(accounts_of_person(row.user_id)),
                inbound_texts.c.keyword == OTHER,
                inbound_texts.c.review.is_(None),
                inbound_texts.c.channel == row.channel,
            )
            if connection.execute(unread).first() is None:
                for reason in effect.lifts:
                    lift_from_person(connection, row.user_id, reason, effect.channel)
        return str(row.user_id)


def _last(connection: sa.Connection, user_id: str, keywords: Sequence[str], channel: str) -> datetime | None:
    """Return when the last text with a keyword that holds in a channel came from any account of the person."""
    holds = sa.or_(inbound_texts.c.keyword == STOP_ALL, inbound_texts.c.channel == channel)
    found: datetime | None = connection.execute(
        sa.select(sa.func.max(inbound_texts.c.received_at)).where(
            inbound_texts.c.user_id.in_(accounts_of_person(user_id)), inbound_texts.c.keyword.in_(keywords), holds
        )
    ).scalar()
    return found


def _record(
    connection: sa.Connection,
    inbound_id: str,
    user_id: str,
    keyword: str,
    received_at: datetime,
    now: datetime,
    channel: str,
) -> None:
    people_of_accounts(connection, [user_id], now)  # known from now on, so that what joins people finds this text
    values = {"inbound_id": inbound_id, "user_id": user_id, "keyword": keyword, "received_at": received_at}
    connection.execute(sa.insert(inbound_texts).values(**values, at=now, channel=channel))


def _stop_also(connection: sa.Connection, row: sa.Row[Any], of: str, verdict: str, now: datetime) -> None:
    if verdict != OPT_OUT or row.review == HARMLESS or row.keyword != OTHER or not is_stranger(row.user_id):
        raise InvalidInputError(
            f"reply {row.inbound_id} is no stranger's opt-out and is of {row.user_id} alone; leave the user out"
        )
    if connection.execute(sa.select(accounts).where(accounts.c.user_id == of)).first() is None:
        raise NotFoundError(f"there is no account {of!r}; pass the user id of somebody who gets our messages")
    key = f"{row.inbound_id}:{OPT_OUT}:{of}"
    if connection.execute(sa.select(inbound_texts).where(inbound_texts.c.inbound_id == key)).first() is None:
        _record(connection, key, of, STOP, row.received_at, now, row.channel)
        suppress_person(connection, of, now, INBOUND_STOP, None, row.channel)


class Switches(Subject):
    """Pauses and resumptions of a ledger."""

    def pause(self, *, actor: str, reason: str, now: datetime, campaign: str = EVERYTHING) -> None:
        self._switch(True, campaign, actor, reason, now)

    def resume(self, *, actor: str, reason: str, now: datetime, campaign: str = EVERYTHING) -> None:
        self._switch(False, campaign, actor, reason, now)

    def _switch(self, is_paused: bool, campaign: str, actor: str, reason: str, now: datetime) -> None:
        values = {"is_paused": is_paused, "actor": actor, "reason": reason, "at": now, "campaign": campaign}
        with write(self.engine) as connection:
            connection.execute(sa.insert(switches).values(values))

    def is_paused(self, campaign: str = EVERYTHING) -> bool:
        """Return whether everything was paused, or this application by its own switch."""
        is_off = sa.or_(is_switched_off(EVERYTHING), is_switched_off(campaign))
        return bool(self.value(sa.select(is_off)))

    def rows(self, since_sequence: int = 0) -> pa.Table:
        return stream_rows(self.engine, sa.select(switches), switches, since_sequence)


class LogFiles(Subject):
    """Files of the event log that a ledger remembers."""

    def record(self, keys: Sequence[str], *, origin: str = "written") -> None:
        """Remember files of the log by their keys, which name their content."""
        with write(self.engine) as connection:
            if keys:
                connection.execute(_RECORD_FILE, [{"key": key, "origin": origin} for key in keys])
            if origin == TAKEN_OVER:
                connection.execute(sa.delete(log_files).where(log_files.c.key == EARLIER))

    def recorded(self) -> frozenset[str]:
        return frozenset(key for (key,) in self.fetch(sa.select(log_files.c.key)))


class LedgerHeads(Subject):
    """`ports.HeadStore` over the database of a ledger."""

    @property
    def name(self) -> str:
        return "ledger"

    def put(self, sequence: int, body: bytes, *, at: datetime, replaces: bool = False) -> None:
        row = {"sha256": hashlib.sha256(body).hexdigest(), "body": body.decode(), "at": at}
        is_ours = log_heads.c.sequence == sequence
        with write(self.engine) as connection:
            known = connection.execute(sa.select(log_heads.c.body).where(is_ours)).scalar()
            if known is None:
                connection.execute(sa.insert(log_heads).values(sequence=sequence, **row))
            elif replaces:
                connection.execute(sa.update(log_heads).where(is_ours).values(**row))
            elif known != row["body"]:
                raise ContentConflictError(f"the ledger holds another head {sequence}; a head is written once")

    def get(self, sequence: int) -> bytes:
        body = self.value(sa.select(log_heads.c.body).where(log_heads.c.sequence == sequence))
        if body is None:
            raise NotFoundError(f"head {sequence} is not in the ledger")
        return str(body).encode()

    def sequences(self) -> list[int]:
        query = sa.select(log_heads.c.sequence).order_by(log_heads.c.sequence)
        return [int(number) for (number,) in self.fetch(query)]
