from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.recruiting.messaging.people import accounts_by_number, join_people, normalise, stranger_id


class Book:
    """Accounts and numbers as a ledger would keep them."""

    def __init__(self) -> None:
        self.accounts: dict[str, str] = {}
        self.numbers: dict[str, str] = {}

    def see(self, **seen: str | None) -> dict[str, str]:
        joined = join_people(self.accounts, self.numbers, seen)
        self.accounts |= joined.accounts
        self.numbers |= joined.numbers
        return self.accounts


def test_without_a_shared_number_everybody_is_a_person_of_their_own() -> None:
    assert Book().see(b="2", a="1", c=None, d=None) == {"a": "a", "b": "b", "c": "c", "d": "d"}


def test_accounts_with_one_number_are_the_person_who_registered_first() -> None:
    book = Book()
    book.see(z="1")
    assert book.see(a="1", z="1") == {"z": "z", "a": "z"}


def test_a_changed_number_changes_nobody() -> None:
    book = Book()
    book.see(a="1")
    assert book.see(a="2") == {"a": "a"}
    assert book.see(a=None) == {"a": "a"}
    assert book.numbers == {"1": "a", "2": "a"}


def test_a_number_that_another_has_makes_two_people_one_for_ever() -> None:
    book = Book()
    book.see(a="1", b="2")
    assert book.see(b="1") == {"a": "a", "b": "a"}
    assert book.see(a="3", b="4") == {"a": "a", "b": "a"}
    assert set(book.numbers.values()) == {"a"}


def test_a_number_given_to_somebody_new_still_leads_to_who_had_it() -> None:
    book = Book()
    book.see(a="1")
    book.see(a="2")
    assert book.see(new="1") == {"a": "a", "new": "a"}


def test_what_is_known_already_changes_nothing() -> None:
    book = Book()
    book.see(a="1", b="1", c="2")
    joined = join_people(book.accounts, book.numbers, {"a": "1", "b": "1", "c": "2"})
    assert (joined.accounts, joined.numbers) == ({}, {})


SEEN = st.lists(
    st.dictionaries(st.sampled_from("abcdefgh"), st.one_of(st.none(), st.sampled_from("1234567")), max_size=6),
    max_size=6,
)


@given(days=SEEN)
def test_people_are_the_connected_parts_of_accounts_and_numbers(days: list[dict[str, str | None]]) -> None:
    book, order, links = Book(), [], set()
    for seen in days:
        order += sorted(seen.keys() - set(order))
        links |= {(user, number) for user, number in seen.items() if number is not None}
        assert list(book.see(**seen)) == order
    first = {thing: place for place, thing in enumerate(order)} | {number: len(order) for _, number in links}
    for _ in range(2 * len(links)):
        for user, number in links:
            first[user] = first[number] = min(first[user], first[number])
    assert book.accounts == {user: order[first[user]] for user in order}
    assert book.numbers == {number: order[first[number]] for _, number in links}


def test_a_stranger_who_turns_out_to_be_somebody_gives_nobody_an_id() -> None:
    stranger = stranger_id("in-1")
    joined = join_people({stranger: stranger}, {"n": stranger}, {"z": "n", "a": None})
    assert joined.accounts == {stranger: "z", "z": "z", "a": "a"}
    assert joined.numbers == {"n": "z"}


@pytest.mark.parametrize(
    "written",
    [
        "+12125550100", "12125550100", "2125550100", "+1 (212) 555-0100", "212.555.0100", " 1-212-555-0100\n",
        "tel:+1-212-555-0100", "+1 212 555 0100 ext. 7", "011 1 212 555 0100", "+1 212 555 0100",
    ],
)  # fmt: skip
def test_one_number_has_one_spelling(written: str) -> None:
    assert normalise(written) == "+12125550100"


@pytest.mark.parametrize("written", ["", "STOP", "5550100", "911", "+1", "+1212555010", "+121255501000", "+0123456789"])
def test_what_reaches_nobody_is_no_number(written: str) -> None:
    assert normalise(written) is None


def test_other_countries_are_written_with_their_code() -> None:
    assert normalise("+44 20 7946 0958") == normalise("020 7946 0958", "GB") == "+442079460958"


def test_accounts_are_found_by_the_one_spelling_of_their_number() -> None:
    written = {"b": "212-555-0100", "a": "+12125550100", "c": "call me", "d": None, "e": "+12125550101"}
    assert accounts_by_number(written) == {"+12125550100": ["a", "b"], "+12125550101": ["e"]}
