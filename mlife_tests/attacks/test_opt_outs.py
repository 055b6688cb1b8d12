"""Row 8: opt-outs in plain words were missed.

The lists of `opt_out_wordings.txt` and `harmless_replies.txt` were written before the classifier was touched: the old
one missed 242 of 399 and took 32 of 275. The held-out lists were written afterwards, each measured once before
anything was changed for it: 23 of 249 missed and 5 of 190 taken; 45 of 240 and 9 of 195 (slang and indirect
wordings); 1 of 159 and 2 of 136 (ordinary wordings). They hold regressions now, no longer an estimate. Another author,
who had not seen rules or lists, wrote the next two: 2 of 160 missed and 0 of 110 taken, and nothing was changed for it.
The last two were written for the second attack before its author had read the rules: 0 of 288 missed and 7 of 324
taken at the first look, of which one ("Hi") was a fault of that day's change. Nothing was changed for the others.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from mlife_assets.recruiting.messaging.keywords import OTHER, STOP, STOP_ALL, classify

DATA = Path(__file__).parent / "data"
MISSED_AT_MOST, TAKEN_AT_MOST = 0.02, 0.05
OPT_OUTS = (
    "opt_out_wordings",
    "held_out_opt_outs",
    "second_held_out_opt_outs",
    "third_held_out_opt_outs",
    "another_author_opt_outs",
    "unseen_opt_outs",
)
HARMLESS = (
    "harmless_replies",
    "held_out_harmless",
    "second_held_out_harmless",
    "third_held_out_harmless",
    "another_author_harmless",
    "unseen_harmless",
)


def replies(name: str) -> list[str]:
    r"""Return the replies of a list, one a line; `\n` is a line break within one."""
    lines = (DATA / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return [line.replace("\\n", "\n") for line in lines]


@pytest.mark.parametrize("name", OPT_OUTS)
def test_at_most_two_in_a_hundred_opt_outs_are_missed(name: str) -> None:
    wordings = replies(name)
    missed = [body for body in wordings if classify(body) not in {STOP, STOP_ALL}]
    assert len(missed) <= MISSED_AT_MOST * len(wordings), missed


@pytest.mark.parametrize("name", HARMLESS)
def test_at_most_five_in_a_hundred_harmless_replies_are_taken_for_one(name: str) -> None:
    bodies = replies(name)
    taken = [body for body in bodies if classify(body) == STOP]
    assert len(taken) <= TAKEN_AT_MOST * len(bodies), taken


def test_the_lists_are_as_long_as_promised_and_disjoint() -> None:
    assert len(set(replies(OPT_OUTS[0]))) >= 300
    assert len(set(replies(HARMLESS[0]))) >= 200
    opt_outs = {body for name in OPT_OUTS for body in replies(name)}
    assert opt_outs.isdisjoint(body for name in HARMLESS for body in replies(name))


@pytest.mark.parametrize(
    "body",
    [
        "never text me again",
        "don't contact me",
        "please quit texting",
        "please unsub",
        "STPO",
        "no me escriban",
        "wrong number",
    ],
)
def test_the_wordings_of_the_attack(body: str) -> None:
    assert classify(body) == STOP


@pytest.mark.parametrize("body", ["when does the job stop hiring", "I don't text and drive, call me", "ok"])
def test_what_is_no_clear_opt_out_waits_for_somebody_to_look(body: str) -> None:
    assert classify(body) == OTHER


@pytest.mark.parametrize("body", replies("refusals_alone"))
def test_a_bare_no_and_the_stops_of_other_languages_are_opt_outs_as_the_whole_reply(body: str) -> None:
    assert classify(body) == STOP


@pytest.mark.parametrize("body", replies("words_within_replies"))
def test_a_word_that_says_more_or_names_something_is_none(body: str) -> None:
    """The table has `alto voltaje` alone; `baja` was taken the same way."""
    assert classify(body) == OTHER
