from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.email_digest import DigestWriter, Offer, PairFacts
from mlife_assets.recruiting.mail.body import read_mail_body
from mlife_assets.recruiting.mail.letterhead import Letterhead
from mlife_assets.recruiting.mail.mime import Stationery

MESSAGE, USER, KEY = "msg_" + "a" * 24, "usr_0000001", b"m" * 32


@pytest.fixture
def writer() -> DigestWriter:
    return DigestWriter(
        "email_digest",
        date(2026, 6, 1),
        Letterhead(),
        {"j1": Offer("j1", "Cook", "$18/hr", "Diner", "Chicago, IL"), "j2": Offer("j2", "Baker", "$19/hr")},
        {
            (USER, "j1"): PairFacts(
                {"distance_km": 5.0, "same_shift": 1.0, "user_age": 50.0}, {"same_shift": 0.1, "distance_km": 0.4}
            ),
            ("usr_0000002", "j2"): PairFacts({"distance_km": 9.0, "same_occupation_group": 1.0}),
        },
        b"l" * 32,
        KEY,
    )


def test_each_reader_gets_their_own_distance_and_reasons(writer):
    text = read_mail_body(writer(MESSAGE, USER, ["j1", "j2"])).text
    assert (
        "1. Cook\n   $18/hr, Diner, Chicago, IL, about 3 miles away\n   Why: close to you, the shift you work.\n"
        in text
    )
    assert "2. Baker\n   $19/hr\n   https://" in text
    other = read_mail_body(writer(MESSAGE, "usr_0000002", ["j2"])).text
    assert "about 6 miles away\n   Why: the kind of work you do, close to you.\n" in other
    assert "50" not in text


def test_a_message_is_written_again_to_the_letter_and_may_be_sent(writer):
    body = writer(MESSAGE, USER, ["j1", "j2"])
    assert writer(MESSAGE, USER, ["j1", "j2"]) == body
    assert writer(MESSAGE, USER, ["j2", "j1"]) != body
    sent = Stationery(Letterhead(), KEY).envelope(
        message_id=MESSAGE, user_id=USER, address="a@b.example", body=body, now=datetime(2026, 6, 1, tzinfo=UTC)
    )
    assert b"List-Unsubscribe-Post" in sent.mime


def test_a_job_that_may_not_be_offered_is_in_no_mail(writer):
    with pytest.raises(InvalidInputError, match="j9"):
        writer(MESSAGE, USER, ["j1", "j9"])


def test_keys_are_in_no_representation(writer):
    assert "mmmm" not in repr(writer)
    assert "llll" not in repr(writer)
