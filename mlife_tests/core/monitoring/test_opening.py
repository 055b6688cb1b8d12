"""What opens the gate is fixed by the decisions on record, before a challenger is seen.

When a drift began: the first alarm of the run that was confirmed.
"""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.monitoring.opening import (
    Opening,
    days_of_normality,
    drift_openings,
    drift_start,
    first_normal_outcome,
    opening,
)
from mlife_assets.core.monitoring.retrain_decisions import MODEL_TOO_OLD, NEW_LABELS, RetrainDecision
from mlife_assets.core.policies import RetrainPolicy

DAY = date(2026, 6, 15)
CONCEPT, DATA = "concept_drift_confirmed", "data_drift_confirmed"

TODAY = date(2026, 6, 20)
POLICY = RetrainPolicy(alarm_days_needed=2, alarm_days_window=3, drift_open_days=20)
SAID = {
    ".": ("wait", ("quiet",)),
    "a": ("wait", ("concept_alarm",)),
    "c": ("retrain", ("concept_alarm", "concept_drift_confirmed")),
}


def decided(days_ago: int, *codes: str, verdict: str = "wait", model: str = "mdl_a") -> RetrainDecision:
    return RetrainDecision(DAY - timedelta(days=days_ago), verdict, codes or ("no_drift",), (), model)


def test_without_a_reason_a_challenger_has_to_win() -> None:
    assert opening([], DAY, RetrainPolicy()) is None
    assert (
        opening([decided(1, "concept_alarm"), decided(0, NEW_LABELS, verdict="retrain")], DAY, RetrainPolicy()) is None
    )


@pytest.mark.parametrize(("days_ago", "is_open"), [(0, True), (41, True), (42, False)])
def test_a_confirmed_drift_is_open_for_so_many_days(days_ago: int, is_open: bool) -> None:
    found = opening([decided(days_ago, CONCEPT)], DAY, RetrainPolicy())
    assert found == (Opening(CONCEPT, DAY - timedelta(days=days_ago)) if is_open else None)


def test_it_counts_from_the_last_confirmation_whoever_serves_and_whether_or_not_the_fit_had_to_wait() -> None:
    decisions = [decided(0), decided(20, CONCEPT, model="mdl_b"), decided(60, CONCEPT), decided(41, verdict="retrain")]
    assert opening(decisions, DAY, RetrainPolicy()) == Opening(CONCEPT, DAY - timedelta(days=20))


def test_what_is_decided_later_is_not_known_yet() -> None:
    assert opening([decided(-1, CONCEPT), decided(-1, MODEL_TOO_OLD)], DAY, RetrainPolicy()) is None


def test_inputs_that_move_open_nothing_unless_the_policy_says_so() -> None:
    moved = [decided(1, DATA)]
    assert opening(moved, DAY, RetrainPolicy()) is None
    assert opening(moved, DAY, RetrainPolicy(opening_kinds=("data", "concept"))) == Opening(DATA, moved[0].as_of_date)
    assert opening([decided(1, CONCEPT)], DAY, RetrainPolicy(opening_kinds=())) is None


def test_an_old_model_opens_while_the_newest_decision_says_that_it_is_old() -> None:
    old = decided(3, MODEL_TOO_OLD, verdict="retrain")
    assert opening([old, decided(9)], DAY, RetrainPolicy()) == Opening(MODEL_TOO_OLD, old.as_of_date)
    assert opening([decided(42, MODEL_TOO_OLD)], DAY, RetrainPolicy()) is None, "nobody has looked since"
    assert opening([old, decided(2)], DAY, RetrainPolicy()) is None, "a younger one serves"
    assert opening([decided(0, MODEL_TOO_OLD), decided(5, CONCEPT)], DAY, RetrainPolicy()).code == CONCEPT  # type: ignore[union-attr]


def test_the_clause_finishes_since() -> None:
    assert Opening(CONCEPT, DAY).clause == "concept drift was confirmed on 2026-06-15"
    assert Opening(MODEL_TOO_OLD, DAY).clause == "the model in use is too old"


def test_openings_are_counted_once_however_long_they_last() -> None:
    decisions = [decided(200, CONCEPT), decided(199, CONCEPT), decided(157, CONCEPT), decided(114, CONCEPT), decided(1)]
    days = [one.day for one in drift_openings(decisions, RetrainPolicy())]
    assert days == [DAY - timedelta(days=200), DAY - timedelta(days=114)]
    assert drift_openings([decided(5, DATA), decided(4, MODEL_TOO_OLD)], RetrainPolicy()) == []


@given(st.sets(st.integers(0, 300)))
def test_the_gate_is_open_on_the_days_that_openings_span(confirmed: set[int]) -> None:
    policy = RetrainPolicy(drift_open_days=10)
    decisions = [decided(ago, CONCEPT) if ago in confirmed else decided(ago) for ago in range(301)]
    open_days = [ago for ago in range(300, -1, -1) if opening(decisions, DAY - timedelta(days=ago), policy)]
    begins = [ago for ago in open_days if ago + 1 not in open_days]
    assert [one.day for one in drift_openings(decisions, policy)] == [DAY - timedelta(days=ago) for ago in begins]


def history(days: str) -> list[RetrainDecision]:
    """Return one decision per letter, the last of them of DAY: quiet, an alarm, or a confirmed drift."""
    first = TODAY - timedelta(days=len(days) - 1)
    return [
        RetrainDecision(first + timedelta(days=place), *SAID[letter], ("Said.",), "mdl_x")
        for place, letter in enumerate(days)
    ]


@pytest.mark.parametrize(
    ("days", "back"),
    [
        ("", None), ("....", None), ("..a.", None), ("..ac", 1), (".a.c", 2), ("a..c", 3), ("a...c", 0),
        ("a.a.c...", 7), ("ac......a", 8), ("ac.......................", None), ("ac..................", 19),
        ("ac...................", 20), ("ac....................", None),
    ],
)  # fmt: skip
def test_the_run_that_was_confirmed_begins_with_its_first_alarm(days: str, back: int | None) -> None:
    expected = None if back is None else TODAY - timedelta(days=back)
    assert drift_start(history(days), TODAY, POLICY) == expected
    assert drift_start(history(days)[::-1], TODAY, POLICY) == expected


def test_later_days_do_not_count() -> None:
    assert drift_start(history("..ac"), TODAY - timedelta(days=1), POLICY) is None


@pytest.mark.parametrize(("back", "days"), [(None, 14), (30, 14), (13, 14), (9, 10), (2, 8)])
def test_normality_is_as_old_as_the_drift_but_no_younger_than_a_reference(back: int | None, days: int) -> None:
    began = None if back is None else TODAY - timedelta(days=back)
    assert days_of_normality(began, TODAY, 14) == days
    assert days_of_normality(began, TODAY, 8) == 8


@pytest.mark.parametrize(("back", "first"), [(None, 27), (30, 27), (27, 27), (12, 12), (6, 6), (1, 6), (-3, 6)])
def test_normal_outcomes_are_those_of_the_drift_and_of_a_week_at_least(back: int | None, first: int) -> None:
    began = None if back is None else TODAY - timedelta(days=back)
    found = first_normal_outcome(began, TODAY - timedelta(days=27), TODAY)
    assert found == TODAY - timedelta(days=first)
