"""The tables of release 0.1.0.

Concept: frozen. Instants are microseconds since 1970 UTC in a big integer.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

STATES = (
    "'planned', 'approved', 'leased', 'submitting', 'accepted', 'rejected', 'throttled', 'ambiguous', 'delivered', "
    "'undelivered', 'unknown', 'suppressed'"
)
_SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

metadata = sa.MetaData()

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
    sa.Column("updated_at", sa.BigInteger, nullable=False),
    sa.Column("lease_worker", sa.String),
    sa.Column("lease_until", sa.BigInteger),
    sa.Column("submitted_at", sa.BigInteger),
    sa.UniqueConstraint("user_id", "campaign", "as_of_date", name="one_send_per_user_campaign_day"),
    sa.CheckConstraint(f"state IN ({STATES})", name="known_state"),
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
    sa.Column("occurred_at", sa.BigInteger, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sqlite_autoincrement=True,
)
suppressions = sa.Table(
    "suppressions",
    metadata,
    sa.Column("user_id", sa.String, primary_key=True),
    sa.Column("reason", sa.String, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
)
inbound_texts = sa.Table(
    "inbound_texts",
    metadata,
    sa.Column("sequence", _SEQUENCE, primary_key=True, autoincrement=True),
    sa.Column("inbound_id", sa.String, nullable=False, unique=True),
    sa.Column("user_id", sa.String, nullable=False),
    sa.Column("keyword", sa.String, nullable=False),
    sa.Column("received_at", sa.BigInteger, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sqlite_autoincrement=True,
)
switches = sa.Table(
    "switches",
    metadata,
    sa.Column("sequence", _SEQUENCE, primary_key=True, autoincrement=True),
    sa.Column("is_paused", sa.Boolean, nullable=False),
    sa.Column("actor", sa.String, nullable=False),
    sa.Column("reason", sa.String, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sqlite_autoincrement=True,
)


def upgrade() -> None:
    metadata.create_all(op.get_bind(), checkfirst=False)
