"""Fixtures of the send ledger: the same tests run on SQLite and on a real PostgreSQL, and on copies between them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from mlife_assets.adapters.postgresql import open_schema
from mlife_assets.adapters.private_files import private_file
from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.adapters.send_ledger.people import log_moves
from mlife_assets.adapters.send_ledger.schema import Instant, metadata, switches, write

TIMES = (
    datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2026, 6, 2, 18, 0, 0, 1, tzinfo=UTC),
)
ROWS = 7
"""In each table, more than a batch of the tests that set one."""


def _value(column: sa.Column[Any], row: int) -> Any:
    if column.nullable and row % 2:
        return None
    if column.name == "state":
        return "planned"
    if isinstance(column.type, Instant):
        return TIMES[row % len(TIMES)]
    if isinstance(column.type, sa.Date):
        return date(2026, 6, 2) + timedelta(days=row)
    if isinstance(column.type, sa.Boolean):
        return row % 2 == 0
    return row if isinstance(column.type, sa.Integer) else f"{column.name} {row}: Ünï 😀 \n'%s' \\"


@pytest.fixture(params=["ledger.sqlite", "postgresql"], ids=["sqlite", "postgresql"])
def open_ledger(request: pytest.FixtureRequest, open_at: Callable[[str], SqlLedger]) -> Callable[[], SqlLedger]:
    """Return a function that opens the test's ledger, again and again, as restarted processes would."""
    return lambda: open_at(request.param)


@pytest.fixture
def ledger(open_ledger: Callable[[], SqlLedger]) -> SqlLedger:
    return open_ledger()


@pytest.fixture
def file_ledger(request: pytest.FixtureRequest, open_at: Callable[[str], SqlLedger]) -> SqlLedger:
    """Return a ledger in a file, or where `stores.ON_BOTH` says: `send_ledger` tests what is asked of either."""
    return open_at(getattr(request, "param", "ledger.sqlite"))


@pytest.fixture
def fill() -> Callable[[SqlLedger], None]:
    """Return what puts rows into every table; the switches were numbered up to one that is not there any more."""

    def filled(ledger: SqlLedger) -> None:
        with write(ledger.engine) as connection:
            for table in metadata.sorted_tables:
                columns = [column for column in table.columns if column is not table.autoincrement_column]
                rows = [{column.name: _value(column, row) for column in columns} for row in range(ROWS)]
                connection.execute(sa.insert(table), rows)
            connection.execute(sa.delete(switches).where(switches.c.sequence == ROWS))

    return filled


@pytest.fixture
def contents() -> Callable[[SqlLedger], dict[str, list[tuple[Any, ...]]]]:
    def held(ledger: SqlLedger) -> dict[str, list[tuple[Any, ...]]]:
        with ledger.engine.connect() as connection:
            return {
                table.name: sorted(map(tuple, connection.execute(sa.select(table))), key=repr)
                for table in metadata.sorted_tables
            }

    return held


@pytest.fixture
def open_at(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], SqlLedger]]:
    """Return what opens a ledger at a place: a path, or `postgresql`, which is that of a home with a database.

    `postgresql 2` is another one in the same database.
    """
    opened: list[SqlLedger] = []

    def open_one(place: str) -> SqlLedger:
        if place.startswith("postgresql"):
            schema = place.replace("postgresql", "mlife").replace(" ", "_")
            opened.append(SqlLedger(open_schema(request.getfixturevalue("postgres_url"), schema)))
        else:
            path = private_file(tmp_path / place)
            opened.append(SqlLedger(f"sqlite:///{path}", survives_power_cut=False))
        return opened[-1]

    yield open_one
    for ledger in opened:
        ledger.close()


@pytest.fixture
def next_numbers() -> Callable[[SqlLedger], list[int]]:
    """Return what adds a move, a reply and a switch to a ledger and returns the numbers that they got."""
    count = itertools.count()

    def numbered(ledger: SqlLedger) -> list[int]:
        now, user = datetime(2026, 7, 1, tzinfo=UTC), f"new {next(count)}"
        ledger.replies.record(user, user, "HELP", received_at=now, now=now)
        ledger.switches.pause(actor=user, reason="r", now=now)
        with write(ledger.engine) as connection:
            facts = {"message_id": user, "user_id": user, "campaign": "c", "as_of_date": now.date(), "attempts": 0}
            log_moves(connection, [(facts, None, "planned", None, None, now)], now)
        return [ledger.positions()[name] for name in ("inbound", "switches", "transitions")]

    return numbered
