"""A ledger as one file: a whole copy of it, what one holds."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa

from mlife_assets.adapters.private_files import private_file
from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.adapters.send_ledger.migrations import upgrade
from mlife_assets.adapters.send_ledger.migrations.revisions import revision_of
from mlife_assets.adapters.send_ledger.restoring import replace_rows
from mlife_assets.core.disk_faults import disk_errors_explained
from mlife_assets.core.errors import IntegrityError

LEDGER_FILE = "ledger.sqlite"
COUNTED = ("sends", "send_transitions", "inbound_texts", "suppressions", "switches", "approvals")


@dataclass(frozen=True)
class LedgerFacts:
    """What a file holds: rows by table, the newest sequence of the outbox (0 when there is none), its schema."""

    rows: dict[str, int]
    last_transition: int
    revision: str | None


def copy_ledger(ledger: SqlLedger, to: Path) -> None:
    """Write a ledger as one new private file, consistent while others write."""
    if ledger.engine.dialect.name == "sqlite":
        with closing(sqlite3.connect(str(ledger.engine.url.database))) as connection:
            connection.execute("VACUUM INTO ?", (str(private_file(to)),))
        return
    with ledger.engine.connect() as reader:
        reader.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        write_ledger_file(reader, to)


def write_ledger_file(source: sa.Connection, to: Path) -> None:
    """Write what a transaction sees of a ledger as one new private file of this release's schema."""
    # No write-ahead log, unlike the ledger's own file: a copy is one file, and is read where nothing may be written.
    engine = sa.create_engine(f"sqlite:///{private_file(to)}")
    try:
        with disk_errors_explained(to):
            upgrade(engine)
            with engine.begin() as connection:
                replace_rows(source, connection)
    finally:
        engine.dispose()


@contextmanager
def ledger_as_it_is(path: Path, *, is_copy: bool = False) -> Iterator[sa.Connection]:
    """Open a ledger file of any released schema to look into it.

    One that `is_copy` is whole by itself: SQLite must not play a log or journal into it that lies beside it.
    """
    engine = sa.create_engine("sqlite://", creator=lambda: _connect(path, is_copy=is_copy), poolclass=sa.NullPool)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _connect(path: Path, *, is_copy: bool) -> sqlite3.Connection:
    if not is_copy:
        return sqlite3.connect(path)
    return sqlite3.connect(f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True)


def ledger_facts(path: Path, *, is_copy: bool = False) -> LedgerFacts:
    """Return what a ledger file holds; `is_copy` as in `ledger_as_it_is`.

    Raises:
        IntegrityError: it is damaged or of an unknown schema.
    """
    try:
        with closing(_connect(path, is_copy=is_copy)) as connection:
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
    with ledger_as_it_is(path, is_copy=is_copy) as ledger:
        revision = revision_of(ledger)
    return LedgerFacts(rows, int(last or 0), revision)
