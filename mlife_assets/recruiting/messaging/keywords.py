"""Keywords: what an inbound text asks for.

Belongs here: STOP, START, HELP or OTHER from a body. Does not belong here: how an opt-out is recognised (`opt_outs`),
acting on it (`effects`, `adapters.dispatcher`).

Concept: mistakes are not symmetric. Anything that looks like an opt-out is one; an opt-in must be said exactly. What is
neither pauses the person until somebody has looked. The body is personal data: it is classified and forgotten.
"""

from __future__ import annotations

from mlife_assets.recruiting.messaging.opt_outs import opt_out_rule
from mlife_assets.recruiting.messaging.opt_outs.spelling import raw_words

STOP = "STOP"
START = "START"
HELP = "HELP"
OTHER = "OTHER"

_START_WHOLE = frozenset({"start", "unstop", "subscribe", "iniciar", "comenzar"})
_HELP_FIRST_WORDS = frozenset({"help", "info", "ayuda"})


def classify(body: str) -> str:
    """Return STOP, START, HELP or OTHER for the body of an inbound text."""
    words = raw_words(body)
    if "".join(words) in _START_WHOLE:
        return START
    if opt_out_rule(body) is not None:
        return STOP
    return HELP if words and words[0] in _HELP_FIRST_WORDS else OTHER
