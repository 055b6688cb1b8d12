"""The mark: it moves on by days that are settled, and holds for the ledger alone that was compared."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from mlife_assets.adapters.inbound_mark import MARK_KEY, UNSETTLED_DAYS, compared_until, move_mark
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.send_ledger import SqlLedger

NEWEST = date(2026, 6, 20)
SETTLED = NEWEST - timedelta(days=UNSETTLED_DAYS)
NOW = datetime(2026, 6, 20, 18, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> ObstoreObjectStore:
    return ObstoreObjectStore.local(tmp_path / "lake")


def _say_stop(ledger: SqlLedger, *people: str) -> None:
    for person in people:
        ledger.record_inbound(f"in-{person}", person, "STOP", received_at=NOW, now=NOW)


def test_it_says_which_days_need_not_be_compared_again(ledger, store) -> None:
    assert compared_until(store, ledger) is None
    _say_stop(ledger, "a", "b")
    move_mark(store, ledger, before=None, newest=NEWEST)
    assert compared_until(store, ledger) == SETTLED
    _say_stop(ledger, "c")
    assert compared_until(store, ledger) == SETTLED, "what came since is compared with newer days"


def test_it_moves_on_and_never_back(ledger, store) -> None:
    move_mark(store, ledger, before=None, newest=None)
    assert store.list("outbox") == []
    move_mark(store, ledger, before=None, newest=NEWEST)
    kept = store.get(MARK_KEY)
    _say_stop(ledger, "a")
    for newest in (None, NEWEST, NEWEST - timedelta(days=3)):
        move_mark(store, ledger, before=SETTLED, newest=newest)
        assert store.get(MARK_KEY) == kept
    move_mark(store, ledger, before=SETTLED, newest=NEWEST + timedelta(days=1))
    assert compared_until(store, ledger) == SETTLED + timedelta(days=1)


def test_a_ledger_that_lost_a_row_has_no_mark(ledger, store) -> None:
    _say_stop(ledger, "a", "b", "c")
    move_mark(store, ledger, before=None, newest=NEWEST)
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM inbound_texts WHERE user_id = 'b'")
    assert compared_until(store, ledger) is None


@pytest.mark.parametrize("broken", [b"", b"[]", b"{}", b'{"until": "x", "position": 1, "texts": "y"}', b"null"])
def test_one_that_cannot_be_read_is_none(ledger, store, broken) -> None:
    store.replace(MARK_KEY, broken)
    assert compared_until(store, ledger) is None
