"""The wording of a text: one segment, always.

Concept: brand, link and opt-out are fixed; the rest gives way until 160 septets hold it: first the employer (or
metro), then the end of the title. A job whose title cannot be written in GSM-7 is refused, not sent as two segments.

160 septets fit one segment when every character is in the GSM 03.38 alphabet. A single other character, such as a curly
quote, switches the whole text to UCS-2 with 70 characters a segment, so it is replaced by its plain form or the text is
refused.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.ids import DEFAULT_BASE, TOKEN_LENGTH, link_token

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
OPT_OUT = "Reply STOP to opt out"
MINIMUM_TITLE_SEPTETS = 10


@dataclass(frozen=True)
class Wording:
    """The body of every text about one job: `head`, the link token of the message, `tail`."""

    head: str
    tail: str
    link_key: bytes = field(repr=False)

    def body(self, message_id: str) -> str:
        """Return the text of one message."""
        return self.head + link_token(message_id, self.link_key) + self.tail


def _field(name: str, text: str) -> str:
    plain = " ".join(to_gsm7(" ".join(text.split())).split())
    if not plain:
        raise InvalidInputError(f"{name} is empty; a text needs it")
    return plain


def _shorten(text: str, room: int) -> str:
    """Return the longest run of whole words within `room` septets, with two dots; cut inside a word if it must."""
    used = end = 0
    for place, character in enumerate(text):
        used += septets(character)
        if used <= room - 2:
            end = place + 1
        if used > room:
            break
    else:
        return text
    cut = text[:end]
    whole_words = cut.rsplit(" ", 1)[0] if " " in cut and text[len(cut)] != " " else cut
    kept = whole_words if septets(whole_words) >= MINIMUM_TITLE_SEPTETS else cut
    return kept.rstrip(" ,-/(&") + ".."


def pay_words(pay_usd_per_hour: float) -> str:
    """Return pay as it is written, with cents unless whole. Raises InvalidInputError outside (0, 10000)."""
    if not 0 < pay_usd_per_hour < 10_000:
        raise InvalidInputError(f"pay_usd_per_hour is {pay_usd_per_hour}; it must lie in (0, 10000)")
    return f"${pay_usd_per_hour:.2f}".removesuffix(".00") + "/hr"


def wording(
    *,
    brand: str,
    title: str,
    pay_usd_per_hour: float,
    link_key: bytes,
    employer_name: str | None = None,
    metro_name: str | None = None,
    link_base: str = DEFAULT_BASE,
) -> Wording:
    """Return the one-segment wording of a job.

    Args:
        brand: who is texting.
        title: job title.
        pay_usd_per_hour: pay, written with cents unless whole.
        link_key: of the link's token.
        employer_name: named if it fits.
        metro_name: named if it fits and the employer does not.
        link_base: what precedes the token.

    Raises:
        InvalidInputError: a field that GSM-7 cannot write, or no room for a readable title.
    """
    pay = pay_words(pay_usd_per_hour)
    name, lead = _field("title", title), _field("brand", brand) + ": "
    tail = f" {OPT_OUT}"
    fixed = f". {to_gsm7(link_base)}"
    room = SINGLE_SEGMENT_SEPTETS - TOKEN_LENGTH - septets(lead + fixed + tail)
    places = [f" at {_field('employer_name', employer_name)}"] if employer_name and employer_name.strip() else []
    if metro_name and metro_name.strip():
        places.append(f" in {_field('metro_name', metro_name)}")
    for place in [*places, ""]:
        details = f"{place}, {pay}"
        left = room - septets(details)
        if left >= septets(name) or (not place and left >= MINIMUM_TITLE_SEPTETS):
            return Wording(lead + _shorten(name, left) + details + fixed, tail, link_key)
    raise InvalidInputError(f"brand and link leave {room} septets for the job; shorten the brand or the link base")


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
