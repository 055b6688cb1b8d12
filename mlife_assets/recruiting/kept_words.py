"""Words of a person that are kept for ever: who did something, and why.

Concept: the event log forgets nothing, so a phone number must never get into it, and an empty reason explains nothing.
"""

from __future__ import annotations

from mlife_assets.core.errors import InvalidInputError


def kept_words(name: str, text: str) -> str:
    """Return words fit for the event log, which keeps them for ever.

    Raises:
        InvalidInputError: they are empty or hold a phone number.
    """
    import phonenumbers

    words = " ".join(text.split())
    if not words:
        raise InvalidInputError(f"{name} is empty; say it in a few words")
    if phonenumbers.PhoneNumberMatcher(words, "US").has_next():
        raise InvalidInputError(f"{name} holds a phone number, which the event log would keep for ever; leave it out")
    return words
