from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mlife_assets.adapters.people_register import Contact, PeopleRegister
from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.core.errors import GateClosedError

NOW = datetime(2026, 6, 2, 18, tzinfo=UTC)


class Book:
    def __init__(self, numbers: Mapping[str, str | None] | None) -> None:
        self.numbers = numbers

    def phone_numbers(self, user_ids: Sequence[str]) -> Mapping[str, str | None]:
        if self.numbers is None:
            raise OSError("+12125550100 is in a damaged row")
        return {user_id: self.numbers[user_id] for user_id in user_ids if user_id in self.numbers}


def register(ledger: SqlLedger, numbers: Mapping[str, str | None] | None, key: bytes = b"k" * 32) -> PeopleRegister:
    return PeopleRegister(ledger, Book(numbers), key=key)


def test_a_contact_is_the_person_and_a_number_that_can_be_called(ledger: SqlLedger) -> None:
    book = {"a": "212-555-0100", "b": "+12125550100", "c": "call me", "d": None}
    assert register(ledger, book).register(["b", "a", "c", "d", "nobody", "a"], now=NOW) == {
        "a": Contact("a", True, "+12125550100"),
        "b": Contact("a", True, "+12125550100"),
        "c": Contact("c", True, None),
        "d": Contact("d", False, None),
        "nobody": Contact("nobody", False, None),
    }


def test_no_number_is_stored_or_shown(ledger: SqlLedger, tmp_path: Path) -> None:
    found = register(ledger, {"a": "+12125550100"}).register(["a"], now=NOW)
    assert "555" not in repr(found)
    with ledger.engine.connect() as connection:
        (number,) = connection.exec_driver_sql("SELECT number_hash FROM numbers").scalars()
    assert "5550100" not in number


def test_a_book_that_cannot_be_read_registers_nobody(ledger: SqlLedger) -> None:
    with pytest.raises(GateClosedError, match=r"could not be read \(OSError\)") as caught:
        register(ledger, None).register(["a"], now=NOW)
    assert "555" not in str(caught.value)
    assert caught.value.__context__ is None
    assert ledger.user_ids() == ()


def test_people_hold_when_the_key_changes(ledger: SqlLedger) -> None:
    register(ledger, {"a": "+12125550100", "b": "+12125550100"}).register(["a", "b"], now=NOW)
    changed = register(ledger, {"a": "+12125550101", "b": "+12125550102", "c": "+12125550102"}, key=b"n" * 32)
    assert changed.rehash(now=NOW) == 2
    assert {u: c.person_id for u, c in changed.register(["a", "b", "c"], now=NOW).items()} == dict.fromkeys("abc", "a")
