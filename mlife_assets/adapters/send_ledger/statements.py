"""The statements of the ledger's hot path, built once.

Belongs here: the conditions under which a send may be submitted, as SQL. Does not belong here: running them (`ledger`).

Concept: whether a send is still allowed and the commit of `submitting` are one statement, so nothing (a STOP, a pause,
another campaign's text) can come between them.
"""

from __future__ import annotations

import sqlalchemy as sa

from mlife_assets.adapters.send_ledger.schema import send_transitions, sends, suppressions, switches
from mlife_assets.core.messaging.eligibility import FREQUENCY_7_DAYS, FREQUENCY_GAP, OPTED_OUT
from mlife_assets.core.messaging.states import MAY_HAVE_REACHED, SendState

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
)


def _other_sends() -> tuple[sa.FromClause, sa.ColumnElement[bool]]:
    other = sends.alias("other")
    is_counted = sa.and_(
        other.c.user_id == sends.c.user_id,
        other.c.message_id != sends.c.message_id,
        other.c.state.in_(sorted(MAY_HAVE_REACHED)),
    )
    return other, is_counted


def _conditions() -> dict[str, sa.ColumnElement[bool]]:
    other, is_counted = _other_sends()
    latest_switch = sa.select(switches.c.is_paused).order_by(switches.c.sequence.desc()).limit(1).scalar_subquery()
    in_week = (
        sa.select(sa.func.count())
        .select_from(other)
        .where(is_counted, other.c.as_of_date > sa.bindparam("week_start"), other.c.as_of_date <= sa.bindparam("day"))
        .correlate(sends)
        .scalar_subquery()
    )
    in_gap = (
        sa.select(other.c.message_id)
        .where(is_counted, other.c.as_of_date > sa.bindparam("gap_start"), other.c.as_of_date <= sa.bindparam("day"))
        .correlate(sends)
        .exists()
    )
    return {
        PAUSED: sa.func.coalesce(latest_switch, sa.false()).is_(sa.true()),
        OPTED_OUT: sa.select(suppressions.c.user_id).where(suppressions.c.user_id == sends.c.user_id).exists(),
        FREQUENCY_7_DAYS: in_week >= sa.bindparam("week_maximum"),
        FREQUENCY_GAP: in_gap,
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
