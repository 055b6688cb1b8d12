from __future__ import annotations

import re

import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.link_tokens import ALPHABET, TOKEN_LENGTH, item_token, link_token

KEY, OTHER = b"k" * 32, b"o" * 32


def test_tokens_are_deterministic_distinct_and_without_look_alikes():
    tokens = [link_token(f"msg_{i}", KEY) for i in range(20_000)]
    assert len(set(tokens)) == len(tokens)
    assert all(re.fullmatch(f"[{ALPHABET}]{{{TOKEN_LENGTH}}}", token) for token in tokens)
    assert tokens[:2] == [link_token("msg_0", KEY), link_token("msg_1", KEY)]
    assert not set("il1o0") & set(ALPHABET)


def test_another_key_gives_other_tokens():
    assert link_token("msg_1", KEY) != link_token("msg_1", OTHER)


def test_every_place_of_a_token_uses_the_whole_alphabet():
    tokens = [link_token(f"msg_{i}", KEY) for i in range(3_000)]
    assert all({token[place] for token in tokens} == set(ALPHABET) for place in range(TOKEN_LENGTH))


@pytest.mark.parametrize("key", [b"", b"k" * 15])
def test_a_short_key_is_refused(key):
    with pytest.raises(InvalidInputError, match="16 or more"):
        link_token("msg_1", key)


def test_each_job_of_a_message_has_a_token_and_the_first_has_the_messages():
    tokens = [item_token("msg_1", place, KEY) for place in range(1, 11)]
    assert tokens[0] == link_token("msg_1", KEY)
    assert len(set(tokens)) == 10
    with pytest.raises(InvalidInputError, match="position 0"):
        item_token("msg_1", 0, KEY)
