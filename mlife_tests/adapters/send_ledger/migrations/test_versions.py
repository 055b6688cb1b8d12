"""A ledger of every released schema moves on to today's; `releases` holds those schemas as they were created.

The way from 0.1.0 is `mlife_assets.adapters.send_ledger.migrations.versions.rev_0002_people`, then
`mlife_assets.adapters.send_ledger.migrations.versions.rev_0003_rejections`,
`mlife_assets.adapters.send_ledger.migrations.versions.rev_0004_channels` and
`mlife_assets.adapters.send_ledger.migrations.versions.rev_0005_log_files`.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.adapters.send_ledger.migrations import HEAD, upgrade
from mlife_assets.adapters.send_ledger.migrations.revisions import REVISIONS, VERSION_TABLE, revision_of, versions
from mlife_assets.adapters.send_ledger.schema import metadata, open_engine, write
from mlife_assets.core.errors import UpstreamMismatchError
from mlife_assets.recruiting.events import EARLIER

RELEASES = Path(__file__).parent / "releases"
DAY = date(2026, 6, 2)
NOW = datetime(2026, 6, 2, 18, tzinfo=UTC)
INSTANT = int(NOW.timestamp() * 1_000_000)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.sqlite"
    return str(request.getfixturevalue("postgres_url"))


def old_ledger(url: str, *, is_empty: bool = False) -> None:
    """Create a ledger as release 0.1.0 left it: two texts, a STOP and a pause of sending."""
    engine = open_engine(url)
    script = (RELEASES / f"0.1.0.{engine.dialect.name}.sql").read_text(encoding="utf-8")
    told = [
        *(
            f"INSERT INTO sends VALUES ('m{user}', '{user}', 'j', 'c', '{DAY}', 'body', 'accepted', 1, 'p{user}', "
            f"{INSTANT}, 'w', {INSTANT}, {INSTANT})"
            for user in "ba"
        ),
        *(
            "INSERT INTO send_transitions (message_id, user_id, campaign, as_of_date, to_state, attempt, "
            f"occurred_at, at) VALUES ('m{user}', '{user}', 'c', '{DAY}', 'accepted', 1, {INSTANT}, {INSTANT})"
            for user in "ba"
        ),
        "INSERT INTO inbound_texts (inbound_id, user_id, keyword, received_at, at) VALUES "
        f"('i1', 'a', 'STOP', {INSTANT}, {INSTANT}), ('i0', 'b', 'OTHER', {INSTANT}, {INSTANT})",
        f"INSERT INTO suppressions VALUES ('a', 'inbound_stop', {INSTANT}), ('z', 'complaint', {INSTANT})",
    ]
    with write(engine) as connection:
        for statement in (*filter(str.strip, script.split(";")), *(() if is_empty else told)):
            connection.exec_driver_sql(statement)
    engine.dispose()


def shape(connection: sa.Connection) -> dict[str, Any]:
    """Return all that a database says of its tables, but for the order of what has none."""
    inspector = sa.inspect(connection)

    def unordered(things: Any) -> list[str]:
        return sorted(repr(sorted(thing.items())) for thing in things)

    return {
        table: (
            [repr(sorted(column.items())) for column in inspector.get_columns(table)],
            inspector.get_pk_constraint(table),
            unordered(inspector.get_unique_constraints(table)),
            unordered(inspector.get_check_constraints(table)),
            unordered(inspector.get_indexes(table)),
        )
        for table in sorted(inspector.get_table_names())
    }


def differences(connection: sa.Connection) -> list[Any]:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    options = {"version_table": VERSION_TABLE, "compare_type": True, "compare_server_default": True}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


@pytest.mark.parametrize("is_empty", [False, True])
def test_a_ledger_of_0_1_0_gets_the_schema_of_a_new_one(url: str, is_empty: bool) -> None:
    old_ledger(url, is_empty=is_empty)
    engine = open_engine(url)
    upgrade(engine)
    with engine.connect() as connection:
        assert differences(connection) == []
        migrated = shape(connection)
    with write(engine) as connection:
        metadata.drop_all(connection)
        versions.drop(connection)
    upgrade(engine)
    with engine.connect() as connection:
        assert shape(connection) == migrated
        assert revision_of(connection) == HEAD
    engine.dispose()


def test_what_0_1_0_knew_still_holds_and_who_told_it_something_unclear_is_paused(url: str) -> None:
    old_ledger(url)
    ledger = SqlLedger(url)
    assert [(row.message_id, row.state) for row in ledger.sends.rows()] == [("ma", "accepted"), ("mb", "accepted")]
    assert ledger.people.suppressed_people(at=NOW) == ("a", "b", "z")
    assert ledger.people.is_suppressed("a", at=NOW + timedelta(days=9_999))
    assert ledger.replies.record("i2", "a", "START", received_at=NOW + timedelta(hours=1), now=NOW)
    assert not ledger.people.is_suppressed("a", at=NOW)
    assert ledger.replies.rows()["sequence"].to_pylist() == [1, 2, 3], "sequences go on, they never start again"
    assert ledger.sends.transitions()["sequence"].to_pylist() == [1, 2]
    assert ledger.log_files.recorded() == {EARLIER}, "it recorded no file of the log"
    assert ledger.people.is_suppressed("b", at=NOW + timedelta(days=9_999))
    assert [reply.inbound_id for reply in ledger.replies.unclear()] == ["i0"]
    ledger.replies.review("i0", "harmless", actor="me", now=NOW)
    assert not ledger.people.is_suppressed("b", at=NOW)
    ledger.close()


def test_what_is_up_to_date_is_only_read(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    SqlLedger(url).close()
    monkeypatch.setattr("mlife_assets.adapters.send_ledger.migrations.revisions.write", None)
    SqlLedger(url).close()


@pytest.mark.parametrize("found", [["0006"], ["0005", "0006"]])
def test_a_newer_ledger_is_refused_and_left_alone(url: str, found: list[str]) -> None:
    SqlLedger(url).close()
    engine = open_engine(url)
    with write(engine) as connection:
        connection.execute(sa.delete(versions))
        connection.execute(sa.insert(versions), [{"version_num": one} for one in found])
    with pytest.raises(UpstreamMismatchError, match="0006, which this release does not know"):
        SqlLedger(url)
    with engine.connect() as connection:
        assert sorted(connection.execute(sa.select(versions)).scalars()) == found
    engine.dispose()


def _upgrade_and_die(url: str) -> None:
    from alembic import op

    op.bulk_insert = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
    upgrade(open_engine(url))


def _upgrade(url: str, results: Any) -> None:
    ledger = SqlLedger(url)
    results.put(ledger.people.suppressed_people(at=NOW))
    ledger.close()


def test_a_process_killed_on_the_way_leaves_the_old_ledger_whole(url: str) -> None:
    old_ledger(url)
    engine = open_engine(url)
    with engine.connect() as connection:
        before = shape(connection)
    engine.dispose()
    fork = multiprocessing.get_context("fork")
    process = fork.Process(target=_upgrade_and_die, args=(url,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    with engine.connect() as connection:
        assert shape(connection) == before
    engine.dispose()
    ledger = SqlLedger(url)
    assert len(ledger.sends.rows()) == 2
    ledger.close()


@pytest.mark.parametrize("make", [old_ledger, None])
def test_processes_that_open_at_once_migrate_once(url: str, make: Callable[[str], None] | None) -> None:
    if make is not None:
        make(url)
    fork = multiprocessing.get_context("fork")
    results = fork.SimpleQueue()
    processes = [fork.Process(target=_upgrade, args=(url, results)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert [results.get() for _ in processes] == [("a", "b", "z") if make else ()] * 4
    engine = open_engine(url)
    with engine.connect() as connection:
        assert connection.execute(sa.select(versions)).all() == [(HEAD,)]
    engine.dispose()


def test_the_first_revision_is_release_0_1_0(url: str) -> None:
    from alembic.migration import MigrationContext
    from alembic.operations import Operations

    from mlife_assets.adapters.send_ledger.migrations.versions import rev_0001_release_0_1_0 as first

    engine = open_engine(url)
    with write(engine) as connection, Operations.context(MigrationContext.configure(connection)):
        first.upgrade()
        made = shape(connection)
        first.metadata.drop_all(connection)
    old_ledger(url, is_empty=True)
    with engine.connect() as connection:
        assert shape(connection) == made
    engine.dispose()
    assert [one.stem[4:8] for one in sorted(Path(first.__file__).parent.glob("rev_*.py"))] == [*REVISIONS]


def test_a_ledger_that_was_opened_without_its_version_moves_on(tmp_path: Path) -> None:
    """0.1.0 may have created an empty file before it was killed; SQLite counts that as no ledger."""
    path = tmp_path / "ledger.sqlite"
    sqlite3.connect(path).close()
    SqlLedger(f"sqlite:///{path}").close()
    with sqlite3.connect(path) as connection:
        assert connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchall() == [(HEAD,)]
    connection.close()
