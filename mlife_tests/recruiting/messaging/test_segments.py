from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.messaging.segments import BASIC, EXTENSION, segments, septets, to_gsm7


def test_the_alphabet_has_127_characters_and_the_escape():
    assert len(BASIC) == 127
    assert not BASIC & EXTENSION


@pytest.mark.parametrize(
    ("text", "count", "parts"),
    [
        ("", 0, 1), ("a" * 160, 160, 1), ("a" * 161, 161, 2), ("a" * 306, 306, 2), ("a" * 307, 307, 3),
        ("€" * 80, 160, 1),
    ],
)  # fmt: skip
def test_counts(text, count, parts):
    assert (septets(text), segments(text)) == (count, parts)


def test_an_escape_pair_is_not_split_between_segments():
    assert segments("a" * 152 + "€" + "a" * 152) == 3
    assert segments("a" * 151 + "€" + "a" * 153) == 2


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("\u201cNurse\u201d \u2013 it\u2019s\u00a0here\u2026", '"Nurse" - it\'s here...'),
        ("Se\u00f1or caf\u00e9 \u00e1\u00ed\u00f3\u00fa", "Se\u00f1or caf\u00e9 aiou"),
        ("Cafe\u0301", "Caf\u00e9"),
        ("\ufb01t", "fit"),
    ],
)
def test_what_has_a_plain_form_is_made_plain(text, plain):
    assert to_gsm7(text) == plain


@pytest.mark.parametrize("text", ["Nurse \U0001f600", "\u770b\u8b77", "\u0433"])
def test_what_has_none_is_refused_with_its_place(text):
    with pytest.raises(InvalidInputError, match="U\\+"):
        to_gsm7(text)


@given(st.text(max_size=60))
def test_the_result_is_always_gsm7_or_an_error(text):
    try:
        plain = to_gsm7(text)
    except InvalidInputError:
        return
    assert septets(plain) >= 0
    assert to_gsm7(plain) == plain


def test_septets_refuses_what_was_not_transliterated():
    with pytest.raises(InvalidInputError, match=r"U\+2019 at 2"):
        septets("it\u2019s")
