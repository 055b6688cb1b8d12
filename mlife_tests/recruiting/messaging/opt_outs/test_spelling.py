from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.recruiting.messaging.opt_outs.spelling import is_within_one_edit


def neighbours(word: str) -> set[str]:
    """Return every word of the letters a, b, c that one edit makes of `word`, by trying all of them."""
    found = {word}
    for i in range(len(word) + 1):
        found |= {word[:i] + c + word[i:] for c in "abc"}
        found |= {word[:i] + c + word[i + 1 :] for c in "abc" if i < len(word)}
        found.add(word[:i] + word[i + 1 :])
        found.add(word[:i] + word[i : i + 2][::-1] + word[i + 2 :])
    return found


@given(word=st.text("abc", max_size=6), other=st.text("abc", max_size=7))
def test_one_edit_is_what_trying_all_edits_finds(word, other):
    assert is_within_one_edit(other, word) == (other in neighbours(word))


@given(word=st.text("abc", max_size=6), data=st.data())
def test_every_neighbour_is_found(word, data):
    other = data.draw(st.sampled_from(sorted(neighbours(word))))
    assert is_within_one_edit(other, word)
    assert is_within_one_edit(word, other)


@pytest.mark.parametrize("typed", ["stpo", "sotp", "tsop", "sto", "stopp", "atop", "stop"])
def test_slips_of_stop(typed):
    assert is_within_one_edit(typed, "stop")


@pytest.mark.parametrize("typed", ["spot", "post", "stoppp", "st", "tops"])
def test_two_edits_are_another_word(typed):
    assert not is_within_one_edit(typed, "stop")
