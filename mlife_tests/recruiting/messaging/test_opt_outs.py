"""The parts of the opt-out classifier; whole lists of wordings are in `attacks/test_opt_outs.py`."""

from __future__ import annotations

import re
import time

import pytest

from mlife_assets.recruiting.messaging.opt_outs import opt_out_rule
from mlife_assets.recruiting.messaging.opt_outs.decision import names_somebody_else
from mlife_assets.recruiting.messaging.opt_outs.english import (
    REFUSALS,
    REMOVALS,
    STOP_VERBS,
    THREATS,
    is_stop_about_something_else,
)
from mlife_assets.recruiting.messaging.opt_outs.spanish import SPANISH
from mlife_assets.recruiting.messaging.opt_outs.spelling import (
    REPAIRED,
    SPELLED,
    THEMSELVES,
    is_stop_slip,
    normal,
    raw_words,
)
from mlife_assets.recruiting.messaging.opt_outs.vocabulary import gap, pattern, word_set, words


@pytest.mark.parametrize(
    ("body", "plain"),
    [
        ("Do NOT text me!!", "dont text me ."), ("don\u2019t  txt me, ok", "dont text me , ok"),
        ("S.T.O.P now", "stop now"), ("s t o p", "stop"), ("st0p", "stop"), ("stoooop", "stop"),
        ("pls remvoe my nubmer", "remove my number"), ("wrong #", "wrong number"), ("opt me out", "optout"),
        ("really? ok", "? ok"), ("remote contract massage", "remote contract massage"),
        ("no longer here", "nolonger here"),
    ],
)  # fmt: skip
def test_a_reply_is_read_as_plain_tokens(body, plain):
    assert normal(body).split() == plain.split()


def test_both_ends_of_a_long_reply_are_read():
    assert opt_out_rule("so anyway " * 5_000 + "stop texting me") is not None
    assert opt_out_rule("stop texting me" + " so anyway" * 5_000) is not None


@pytest.mark.parametrize(
    "unit", ["dont ", "i dont want the ", "no me ", "report ", "stop ", "u.", "x", "the bus stop "]
)
def test_no_reply_takes_long_to_read(unit):
    opt_out_rule("compile the rules")
    began = time.process_time()
    opt_out_rule(unit * (100_000 // len(unit)))
    assert time.process_time() - began < 1.0


def test_words_that_exist_are_not_repaired_away():
    assert not THEMSELVES & REPAIRED
    assert not SPELLED.keys() & REPAIRED
    assert not is_stop_slip("shop")
    assert is_stop_slip("stpo")


def test_patterns_are_of_whole_words():
    assert re.fullmatch(words("a b"), "b")
    assert re.fullmatch(gap(2) + "x", "one two x")
    assert not re.fullmatch(gap(2) + "x", "one . x")
    assert word_set("a b a") == {"a", "b"}
    assert pattern("a") is pattern("a")


def test_rule_names_are_of_one_rule():
    rules = [STOP_VERBS, REFUSALS, REMOVALS, THREATS]
    assert len(set().union(*rules)) == sum(map(len, rules))
    assert all(pattern(rule) for rule in [r for group in [*rules, SPANISH] for r in group.values()])


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ("STPO", "keyword"), ("stop texting me", "cut"), ("never text me again", "never_contact"),
        ("take me off now", "off"), ("my lawyer will call", "lawyer"), ("no me escriban", "spanish_no_me_escriban"),
        ("I'm not Maria", "not_that_person"), ("dear all i said stop then", "stop_word"), ("\U0001f6d1", "sign"),
        ("> Reply STOP to opt out\nYes!", None), ("Liked \u201cCook, $16/hr. Reply STOP to opt out\u201d", None),
        ("", None),
    ],
)  # fmt: skip
def test_the_rule_is_reported(body, rule):
    assert opt_out_rule(body) == rule


@pytest.mark.parametrize(
    "body",
    ["is there a bus stop", "I can't stop smiling", "I'll stop by at 9", "when does the job stop hiring", "full stop"],
)
def test_stop_that_is_no_request(body):
    assert is_stop_about_something_else(normal(body))


@pytest.mark.parametrize("body", ["stop", "you never stop", "bus stop or not please stop", "make it stop"])
def test_stop_that_is_a_request(body):
    assert not is_stop_about_something_else(normal(body))


def test_somebody_else_is_recognised_by_the_capital_letter():
    assert names_somebody_else("I'm not Kelly")
    assert not names_somebody_else("I'm not Certified")
    assert not names_somebody_else("I'm not Kelly's boss yet")


def test_raw_words_are_folded_and_unrepaired():
    assert raw_words("St\u00f3p, don't!") == ["stop", "dont"]
