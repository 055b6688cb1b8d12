"""Who is whom, and who must not be texted.

Concept: a suppression is a person's, through whichever of their accounts it came. Each reason is listed by itself, so
that the end of a pause does not lift a STOP.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from mlife_assets.adapters.send_ledger.schema import (
    FACTS,
    LASTS,
    Instant,
    Subject,
    accounts,
    accounts_of_person,
    inbound_texts,
    is_suppressed,
    numbers,
    send_transitions,
    sends,
    suppressions,
    write,
)
from mlife_assets.recruiting.application import EVERY_CHANNEL, Channel
from mlife_assets.recruiting.messaging.people import Joined, join_people
from mlife_assets.recruiting.messaging.replies import START, STOP, STOP_ALL, UNCLEAR_REPLY
from mlife_assets.recruiting.messaging.states import BEFORE_SUBMITTING, SendState

_APPEND = sa.insert(send_transitions)

LogEntry = tuple[Mapping[str, Any], str | None, str, str | None, str | None, datetime]
"""Row facts, from, to, provider message id, detail, occurred at."""
BATCH = 500
"""Ids per query, below every database's limit of parameters."""


def log_moves(connection: sa.Connection, entries: Sequence[LogEntry], now: datetime) -> None:
    """Append moves to the outbox."""
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


