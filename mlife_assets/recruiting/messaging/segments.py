"""GSM-7: how many septets and segments a text costs.

Concept: 160 septets fit one segment when every character is in the GSM 03.38 alphabet. A single other character, such
as a curly quote, switches the whole text to UCS-2 with 70 characters a segment and doubles the bill; so it is
replaced by its plain form or the text is refused.
"""

from __future__ import annotations

import unicodedata

from mlife_assets.core.errors import InvalidInputError

SINGLE_SEGMENT_SEPTETS = 160
PART_SEPTETS = 153

BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""Characters that cost one septet."""

EXTENSION = frozenset("^{}\\[~]|€\f")
"""Characters that cost two septets (escape and character)."""

_PLAIN = {
    **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u00b4`", "'"),
    **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
    **dict.fromkeys("\u00a0\u2002\u2003\u2007\u2009\u200a\u202f\t", " "),
    **dict.fromkeys("\u200b\u200c\u200d\ufeff\u00ad", ""),
    **dict.fromkeys("\u2022\u00b7", "-"),
    "\u2026": "...",
    "\u00d7": "x",
    "\u2122": "",
    "\u00ae": "",
    "\u00a9": "",
}


def septets(text: str) -> int:
    """Return the septets of a GSM-7 text.

    Raises:
        InvalidInputError: a character outside GSM-7; names its place, so that it can be found.
    """
    total = 0
    for place, character in enumerate(text):
        if character in BASIC:
            total += 1
        elif character in EXTENSION:
            total += 2
        else:
            raise InvalidInputError(
                f"text has U+{ord(character):04X} at {place}, which GSM-7 lacks; run it through to_gsm7 first"
            )
    return total


def segments(text: str) -> int:
    """Return how many segments a GSM-7 text is billed as; an escape pair is never split. Raises as `septets`."""
    if septets(text) <= SINGLE_SEGMENT_SEPTETS:
        return 1
    parts, used = 1, 0
    for character in text:
        cost = 2 if character in EXTENSION else 1
        if used + cost > PART_SEPTETS:
            parts, used = parts + 1, 0
        used += cost
    return parts


def to_gsm7(text: str) -> str:
    """Return `text` in GSM-7: quotes, dashes and spaces made plain, accents that GSM-7 lacks dropped.

    Raises:
        InvalidInputError: a character without a plain form (an emoji, another script).
    """
    plain: list[str] = []
    for place, character in enumerate(unicodedata.normalize("NFC", text)):
        if character in BASIC or character in EXTENSION:
            plain.append(character)
        elif character in _PLAIN:
            plain.append(_PLAIN[character])
        else:
            folded = "".join(c for c in unicodedata.normalize("NFKD", character) if not unicodedata.combining(c))
            if not folded or any(c not in BASIC and c not in EXTENSION for c in folded):
                raise InvalidInputError(
                    f"text has U+{ord(character):04X} at {place}, which has no plain form; reword the text"
                )
            plain.append(folded)
    return "".join(plain)
