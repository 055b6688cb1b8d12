from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.recruiting.messaging.keywords import classify

STOPS = [
    " Stop. ", "S.T.O.P", "stop!!!", "Stop texting me", "Quit", "\u00a1alto!", "\uff33\uff34\uff2f\uff30",
    "HELP how do I STOP",
]  # fmt: skip


@pytest.mark.parametrize("body", STOPS)
def test_stop_and_its_synonyms(body):
    assert classify(body) == "STOP"


@pytest.mark.parametrize(
    ("body", "keyword"),
    [
        ("START", "START"), ("unstop", "START"), ("Start.", "START"), ("when do I start?", "OTHER"),
        ("start stop", "STOP"), ("HELP", "HELP"), ("info", "HELP"), ("ayuda!", "HELP"), ("thanks", "OTHER"),
        ("", "OTHER"), ("\U0001f600", "OTHER"), ("yes", "OTHER"), ("endless fun", "OTHER"),
    ],
)  # fmt: skip
def test_others(body, keyword):
    assert classify(body) == keyword


@given(word=st.sampled_from(["stop", "unsubscribe", "cancel", "alto", "parar", "quit"]), upper=st.booleans())
@pytest.mark.parametrize("around", ["{}", "{}!!", "  {}  ", "please {}", "{} please", "{} {} {}", "ok, {}.", "{}\n"])
def test_a_stop_word_and_little_else_is_an_opt_out(around, word, upper):
    assert classify(around.replace("{}", word.upper() if upper else word)) == "STOP"


@given(body=st.text(max_size=80))
def test_every_text_has_exactly_one_keyword(body):
    assert classify(body) in {"STOP", "START", "HELP", "OTHER"}


@given(before=st.text(max_size=12), after=st.text(max_size=12))
def test_an_opt_in_is_said_exactly(before, after):
    if any(c.isalnum() for c in before + after):
        assert classify(f"{before} start {after}") != "START"


@pytest.mark.parametrize(
    "body",
    ["STOP ALL", "stopall", "Stop everything", "stop everything!!", "take me off all lists", "STOP ALL messages"],
)
def test_an_opt_out_of_everything_ends_every_channel(body):
    assert classify(body) == "STOP_ALL"


@pytest.mark.parametrize("body", ["stop all texts", "stop texting me at all", "unsubscribe from all emails", "stop"])
def test_an_opt_out_that_names_a_channel_ends_the_channel_it_came_by(body):
    assert classify(body) == "STOP"


@pytest.mark.parametrize("body", ["all good, thanks", "everything ok"])
def test_all_alone_is_no_opt_out(body):
    assert classify(body) == "OTHER"
