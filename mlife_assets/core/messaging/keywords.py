"""Keywords: what an inbound text asks for.

Belongs here: STOP, START, HELP or OTHER from a body. Does not belong here: acting on it (`adapters.dispatcher`).

Concept: mistakes are not symmetric. Anything that looks like an opt-out is one; an opt-in must be said exactly. The
body is personal data: it is classified and forgotten.
"""

from __future__ import annotations

import re
import unicodedata

STOP = "STOP"
START = "START"
HELP = "HELP"
OTHER = "OTHER"

_STOP_PREFIXES = ("stop", "unsub", "cancel", "quit", "optout", "revoke", "remove", "parar", "alto")
"""A text that begins so, spaces and punctuation aside, is an opt-out: `STOPP`, `s.t.o.p`, `opt out please`."""

_STOP_FIRST_WORDS = frozenset({"end", "pare", "paren", "baja", "detener", "detenga", "salir", "basta"})
"""A text whose first word is one of these is an opt-out."""

_STOP_ANYWHERE = frozenset({"stop", "stopall", "unsubscribe", "optout", "parar", "alto", "revoke"})
"""A text that holds one of these words is an opt-out: `please stop texting me`."""

_STOP_PHRASES = ("opt out", "opt me out", "remove me", "take me off", "do not text", "dont text", "no more texts")

_START_WHOLE = frozenset({"start", "unstop", "subscribe", "iniciar", "comenzar"})
_HELP_FIRST_WORDS = frozenset({"help", "info", "ayuda"})


def _words(body: str) -> list[str]:
    folded = unicodedata.normalize("NFKD", body).casefold()
    letters = "".join(c for c in folded if not unicodedata.combining(c))
    return re.findall(r"[a-z0-9]+", letters.replace("'", "").replace("\u2019", ""))


def classify(body: str) -> str:
    """Return STOP, START, HELP or OTHER for the body of an inbound text."""
    words = _words(body)
    if not words:
        return OTHER
    joined, spaced = "".join(words), " ".join(words)
    if (
        joined.startswith(_STOP_PREFIXES)
        or words[0] in _STOP_FIRST_WORDS
        or not _STOP_ANYWHERE.isdisjoint(words)
        or any(phrase in spaced for phrase in _STOP_PHRASES)
    ):
        return STOP
    if joined in _START_WHOLE:
        return START
    return HELP if words[0] in _HELP_FIRST_WORDS else OTHER
