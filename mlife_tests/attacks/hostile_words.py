"""A grammar of strangers' words: encoded words, controls, direction marks, line ends, long lines, signs of headers."""

from __future__ import annotations

import base64
import random
from collections.abc import Iterator

_LINE_ENDS = ("\r\n", "\n", "\r", "\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\r\n.\r\n", "\n.\n", "\r\n\r\n")
_PAYLOADS = (
    "\r\nBcc: thief@evil.example", "\r\n\r\nhttps://evil.example/",
    "\nTo: other@evil.example\nReply-To: thief@evil.example",
    "\r\nContent-Type: text/html\r\n\r\n<a href=https://evil.example>", '" <thief@evil.example>, "', "hidden words",
    "\u202emoc.live", "\x00\x07", "=?utf-8?q?twice?=", "\r\n.\r\nMAIL FROM:<thief@evil.example>",
)  # fmt: skip
_CHARSETS = ("utf-8", "UTF-8", "us-ascii", "iso-8859-1", "utf-7", "utf-16", "utf-8*en", "unicode_escape", "none", "")
_PLAIN = ("Line Cook", "Nurse", "caf\u00e9", "CDL-A", "$21/hr", "R&D", "2nd shift", "a", "\u6f22\u5b57", "\U0001f37a")
_SIGNS = (*'"\\<>,;:@()=_. \t', "=?", "?=", "%0d%0a", "&#13;&#10;", "--", "  ")
_MARKS = ("\u202e", "\u202d", "\u202c", "\u2066", "\u2069", "\u200f", "\u200e", "\u200b", "\ufeff", "\u00ad", "e\u0301")
_CONTROLS = ("\x00", "\x07", "\x08", "\x1b[2J", "\x7f", "\x9f", "\ud800", "\ufffe")


def encoded_word(rng: random.Random) -> str:
    """Return an encoded word with something in it, whole or cut short."""
    octets = rng.choice(_PAYLOADS).encode(rng.choice(["utf-8", "utf-7", "utf-16"]), errors="replace")
    kind = rng.choice("qQbB")
    if kind in "bB":
        within = base64.b64encode(octets).decode()
    else:
        within = "".join(
            f"={octet:02X}" if octet < 48 or octet > 122 or octet in b"=?_" else chr(octet) for octet in octets
        )
    word = f"=?{rng.choice(_CHARSETS)}?{kind}?{within}?="
    return word[: rng.randrange(5, len(word))] if rng.random() < 0.1 else word


def hostile(rng: random.Random, *, is_within_a_line: bool) -> str:
    """Return words of one to six pieces; `is_within_a_line` leaves out what every field refuses at sight."""
    kinds = [lambda: rng.choice(_PLAIN)] * 3 + [lambda: encoded_word(rng)] * 3 + [lambda: rng.choice(_SIGNS)] * 2
    kinds += [lambda: rng.choice("xB ") * rng.choice((20, 80, 300, 1_200)), lambda: rng.choice(_MARKS)]
    if not is_within_a_line:
        kinds += [lambda: rng.choice(_LINE_ENDS), lambda: rng.choice(_CONTROLS)]
    return rng.choice(("", " ")).join(rng.choice(kinds)() for _ in range(rng.randint(1, 6)))


def hostile_words(rng: random.Random) -> Iterator[str]:
    """Yield words without end, three quarters of them without controls and line ends."""
    while True:
        yield hostile(rng, is_within_a_line=rng.random() < 0.75)
