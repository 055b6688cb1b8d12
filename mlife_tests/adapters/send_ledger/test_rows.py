"""Rows carried between files and databases: all of them, exactly, in batches, and numbering goes on where it was."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from mlife_assets.adapters.send_ledger import SqlLedger, rows
from mlife_assets.adapters.send_ledger.rows import continue_numbering, holds_rows, last_number, replace_rows
from mlife_assets.adapters.send_ledger.schema import metadata, send_transitions, suppressions, switches, write

PLACES = ("first.sqlite", "postgresql")
OTHERS = ("second.sqlite", "postgresql 2")


def carry(source: SqlLedger, target: SqlLedger) -> None:
    with source.engine.connect() as reader, write(target.engine) as connection:
        replace_rows(reader, connection)


@pytest.mark.parametrize("source", PLACES)
@pytest.mark.parametrize("target", OTHERS)
def test_a_ledger_holds_what_another_held_and_numbers_go_on_alike(
    open_at, fill, contents, next_numbers, source, target
):
    first, second = open_at(source), open_at(target)
    fill(first)
    for _ in range(20):
        next_numbers(second)
    carry(first, second)
    held = contents(first)
    assert contents(second) == held
    assert {name: len(found) for name, found in held.items()} == dict.fromkeys(metadata.tables, 7) | {"switches": 6}
    assert next_numbers(second) == next_numbers(first) == [8, 8, 8]


@pytest.mark.parametrize("target", OTHERS)
def test_an_empty_ledger_makes_another_empty_and_numbering_begins_anew(open_at, contents, next_numbers, target):
    first, second = open_at("first.sqlite"), open_at(target)
    next_numbers(second)
    carry(first, second)
    assert contents(second) == contents(first)
    assert next_numbers(second) == [1, 1, 1]


@pytest.mark.parametrize("source", PLACES)
def test_values_are_stored_as_they_were(open_at, fill, source):
    """To the microsecond and on both sides the same number: nothing between reads them as local times or floats."""
    first, second = open_at(source), open_at("second.sqlite")
    fill(first)
    carry(first, second)
    query = "SELECT at, until FROM suppressions ORDER BY person_id"
    with first.engine.connect() as one, second.engine.connect() as other:
        found = one.exec_driver_sql(query).all()
        assert other.exec_driver_sql(query).all() == found
    assert found[:2] == [(-1, -1), (253_402_300_799_999_999, None)]


@pytest.mark.parametrize("source", PLACES)
def test_rows_pass_in_batches_and_a_server_keeps_the_rest(open_at, fill, contents, monkeypatch, source):
    monkeypatch.setattr(rows, "BATCH", 2)
    first, second = open_at(source), open_at("second.sqlite")
    fill(first)
    written: list[int] = []
    cursors: list[Any] = []

    def writes(_: Any, __: Any, statement: str, parameters: Any, ___: Any, is_many: bool) -> None:
        if statement.startswith("INSERT INTO send_transitions"):
            written.append(len(parameters) if is_many else 1)

    def reads(_: Any, cursor: Any, statement: str, *__: Any) -> None:
        if statement.startswith("SELECT send_transitions"):
            cursors.append(getattr(cursor, "name", None))

    sa.event.listen(second.engine, "before_cursor_execute", writes)
    sa.event.listen(first.engine, "before_cursor_execute", reads)
    carry(first, second)
    assert (sum(written), max(written)) == (7, 2)
    assert [name is not None for name in cursors] == [source == "postgresql"], "a cursor of the server has a name"
    assert contents(second) == contents(first)


def test_a_ledger_holds_something_whatever_it_is(ledger, fill):
    with ledger.engine.connect() as connection:
        assert not holds_rows(connection)
    fill(ledger)
    for kept in metadata.sorted_tables:
        with ledger.engine.connect() as connection:
            for table in metadata.sorted_tables:
                if table is not kept:
                    connection.execute(sa.delete(table))
            assert holds_rows(connection), kept.name
            connection.rollback()


def test_a_number_that_was_written_by_hand_is_not_given_again(ledger, next_numbers):
    """PostgreSQL counts only what it numbered itself."""
    next_numbers(ledger)
    with write(ledger.engine) as connection:
        connection.execute(sa.update(send_transitions).values(sequence=41))
        assert [last_number(connection, one) for one in (send_transitions, switches)] == [41, 1]
        continue_numbering(connection, send_transitions, last_number(connection, send_transitions))
    assert next_numbers(ledger)[2] == 42


def test_only_numbered_tables_are_counted():
    assert suppressions not in rows._NUMBERED
    assert {table.name for table in rows._NUMBERED} == {"inbound_texts", "send_transitions", "switches"}
