"""The send ledger: what was planned, leased, submitted, answered.

Concept: one row per (person, campaign, date), moved only along the edges of `recruiting.messaging.states`. Each move
appends to `send_transitions` in the same transaction: the outbox of which events are made. `begin_submit` decides and
commits in one statement: not paused, not suppressed, caps kept, lease held.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from mlife_assets.adapters.send_ledger.guards import Guards
from mlife_assets.adapters.send_ledger.people import BATCH, LogEntry
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
    accounts,
    approvals,
    inbound_texts,
    is_suppressed,
    log_files,
    plans,
    rejections,
    sends,
    suppressions,
    texts_taken,
    write,
)
from mlife_assets.core.errors import GateClosedError, NotFoundError
from mlife_assets.core.windows import add_days
from mlife_assets.recruiting.application import EVERY_CHANNEL
from mlife_assets.recruiting.events import EARLIER, TAKEN_OVER
from mlife_assets.recruiting.messaging.approve import Approval, Rejection, require_not_rejected
from mlife_assets.recruiting.messaging.eligibility import OPTED_OUT
from mlife_assets.recruiting.messaging.replies import START, STOP, STOP_ALL, UNCLEAR_REPLY
from mlife_assets.recruiting.messaging.states import SendState, check_edge
from mlife_assets.recruiting.messaging_policy import ContactPolicy, MessagingPolicy
from mlife_assets.recruiting.ports import LedgerRow

REJECTED = tuple(field.name for field in fields(Rejection))
_RECORD_FILE = sa.text("INSERT INTO log_files VALUES (:key, :origin) ON CONFLICT DO NOTHING")


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


class Approvals:
    """Approvals and attempts of a ledger; see `SqlLedger`."""

    engine: sa.Engine

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
        with self.engine.connect() as connection:
            row = connection.execute(query).first()
        return None if row is None else (row.plan_id, row.plan_digest)

    def record_files(self, keys: Sequence[str], *, origin: str = "written") -> None:
        """Remember files of the log by their keys, which name their content."""
        with write(self.engine) as connection:
            if keys:
                connection.execute(_RECORD_FILE, [{"key": key, "origin": origin} for key in keys])
            if origin == TAKEN_OVER:
                connection.execute(sa.delete(log_files).where(log_files.c.key == EARLIER))

    def recorded_files(self) -> frozenset[str]:
        """Return the keys of all files that are remembered; `EARLIER` stands for those of an earlier release."""
        with self.engine.connect() as connection:
            return frozenset(connection.execute(sa.select(log_files.c.key)).scalars())

    def record_approval(self, approval: Approval, *, now: datetime) -> bool:
        """Record the approval of a campaign day. Returns whether it was new; the same again changes nothing.

        Raises:
            GateClosedError: another plan was approved for the campaign day, or this one was rejected.
        """
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

    def approval(self, campaign: str, as_of_date: date) -> RecordedApproval | None:
        """Return what was approved for a campaign day, None when nothing was."""
        with self.engine.connect() as connection:
            row = connection.execute(_of_day(campaign, as_of_date)).first()
        return None if row is None else RecordedApproval(**row._asdict())

    def record_rejection(self, rejection: Rejection, *, now: datetime) -> bool:
        """Record that a plan is never sent. Returns whether it was new; the same again changes nothing.

        Raises:
            GateClosedError: it was approved.
        """
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
        """Return who rejected a plan and why, None when nobody did."""
        with self.engine.connect() as connection:
            return _rejection(connection, plan_digest)

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
        with self.engine.connect() as connection:
            found: date | None = connection.execute(query.order_by(sends.c.as_of_date).limit(1)).scalar()
            return found

    def submitted(self, since: date) -> dict[str, int]:
        """Return the attempts of the sends of `since` and later that were submitted at all, by message id."""
        query = sa.select(sends.c.message_id, sends.c.attempts).where(sends.c.as_of_date >= since, sends.c.attempts > 0)
        with self.engine.connect() as connection:
            return {row.message_id: row.attempts for row in connection.execute(query)}

    def unlisted_stops(self) -> list[str]:
        """Return the accounts that said STOP, were neither reviewed nor followed by a START, and are not listed."""
        stop, start = inbound_texts.alias("stop"), inbound_texts.alias("start")
        said, wrote = accounts.alias(), accounts.alias()
        of_person = sa.select(wrote.c.user_id).join(said, said.c.person_id == wrote.c.person_id)
        of_person = of_person.where(said.c.user_id == stop.c.user_id).correlate(stop)
        is_lifted = sa.select(start.c.sequence).where(
            start.c.keyword == START,
            start.c.channel == stop.c.channel,
            start.c.user_id.in_(of_person),
            start.c.received_at > stop.c.received_at,
        )
        is_listed = sa.select(suppressions.c.person_id).where(
            suppressions.c.person_id.in_(of_person),
            suppressions.c.channel.in_([EVERY_CHANNEL, stop.c.channel]),
            suppressions.c.until.is_(None),
            suppressions.c.reason != UNCLEAR_REPLY,
        )
        query = sa.select(stop.c.user_id).where(
            stop.c.keyword.in_([STOP, STOP_ALL]), stop.c.reviewed_at.is_(None), ~is_listed.exists(), ~is_lifted.exists()
        )
        with self.engine.connect() as connection:
            return list(connection.execute(query.distinct().order_by(stop.c.user_id)).scalars())


def _rejection(connection: sa.Connection, plan_digest: str) -> Rejection | None:
    row = connection.execute(sa.select(rejections).where(rejections.c.plan_digest == plan_digest)).first()
    return None if row is None else Rejection(**{name: getattr(row, name) for name in REJECTED})


def _of_day(campaign: str, as_of_date: date) -> sa.Select[tuple[object, ...]]:
    return sa.select(approvals).where(approvals.c.campaign == campaign, approvals.c.as_of_date == as_of_date)


@dataclass(frozen=True)
class Transition:
    """One move for `SqlLedger.transition_many`; `occurred_at` is the provider's time if it gave one."""

    message_id: str
    to_state: str
    provider_message_id: str | None = None
    detail: str | None = None
    occurred_at: datetime | None = None