def move_rows(
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
    found = connection.execute(FACTS.where(condition).order_by(sends.c.message_id)).all()
    if not found:
        return 0
    connection.execute(sa.update(sends).where(condition).values(state=to_state, updated_at=now))
    log_moves(
        connection, [(row._asdict(), row.state, to_state, row.provider_message_id, detail, now) for row in found], now
    )
    return len(found)


def people_of_accounts(connection: sa.Connection, user_ids: Iterable[str], now: datetime) -> dict[str, str]:
    """Return user id -> person id; an account that is not known becomes a person of its own."""
    wanted = sorted(set(user_ids))
    people: dict[str, str] = {}
    for start in range(0, len(wanted), BATCH):
        found = sa.select(accounts.c.user_id, accounts.c.person_id).where(
            accounts.c.user_id.in_(wanted[start : start + BATCH])
        )
        people.update((row.user_id, row.person_id) for row in connection.execute(found))
    new = [user_id for user_id in wanted if user_id not in people]
    if new:
        connection.execute(sa.insert(accounts), [{"user_id": u, "person_id": u, "at": now} for u in new])
    return {user_id: people.get(user_id, user_id) for user_id in wanted}


def suppress_person(
    connection: sa.Connection, user_id: str, now: datetime, reason: str, until: datetime | None, channel: str
) -> int:
    """List a person for a reason and suppress what waits for them; see `People.suppress`."""
    person_id = people_of_accounts(connection, [user_id], now)[user_id]
    key = {"person_id": person_id, "reason": reason, "channel": channel}
    is_this = sa.and_(*(suppressions.c[name] == value for name, value in key.items()))
    listed = connection.execute(sa.select(suppressions.c.until).where(is_this)).first()
    if listed is None:
        connection.execute(sa.insert(suppressions).values(**key, at=now, until=until))
    elif listed.until is not None and (until is None or until > listed.until):
        connection.execute(sa.update(suppressions).where(is_this).values(until=until))
    is_waiting = sa.and_(
        sends.c.user_id.in_(accounts_of_person(user_id)),
        sends.c.state.in_(sorted(BEFORE_SUBMITTING)),
        *(() if channel == EVERY_CHANNEL else (sends.c.channel == channel,)),
    )
    return move_rows(connection, is_waiting, SendState.SUPPRESSED, now, reason)


def lift_from_person(connection: sa.Connection, user_id: str, reason: str, channel: str) -> int:
    """End the suppressions of a person that have a reason; see `People.lift`."""
    is_theirs = sa.and_(
        suppressions.c.person_id.in_(accounts_of_person(user_id)),
        suppressions.c.reason == reason,
        *(() if channel == EVERY_CHANNEL else (suppressions.c.channel.in_([EVERY_CHANNEL, channel]),)),
    )
    ended = connection.execute(sa.select(suppressions).where(is_theirs)).all()
    connection.execute(sa.delete(suppressions).where(is_theirs))
    if channel == EVERY_CHANNEL:
        return len(ended)
    for row in ended:
        for other in (one for one in Channel if row.channel == EVERY_CHANNEL and one != channel):
            suppress_person(connection, row.person_id, row.at, reason, row.until, other)
    return len(ended)


class People(Subject):
    """Accounts, people and the suppression list of a ledger."""

    def register(self, seen: Mapping[str, str | None], *, now: datetime) -> dict[str, str]:
        """Register user id -> number hash, join accounts of one person, and return user id -> person id.

        When nothing is new, nothing is written.
        """
        with self.engine.connect() as connection:
            people, owners = self._stored(connection, seen)
        if all(user in people and (one is None or owners.get(one) == people[user]) for user, one in seen.items()):
            return {user_id: people[user_id] for user_id in seen}
        with write(self.engine) as connection:
            known, joined = self._join(connection, seen)
            self._store(connection, known, joined, now)
        return {user_id: joined.accounts.get(user_id) or known[user_id] for user_id in seen}

    def _stored(
        self, connection: sa.Connection, seen: Mapping[str, str | None]
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Return the people of the accounts seen and the owners of the numbers seen, perhaps among others."""
        people, owners = sa.select(accounts.c.user_id, accounts.c.person_id), sa.select(numbers)
        if len(seen) <= BATCH:  # a chunk; of a whole day, reading all is faster
            people = people.where(accounts.c.user_id.in_(sorted(seen)))
            owners = owners.where(numbers.c.number_hash.in_(sorted({one for one in seen.values() if one is not None})))
        found, owned = connection.execute(people).all(), connection.execute(owners).all()
        return {row.user_id: row.person_id for row in found}, {row.number_hash: row.person_id for row in owned}

    def rehash(self, seen: Mapping[str, str | None], *, now: datetime) -> int:
        """Replace all number hashes by those of `seen`, made with another key; person ids stay. Returns their count."""
        with write(self.engine) as connection:
            connection.execute(sa.delete(numbers))
            known, joined = self._join(connection, seen)
            self._store(connection, known, joined, now)
        return len(joined.numbers)

    def _join(self, connection: sa.Connection, seen: Mapping[str, str | None]) -> tuple[dict[str, str], Joined]:
        in_order = sa.select(accounts.c.user_id, accounts.c.person_id).order_by(accounts.c.at, accounts.c.user_id)
        known = {row.user_id: row.person_id for row in connection.execute(in_order)}
        owners = {row.number_hash: row.person_id for row in connection.execute(sa.select(numbers))}
        return known, join_people(known, owners, seen)

    def _store(self, connection: sa.Connection, known: Mapping[str, str], joined: Joined, now: datetime) -> None:
        moved = [{"user": user, "person": p} for user, p in joined.accounts.items() if user in known]
        new = [{"user_id": user, "person_id": p, "at": now} for user, p in joined.accounts.items() if user not in known]
        if moved:
            is_moved = accounts.c.user_id == sa.bindparam("user")
            connection.execute(sa.update(accounts).where(is_moved).values(person_id=sa.bindparam("person")), moved)
        if new:
            connection.execute(sa.insert(accounts), new)
        if joined.numbers:
            hashes = list(joined.numbers)
            for start in range(0, len(hashes), BATCH):
                changed = numbers.c.number_hash.in_(hashes[start : start + BATCH])
                connection.execute(sa.delete(numbers).where(changed))
            rows = [
                {"number_hash": number, "person_id": person, "at": now} for number, person in joined.numbers.items()
            ]
            connection.execute(sa.insert(numbers), rows)

    def people_of(self, user_ids: Iterable[str]) -> dict[str, str]:
        """Return user id -> person id; an account that the ledger does not know is a person of its own."""
        wanted = set(user_ids)
        with self.engine.connect() as connection:
            rows = connection.execute(sa.select(accounts.c.user_id, accounts.c.person_id)).all()
        known = {row.user_id: row.person_id for row in rows}
        return {user_id: known.get(user_id, user_id) for user_id in sorted(wanted)}

    def accounts_of(self, user_ids: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Return user id -> all accounts of the same person, sorted, of the accounts that the ledger knows."""
        wanted = sorted(set(user_ids))
        one, same = accounts.alias("account"), accounts.alias("same_person")
        found: dict[str, list[str]] = {}
        with self.engine.connect() as connection:
            for start in range(0, len(wanted), BATCH):
                pairs = (
                    sa.select(one.c.user_id, same.c.user_id)
                    .join(same, same.c.person_id == one.c.person_id)
                    .where(one.c.user_id.in_(wanted[start : start + BATCH]))
                    .order_by(same.c.user_id)
                )
                for user_id, account in connection.execute(pairs):
                    found.setdefault(user_id, []).append(account)
        return {user_id: tuple(found[user_id]) for user_id in sorted(found)}

    def account_with(self, number_hash: str, channel: str) -> str | None:
        """Return the account of whoever has, or had, a number: the last one written to by a channel, else the first."""
        with self.engine.connect() as connection:
            owner = sa.select(numbers.c.person_id).where(numbers.c.number_hash == number_hash)
            person_id: str | None = connection.execute(owner).scalar()
            if person_id is None:
                return None
            last = (
                sa.select(sends.c.user_id)
                .where(sends.c.user_id.in_(accounts_of_person(person_id)), sends.c.channel == channel)
                .where(sends.c.attempts > 0)
                .order_by(sends.c.as_of_date.desc(), sends.c.updated_at.desc(), sends.c.message_id)
                .limit(1)
            )
            return connection.execute(last).scalar() or person_id

    def user_ids(self) -> tuple[str, ...]:
        with self.engine.connect() as connection:
            return tuple(connection.execute(sa.select(accounts.c.user_id).order_by(accounts.c.user_id)).scalars())

    def suppress(
        self, user_id: str, *, now: datetime, reason: str, until: datetime | None = None, channel: str = EVERY_CHANNEL
    ) -> int:
        """List a person for a reason, in one channel or every one, and suppress waiting rows of all their accounts.

        A listed suppression keeps its time and never ends earlier; without `until` it never ends. Returns the rows.
        """
        with write(self.engine) as connection:
            return suppress_person(connection, user_id, now, reason, until, channel)

    def lift(self, user_id: str, *, reason: str, channel: str = EVERY_CHANNEL) -> int:
        """Lift a person's suppressions of a reason, in a channel or every one; returns how many. Waiting rows stay."""
        with write(self.engine) as connection:
            return lift_from_person(connection, user_id, reason, channel)

    def is_suppressed(self, user_id: str, *, at: datetime, channel: str = Channel.SMS) -> bool:
        """Return whether the person behind an account must not be reached by a channel at an instant."""
        with self.engine.connect() as connection:
            query = sa.select(is_suppressed(user_id, channel, sa.literal(at, Instant)))
            return bool(connection.execute(query).scalar())

    def suppressed_people(self, *, at: datetime, channel: str = Channel.SMS) -> tuple[str, ...]:
        """Return the ids of the people who were listed by an instant and must not be reached then, sorted."""
        query = (
            sa.select(accounts.c.person_id)
            .distinct()
            .join(suppressions, suppressions.c.person_id == accounts.c.user_id)
            .where(suppressions.c.channel.in_([EVERY_CHANNEL, channel]))
            .where(suppressions.c.at <= at, sa.or_(LASTS, suppressions.c.until > at))
            .order_by(accounts.c.person_id)
        )
        with self.engine.connect() as connection:
            return tuple(connection.execute(query).scalars())

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
