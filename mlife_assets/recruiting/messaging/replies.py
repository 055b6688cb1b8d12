"""Replies: the request of a person who writes to us, and the effect of it or of its review.

Concept: silence is the safe side. STOP lasts, in the channel that it came by. A reply that is neither an opt-out nor an
opt-in may still be one that we did not understand, so it pauses the person until somebody has read it. Each reason is
a suppression of its own: the end of a pause never lifts a STOP.

Mistakes are not symmetric: anything that looks like an opt-out is one; an opt-in must be said exactly. STOP ends the
channel that it came by, STOP_ALL every one. The body is personal data: it is classified and forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.application import EVERY_CHANNEL, Channel
from mlife_assets.recruiting.messaging.opt_outs import opt_out_rule
from mlife_assets.recruiting.messaging.opt_outs.spelling import raw_words
from mlife_assets.recruiting.messaging_policy import MessagingPolicy

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
INBOUND_STOP = "inbound_stop"
UNCLEAR_REPLY = "unclear_reply"

HARMLESS = "harmless"
OPT_OUT = "opt_out"
VERDICTS = (HARMLESS, OPT_OUT)


@dataclass(frozen=True)
class Effect:
    """A change of the suppressions of a person.

    Attributes:
        suppress: the reason that is listed; None when nothing is.
        lifts: the reasons that end.
        channel: in which it is suppressed or lifted; empty: in every one.
    """

    suppress: str | None = None
    lifts: tuple[str, ...] = ()
    channel: str = EVERY_CHANNEL


def effect_of_reply(keyword: str, policy: MessagingPolicy, channel: str = Channel.SMS) -> Effect:
    """Return the effect of a reply on a channel: STOP lasts, START lifts, OTHER pauses, HELP does nothing.

    All of them in that channel alone, but for STOP_ALL, which ends every one.
    """
    if keyword == STOP_ALL:
        return Effect(suppress=INBOUND_STOP, channel=EVERY_CHANNEL)
    if keyword == STOP:
        return Effect(suppress=INBOUND_STOP, channel=channel)
    if keyword == START:
        return Effect(lifts=(INBOUND_STOP, UNCLEAR_REPLY), channel=channel)
    if keyword == OTHER and policy.unclear_reply_pause_days > 0:
        return Effect(suppress=UNCLEAR_REPLY, channel=channel)
    return Effect()


def effect_of_review(verdict: str, channel: str = Channel.SMS) -> Effect:
    """Return the effect of reviewing an unclear reply: `harmless` lifts its pause, `opt_out` is a STOP.

    Raises:
        InvalidInputError: another verdict.
    """
    if verdict == HARMLESS:
        return Effect(lifts=(UNCLEAR_REPLY,), channel=channel)
    if verdict == OPT_OUT:
        return Effect(suppress=INBOUND_STOP, lifts=(UNCLEAR_REPLY,), channel=channel)
    raise InvalidInputError(f"verdict {verdict!r} is unknown; use one of {', '.join(VERDICTS)}")


def is_opt_out(body: str) -> bool:
    """Return whether `body` asks us to stop, in one channel or in all."""
    return classify(body) in {STOP, STOP_ALL}


def classify(body: str) -> str:
    """Classify a reply as STOP, STOP_ALL, START, HELP or OTHER.

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
