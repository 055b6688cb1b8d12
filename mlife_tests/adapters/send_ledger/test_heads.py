"""Heads in the ledger's database: written once, on SQLite and PostgreSQL, and how far the ledger has come."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.core.errors import ContentConflictError, NotFoundError

NOW = datetime(2026, 6, 1, 18, tzinfo=UTC)


def test_a_head_is_kept_and_written_once(ledger: SqlLedger) -> None:
    heads = ledger.heads
    assert (heads.name, heads.sequences()) == ("ledger", [])
    for sequence in (1, 0):
        heads.put(sequence, f'{{"n":{sequence}}}\n'.encode(), at=NOW)
    heads.put(1, b'{"n":1}\n', at=NOW)
    assert heads.sequences() == [0, 1]
    assert heads.get(1) == b'{"n":1}\n'
    with pytest.raises(ContentConflictError, match="holds another head 1"):
        heads.put(1, b"other", at=NOW)
    heads.put(1, b"other", at=NOW, replaces=True)
    assert heads.get(1) == b"other"
    with pytest.raises(NotFoundError, match="head 2 is not in the ledger"):
        heads.get(2)


def test_positions_are_the_last_sequences(ledger: SqlLedger) -> None:
    assert ledger.positions() == {"inbound": 0, "switches": 0, "transitions": 0}
    ledger.pause(actor="a", reason="r", now=NOW)
    ledger.resume(actor="a", reason="r", now=NOW)
    assert ledger.positions() == {"inbound": 0, "switches": 2, "transitions": 0}
