"""Rollback insurance over the days of a model: weeks of the gate's rows, and what one decision leaves the next."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mlife_assets.core.errors import IntegrityError, NotFoundError
from mlife_assets.core.model_events import Reign
from mlife_assets.core.policies import PromotionPolicy
from mlife_assets.core.training.gate import GateExamples
from mlife_assets.core.training.gate.comparing import average_precision
from mlife_assets.core.training.insurance import Week
from mlife_assets.lifecycle.rollback import NAME, Insured, gain_of_week, new_mondays

MONDAY = date(2026, 6, 1)
POLICY = PromotionPolicy()
RNG = np.random.default_rng(7)
WEEKS = {MONDAY + timedelta(days=7 * number): Week(0.01 * number, 0.02) for number in range(8)}
KEPT = Insured("anchor", WEEKS, max(WEEKS))


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


@pytest.mark.parametrize("losing", [2, 5])
def test_a_table_of_two_days_a_week_never_rolls_back(losing: int) -> None:
    """Their standard error is unknown, not 0: three losing weeks were read as exact."""
    known = Insured("anchor", {})
    for number in range(52):
        days = np.datetime64(MONDAY) + 7 * number + np.arange(200) % 2
        relevant = np.arange(200) % losing == 0
        rows = GateExamples(np.array(["u"] * 200, dtype=object), None, days, relevant, days + 8)
        known = known.after(MONDAY + timedelta(days=7 * number), gain_of_week(rows, RNG.random(200), relevant, POLICY))
        assert known.condition.is_met
    assert known == Insured("anchor", {})


def loaded(version: str) -> Any:
    """Return a model: those of the line have one configuration."""
    if version in ("missing", "damaged"):
        raise {"missing": NotFoundError, "damaged": IntegrityError}[version](f"there is no {version}")
    names = ["a", "b"] if version == "winner" else ["a"]
    return SimpleNamespace(manifest={}, feature_spec=SimpleNamespace(names=names))


def reign(champion: str, actor: str = "gate") -> Reign:
    return Reign(champion, None, datetime(2026, 9, 1, tzinfo=UTC), "promoted", actor, "a reason")


@pytest.mark.parametrize(
    ("champion", "actor", "is_kept"),
    [
        ("served", "gate", True),  # also where the verdict said promoted, and the step that promotes failed
        ("judged before on that day", "gate", True),
        ("anchor", "gate", True),
        ("anchor", "ann", True),
        ("served", "ann", False),
        ("winner", "gate", False),
    ],
)
def test_weeks_are_carried_along_the_line_of_refits_only(champion: str, actor: str, is_kept: bool) -> None:
    found = Insured.of_report(KEPT.facts, reign(champion, actor), loaded)
    assert found == (KEPT if is_kept else Insured(champion, {}, max(WEEKS)))


@pytest.mark.parametrize("anchor", ["missing", "damaged"])
def test_an_anchor_that_cannot_be_loaded_begins_anew_and_is_said(anchor: str) -> None:
    found = Insured.of_report(Insured(anchor, WEEKS).facts, reign("served"), loaded)
    assert (found.anchor, found.weeks) == ("served", {})
    assert f"They were held against {anchor}, which cannot be loaded: there is no {anchor}." in found.condition.sentence


def test_no_decision_begins_with_the_champion() -> None:
    for report in ({}, {"insurance": None}):
        assert Insured.of_report(report, reign("served"), loaded) == Insured("served", {})


def test_no_week_counts_twice_also_with_another_anchor() -> None:
    last = MONDAY + timedelta(days=76)
    for known in (KEPT, KEPT.anew("served"), Insured.of_report(KEPT.anew("served").facts, reign("served"), loaded)):
        assert new_mondays(known, MONDAY, last) == [MONDAY + timedelta(days=7 * number) for number in (8, 9, 10)]


def test_the_condition_says_what_the_scatter_can_find() -> None:
    found = KEPT.condition
    assert (found.name, found.is_met) == (NAME, True)
    assert "8 label weeks were held against anchor" in found.sentence
    assert (
        "a scatter of 0.0245 a week. A lasting loss of about 0.0490 would be rolled back within about 9 weeks in 4 of "
        "5 cases, if weeks are independent, plus the days until labels are mature."
    ) in found.sentence
    assert "scatter" not in Insured("anchor", dict(list(WEEKS.items())[:7])).condition.sentence