class SqlLedger(Guards, Approvals, Restoring):
    """Every send, on SQLAlchemy Core, for SQLite and PostgreSQL.

    Args:
        url: SQLAlchemy URL or engine; tables are created when missing.
        survives_power_cut: SQLite only: whether every commit waits for the disk (see `schema.open_engine`).
    """

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
            people = self._people(connection, users, now)
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
                self._log(connection, [(row, None, SendState.PLANNED, None, None, now) for row in fresh], now)
        return len(fresh)

    def approve(self, campaign: str, as_of_date: date, *, now: datetime) -> int:
        """Move planned rows of a campaign day to approved; rows of suppressed users become suppressed instead."""
        is_ours = sa.and_(
            sends.c.campaign == campaign, sends.c.as_of_date == as_of_date, sends.c.state == SendState.PLANNED
        )
        with self._write() as connection:
            is_listed = is_suppressed(sends.c.user_id, sends.c.channel, sa.literal(now, Instant))
            self._move(connection, sa.and_(is_ours, is_listed), SendState.SUPPRESSED, now, OPTED_OUT)
            return self._move(connection, is_ours, SendState.APPROVED, now)

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
        """Lease up to `limit` rows, ordered by message id: those whose lease ran out before submitting, then approved.

        `texts_per_day` is the most texts of all applications. A leased one counts, so it may always be leased again.
        """
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
            self._move(connection, sends.c.message_id.in_(fresh), SendState.LEASED, now, ids=fresh)
            if ids:
                connection.execute(
                    sa.update(sends)
                    .where(sends.c.message_id.in_(ids))
                    .values(lease_worker=worker, lease_until=until, updated_at=now)
                )
        return [LedgerRow(**{**row._asdict(), "state": str(SendState.LEASED), "updated_at": now}) for row in chosen]

    def begin_submit(
        self,
        message_id: str,
        *,
        worker: str,
        now: datetime,
        policy: MessagingPolicy,
        contact: ContactPolicy,
        day: date,
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
        """Move rows in order, all or none.

        Raises:
            PermanentError: a forbidden edge.
            NotFoundError: an unknown message id.
        """
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
            self._log(connection, entries, now)

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
            return self._move(connection, is_submitting, SendState.AMBIGUOUS, now, "interrupted")

    def awaited(self, since: date) -> dict[str, date]:
        """Return message id -> day of the sends of `since` or later that a provider may still say something about."""
        # `concat` keeps the index of states from being used: what nobody ever reports on stays accepted, for years.
        is_awaited = sends.c.state.concat("").in_((SendState.ACCEPTED, SendState.AMBIGUOUS))
        query = sa.select(sends.c.message_id, sends.c.as_of_date).where(sends.c.as_of_date >= since, is_awaited)
        with self.engine.connect() as connection:
            return dict(connection.execute(query).tuples().all())

    def unsettled(self, channel: str) -> dict[str, tuple[str, date]]:
        """Return message id -> state and day of all sends of a channel that a receipt would still close, ordered by id.

        One that was closed as unknown is among them for ever.
        """
        is_open = sends.c.state.in_((SendState.ACCEPTED, SendState.AMBIGUOUS, SendState.UNKNOWN))
        query = sa.select(sends.c.message_id, sends.c.state, sends.c.as_of_date).order_by(sends.c.message_id)
        with self.engine.connect() as connection:
            found = connection.execute(query.where(is_open, sends.c.channel == channel))
            return {message: (state, day) for message, state, day in found}

    def state_counts(self, as_of_date: date) -> dict[tuple[str, str], int]:
        """Return (campaign, state) -> sends of a day, in this order."""
        key = (sends.c.campaign, sends.c.state)
        query = sa.select(*key, sa.func.count()).where(sends.c.as_of_date == as_of_date).group_by(*key).order_by(*key)
        with self.engine.connect() as connection:
            return {(campaign, state): count for campaign, state, count in connection.execute(query)}

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
        with self.engine.connect() as connection:
            return [LedgerRow(**row._asdict()) for row in connection.execute(query)]
