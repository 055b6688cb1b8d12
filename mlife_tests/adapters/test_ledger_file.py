"""A ledger as a file: a copy that is whole while others write, wherever the ledger is, and what one holds."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from mlife_assets.adapters.ledger_file import LedgerFacts, copy_ledger, ledger_facts
from mlife_assets.adapters.private_files import private_file
from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.adapters.send_ledger.migrations.revisions import HEAD
from mlife_assets.core.errors import IntegrityError
from mlife_assets.recruiting.ports import LedgerRow

NOW = datetime(2026, 6, 2, 18, tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path):
    opened = SqlLedger(f"sqlite:///{private_file(tmp_path / 'ledger.sqlite')}", survives_power_cut=False)
    opened.suppress("c", now=NOW, reason="asked by post")
    yield opened
    opened.close()


def test_a_copy_is_one_private_file_with_what_lies_in_the_wal_only(ledger, tmp_path):
    assert (tmp_path / "ledger.sqlite-wal").stat().st_size > 0
    copy_ledger(ledger, tmp_path / "copy" / "ledger.sqlite")
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["ledger.sqlite"]
    assert (tmp_path / "copy" / "ledger.sqlite").stat().st_mode & 0o777 == 0o600
    facts = ledger_facts(tmp_path / "copy" / "ledger.sqlite")
    assert facts == LedgerFacts({**dict.fromkeys(facts.rows, 0), "suppressions": 1}, 0, HEAD)


@pytest.mark.parametrize("place", ["ledger.sqlite", "postgresql"])
def test_a_copy_holds_all_of_a_ledger_wherever_it_is_and_needs_no_file_beside_it(
    open_at, fill, contents, next_numbers, tmp_path, place
):
    ledger, path = open_at(place), tmp_path / "copy" / "ledger.sqlite"
    fill(ledger)
    copy_ledger(ledger, path)
    assert [one.name for one in path.parent.iterdir()] == ["ledger.sqlite"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_bytes()[18:20] == b"\1\1", "no write-ahead log, which a disk that is read only could not have"
    assert (ledger_facts(path).revision, ledger_facts(path).last_transition) == (HEAD, 7)
    copied = open_at("copy/ledger.sqlite")
    assert contents(copied) == contents(ledger)
    assert next_numbers(ledger) == next_numbers(copied), "and the ledger can be written as before"


@pytest.mark.parametrize("table", ["accounts", "sends", "switches"])
def test_a_copy_of_a_database_is_of_one_moment_whenever_somebody_writes(
    open_at, fill, contents, next_numbers, tmp_path, table
):
    ledger, other = open_at("postgresql"), open_at("postgresql")
    fill(ledger)
    before, now = contents(ledger), datetime(2026, 7, 1, tzinfo=UTC)

    def writes(connection: Any, __: Any, statement: str, *___: Any) -> None:
        if statement.startswith(f"SELECT {table}."):
            other.plan([LedgerRow("m", "u", "j", "c", date(2026, 7, 1), "hi", "planned", 0, None, now)], now=now)
            other.pause(actor="me", reason="r", now=now)
            other.suppress("u", now=now, reason="asked by post")
            is_read_only = connection.connection.cursor()
            is_read_only.execute("SHOW transaction_read_only")
            assert is_read_only.fetchone() == ("on",)

    sa.event.listen(ledger.engine, "before_cursor_execute", writes)
    copy_ledger(ledger, tmp_path / "copy.sqlite")
    sa.event.remove(ledger.engine, "before_cursor_execute", writes)
    copied = open_at("copy.sqlite")
    assert contents(copied) == before
    assert contents(ledger)["switches"] != before["switches"]
    assert next_numbers(copied) == [8, 8, 8]


@pytest.mark.parametrize("data", [b"no database" * 1000, b""])
def test_what_is_no_ledger_is_said(tmp_path, data):
    (tmp_path / "x.sqlite").write_bytes(data)
    with pytest.raises(IntegrityError, match="is no ledger"):
        ledger_facts(tmp_path / "x.sqlite")
