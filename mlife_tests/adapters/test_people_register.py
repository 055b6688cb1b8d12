from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mlife_assets.adapters.clock import SimulatedClock
from mlife_assets.adapters.console_gateway import ConsoleGateway
from mlife_assets.adapters.dispatcher import Dispatcher, Recipient
from mlife_assets.adapters.people_file import OwnersContacts
from mlife_assets.adapters.people_register import Contact, PeopleRegister
from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.core.errors import GateClosedError, NotFoundError
from mlife_assets.recruiting.applications import job_of_the_day
from mlife_assets.recruiting.messaging.people import accounts_by_number
from mlife_assets.recruiting.messaging_policy import ContactPolicy
from mlife_assets.recruiting.policies import Policies
from mlife_assets.recruiting.ports import LedgerRow

NOW = datetime(2026, 6, 2, 18, tzinfo=UTC)


class Book:
    def __init__(self, numbers: Mapping[str, str | None] | None) -> None:
        self.numbers = numbers

    def phone_numbers(self, user_ids: Sequence[str]) -> Mapping[str, str | None]:
        if self.numbers is None:
            raise OSError("+12125550100 is in a damaged row")
        return {user_id: self.numbers[user_id] for user_id in user_ids if user_id in self.numbers}

    def accounts_with(self, phone_number: str) -> Sequence[str]:
        return accounts_by_number(self.numbers or {}).get(phone_number, [])


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
    with pytest.raises(
        GateClosedError, match="could not be read, so nothing more was sent: OSError; repair it, and run"
    ) as caught:
        register(ledger, None).register(["a"], now=NOW)
    assert "555" not in str(caught.value)
    assert caught.value.__context__ is None
    assert ledger.user_ids() == ()


def test_what_is_wrong_with_a_book_is_said_where_the_error_is_ours(ledger: SqlLedger) -> None:
    class Gone(Book):
        def phone_numbers(self, user_ids: Sequence[str]) -> Mapping[str, str | None]:
            raise NotFoundError("MLIFE_CONTACTS: there is no object s3://people/c.csv; upload it")

        def accounts_with(self, phone_number: str) -> Sequence[str]:
            return list(self.phone_numbers(()))

    people = PeopleRegister(ledger, Gone(None), key=b"k" * 32)
    for asked in (
        lambda: people.register(["a"], now=NOW),
        lambda: people.account_behind("+12125550100", "in1", now=NOW),
    ):
        with pytest.raises(GateClosedError, match=r"there is no object s3://people/c\.csv; upload it"):
            asked()


def test_without_a_book_people_are_who_they_were_and_no_hash_is_lost(ledger: SqlLedger) -> None:
    register(ledger, {"a": "+12125550100", "b": "+12125550100"}).register(["a", "b"], now=NOW)
    without = PeopleRegister(ledger, OwnersContacts(None), key=b"k" * 32)
    found = without.register(["a", "b", "c"], now=NOW)
    assert {user: (one.person_id, one.address) for user, one in found.items()} == {
        "a": ("a", None),
        "b": ("a", None),
        "c": ("c", None),
    }
    for asked in (lambda: found["a"].has_address, without.require_books, lambda: without.rehash(now=NOW)):
        with pytest.raises(GateClosedError, match="MLIFE_CONTACTS names no contact book, so nobody can be reached"):
            asked()
    with ledger.engine.connect() as connection:
        assert len(connection.exec_driver_sql("SELECT number_hash FROM numbers").all()) == 1


