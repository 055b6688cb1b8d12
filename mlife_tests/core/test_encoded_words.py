from __future__ import annotations

import pytest

from mlife_assets.core.encoded_words import shown


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("Line Cook", "Line Cook"), ("Ready? =)", "Ready? =)"),
        ("Cook =?utf-8?q?evil=2Ecom?= now", "Cook evil.com now"), ("=?UTF-8?B?ZXZpbC5jb20=?=", "evil.com"),
        ("=?utf-8?b?ZXZpbC5jb20", "evil.com"), ("=?utf-7?q?+AA0ACg-Bcc?=", "\r\nBcc"),
        ("=?utf-8*en?q?caf=C3=A9?=", "caf\u00e9"), ("=?nonsense?q?a b_c?=", "a b c"),
        ("=?utf-8?q?=3D=3Futf-8=3Fq=3Fword=3F=3D?=", "word"), ("=?utf-8?b?Z?=", ""),
        ("=?utf-8?q?ev?=  =?utf-8?q?il=2Ecom?= now", "evil.com now"), ("=?idna?q?=FF?=", "\ufffd"),
    ],
)  # fmt: skip
def test_words_are_decoded_as_leniently_as_any_program_does(written: str, seen: str) -> None:
    assert shown(written) == seen


def test_a_word_within_a_word_five_times_ends() -> None:
    text = "x"
    for _ in range(5):
        text = "=?utf-8?q?" + "".join(f"={octet:02X}" for octet in text.encode()) + "?="
    assert shown(text) == "x"
