"""Phone numbers and mail addresses: fictional, unique, valid, private."""

from __future__ import annotations

import re

import numpy as np
import phonenumbers
import pytest

from mlife_assets.core.errors import InvalidInputError, NotFoundError
from mlife_assets.market import contacts
from mlife_assets.market.catalogue import area_codes, load_catalogue
from mlife_assets.market.contacts import (
    DOMAINS,
    ParquetContactBook,
    ParquetMailBook,
    contact_book_bytes,
    draw_contacts,
    mail_address,
    mail_book_bytes,
)
from mlife_assets.market.population import draw_population
from mlife_assets.market.world import MarketConfig, tiny_config
from mlife_assets.recruiting.mail.addresses import normalise_address

USERS = [f"usr_{number:07d}" for number in range(20_000)]


@pytest.fixture(scope="module")
def numbers() -> list[str | None]:
    return draw_contacts(MarketConfig())["phone_number"].to_pylist()


def test_every_number_is_fictional_and_unique(numbers) -> None:
    assert len(set(numbers)) == len(numbers) == 11_500
    assert all(re.fullmatch(r"\+1\d{3}55501\d\d", one) for one in numbers)
    assert len({one[2:5] for one in numbers}) >= 100


def test_numbers_are_valid_and_of_the_persons_zone(numbers) -> None:
    config, catalogue = MarketConfig(), load_catalogue()
    people = draw_population(config, catalogue)
    zones = {code: zone for zone, codes in area_codes().items() for code in codes}
    homes = [catalogue.metros[metro].time_zone for metro in people.metro.tolist()]
    at_home = [zones[number[2:5]] == home for number, home in zip(numbers, homes, strict=True)]
    assert sum(at_home) / len(at_home) > 0.95
    assert all(phonenumbers.is_valid_number(phonenumbers.parse(number)) for number in numbers[::200])


def test_a_world_with_too_many_people_has_people_without_number() -> None:
    numbers = draw_contacts(MarketConfig(users=30_000))["phone_number"].to_pylist()
    given = [number for number in numbers if number]
    assert len(given) == len(set(given)) == 100 * sum(len(codes) for codes in area_codes().values())


def test_the_book_is_the_same_every_time(tmp_path) -> None:
    path = tmp_path / "book.parquet"
    path.write_bytes(contact_book_bytes(tiny_config()))
    assert path.read_bytes() == contact_book_bytes(tiny_config())
    book = ParquetContactBook(path)
    assert str(book.phone_numbers(["usr_0000001"])["usr_0000001"]).startswith("+1")
    assert book.phone_numbers(["nobody"]) == {"nobody": None}
    assert book.accounts_with(str(book.phone_numbers(["usr_0000001"])["usr_0000001"])) == ["usr_0000001"]
    assert book.accounts_with("+12125559999") == []


@pytest.mark.parametrize(
    ("kind", "read"),
    [
        ("contact", lambda path: ParquetContactBook(path).phone_numbers(["usr_0000001"])),
        ("mail", lambda path: ParquetMailBook(path).mail_addresses(["usr_0000001"])),
    ],
    ids=["numbers", "mail_addresses"],
)
def test_a_missing_or_broken_book_is_not_an_empty_one(kind, read, tmp_path) -> None:
    with pytest.raises(NotFoundError, match=f"{kind} book"):
        read(tmp_path / "none.parquet")
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 not really")
    with pytest.raises(InvalidInputError, match="cannot be read"):
        read(broken)


def test_addresses_are_fictional_and_unique_and_say_nothing():
    typed = [mail_address(7, user_id) for user_id in USERS]
    given = [one for one in typed if one]
    usable = [one for one in given if normalise_address(one) == one]
    assert len(set(given)) == len(given)
    assert 0.92 < len(given) / len(USERS) < 0.96
    assert 0.001 < 1 - len(usable) / len(given) < 0.006
    assert {one.split("@")[1] for one in usable} == set(DOMAINS)
    assert all(domain.endswith(".example") for domain in DOMAINS)
    assert not [one for one in given if "usr" in one]
    assert mail_address(8, USERS[1]) != mail_address(7, USERS[1])


def test_no_random_number_is_drawn(monkeypatch):
    before = contact_book_bytes(tiny_config())

    def drawn(*_, **__):
        raise AssertionError("a stream of the market moved")

    people = contacts.draw_population(tiny_config(), contacts.load_catalogue())
    monkeypatch.setattr(contacts, "draw_population", lambda *_: people)
    monkeypatch.setattr(np.random, "default_rng", drawn)
    monkeypatch.setattr(np.random, "Generator", drawn)
    first = mail_book_bytes(tiny_config())
    monkeypatch.undo()
    assert mail_book_bytes(tiny_config()) == first
    assert contact_book_bytes(tiny_config()) == before


def test_the_book_answers_for_everybody(tmp_path):
    path = tmp_path / "book.parquet"
    path.write_bytes(mail_book_bytes(tiny_config()))
    book = ParquetMailBook(path)
    seed = tiny_config().seed
    assert book.mail_addresses(["usr_0000001", "nobody"]) == {
        "usr_0000001": mail_address(seed, "usr_0000001"),
        "nobody": None,
    }
