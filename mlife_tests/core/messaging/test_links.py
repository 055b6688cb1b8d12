from __future__ import annotations

import re

from mlife_assets.core.messaging.links import ALPHABET, TOKEN_LENGTH, link, link_token


def test_tokens_are_deterministic_distinct_and_without_look_alikes():
    tokens = [link_token(f"msg_{i}") for i in range(20_000)]
    assert len(set(tokens)) == len(tokens)
    assert all(re.fullmatch(f"[{ALPHABET}]{{{TOKEN_LENGTH}}}", token) for token in tokens)
    assert link("msg_1") == "jobs.example/" + link_token("msg_1")
    assert not set("il1o0") & set(ALPHABET)
