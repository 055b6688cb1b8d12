"""Encoded words (RFC 2047): headers as a mail program shows them.

Concept: a rule that reads `=?utf-8?q?evil=2Ecom?=` as letters judges something that nobody sees. So headers are decoded
first, repeatedly: words within words, spaces within words, unknown charsets.
"""

from __future__ import annotations

import base64
import binascii
import re

_WORD = re.compile(r"=\?([^?]*)\?([bq])\?([^?]*)(?:\?=|$)", re.IGNORECASE)
_BETWEEN = re.compile(r"\?=\s+=\?")
_HEX = re.compile(rb"=([0-9A-F]{2})", re.IGNORECASE)


def shown(text: str) -> str:
    """Return `text` as a mail program may show it in a header; `text` itself without encoded words."""
    while len(decoded := _WORD.sub(_decoded, _BETWEEN.sub("?==?", text))) < len(text):
        text = decoded
    return text


def _decoded(word: re.Match[str]) -> str:
    octets = word[3].encode("utf-8", errors="replace")
    if word[2] in "bB":
        kept = re.sub(rb"[^A-Za-z0-9+/]", b"", octets)
        try:
            octets = base64.b64decode(kept[: len(kept) - (len(kept) % 4 == 1)] + b"==")
        except binascii.Error:
            return word[0]
    else:
        octets = _HEX.sub(lambda found: bytes([int(found[1], 16)]), octets.replace(b"_", b" "))
    try:
        return octets.decode(word[1].partition("*")[0], errors="replace")
    except (LookupError, UnicodeError, ValueError):
        return octets.decode("utf-8", errors="replace")
