from __future__ import annotations

from dataclasses import replace

import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.messaging.effects import (
    HARMLESS,
    INBOUND_STOP,
    OPT_OUT,
    UNCLEAR_REPLY,
    Effect,
    effect_of_reply,
    effect_of_review,
)
from mlife_assets.recruiting.messaging.keywords import HELP, OTHER, START, STOP, STOP_ALL
from mlife_assets.recruiting.messaging_policy import MessagingPolicy

POLICY = MessagingPolicy(unclear_reply_pause_days=10)


@pytest.mark.parametrize(
    ("keyword", "effect"),
    [
        (STOP, Effect(suppress=INBOUND_STOP, channel="email")),
        (STOP_ALL, Effect(suppress=INBOUND_STOP, channel="")),
        (START, Effect(lifts=(INBOUND_STOP, UNCLEAR_REPLY), channel="email")),
        (OTHER, Effect(suppress=UNCLEAR_REPLY, channel="email")),
        (HELP, Effect()),
    ],
)
def test_what_a_reply_does(keyword, effect):
    assert effect_of_reply(keyword, POLICY, "email") == effect


def test_a_policy_of_no_days_pauses_nobody():
    assert effect_of_reply(OTHER, replace(POLICY, unclear_reply_pause_days=0)) == Effect()


def test_what_a_review_does():
    assert effect_of_review(HARMLESS) == Effect(lifts=(UNCLEAR_REPLY,), channel="sms")
    assert effect_of_review(OPT_OUT, "email") == Effect(suppress=INBOUND_STOP, lifts=(UNCLEAR_REPLY,), channel="email")
    with pytest.raises(InvalidInputError, match="harmless, opt_out"):
        effect_of_review("maybe")
