"""The file of a ledger: a copy that is whole while others write, and what one holds."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mlife_assets.adapters.ledger_file import LedgerFacts, copy_ledger, ledger_facts
from mlife_assets.adapters.private_files import private_file
from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.adapters.send_ledger.migrations.revisions import HEAD
from mlife_assets.core.errors import IntegrityError

NOW = datetime(2026, 6, 2, 18, tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path):
    opened = SqlLedger(f"sqlite:///{private_file(tmp_path / 'ledger.sqlite')}", survives_power_cut=False)
    opened.suppress("c", now=NOW, reason="asked by post")
    yield opened
    opened.close()


def test_a_copy_is_one_private_file_with_what_lies_in_the_wal_only(ledger, tmp_path):
    assert (tmp_path / "ledger.sqlite-wal").stat().st_size > 0
    assert copy_ledger(ledger, tmp_path / "copy" / "ledger.sqlite")
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["ledger.sqlite"]
    assert (tmp_path / "copy" / "ledger.sqlite").stat().st_mode & 0o777 == 0o600
    facts = ledger_facts(tmp_path / "copy" / "ledger.sqlite")
    assert facts == LedgerFacts({**dict.fromkeys(facts.rows, 0), "suppressions": 1}, 0, HEAD)


def test_a_ledger_on_postgresql_is_no_file(postgres_url, tmp_path):
    ledger = SqlLedger(postgres_url)
    assert not copy_ledger(ledger, tmp_path / "copy.sqlite")
    ledger.close()
    assert not (tmp_path / "copy.sqlite").exists()


@pytest.mark.parametrize("data", [b"no database" * 1000, b""])
def test_what_is_no_ledger_is_said(tmp_path, data):
    (tmp_path / "x.sqlite").write_bytes(data)
    with pytest.raises(IntegrityError, match="is no ledger"):
        ledger_facts(tmp_path / "x.sqlite")
