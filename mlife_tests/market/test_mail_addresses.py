"""Mail addresses: fictional, unique, private, and no other number of the world depends on them."""

from __future__ import annotations

import numpy as np
import pytest

from mlife_assets.core.errors import InvalidInputError, NotFoundError
from mlife_assets.market import mail_addresses
from mlife_assets.market.contacts import contact_book_bytes
from mlife_assets.market.mail_addresses import DOMAINS, ParquetMailBook, mail_address, mail_book_bytes
from mlife_assets.market.world import tiny_config
from mlife_assets.recruiting.mail.addresses import normalise_address

USERS = [f"usr_{number:07d}" for number in range(20_000)]


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

    people = mail_addresses.draw_population(tiny_config(), mail_addresses.load_catalogue())
    monkeypatch.setattr(mail_addresses, "draw_population", lambda *_: people)
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


def test_a_missing_or_broken_book_is_not_an_empty_one(tmp_path):
    with pytest.raises(NotFoundError, match="mail book"):
        ParquetMailBook(tmp_path / "none.parquet").mail_addresses(["usr_0000001"])
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 not really")
    with pytest.raises(InvalidInputError, match="cannot be read"):
        ParquetMailBook(broken).mail_addresses(["usr_0000001"])
