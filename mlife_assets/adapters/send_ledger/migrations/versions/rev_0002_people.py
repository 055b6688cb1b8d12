"""People instead of accounts, reviewed replies, bound approvals, anchored heads.

Concept: each account that 0.1.0 knew becomes a person of its own, under its user id; the contact book joins them later.
0.1.0 took most opt-outs in plain words for OTHER and went on texting, so who said something unclear is paused from then
on as they would be today.
SQLite cannot alter a column, so Alembic copies the table there; sequences go on where they were.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from mlife_assets.adapters.send_ledger.migrations.versions import rev_0001_release_0_1_0 as before

PAUSE_MICROSECONDS = 14 * 24 * 3_600 * 1_000_000
"""How long a reply without a clear meaning pauses: the policy's days when this revision was written."""

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Move the tables on and fill what is new from what is there."""
    _sends()
    _inbound_texts()
    _suppressions()
    _accounts_and_numbers()
    op.create_table(
        "approvals",
        sa.Column("plan_id", sa.String, primary_key=True),
        sa.Column("campaign", sa.String, nullable=False),
        sa.Column("as_of_date", sa.Date, nullable=False),
        sa.Column("plan_digest", sa.String, nullable=False),
        sa.Column("planned_count", sa.Integer, nullable=False),
        sa.Column("approved_by", sa.String, nullable=False),
        sa.Column("reason", sa.String),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("campaign", "as_of_date", name="one_approval_per_campaign_day"),
    )
    op.create_table(
        "plans",
        sa.Column("campaign", sa.String, primary_key=True),
        sa.Column("as_of_date", sa.Date, primary_key=True),
        sa.Column("plan_id", sa.String, nullable=False),
        sa.Column("plan_digest", sa.String, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "log_heads",
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("sha256", sa.String, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
    )


def _sends() -> None:
    op.add_column("sends", sa.Column("person_id", sa.String))
    op.execute(sa.text("UPDATE sends SET person_id = user_id"))
    filled = before.sends.to_metadata(sa.MetaData())
    filled.append_column(sa.Column("person_id", sa.String))
    with op.batch_alter_table("sends", copy_from=filled) as batch:
        batch.alter_column("person_id", nullable=False, existing_type=sa.String())
        batch.drop_constraint("one_send_per_user_campaign_day", type_="unique")
        batch.create_unique_constraint("one_send_per_person_campaign_day", ["person_id", "campaign", "as_of_date"])


def _inbound_texts() -> None:
    op.add_column("inbound_texts", sa.Column("reviewed_at", sa.BigInteger))
    op.add_column("inbound_texts", sa.Column("reviewed_by", sa.String))
    op.add_column("inbound_texts", sa.Column("review", sa.String))
    op.create_index("inbound_texts_by_user", "inbound_texts", ["user_id"])


def _suppressions() -> None:
    """Make the table anew: its primary key changes, so that a pause and a STOP of one person stand side by side."""
    listed: list[dict[str, Any]] = [
        {"person_id": row.user_id, "reason": row.reason, "at": row.at, "until": None}
        for row in op.get_bind().execute(sa.select(before.suppressions))
    ]
    op.drop_table("suppressions")
    suppressions = op.create_table(
        "suppressions",
        sa.Column("person_id", sa.String, primary_key=True),
        sa.Column("reason", sa.String, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("until", sa.BigInteger),
    )
    unclear = sa.text(
        "SELECT user_id AS person_id, 'unclear_reply' AS reason, MAX(at) AS at, "
        f"MAX(received_at) + {PAUSE_MICROSECONDS} AS until FROM inbound_texts WHERE keyword = 'OTHER' GROUP BY user_id"
    )
    op.bulk_insert(suppressions, listed + [dict(row._mapping) for row in op.get_bind().execute(unclear)])


def _accounts_and_numbers() -> None:
    op.create_table(
        "accounts",
        sa.Column("user_id", sa.String, primary_key=True),
        sa.Column("person_id", sa.String, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Index("accounts_by_person", "person_id"),
    )
    op.create_table(
        "numbers",
        sa.Column("number_hash", sa.String, primary_key=True),
        sa.Column("person_id", sa.String, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
    )
    op.execute(
        sa.text(
            "INSERT INTO accounts (user_id, person_id, at) SELECT user_id, user_id, MIN(at) FROM ("
            "SELECT user_id, at FROM send_transitions UNION ALL SELECT user_id, at FROM inbound_texts "
            "UNION ALL SELECT person_id, at FROM suppressions) AS known GROUP BY user_id"
        )
    )
