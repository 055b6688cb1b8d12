"""Bringing a ledger to this release's schema.

Concept: forward only, at opening, within the lock that serialises writers. So two processes that open at once migrate
once, and a crash leaves the old schema whole. A ledger that is up to date costs one read. Alembic is imported only
when there is something to migrate; an empty database gets today's tables at once.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from mlife_assets.adapters.send_ledger.schema import metadata, sends, write
from mlife_assets.core.errors import UpstreamMismatchError

UNVERSIONED = "0001"
"""The revision of release 0.1.0, which recorded none."""
HEAD = "0005"
REVISIONS = (UNVERSIONED, "0002", "0003", "0004", HEAD)

VERSION_TABLE = "ledger_version"
"""Not Alembic's default name: Dagster's storage, which may share the database, uses that one."""

versions = sa.Table(
    VERSION_TABLE,
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name=f"{VERSION_TABLE}_pkc"),
)


def revision_of(connection: sa.Connection) -> str | None:
    """Return the revision of a database, None without a ledger. Raises UpstreamMismatchError on an unknown one."""
    inspector = sa.inspect(connection)
    found = connection.execute(sa.select(versions)).scalars().all() if inspector.has_table(VERSION_TABLE) else []
    if not found:
        return UNVERSIONED if inspector.has_table(sends.name) else None
    if len(found) > 1 or found[0] not in REVISIONS:
        is_file = connection.dialect.name == "sqlite"
        place, aside = ("", "") if is_file else (" in the database of MLIFE_DATABASE", "rename its schema and ")
        raise UpstreamMismatchError(
            f"the schema of the ledger{place} is of revision {', '.join(sorted(found))}, which this release does not "
            f"know (newest: {HEAD}); run the release that wrote it, or {aside}restore the backup taken before it"
        )
    return str(found[0])


def upgrade(engine: sa.Engine) -> None:
    """Create a ledger's tables, or move them on from any released schema."""
    with engine.connect() as connection:
        if revision_of(connection) == HEAD:
            return
    with write(engine) as connection:
        revision = revision_of(connection)
        if revision is None:
            metadata.create_all(connection)
            versions.create(connection)
            connection.execute(sa.insert(versions).values(version_num=HEAD))
        elif revision != HEAD:
            _migrate(connection, revision)


def _migrate(connection: sa.Connection, revision: str) -> None:
    from alembic import command
    from alembic.config import Config

    if not sa.inspect(connection).has_table(VERSION_TABLE):
        versions.create(connection)
        connection.execute(sa.insert(versions).values(version_num=revision))
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes.update(connection=connection, version_table=VERSION_TABLE)
    command.upgrade(config, HEAD)
