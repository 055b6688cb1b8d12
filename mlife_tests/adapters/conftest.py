"""Fixtures of the send ledger: the same tests run on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlife_assets.adapters.send_ledger import SqlLedger


@pytest.fixture(params=["sqlite", "postgresql"])
def open_ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], SqlLedger]]:
    """Return a function that opens the test's ledger, again and again, as restarted processes would."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/ledger.sqlite"
    else:
        url = request.getfixturevalue("postgres_url")
    opened: list[SqlLedger] = []

    def open_one() -> SqlLedger:
        opened.append(SqlLedger(url, survives_power_cut=False))
        return opened[-1]

    yield open_one
    for ledger in opened:
        ledger.close()


@pytest.fixture
def ledger(open_ledger: Callable[[], SqlLedger]) -> SqlLedger:
    """Return an empty ledger."""
    return open_ledger()
