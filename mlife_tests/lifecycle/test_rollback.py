"""Rollback insurance over the days of a model: weeks of the gate's rows, and what one decision leaves the next."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from mlife_assets.core.policies import PromotionPolicy
from mlife_assets.core.training.gate import GateExamples
from mlife_assets.core.training.gate.comparing import average_precision
from mlife_assets.core.training.insurance import Week
from mlife_assets.lifecycle.rollback import NAME, Insured, gain_of_week

MONDAY = date(2026, 6, 1)
POLICY = PromotionPolicy()
RNG = np.random.default_rng(7)
WEEKS = {MONDAY + timedelta(days=7 * number): Week(0.01 * number, 0.02) for number in range(4)}


def examples(*, has_items: bool) -> GateExamples:
    count = 700
    days = np.datetime64(MONDAY) + np.arange(count) % 7
    users = np.array([f"u{number % 60}" for number in range(count)], dtype=object)
    items = np.array([f"i{number}" for number in range(count)], dtype=object) if has_items else None
    relevant = RNG.random(count) < 0.2
    return GateExamples(users, items, days, relevant, days + 8)


def test_a_week_of_a_pool_is_the_difference_of_average_precision_with_days_left_out() -> None:
    rows, ours, theirs = examples(has_items=False), RNG.random(700), RNG.random(700)

    def gain(on: Any) -> float:
        both = (average_precision(score[on], rows.is_relevant[on]) for score in (ours, theirs))
        return float(np.subtract(*both))

    found = gain_of_week(rows, ours, theirs, POLICY)
    assert found is not None
    assert found.gain == pytest.approx(gain(np.full(700, True)), abs=1e-12)
    left = np.array([gain(rows.as_of_dates != day) for day in np.unique(rows.as_of_dates)])
    assert found.error == pytest.approx(np.sqrt(6 / 7 * np.sum((left - left.mean()) ** 2)), abs=1e-12)


def test_a_week_of_rankings_is_the_difference_of_map_by_users() -> None:
    rows = examples(has_items=True)
    found = gain_of_week(rows, rows.is_relevant.astype(float), np.zeros(700), POLICY)
    assert found is not None
    assert 0.1 < found.gain < 0.9
    assert 0 < found.error < found.gain / 5
    same = gain_of_week(rows, np.ones(700), np.zeros(700), POLICY)
    assert same == Week(0.0, 0.0)


def test_a_week_without_a_positive_is_none() -> None:
    rows = examples(has_items=False)
    assert gain_of_week(rows.chosen(~rows.is_relevant), np.zeros(1), np.zeros(1), POLICY) is None


def report(**changes: Any) -> dict[str, Any]:
    decided = {"outcome": "refused", "kind": "refit", "model_version": "new", "champion_version": "served"}
    return {**decided, **Insured("anchor", WEEKS).facts, **changes}


@pytest.mark.parametrize(
    ("changes", "champion", "is_kept"),
    [
        ({}, "served", True),
        ({}, "anchor", True),
        ({}, "by hand", False),
        ({"outcome": "promoted"}, "new", True),
        ({"outcome": "promoted"}, "served", False),
        ({"outcome": "promoted", "kind": "win"}, "new", False),
        ({"outcome": "not_enough_evidence", "kind": "win"}, "served", True),
        ({"insurance": None}, "served", False),
    ],
)
def test_weeks_are_carried_along_the_line_of_refits_only(changes: Any, champion: str, is_kept: bool) -> None:
    found = Insured.of_report(report(**changes), champion)
    assert found == (Insured("anchor", WEEKS) if is_kept else Insured(champion, {}))


def test_no_decision_begins_with_the_champion() -> None:
    assert Insured.of_report({}, "served") == Insured("served", {})


def test_the_condition_says_what_the_scatter_can_find() -> None:
    found = Insured("anchor", WEEKS).condition
    assert (found.name, found.is_met) == (NAME, True)
    assert "4 label weeks were held against anchor" in found.sentence
    assert "a scatter of 0.0129 a week. A lasting loss of 0.0258 would be rolled back within 9 weeks" in found.sentence
    assert "scatter" not in Insured("anchor", {}).condition.sentence
