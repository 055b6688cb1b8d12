"""Link tokens: which message a click came from.

Belongs here: the token of a message and the link that carries it. Does not belong here: redirecting.

Concept: the token is a hash of the message id in an alphabet without look-alikes: it names no person and can be
recomputed, so a click joins its message without a lookup table.
"""

from __future__ import annotations

from mlife_assets.core.ids import digest

ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
TOKEN_LENGTH = 9
DEFAULT_BASE = "jobs.example/"


def link_token(message_id: str) -> str:
    """Return the token of a message, nine characters (about 44 bits)."""
    number = int(digest(("link", message_id), 16), 16)
    characters = []
    for _ in range(TOKEN_LENGTH):
        number, place = divmod(number, len(ALPHABET))
        characters.append(ALPHABET[place])
    return "".join(characters)


def link(message_id: str, base: str = DEFAULT_BASE) -> str:
    """Return the link in the text of a message."""
    return base + link_token(message_id)
