"""The wording of a text: one segment, always.

Concept: brand, link and opt-out are fixed; the rest gives way until 160 septets hold it: first the employer (or
metro), then the end of the title. A job whose title cannot be written in GSM-7 is refused, not sent as two segments.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.link_tokens import DEFAULT_BASE, TOKEN_LENGTH, link_token
from mlife_assets.recruiting.messaging.segments import SINGLE_SEGMENT_SEPTETS, septets, to_gsm7

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
