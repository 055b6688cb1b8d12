"""When a drift began: the first alarm of the run that was confirmed."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from mlife_assets.core.monitoring.drift_start import days_of_normality, drift_start, first_normal_outcome
from mlife_assets.core.monitoring.retrain_decisions import RetrainDecision
from mlife_assets.core.policies import RetrainPolicy

DAY = date(2026, 6, 20)
POLICY = RetrainPolicy(alarm_days_needed=2, alarm_days_window=3, drift_open_days=20)
SAID = {
    ".": ("wait", ("quiet",)),
    "a": ("wait", ("concept_alarm",)),
    "c": ("retrain", ("concept_alarm", "concept_drift_confirmed")),
}


def history(days: str) -> list[RetrainDecision]:
    """Return one decision per letter, the last of them of DAY: quiet, an alarm, or a confirmed drift."""
    first = DAY - timedelta(days=len(days) - 1)
    return [
        RetrainDecision(first + timedelta(days=place), *SAID[letter], ("Said.",), "mdl_x")
        for place, letter in enumerate(days)
    ]


@pytest.mark.parametrize(
    ("days", "back"),
    [
        ("", None),
        ("....", None),
        ("..a.", None),
        ("..ac", 1),
        (".a.c", 2),
        ("a..c", 3),
        ("a...c", 0),
        ("a.a.c...", 7),
        ("ac......a", 8),
        ("ac.......................", None),
        ("ac..................", 19),
        ("ac...................", 20),
        ("ac....................", None),
    ],
)
def test_the_run_that_was_confirmed_begins_with_its_first_alarm(days: str, back: int | None) -> None:
    expected = None if back is None else DAY - timedelta(days=back)
    assert drift_start(history(days), DAY, POLICY) == expected
    assert drift_start(history(days)[::-1], DAY, POLICY) == expected


def test_later_days_do_not_count() -> None:
    assert drift_start(history("..ac"), DAY - timedelta(days=1), POLICY) is None


@pytest.mark.parametrize(("back", "days"), [(None, 14), (30, 14), (13, 14), (9, 10), (2, 8)])
def test_normality_is_as_old_as_the_drift_but_no_younger_than_a_reference(back: int | None, days: int) -> None:
    began = None if back is None else DAY - timedelta(days=back)
    assert days_of_normality(began, DAY, 14) == days
    assert days_of_normality(began, DAY, 8) == 8


@pytest.mark.parametrize(("back", "first"), [(None, 27), (30, 27), (27, 27), (12, 12), (6, 6), (1, 6), (-3, 6)])
def test_normal_outcomes_are_those_of_the_drift_and_of_a_week_at_least(back: int | None, first: int) -> None:
    began = None if back is None else DAY - timedelta(days=back)
    found = first_normal_outcome(began, DAY - timedelta(days=27), DAY)
    assert found == DAY - timedelta(days=first)
