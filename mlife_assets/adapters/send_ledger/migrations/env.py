"""What Alembic runs to reach a revision.

Concept: the caller holds the writers' lock and commits, so all revisions of an upgrade are one transaction.
"""

from __future__ import annotations

from alembic import context

attributes = context.config.attributes
context.configure(connection=attributes["connection"], version_table=attributes["version_table"])
context.run_migrations()
