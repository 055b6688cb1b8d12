"""Channels, and switches of single applications.

Concept: everything that there was went by text, so its channel is `sms`; every pause was of everything. A STOP ended
texts, the only channel. The key of suppressions changes, so the table is made anew.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

TEXTS, EVERYTHING = "sms", sa.text("''")


def upgrade() -> None:
    """Add the columns and fill them."""
    op.add_column("sends", sa.Column("channel", sa.String, nullable=False, server_default=TEXTS))
    op.add_column("inbound_texts", sa.Column("channel", sa.String, nullable=False, server_default=TEXTS))
    op.add_column("switches", sa.Column("campaign", sa.String, nullable=False, server_default=EVERYTHING))
    listed = op.get_bind().execute(sa.text("SELECT person_id, reason, at, until FROM suppressions")).mappings().all()
    op.drop_table("suppressions")
    suppressions = op.create_table(
        "suppressions",
        sa.Column("person_id", sa.String, primary_key=True),
        sa.Column("reason", sa.String, primary_key=True),
        sa.Column("channel", sa.String, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("until", sa.BigInteger),
    )
    op.bulk_insert(suppressions, [{**row, "channel": TEXTS} for row in listed])
