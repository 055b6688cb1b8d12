"""Rules of text: exact in characters, whatever the type, and the quick look misses nothing."""

from __future__ import annotations

import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.text_rules import has_control_characters, too_long

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)


@given(st.lists(st.none() | TEXT), st.integers(0, 8), st.sampled_from([pa.string(), pa.large_string(), pa.binary()]))
def test_length_counts_characters(values: list[str | None], length: int, kind: pa.DataType) -> None:
    given_values = [None if v is None else v.encode() for v in values] if kind == pa.binary() else values
    expected = [v is not None and len(v) > length for v in values]
    assert too_long(pa.array(given_values, kind), length).tolist() == expected


def test_length_of_lists_bytes_and_others() -> None:
    assert too_long(pa.array([["ab", "abc"], None, [], ["é" * 3], ["ab"]]), 2).tolist() == [
        True,
        False,
        False,
        True,
        False,
    ]
    assert too_long(pa.array([b"\xff" * 3, b"\xff"]), 2).tolist() == [True, False]
    assert too_long(pa.array([12345]), 2).tolist() == [False]


@given(st.lists(st.none() | TEXT), st.booleans())
def test_control_characters_are_those_of_unicode(values: list[str | None], may_break_lines: bool) -> None:
    def is_bad(character: str) -> bool:
        if may_break_lines and character in "\n\r\t\u2028\u2029":
            return False
        return unicodedata.category(character) in {"Cc", "Zl", "Zp"}

    found = has_control_characters(pa.array(values, pa.string()), may_break_lines=may_break_lines)
    assert found.tolist() == [v is not None and any(map(is_bad, v)) for v in values]


@pytest.mark.parametrize("value", ["\x00", "a\x1f", "\x7f", "\x85", "\x9f", "\u2028", "\u2029"])
def test_each_control_character_is_seen_also_in_a_slice(value: str) -> None:
    array = pa.array(["plain", value, "plain"])
    assert has_control_characters(array, may_break_lines=False).tolist() == [False, True, False]
    assert has_control_characters(array.slice(1, 1), may_break_lines=False).tolist() == [True]
