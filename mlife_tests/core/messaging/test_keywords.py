from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.messaging.keywords import classify

STOPS = [
    "STOP",
    "stop",
    " Stop. ",
    "S.T.O.P",
    "STOPP",
    "stop!!!",
    "STOPALL",
    "Stop texting me",
    "please stop",
    "UNSUBSCRIBE",
    "unsub",
    "cancel",
    "END",
    "Quit",
    "opt out",
    "opt-out",
    "OPTOUT",
    "revoke",
    "remove me",
    "ALTO",
    "\u00a1alto!",
    "parar",
    "Parar por favor",
    "don't text me",
    "take me off your list",
    "\uff33\uff34\uff2f\uff30",
    "baja",
    "HELP how do I STOP",
]


@pytest.mark.parametrize("body", STOPS)
def test_stop_and_its_synonyms(body):
    assert classify(body) == "STOP"


@pytest.mark.parametrize(
    ("body", "keyword"),
    [
        ("START", "START"),
        ("unstop", "START"),
        ("Start.", "START"),
        ("when do I start?", "OTHER"),
        ("start stop", "STOP"),
        ("HELP", "HELP"),
        ("info", "HELP"),
        ("ayuda!", "HELP"),
        ("thanks", "OTHER"),
        ("", "OTHER"),
        ("\U0001f600", "OTHER"),
        ("yes", "OTHER"),
        ("endless fun", "OTHER"),
    ],
)
def test_others(body, keyword):
    assert classify(body) == keyword


@given(
    word=st.sampled_from(["stop", "unsubscribe", "cancel", "alto", "parar"]),
    tail=st.text(max_size=30),
    upper=st.booleans(),
)
def test_whatever_starts_with_a_stop_word_is_an_opt_out(word, tail, upper):
    assert classify((word.upper() if upper else word) + tail) == "STOP"
