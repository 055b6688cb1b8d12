"""Link tokens: which message a click came from.

Concept: the token is a keyed hash of the message id in an alphabet without look-alikes. It names no person and can be
recomputed by whoever has the key, so a click joins its message without a lookup table. Message ids follow from a user,
a campaign and a day, so without a key anybody could write the link of somebody else.
"""

from __future__ import annotations

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.ids import keyed_hash

ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
TOKEN_LENGTH = 9
DEFAULT_BASE = "jobs.example/"
MINIMUM_KEY_BYTES = 16


def link_token(message_id: str, key: bytes) -> str:
    """Return the token of a message, nine characters (about 44 bits). Raises InvalidInputError on a short key."""
    if len(key) < MINIMUM_KEY_BYTES:
        raise InvalidInputError(f"the key of link tokens has {len(key)} bytes; use {MINIMUM_KEY_BYTES} or more")
    number = int(keyed_hash(key, f"link|{message_id}"), 16)
    characters = []
    for _ in range(TOKEN_LENGTH):
        number, place = divmod(number, len(ALPHABET))
        characters.append(ALPHABET[place])
    return "".join(characters)


def item_token(message_id: str, position: int, key: bytes) -> str:
    """Return the token of the job at a position of a message, 1 being the first, whose token is the message's."""
    if position < 1:
        raise InvalidInputError(f"position {position} of a message is none; the first is 1")
    return link_token(message_id if position == 1 else f"{message_id}|{position}", key)
