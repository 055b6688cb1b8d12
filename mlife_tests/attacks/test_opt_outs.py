"""Row 8: opt-outs in plain words were missed. What each list showed at its first look is in ADR 19.

The lists hold regressions now, no longer an estimate.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from mlife_assets.recruiting.messaging.keywords import OTHER, STOP, STOP_ALL, classify

DATA = Path(__file__).parent / "data"
MISSED_AT_MOST, TAKEN_AT_MOST = 0.02, 0.05


def replies(name: str) -> dict[str, list[str]]:
    r"""Return the lists of a file by their titles (`## ...`), a reply a line; `\n` is a line break within one."""
    lists: dict[str, list[str]] = {}
    for line in (DATA / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            lists[line] = []
        else:
            lists[list(lists)[-1]].append(line.replace("\\n", "\n"))
    return lists


CLEAR, HARMLESS = replies("clear_replies"), replies("harmless_replies")


@pytest.mark.parametrize("title", CLEAR)
def test_at_most_two_in_a_hundred_opt_outs_are_missed_and_five_in_a_hundred_others_taken(title: str) -> None:
    missed = [body for body in CLEAR[title] if classify(body) not in {STOP, STOP_ALL}]
    taken = [body for body in HARMLESS[title] if classify(body) in {STOP, STOP_ALL}]
    assert len(missed) <= MISSED_AT_MOST * len(CLEAR[title]), missed
    assert len(taken) <= TAKEN_AT_MOST * len(HARMLESS[title]), taken


def test_the_lists_are_of_both_kinds_and_disjoint() -> None:
    assert CLEAR.keys() == HARMLESS.keys()
    assert {body for one in CLEAR.values() for body in one}.isdisjoint(b for one in HARMLESS.values() for b in one)


@pytest.mark.parametrize(
    "body",
    [
        "when does the job stop hiring", "I don't text and drive, call me", "Did the texts stop?",
        "No dejen de mandarme trabajos", "Tengo que cancelar mi entrevista", "ok",
        "Loved \u201cCook. Reply STOP to end\u201d",
    ],
)  # fmt: skip
def test_what_is_no_clear_opt_out_waits_for_somebody_to_look(body: str) -> None:
    assert classify(body) == OTHER


@pytest.mark.parametrize("body", replies("refusals")["## alone"])
def test_a_bare_no_and_the_stops_of_other_languages_are_opt_outs_as_the_whole_reply(body: str) -> None:
    assert classify(body) == STOP


@pytest.mark.parametrize("body", replies("refusals")["## words that say more or name something"])
def test_a_word_that_says_more_or_names_something_is_none(body: str) -> None:
    """The table has `alto voltaje` alone; `baja` was taken the same way."""
    assert classify(body) == OTHER
