"""Tables and engine of the send ledger.

A change here is also a revision in `migrations`, for ledgers that exist already; a test compares the two.

Concept: writers are serialised on both databases (`BEGIN IMMEDIATE` on SQLite, one advisory lock on PostgreSQL). So
reading and then writing within a transaction is safe, and sequences commit in order: a reader of the outbox who
remembers the last sequence misses nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from mlife_assets.core.disk_faults import disk_error
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.application import EVERY_CHANNEL, EVERYTHING, Channel
from mlife_assets.recruiting.messaging.eligibility import FREQUENCY_7_DAYS, FREQUENCY_GAP, OPTED_OUT, SAME_PERSON
from mlife_assets.recruiting.messaging.replies import UNCLEAR_REPLY
from mlife_assets.recruiting.messaging.states import MAY_HAVE_REACHED, SendState

_LOGGER = logging.getLogger(__name__)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_ADVISORY_LOCK = 7_103_331
_WRITE = "mlife_write"
BUSY_MILLISECONDS = 30_000
CHECKPOINT_MILLISECONDS = 1_000
"""A checkpoint that another process holds up is left to the next one."""


class Instant(sa.types.TypeDecorator[datetime]):
    """An aware datetime, stored as microseconds since 1970 UTC: exact, ordered and equal on every database."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> int | None:  # noqa: ARG002
        """Return microseconds; raises InvalidInputError on a naive datetime."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise InvalidInputError("a ledger time has no time zone; pass an aware datetime")
        return (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: int | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else _EPOCH + timedelta(microseconds=value)


metadata = sa.MetaData()

_SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_STATES = ", ".join(f"'{state}'" for state in SendState)

sends = sa.Table(
    "sends",
    metadata,
    sa.Column("message_id", sa.String, primary_key=True),
    sa.Column("user_id", sa.String, nullable=False),
    sa.Column("job_id", sa.String, nullable=False),
    sa.Column("campaign", sa.String, nullable=False),
    sa.Column("as_of_date", sa.Date, nullable=False),
    sa.Column("body", sa.String, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("provider_message_id", sa.String),
    sa.Column("updated_at", Instant, nullable=False),
    sa.Column("lease_worker", sa.String),
    sa.Column("lease_until", Instant),
    sa.Column("submitted_at", Instant),
    sa.Column("person_id", sa.String, nullable=False),
    sa.Column("channel", sa.String, nullable=False, server_default="sms"),
    sa.UniqueConstraint("person_id", "campaign", "as_of_date", name="one_send_per_person_campaign_day"),
    sa.CheckConstraint(f"state IN ({_STATES})", name="known_state"),
    sa.Index("sends_by_campaign_day_state", "campaign", "as_of_date", "state", "message_id"),
    sa.Index("sends_by_user_day", "user_id", "as_of_date"),
    sa.Index("sends_by_state", "state"),
    sa.Index("sends_by_day", "as_of_date"),
)

send_transitions = sa.Table(
    "send_transitions",
    metadata,
    sa.Column("sequence", _SEQUENCE, primary_key=True, autoincrement=True),
    sa.Column("message_id", sa.String, nullable=False),
    sa.Column("user_id", sa.String, nullable=False),
    sa.Column("campaign", sa.String, nullable=False),
    sa.Column("as_of_date", sa.Date, nullable=False),
    sa.Column("from_state", sa.String),
    sa.Column("to_state", sa.String, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("provider_message_id", sa.String),
    sa.Column("detail", sa.String),
    sa.Column("occurred_at", Instant, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sqlite_autoincrement=True,
)

suppressions = sa.Table(
    "suppressions",
    metadata,
    sa.Column("person_id", sa.String, primary_key=True),
    sa.Column("reason", sa.String, primary_key=True),
    sa.Column("channel", sa.String, primary_key=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("until", Instant),
)

accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("user_id", sa.String, primary_key=True),
    sa.Column("person_id", sa.String, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Index("accounts_by_person", "person_id"),
)

numbers = sa.Table(
    "numbers",
    metadata,
    sa.Column("number_hash", sa.String, primary_key=True),
    sa.Column("person_id", sa.String, nullable=False),
    sa.Column("at", Instant, nullable=False),
)

inbound_texts = sa.Table(
    "inbound_texts",
    metadata,
    sa.Column("sequence", _SEQUENCE, primary_key=True, autoincrement=True),
    sa.Column("inbound_id", sa.String, nullable=False, unique=True),
    sa.Column("user_id", sa.String, nullable=False),
    sa.Column("keyword", sa.String, nullable=False),
    sa.Column("received_at", Instant, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("reviewed_at", Instant),
    sa.Column("reviewed_by", sa.String),
    sa.Column("review", sa.String),
    sa.Column("channel", sa.String, nullable=False, server_default="sms"),
    sa.Index("inbound_texts_by_user", "user_id"),
    sqlite_autoincrement=True,
)

switches = sa.Table(
    "switches",
    metadata,
    sa.Column("sequence", _SEQUENCE, primary_key=True, autoincrement=True),
    sa.Column("is_paused", sa.Boolean, nullable=False),
    sa.Column("actor", sa.String, nullable=False),
    sa.Column("reason", sa.String, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("campaign", sa.String, nullable=False, server_default=sa.text("''")),
    sqlite_autoincrement=True,
)

approvals = sa.Table(
    "approvals",
    metadata,
    sa.Column("plan_id", sa.String, primary_key=True),
    sa.Column("campaign", sa.String, nullable=False),
    sa.Column("as_of_date", sa.Date, nullable=False),
    sa.Column("plan_digest", sa.String, nullable=False),
    sa.Column("planned_count", sa.Integer, nullable=False),
    sa.Column("approved_by", sa.String, nullable=False),
    sa.Column("reason", sa.String),
    sa.Column("at", Instant, nullable=False),
    sa.UniqueConstraint("campaign", "as_of_date", name="one_approval_per_campaign_day"),
)

rejections = sa.Table(
    "rejections",
    metadata,
    sa.Column("plan_digest", sa.String, primary_key=True),
    sa.Column("plan_id", sa.String, nullable=False),
    sa.Column("campaign", sa.String, nullable=False),
    sa.Column("as_of_date", sa.Date, nullable=False),
    sa.Column("actor", sa.String, nullable=False),
    sa.Column("reason", sa.String, nullable=False),
    sa.Column("at", Instant, nullable=False),
)

plans = sa.Table(
    "plans",
    metadata,
    sa.Column("campaign", sa.String, primary_key=True),
    sa.Column("as_of_date", sa.Date, primary_key=True),
    sa.Column("plan_id", sa.String, nullable=False),
    sa.Column("plan_digest", sa.String, nullable=False),
    sa.Column("at", Instant, nullable=False),
)

log_files = sa.Table(
    "log_files",
    metadata,
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("origin", sa.String, nullable=False),
)

log_heads = sa.Table(
    "log_heads",
    metadata,
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("sha256", sa.String, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("at", Instant, nullable=False),
)


def open_engine(url: str | sa.Engine, *, survives_power_cut: bool = True) -> sa.Engine:
    """Return an engine on which transactions begin as the ledger needs. Raises InvalidInputError on another kind.

    `survives_power_cut`: each commit of SQLite waits for the disk; without it survives a crash of the process alone.
    """
    engine = sa.create_engine(url) if isinstance(url, str) else url
    if engine.dialect.name == "sqlite":

        def prepare(connection: Any, record: object) -> None:  # noqa: ARG001
            connection.isolation_level = None
            cursor = connection.cursor()
            synchronous = "FULL" if survives_power_cut else "NORMAL"
            for pragma in (f"busy_timeout={BUSY_MILLISECONDS}", "journal_mode=WAL", f"synchronous={synchronous}"):
                cursor.execute(f"PRAGMA {pragma}")
            cursor.close()

        def explain(context: sa.engine.ExceptionContext) -> None:
            fault = disk_error(str(engine.url.database), context.original_exception)
            if fault is not None:
                raise fault from context.original_exception

        sa.event.listen(engine, "connect", prepare)
        sa.event.listen(engine, "handle_error", explain)
        sa.event.listen(engine, "begin", _begin_sqlite)
        return engine
    if engine.dialect.name != "postgresql":
        raise InvalidInputError(
            f"the ledger runs on sqlite or postgresql, not on {engine.dialect.name}; change its url"
        )
    # Whatever the server's default: who waited for the lock must see what was committed meanwhile, such as a STOP.
    return engine.execution_options(isolation_level="READ COMMITTED")


def _begin_sqlite(connection: sa.Connection) -> None:
    is_write = connection.get_execution_options().get(_WRITE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_write else "BEGIN")


@contextmanager
def writer(engine: sa.Engine) -> Iterator[sa.Connection]:
    with engine.connect() as connection:
        yield connection.execution_options(**{_WRITE: True})


@contextmanager
def write(engine: sa.Engine, on: sa.Connection | None = None) -> Iterator[sa.Connection]:
    """Open the only write transaction, `on` a connection of `writer` if given. Commits unless an error leaves it."""
    with nullcontext(on) if on is not None else writer(engine) as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
        yield connection


def checkpoint(engine: sa.Engine) -> None:
    """Move what SQLite wrote ahead into the file and empty the `-wal`, but for what somebody still reads."""
    if engine.dialect.name != "sqlite":
        return
    raw = engine.raw_connection()
    try:
        cursor = raw.cursor()
        cursor.execute(f"PRAGMA busy_timeout={CHECKPOINT_MILLISECONDS}")
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        cursor.execute(f"PRAGMA busy_timeout={BUSY_MILLISECONDS}")
        cursor.close()
    finally:
        raw.close()


def close_engine(engine: sa.Engine) -> None:
    """Checkpoint, then close all connections. What cannot be moved stays in the `-wal` and is read again at opening."""
    database = engine.url.database
    try:
        if database and Path(database).exists():
            checkpoint(engine)
    except sa.exc.OperationalError as error:
        _LOGGER.warning("the ledger was closed without a checkpoint: %s", type(error.orig).__name__)
    finally:
        engine.dispose()


@dataclass(frozen=True)
class Subject:
    """What a ledger knows of one subject."""

    engine: sa.Engine

    def fetch(self, query: sa.Select[Any]) -> Sequence[sa.Row[Any]]:
        with self.engine.connect() as connection:
            return connection.execute(query).all()

    def value(self, query: sa.Select[Any]) -> Any:
        """Return the first value of the first row, None without one."""
        with self.engine.connect() as connection:
            return connection.execute(query).scalar()


PAUSED = "paused"
NOT_LEASED = "not_leased"

ROW_COLUMNS = (
    sends.c.message_id,
    sends.c.user_id,
    sends.c.job_id,
    sends.c.campaign,
    sends.c.as_of_date,
    sends.c.body,
    sends.c.state,
    sends.c.attempts,
    sends.c.provider_message_id,
    sends.c.updated_at,
    sends.c.channel,
)


def accounts_of_person(user_id: sa.ColumnElement[str] | str) -> sa.Select[tuple[str]]:
    """Select the user ids of all accounts of the person behind one of them.

    Queries by account or person id always use this list: when the contact book shows that two people are one, their
    rows count together at once, and no row is rewritten.
    """
    one, same = accounts.alias("account"), accounts.alias("same_person")
    return sa.select(same.c.user_id).join(one, one.c.person_id == same.c.person_id).where(one.c.user_id == user_id)


LASTS = sa.or_(suppressions.c.until.is_(None), suppressions.c.reason == UNCLEAR_REPLY)
"""Suppressions without an end: a pause ends once its reply is read, also where an earlier release gave it an end."""


def is_suppressed(
    user_id: sa.ColumnElement[str] | str, channel: sa.ColumnElement[str] | str, at: sa.ColumnElement[Any]
) -> sa.Exists:
    """SQL condition: is this person suppressed on `channel` at `at`? One of every channel applies to each."""
    of_person = accounts_of_person(user_id)
    return (
        sa.select(suppressions.c.person_id)
        .where(
            suppressions.c.person_id.in_(of_person.correlate(sends)),
            sa.or_(suppressions.c.channel == EVERY_CHANNEL, suppressions.c.channel == channel),
            sa.or_(LASTS, suppressions.c.until > at),
        )
        .correlate(sends)
        .exists()
    )


def is_switched_off(campaign: sa.ColumnElement[str] | str) -> sa.ColumnElement[bool]:
    """Return the condition that the last switch of one application, or of `EVERYTHING`, is a pause."""
    of_it = sa.select(switches.c.is_paused).where(switches.c.campaign == campaign).correlate(sends)
    latest = of_it.order_by(switches.c.sequence.desc()).limit(1).scalar_subquery()
    return sa.func.coalesce(latest, sa.false()).is_(sa.true())


def texts_taken(as_of_date: date) -> sa.Select[tuple[int]]:
    """Count the texts of a day, of all applications, that may have reached a person or are about to."""
    return sa.select(sa.func.count()).where(
        sa.func.coalesce(sends.c.channel, Channel.SMS) == Channel.SMS,
        sends.c.as_of_date == as_of_date,
        sends.c.state.in_(sorted({*MAY_HAVE_REACHED, SendState.LEASED})),
    )


def _other_sends() -> tuple[sa.FromClause, sa.ColumnElement[bool]]:
    """Return the person's other messages, of all applications, and which of them may have reached them.

    The conditions fit no index: else SQLite reads every text of the day or state instead of the few of the person.
    """
    other = sends.alias("other")
    is_counted = sa.and_(
        other.c.user_id.in_(accounts_of_person(sends.c.user_id).correlate(sends)),
        other.c.message_id != sends.c.message_id,
        sa.func.coalesce(other.c.state, "").in_(sorted(MAY_HAVE_REACHED)),
    )
    return other, is_counted


def _conditions() -> dict[str, sa.ColumnElement[bool]]:
    other, is_counted = _other_sends()
    day = sa.func.coalesce(other.c.as_of_date, other.c.as_of_date)
    is_own = sa.func.coalesce(other.c.campaign, "") == sends.c.campaign

    def is_near(whose: str) -> sa.ColumnElement[bool]:
        return sa.and_(day > sa.bindparam(f"{whose}_start"), day < sa.bindparam(f"{whose}_end"))

    own = sa.func.coalesce(sa.func.sum(sa.case((is_own, 1), else_=0)), 0)
    is_week_full = (
        sa.select(sa.or_(sa.func.count() >= sa.bindparam("all_maximum"), own >= sa.bindparam("own_maximum")))
        .select_from(other)
        .where(is_counted, is_near("week"))
        .correlate(sends)
        .scalar_subquery()
    )
    in_gap = (
        sa.select(other.c.message_id)
        .where(is_counted, sa.or_(is_near("all_gap"), sa.and_(is_own, is_near("own_gap"))))
        .correlate(sends)
        .exists()
    )
    on_the_same_day = (
        sa.select(other.c.message_id).where(is_counted, is_own, day == sends.c.as_of_date).correlate(sends).exists()
    )
    return {
        PAUSED: sa.or_(is_switched_off(EVERYTHING), is_switched_off(sends.c.campaign)),
        OPTED_OUT: is_suppressed(sends.c.user_id, sends.c.channel, sa.bindparam("at", type_=Instant)),
        FREQUENCY_7_DAYS: is_week_full,
        FREQUENCY_GAP: in_gap,
        SAME_PERSON: on_the_same_day,
    }


REFUSALS = _conditions()
IS_LEASED = sa.and_(
    sends.c.message_id == sa.bindparam("message"),
    sends.c.state == SendState.LEASED,
    sends.c.lease_worker == sa.bindparam("worker"),
)
SUBMIT = (
    sa.update(sends)
    .where(IS_LEASED, *(sa.not_(condition) for condition in REFUSALS.values()))
    .values(
        state=SendState.SUBMITTING,
        attempts=sends.c.attempts + 1,
        updated_at=sa.bindparam("at"),
        submitted_at=sa.bindparam("at"),
    )
)
LOG_SUBMIT = sa.insert(send_transitions).from_select(
    [
        "message_id",
        "user_id",
        "campaign",
        "as_of_date",
        "from_state",
        "to_state",
        "attempt",
        "occurred_at",
        "at",
    ],
    sa.select(
        sends.c.message_id,
        sends.c.user_id,
        sends.c.campaign,
        sends.c.as_of_date,
        sa.literal(str(SendState.LEASED)),
        sa.literal(str(SendState.SUBMITTING)),
        sends.c.attempts,
        sends.c.updated_at,
        sends.c.updated_at,
    ).where(sends.c.message_id == sa.bindparam("message")),
)
WHY_NOT = sa.select(
    sa.case((sa.not_(IS_LEASED), NOT_LEASED), *((condition, name) for name, condition in REFUSALS.items()))
).where(sends.c.message_id == sa.bindparam("message"))
FACTS = sa.select(
    sends.c.message_id,
    sends.c.user_id,
    sends.c.campaign,
    sends.c.as_of_date,
    sends.c.state,
    sends.c.attempts,
    sends.c.provider_message_id,
)
"""What a move says of its send."""
FACTS_OF = FACTS.where(sends.c.message_id.in_(sa.bindparam("messages", expanding=True)))
SET_STATE = (
    sa.update(sends)
    .where(sends.c.message_id == sa.bindparam("message"))
    .values(
        state=sa.bindparam("to_state"),
        attempts=sa.bindparam("tries"),
        provider_message_id=sa.bindparam("provider_id"),
        updated_at=sa.bindparam("at"),
    )
)
