from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.recruiting.messaging.look_alikes import fold, foreign_letters, is_invisible


@pytest.mark.parametrize(
    "typed",
    [
        "\u0405\u0422\u041e\u0420", "\u0455\u0442\u043e\u0440", "\uff33\uff34\uff2f\uff30", "s\u200bt\u200bo\u200bp",
        "st\u00f3p", "\U0001f182\U0001f183\U0001f17e\U0001f17f", "\u24c8\u24c9\u24c4\u24c5",
        "\U0001d412\U0001d413\U0001d40e\U0001d40f", "st\u03bf\u03c1", "st\u00adop", "\u202estop",
    ],
)  # fmt: skip
def test_what_reads_as_stop_is_stop(typed):
    assert fold(typed) == "stop"


@given(text=st.text(alphabet=st.characters(codec="ascii", categories=["L", "N", "P", "Z"])))
def test_plain_text_is_only_lowered(text):
    assert fold(text) == text.lower()
    assert foreign_letters(text) == ()


@pytest.mark.parametrize(
    "text", ["Caf\u00e9 Barista", "Ni\u00f1era", "Chef \u2013 line", "Cook\u2019s aide", "n\u00ba 2", "\u20ac"]
)
def test_latin_letters_with_accents_are_what_they_seem(text):
    assert foreign_letters(text) == ()


@pytest.mark.parametrize(
    "character", ["\u0430", "\u03bf", "\u200b", "\u202e", "\uff21", "\U0001d400", "\u2460", "\u0131", "\u4e2d", "\x00"]
)
def test_a_letter_that_pretends_is_named(character):
    assert foreign_letters(f"Co{character}k") == (character,)


def test_what_is_invisible():
    assert all(map(is_invisible, "\u200b\u200d\ufeff\u202e\x00\ufe0f"))
    assert not any(map(is_invisible, "a \u00e9\u4e2d"))
