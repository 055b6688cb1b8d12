"""Effects: what follows from a reply, and from what somebody decided about it.

Concept: silence is the safe side. STOP lasts, in the channel that it came by. A reply that is neither an opt-out nor an
opt-in may still be one that we did not understand, so it pauses the person until somebody has read it. Each reason is
a suppression of its own: the end of a pause never lifts a STOP.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.application import EVERY_CHANNEL, Channel
from mlife_assets.recruiting.messaging.keywords import OTHER, START, STOP, STOP_ALL
from mlife_assets.recruiting.messaging_policy import MessagingPolicy

INBOUND_STOP = "inbound_stop"
UNCLEAR_REPLY = "unclear_reply"

HARMLESS = "harmless"
OPT_OUT = "opt_out"
VERDICTS = (HARMLESS, OPT_OUT)


@dataclass(frozen=True)
class Effect:
    """What is done to the suppressions of a person.

    Attributes:
        suppress: the reason that is listed; None when nothing is.
        lifts: the reasons that end.
        channel: in which it is suppressed or lifted; empty: in every one.
    """

    suppress: str | None = None
    lifts: tuple[str, ...] = ()
    channel: str = EVERY_CHANNEL


def effect_of_reply(keyword: str, policy: MessagingPolicy, channel: str = Channel.SMS) -> Effect:
    """Return what follows from a reply by a channel: STOP lasts, START lifts, OTHER pauses, HELP does nothing.

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
    """Return what follows from reading an unclear reply: `harmless` lifts its pause, `opt_out` is a STOP.

    Raises:
        InvalidInputError: another verdict.
    """
    if verdict == HARMLESS:
        return Effect(lifts=(UNCLEAR_REPLY,), channel=channel)
    if verdict == OPT_OUT:
        return Effect(suppress=INBOUND_STOP, lifts=(UNCLEAR_REPLY,), channel=channel)
    raise InvalidInputError(f"verdict {verdict!r} is unknown; use one of {', '.join(VERDICTS)}")
