"""What a home runs next, whatever the clock does: oldest first, one at a time, nothing twice and nothing left out."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import date

import pytest

from mlife_assets.core.due_days import DueWork, Progress, day_to_run_first, due_work
from mlife_assets.core.windows import add_days, days_between

FIRST, END = date(2026, 4, 4), date(2026, 4, 24)
NEW = Progress(FIRST, END, None, None, False)


def until(day: date) -> Collection[date]:
    return set(days_between(add_days(FIRST, -1), add_days(day, -1)))


def due(progress: Progress, now: date, delivered: Collection[date] | None = None) -> DueWork:
    return due_work(progress, due_until=now, delivered=until(now) if delivered is None else delivered, lacking={})


def test_history_that_is_there_lands_at_once_and_no_further_than_the_first_model() -> None:
    found = due(NEW, add_days(END, 9))
    assert (found.kind, found.first, found.last) == ("history", FIRST, END)
    found = due(NEW, add_days(FIRST, 3))
    assert (found.kind, found.first, found.last) == ("history", FIRST, add_days(FIRST, 3)), "what has come so far"


def test_a_day_that_was_not_delivered_holds_up_those_after_it() -> None:
    gap = add_days(FIRST, 4)
    found = due(NEW, END, set(until(END)) - {gap})
    assert (found.first, found.last) == (FIRST, gap), "partition D lands the day before"
    found = due(replace(NEW, landed=gap), END, set(until(END)) - {gap})
    assert found.kind is None
    assert f"nothing was delivered for {gap}" in found.sentence


def test_history_that_is_still_copied_waits_for_whole_days_and_a_later_day_does_not() -> None:
    half = {add_days(FIRST, 3): {"click", "apply"}}
    found = due_work(NEW, due_until=END, delivered=until(END), lacking=half)
    assert (found.first, found.last) == (FIRST, add_days(FIRST, 3))
    waits = replace(NEW, landed=add_days(FIRST, 3))
    found = due_work(waits, due_until=END, delivered=until(END), lacking=half)
    assert found.kind is None
    assert f"of {add_days(FIRST, 3)} there is no file of apply, click yet" in found.sentence
    lived = replace(waits, next_day=add_days(FIRST, 4))
    assert due_work(lived, due_until=END, delivered=until(END), lacking=half).kind == "day"


def test_the_first_model_is_trained_on_all_history_and_again_a_week_later_while_the_gate_refuses() -> None:
    whole = replace(NEW, landed=END)
    assert due(whole, END) == DueWork("first_model", END, END, f"The first model is trained as of {END}.")
    refused = replace(whole, is_tried=True)
    assert due(refused, END).kind is None
    week = add_days(END, 7)
    found = due(refused, add_days(END, 30))
    assert (found.kind, found.first, found.last) == ("history", add_days(END, 1), week)
    kinds = [due(replace(NEW, landed=add_days(END, late)), add_days(END, 30)).kind for late in range(15)]
    assert [late for late, kind in enumerate(kinds) if kind == "first_model"] == [0, 7, 14]


def test_days_are_run_one_by_one_after_a_pause_and_only_when_their_time_has_come() -> None:
    progress, asked = replace(NEW, landed=END, next_day=add_days(END, 1)), []
    while (found := due(progress, add_days(END, 4))).kind is not None:
        assert (found.kind, found.first) == ("day", found.last)
        asked.append(found.first)
        progress = replace(progress, landed=found.first, next_day=add_days(found.first, 1))
    assert asked == list(days_between(add_days(END, 1), add_days(END, 4)))
    assert found.sentence == f"{add_days(END, 5)} comes next, and its time has not come."


def test_a_day_that_was_cut_off_comes_again() -> None:
    cut = add_days(END, 1)
    found = due(replace(NEW, landed=cut, next_day=cut), add_days(END, 4))
    assert (found.kind, found.first) == ("day", cut)


def test_a_clock_that_was_put_back_runs_nothing_twice() -> None:
    progress = replace(NEW, landed=END, next_day=add_days(END, 1))
    assert due(progress, add_days(END, -5)).kind is None


def april(day: int) -> date:
    return date(2026, 4, day)


@pytest.mark.parametrize(
    ("delivered", "decided", "first"),
    [
        ((), (), None), ((10, 11, 12), (), None), ((7, 8, 9, 10), (), 7), ((7, 8, 9, 10), (7,), 8),
        ((7, 8, 9, 10), (7, 8, 9), None), ((7, 8, 9, 10), (9,), None), ((7, 8, 10), (7, 8), 9),
        ((7, 8, 9, 10), (7, 8, 9, 10, 11), None), ((7, 8, 9, 10), (7, 12), 8),
    ],
)  # fmt: skip
def test_a_day_waits_for_those_since_the_last_that_was_decided(
    delivered: tuple[int, ...], decided: tuple[int, ...], first: int | None
) -> None:
    found = day_to_run_first(april(10), map(april, delivered), map(april, decided))
    assert found == (None if first is None else april(first))
