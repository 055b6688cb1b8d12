"""The steps of a day, on facts in memory."""

from __future__ import annotations

from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from mlife_assets.core.errors import NotEnoughEvidenceError
from mlife_assets.core.model_events import Reign
from mlife_assets.core.policies import RetrainPolicy
from mlife_assets.core.training.folds import Fold
from mlife_assets.core.windows import run_time
from mlife_assets.lifecycle import day as lifecycle
from mlife_assets.lifecycle.day import begins_to_serve, folds_fitted, held_against, served, window_of_folds

DAY = date(2026, 6, 15)
WEEKS = [DAY - timedelta(days=7 * back) for back in (4, 3, 2)]
SINCE = {"a": WEEKS[1], "b": DAY}


def reign(version: str, at: date, hours: int = 1) -> Reign:
    return Reign(version, None, run_time(at) + timedelta(hours=hours), "promoted", "gate", "won")


def known(*reigns: Reign) -> Any:
    def trained(version: str) -> tuple[Fold, ...]:
        return tuple(Fold(one, f"{version}{place}", one - timedelta(days=8)) for place, one in enumerate(WEEKS))

    model = SimpleNamespace(label_step=SimpleNamespace(maturity_days=7), retrain=RetrainPolicy())
    return SimpleNamespace(
        day=DAY, models=SimpleNamespace(model=model, load=str, trained_folds=trained), challenger_folds=trained,
        champions=lambda: reigns,
    )  # fmt: skip


@pytest.fixture(autouse=True)
def spoken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "itself", lambda one, _: Fold(SINCE[one], one, SINCE[one] - timedelta(days=8)))


def test_before_the_first_champion_its_folds_stand_in_and_who_is_promoted_serves_from_the_next_run_on() -> None:
    assert served(known()) == ()
    assert begins_to_serve(reign("a", DAY, hours=0)) == DAY
    found = [(one.first_day, one.model_version) for one in served(known(reign("a", WEEKS[2]), reign("b", DAY)))]
    day_after = timedelta(days=1)
    assert found == [(WEEKS[0], "a0"), (WEEKS[1], "a"), (WEEKS[2] + day_after, "a"), (DAY + day_after, "b")]


def test_a_fold_that_nothing_can_be_learned_for_ends_the_folds_before_it() -> None:
    def fit(first: date) -> date:
        if first in missing:
            raise NotEnoughEvidenceError("too few")
        return first

    missing: set[date] = set()
    assert folds_fitted(WEEKS, fit) == (WEEKS, "")
    missing = {WEEKS[1]}
    text = f"1 of 3 folds can be judged; for the one from {WEEKS[1]}: too few."
    assert folds_fitted(WEEKS, fit) == (WEEKS[2:], text)
    missing = {WEEKS[2]}
    with pytest.raises(NotEnoughEvidenceError, match=f"the newest fold of the gate, from {WEEKS[2]}: too few"):
        folds_fitted(WEEKS, fit)


def test_a_window_says_where_both_sides_are_one_model_and_until_when_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    first = window_of_folds(known(), "b")
    assert (first.first_day, first.served) == (WEEKS[0], ())
    assert "before anything was served" in first.sentence
    again = window_of_folds(known(reign("a", WEEKS[0], hours=0)), "a")
    assert again.first_day == WEEKS[0]
    assert "On 7 of 21 days both sides are one model" in again.sentence
    facts = known(reign("b", DAY, hours=0))
    monkeypatch.setattr(facts.models, "trained_folds", lambda _: ())
    text = f"b, which was served, may be asked from {DAY} on, .* wait until {DAY + timedelta(days=8)}"
    with pytest.raises(NotEnoughEvidenceError, match=text):
        window_of_folds(facts, "b")


def test_a_fit_of_the_champions_configuration_is_a_refit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "changed_configuration", lambda one, other: (one + other,) if one == "new" else ())
    reigns = (reign("a", WEEKS[0]), reign("b", WEEKS[1]))
    assert held_against(known(), "c") == (None, ())
    assert held_against(known(*reigns), "c") == ("b", ())
    assert held_against(known(*reigns), "new") == ("b", ("newb",))
