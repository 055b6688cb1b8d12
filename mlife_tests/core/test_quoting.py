"""What is quoted has a bound, whatever it is, and says how it begins."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.quoting import MAXIMUM_CHARACTERS, NAME_CHARACTERS, cut, quoted, require_name


@pytest.mark.parametrize("value", ["abc", "", "it's", None, 3, 2.5, True, b"ab", [1, "a"], {"a": [1]}, ("x",), -0.0])
def test_what_is_short_is_quoted_as_it_is(value: Any) -> None:
    assert quoted(value) == repr(value)


@pytest.mark.parametrize(
    "value",
    [
        "x" * 10**7, b"x" * 10**7, ["x" * 10**7], {"x" * 10**7: 1}, list(range(10**6)), "\x00" * 10**6, 10**10_000,
        "\n" * 99,
    ],
    ids=["text", "bytes", "list", "object", "many", "NUL", "number", "escapes"],
)  # fmt: skip
def test_what_is_long_is_cut(value: Any) -> None:
    assert len(quoted(value)) <= MAXIMUM_CHARACTERS


def test_a_cut_text_shows_its_start_and_that_it_was_cut() -> None:
    assert quoted("start" + "x" * 200).startswith("'startxxx")
    assert quoted("start" + "x" * 200).endswith("...")
    assert cut("x" * 100) == "x" * 100
    assert cut("x" * 101) == "x" * 97 + "..."


def test_what_holds_itself_is_quoted_too() -> None:
    endless: list[Any] = []
    endless.append(endless)
    assert len(quoted(endless)) <= MAXIMUM_CHARACTERS


LEAVES = st.none() | st.text() | st.floats() | st.binary() | st.integers()


@given(st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8))
def test_the_bound_holds_for_anything(value: Any) -> None:
    assert len(quoted(value)) <= MAXIMUM_CHARACTERS


@pytest.mark.parametrize("name", ["churn", "churn_risk", "job2_of_the_day", "a" * NAME_CHARACTERS])
def test_words_joined_by_underscores_are_a_name(name: str) -> None:
    require_name("Model.name", name)


@pytest.mark.parametrize(
    "name", ["", "Churn", "_churn", "churn_", "churn__risk", "2nd", "a b", "a" * (NAME_CHARACTERS + 1)]
)
def test_what_is_no_name_is_refused_with_where_it_stands(name: str) -> None:
    with pytest.raises(InvalidInputError, match=r"^Model\.name is .*lower-case words joined by underscores"):
        require_name("Model.name", name)
