"""Words that the event log keeps for ever."""

from __future__ import annotations

import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.kept_words import kept_words


def test_words_are_kept_on_one_line():
    assert kept_words("--reason", "  two\n lines ") == "two lines"
    for fine in ("since 2026-06-12 18:00", "msg_0123456789abcdef01234567 was late", "2,396 texts on day 21"):
        assert kept_words("--reason", fine) == fine
    with pytest.raises(InvalidInputError, match="--reason is empty"):
        kept_words("--reason", " \n")


@pytest.mark.parametrize("number", ["+1 202-456-1111", "(202) 456-1111", "2024561111"])
def test_a_phone_number_is_refused_and_not_repeated(number):
    with pytest.raises(InvalidInputError, match="holds a phone number") as caught:
        kept_words("--reason", f"{number} complained")
    assert number not in str(caught.value)
