from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.mail.unsubscribe import (
    Unsubscription,
    mail_secret,
    read_unsubscribe_token,
    unsubscribe_token,
)

KEY, OTHER = b"k" * 32, b"o" * 32
TOKEN = unsubscribe_token("usr_0000001", "email_digest", KEY)
CHARACTERS = string.ascii_letters + string.digits + "-_"


def test_a_token_says_who_and_from_which_application():
    assert read_unsubscribe_token(TOKEN, KEY) == Unsubscription("usr_0000001", "email_digest")
    assert unsubscribe_token("usr_0000001", "email_digest", KEY) == TOKEN


def test_a_token_shows_nothing_and_fits_a_link():
    assert set(TOKEN) <= set(CHARACTERS)
    assert "usr" not in TOKEN
    assert len(TOKEN) < 80
    others = {unsubscribe_token(f"usr_{n:07d}", "email_digest", KEY) for n in range(300)}
    assert len({one[:8] for one in others}) == 300


@pytest.mark.parametrize("place", range(len(TOKEN)))
def test_a_changed_character_makes_it_nothing(place):
    other = "A" if TOKEN[place] != "A" else "B"
    assert read_unsubscribe_token(TOKEN[:place] + other + TOKEN[place + 1 :], KEY) is None


def test_the_unread_bits_of_the_last_character_are_no_second_spelling():
    read = [c for c in CHARACTERS if read_unsubscribe_token(TOKEN[:-1] + c, KEY) is not None]
    assert read == [TOKEN[-1]]


@given(st.text(max_size=120))
def test_any_other_text_says_nothing(text):
    assert text == TOKEN or read_unsubscribe_token(text, KEY) is None


@pytest.mark.parametrize("token", ["", TOKEN + "=", TOKEN + "\n", TOKEN[:-4], "A" * 10_000, "é" * 60])
def test_odd_texts_say_nothing(token):
    assert read_unsubscribe_token(token, KEY) is None


def test_another_key_reads_nothing():
    assert read_unsubscribe_token(TOKEN, OTHER) is None


@pytest.mark.parametrize(("user_id", "application"), [("", "a"), ("u", ""), ("u\x1fv", "a")])
def test_parts_are_there_and_unambiguous(user_id, application):
    with pytest.raises(InvalidInputError):
        unsubscribe_token(user_id, application, KEY)


def test_each_purpose_has_its_own_key_and_a_short_one_is_refused():
    assert mail_secret(KEY, "a") != mail_secret(KEY, "b")
    with pytest.raises(InvalidInputError, match="3 bytes"):
        mail_secret(b"abc", "a")
