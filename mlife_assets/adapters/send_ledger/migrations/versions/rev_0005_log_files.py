"""Files of the log that hold consents and reviews of employers.

Belongs here: the way from 0.2.0's development to the next one. Does not belong here: today's schema, which moves on.

Concept: a migration does not see the lake. So one row stands for all files of before, until they are taken over.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the table, with the row that stands for what was there."""
    op.create_table(
        "log_files",
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("origin", sa.String, nullable=False),
    )
    op.execute("INSERT INTO log_files VALUES ('*', 'earlier')")
