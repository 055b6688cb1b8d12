"""The file of a ledger on SQLite: a whole copy of it, what one holds.

Belongs here: copying the file while others write, looking into one without opening it as the ledger. Does not belong
here: the ledger (`send_ledger`), what else is in a backup (`backups`).
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from mlife_assets.adapters.private_files import private_file
from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.adapters.send_ledger.migrations.revisions import revision_of
from mlife_assets.core.errors import IntegrityError

COUNTED = ("sends", "send_transitions", "inbound_texts", "suppressions", "switches", "approvals")


@dataclass(frozen=True)
class LedgerFacts:
    """What a file holds: rows by table, the newest sequence of the outbox (0 when there is none), its schema."""

    rows: dict[str, int]
    last_transition: int
    revision: str | None


def copy_ledger(ledger: SqlLedger, to: Path) -> bool:
    """Write a ledger as one file, consistent while others write; False where it is on no file."""
    if ledger.engine.dialect.name != "sqlite":
        return False
    with closing(sqlite3.connect(str(ledger.engine.url.database))) as connection:
        connection.execute("VACUUM INTO ?", (str(private_file(to)),))
    return True


def ledger_facts(path: Path) -> LedgerFacts:
    """Return what a ledger file holds. Raises IntegrityError when it is damaged or of an unknown schema."""
    try:
        with closing(sqlite3.connect(path)) as connection:
            sound = [row[0] for row in connection.execute("PRAGMA integrity_check")]
            tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            rows = {
                name: int(connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0])
                for name in COUNTED
                if name in tables
            }
            last = connection.execute("SELECT max(sequence) FROM send_transitions").fetchone()[0]
    except sqlite3.DatabaseError as error:
        raise IntegrityError(f"{path} is no ledger ({error}); use another backup") from error
    if sound != ["ok"]:
        raise IntegrityError(f"{path} is damaged ({sound[0]}); use another backup")
    engine = sa.create_engine(f"sqlite:///{path}")
    try:
        with engine.connect() as connection_:
            revision = revision_of(connection_)
    finally:
        engine.dispose()
    return LedgerFacts(rows, int(last or 0), revision)
