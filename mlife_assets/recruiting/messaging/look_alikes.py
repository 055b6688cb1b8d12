"""Look-alikes: text that reads the same to a person and differs to a computer.

Concept: STOP in Cyrillic letters is STOP to the person who typed it; Paypal with one of them is a trick on its reader.
So replies are folded before they are read, and strangers' words that folding would change are refused.
"""

from __future__ import annotations

import unicodedata

_CYRILLIC = (
    "\u0410a\u0412b\u0415e\u0405s\u04173\u041ak\u041cm\u041dh\u041eo\u0420p\u0421c\u0422t\u0423y"
    "\u0425x\u0406i\u0408j\u04bah\u051aq\u051cw\u0430a\u0432b\u0435e\u0455s\u043ak\u043cm\u043dh"
    "\u043eo\u0440p\u0441c\u0442t\u0443y\u0445x\u0456i\u0458j\u04bbh\u051bq\u051dw\u0475v"
)
_GREEK = (
    "\u0391a\u0392b\u0395e\u0396z\u0397h\u0399i\u039ak\u039cm\u039dn\u039fo\u03a1p\u03a4t\u03a5y"
    "\u03a7x\u03b1a\u03b2b\u03b5e\u03b9i\u03bak\u03bdv\u03bfo\u03c1p\u03c4t\u03c5u\u03c7x\u03f2c"
)
_LATIN = "\u0251a\u0261g\u0131i\u026ai\u1d0fo\u1d18p\ua731s\u1d1bt\u0274n\u1d07e\u0269i\u029fl\u1d1cu\u1d20v"
_PAIRS = _CYRILLIC + _GREEK + _LATIN
_PLAIN_OF = dict(zip(_PAIRS[::2], _PAIRS[1::2], strict=True))
_ENCLOSED_FROM, _ENCLOSED_UNTIL = 0x1F130, 0x1F18A


def _plain(character: str) -> str:
    number = ord(character)
    if _ENCLOSED_FROM <= number < _ENCLOSED_UNTIL:  # squared and circled capitals, three alphabets of 32
        place = (number - _ENCLOSED_FROM) % 32
        return chr(ord("a") + place) if place < 26 else ""
    return _PLAIN_OF.get(character, character)


def is_invisible(character: str) -> bool:
    """Return whether a character is not seen: zero-width, direction marks, variation selectors, other controls."""
    return unicodedata.category(character) in {"Cf", "Cc", "Cs", "Co"} or 0xFE00 <= ord(character) <= 0xFE0F


def fold(text: str) -> str:
    """Return `text` in lower case as it reads: no accents or invisible characters, look-alikes as plain letters.

    Line breaks stay; other controls go.
    """
    seen = "".join(c for c in text if c in "\n\r\t" or not is_invisible(c))
    parts = unicodedata.normalize("NFKD", "".join(_plain(c) for c in seen))
    bare = "".join(c for c in parts if not unicodedata.combining(c))
    return "".join(_plain(c) for c in bare.casefold())


def foreign_letters(text: str) -> tuple[str, ...]:
    """Return the characters of `text` that pretend, in order: letters of other scripts, invisible or wide ones.

    Latin letters with accents do not count. A character counts as wide or styled when it is a compatibility form
    of a letter or digit (full width, bold mathematics, circled).
    """
    found = []
    for character in text:
        if character == " " or character.isascii():
            if not character.isprintable() and character not in "\n\r\t":
                found.append(character)
            continue
        if is_invisible(character) or not _is_latin_or_sign(character):
            found.append(character)
    return tuple(found)


def _is_latin_or_sign(character: str) -> bool:
    folded = unicodedata.normalize("NFKC", character)
    if folded != character and any(c.isalnum() for c in folded):
        return character in "\u00aa\u00ba\u00b2\u00b3\u00b9\u00bd\u00bc\u00be\u2122\u2120"
    if not character.isalpha():
        return not unicodedata.combining(character)
    return unicodedata.name(character, "").startswith("LATIN ") and character not in _PLAIN_OF
