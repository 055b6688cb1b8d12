"""Files of the log that hold consents and reviews of employers.

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
