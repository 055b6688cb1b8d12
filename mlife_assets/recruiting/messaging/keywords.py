"""Keywords: what a person who writes to us asks for.

Concept: mistakes are not symmetric. Anything that looks like an opt-out is one; an opt-in must be said exactly. What is
neither pauses the person until somebody has looked. STOP ends the channel that it came by, STOP_ALL every one. The body
is personal data: it is classified and forgotten.
"""

from __future__ import annotations

from mlife_assets.recruiting.messaging.opt_outs import opt_out_rule
from mlife_assets.recruiting.messaging.opt_outs.spelling import raw_words

STOP = "STOP"
STOP_ALL = "STOP_ALL"
START = "START"
HELP = "HELP"
OTHER = "OTHER"

_START_WHOLE = frozenset({"start", "unstop", "subscribe", "iniciar", "comenzar"})
_ALL = frozenset({"all", "everything", "todo", "todos"})
_ONE_CHANNEL = frozenset({"text", "texts", "texting", "sms", "email", "emails", "mail", "mails"})
_ALL_IN_ONE = frozenset({"stopall", "stopeverything"})
_HELP_FIRST_WORDS = frozenset({"help", "info", "ayuda"})


def is_opt_out(body: str) -> bool:
    """Return whether `body` asks us to stop, in one channel or in all."""
    return classify(body) in {STOP, STOP_ALL}


def classify(body: str) -> str:
    """Return STOP, STOP_ALL, START, HELP or OTHER for what a person wrote.

    An opt-out is of everything when it says `all` or `everything` and names no kind of message: "stop all texts" is
    about texts.
    """
    words = raw_words(body)
    if "".join(words) in _START_WHOLE:
        return START
    if opt_out_rule(body) is not None:
        said = set(words)
        is_of_all = not said.isdisjoint(_ALL_IN_ONE) or (not said.isdisjoint(_ALL) and said.isdisjoint(_ONE_CHANNEL))
        return STOP_ALL if is_of_all else STOP
    return HELP if words and words[0] in _HELP_FIRST_WORDS else OTHER
