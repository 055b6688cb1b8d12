"""The statements of the ledger's hot path, built once.

Concept: whether a send is still allowed and the commit of `submitting` are one statement, so nothing (a STOP, a pause,
a message of another application) can come between them.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import sqlalchemy as sa

from mlife_assets.adapters.send_ledger.schema import (
    Instant,
    accounts,
    send_transitions,
    sends,
    suppressions,
    switches,
)
from mlife_assets.recruiting.application import EVERY_CHANNEL, EVERYTHING, Channel
from mlife_assets.recruiting.messaging.eligibility import FREQUENCY_7_DAYS, FREQUENCY_GAP, OPTED_OUT, SAME_PERSON
from mlife_assets.recruiting.messaging.replies import UNCLEAR_REPLY
from mlife_assets.recruiting.messaging.states import MAY_HAVE_REACHED, SendState

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

    What the ledger stores under an account or a person id is always asked for by this list: so when the contact book
    shows that two people are one, the union holds at once and nothing that was written is rewritten.
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
    """Count the texts of a day, whoever planned them, that may have reached someone or are about to."""
    return sa.select(sa.func.count()).where(
        sa.func.coalesce(sends.c.channel, Channel.SMS) == Channel.SMS,
        sends.c.as_of_date == as_of_date,
        sends.c.state.in_(sorted({*MAY_HAVE_REACHED, SendState.LEASED})),
    )


def _other_sends() -> tuple[sa.FromClause, sa.ColumnElement[bool]]:
    """Return what to read the other messages of the person from, of all applications and channels, and which of them
    may have reached them.

    The conditions on state and day are put so that no index fits: else SQLite, which takes a list of accounts for a
    long one, reads every text of the day or state instead of the few of the person.
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
FACTS_OF = sa.select(
    sends.c.message_id,
    sends.c.user_id,
    sends.c.campaign,
    sends.c.as_of_date,
    sends.c.state,
    sends.c.attempts,
    sends.c.provider_message_id,
).where(sends.c.message_id.in_(sa.bindparam("messages", expanding=True)))
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