@pytest.mark.parametrize("begins", ["no book", "nobody in it yet"])
def test_a_plan_that_is_sent_without_a_book_waits_for_it(ledger: SqlLedger, tmp_path: Path, begins: str) -> None:
    """Without a number is final: a shell that lacks MLIFE_CONTACTS must not use up the day's plan."""
    day, path = NOW.date(), tmp_path / "book.csv"
    path.write_text("user_id,phone_number\na,+12125550100\nb,\n")
    path.chmod(0o600)
    application = job_of_the_day(Policies())
    rows = [LedgerRow(f"m-{u}", u, "j", application.name, day, "hi", "planned", 0, None, NOW) for u in "ab"]
    ledger.plan(rows, now=NOW)
    ledger.approve(application.name, day, now=NOW)
    gateway = ConsoleGateway(tmp_path / "gateway.sqlite", seed=3, hash_key=b"k")

    def dispatch(book: Path | None) -> None:
        clock = SimulatedClock(NOW)
        Dispatcher(
            ledger, gateway, PeopleRegister(ledger, OwnersContacts(book), key=b"k" * 32), application,
            ContactPolicy(holdout_share=0.0),
            recheck=lambda users: dict.fromkeys(users, Recipient(True, "TX", "America/Chicago")), clock=clock,
            sleep=lambda _: None, verify=lambda _: None,
        ).dispatch(day, worker="w")  # fmt: skip

    empty = tmp_path / "empty.csv"
    empty.write_text("user_id,phone_number\n")
    empty.chmod(0o600)
    for _ in range(2):
        with pytest.raises(GateClosedError, match=r"MLIFE_CONTACTS(: empty.csv holds nobody| names no contact book)"):
            dispatch(None if begins == "no book" else empty)
        assert {row.state for row in ledger.rows()} <= {"approved", "leased"}, "nothing was given up"
    dispatch(path)
    gateway.close()
    assert {row.user_id: row.state for row in ledger.rows()}["b"] == "suppressed"
    assert {row.user_id: row.state for row in ledger.rows()}["a"] in {"accepted", "ambiguous", "rejected", "throttled"}


def test_the_account_behind_a_number_is_the_one_that_was_last_texted(ledger: SqlLedger) -> None:
    people = register(ledger, {"a": "+12125550100", "b": "+12125550100", "c": "+12125550100"})
    people.register("abc", now=NOW)
    assert people.account_behind("2125550100", "i1", now=NOW) == "a", "the person's first account"
    days = {"b": NOW.date(), "c": NOW.date() - timedelta(days=1)}
    rows = [LedgerRow(f"m-{u}", u, "j", "x", day, "hi", "planned", 0, None, NOW) for u, day in days.items()]
    by_mail = replace(rows[0], message_id="m-a", user_id="a", campaign="mails", channel="email")
    not_yet = replace(rows[0], message_id="m-c2", user_id="c", campaign="y", as_of_date=NOW.date() + timedelta(days=1))
    ledger.plan([*rows, by_mail, not_yet], now=NOW)
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE sends SET attempts = 1 WHERE campaign <> 'y'")
    assert people.account_behind("2125550100", "i2", now=NOW) == "b"


def test_a_number_that_was_given_up_is_still_its_persons(ledger: SqlLedger) -> None:
    register(ledger, {"a": "+12125550100"}).register(["a"], now=NOW)
    moved = register(ledger, {"a": "+12125550101"})
    moved.register(["a"], now=NOW)
    assert {moved.account_behind(number, "i", now=NOW) for number in ("+12125550100", "+12125550101")} == {"a"}


@pytest.mark.parametrize("written", ["447911123456", "+447911123456", "+44 7911 123456"])
def test_a_number_that_a_provider_writes_without_its_plus_is_the_same(ledger: SqlLedger, written: str) -> None:
    people = register(ledger, {"a": "+447911123456"})
    assert people.account_behind(written, "i1", now=NOW) == "a", "by the book"
    assert register(ledger, {}).account_behind(written, "i2", now=NOW) == "a", "by the ledger"


@pytest.mark.parametrize("number", ["+12125550100", "24273", ""])
def test_a_stranger_is_one_person_whoever_writes(ledger: SqlLedger, number: str) -> None:
    people = register(ledger, {})
    found = [people.account_behind(number, inbound_id, now=NOW) for inbound_id in ("i1", "i1", "i2")]
    assert found[0].startswith("stranger_")
    assert found[0] == found[1]
    assert (found[2] == found[0]) == (number == "+12125550100"), "a short code is no number of one person"


def test_a_book_that_nobody_named_says_of_no_number_whose_it_is(ledger: SqlLedger) -> None:
    without = PeopleRegister(ledger, OwnersContacts(None), key=b"k" * 32)
    with pytest.raises(GateClosedError, match="whose a text is that came in: MLIFE_CONTACTS names no contact book"):
        without.account_behind("+12125550100", "i", now=NOW)
    assert ledger.user_ids() == ()
