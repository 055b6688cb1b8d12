"""Checks of a deployment's database for ledger and Dagster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from mlife_assets.adapters.postgresql import database_errors_explained, schema_url
from mlife_assets.adapters.send_ledger.migrations.revisions import HEAD, revision_of
from mlife_assets.core.checkup import Finding, clock_finding, faults_found

_RIGHTS = sa.text(
    "SELECT CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = :schema) "
    "THEN has_schema_privilege(:schema, 'CREATE') "
    "ELSE has_database_privilege(current_database(), 'CREATE') END"
)
_TAKES_NO_WRITES = sa.text("SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean")


def look_at_database(
    part: str, address: str, schemas: Sequence[str], ledger: str, now: Callable[[], datetime]
) -> list[Finding]:
    """Return findings on the database that `part` names: connection, right to `schemas`, ledger, clock."""
    found: list[Finding] = []
    engine = sa.create_engine(schema_url(address, ledger), poolclass=sa.NullPool)
    with faults_found(part, found), database_errors_explained(), engine.connect() as connection:
        found.append(Finding(part, "it can be reached"))
        closed = [name for name in schemas if not connection.execute(_RIGHTS, {"schema": name}).scalar()]
        says = f"the user may make tables in {', '.join(schemas)}"
        if closed:
            says = f"the user may not make tables in {', '.join(closed)}"
        found.append(Finding(part, says, "grant CREATE on the database, or let the user own them" if closed else ""))
        if connection.execute(_TAKES_NO_WRITES).scalar():
            found.append(Finding(part, "it takes no writes", "name the primary server, or let it take writes"))
        revision = revision_of(connection)
        says = "there is no ledger yet" if revision is None else f"the ledger is of revision {revision}"
        found.append(
            Finding(part, says if revision in (None, HEAD) else f"{says}, and moves to {HEAD} when it is opened")
        )
        found.append(clock_finding(part, clocks_apart(connection, now)))
    return found


def clocks_apart(connection: sa.Connection, now: Callable[[], datetime]) -> timedelta:
    """Return the minimum difference between the server's clock and another, asked over PostgreSQL."""
    before = now()
    there: datetime = connection.execute(sa.text("SELECT clock_timestamp()")).scalar_one()
    return max(there - now(), before - there)
