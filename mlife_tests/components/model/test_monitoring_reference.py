from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import date
from types import SimpleNamespace

import pyarrow as pa
import pytest

from mlife_assets.components.model import monitoring_reference
from mlife_assets.components.model.monitoring_reference import reference_days, rows_scored, sound_days, unseen_outcomes
from mlife_assets.core.monitoring.columns import LABEL
from mlife_assets.core.training.folds import Fold
from mlife_assets.core.windows import add_days
from mlife_assets.recruiting.job_applications import job_applications
from mlife_assets.recruiting.policies import Policies

DAY = date(2026, 6, 20)


def test_faulty_days_move_the_reference_back_and_do_not_shorten_it() -> None:
    """Once they did: with seven of them a promoted champion got no reference, and no later day a verdict."""
    faulty = [add_days(DAY, -back) for back in range(2, 9)]
    days = sound_days(DAY, 14, faulty)
    assert len(days) == 14
    assert days == sorted(days)
    assert not set(days) & set(faulty)
    assert (days[0], days[-1]) == (add_days(DAY, -20), DAY)
    assert sound_days(DAY, 14, []) == [add_days(DAY, -back) for back in range(13, -1, -1)]


def test_the_reference_never_reaches_further_back_than_three_times_its_length() -> None:
    faulty = [add_days(DAY, -back) for back in range(35)]
    assert sound_days(DAY, 14, faulty) == [add_days(DAY, -back) for back in range(41, 34, -1)]


def deployment(began: date | None, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Return what is asked of a platform; a drift began on a day, or none is open."""
    model = job_applications(Policies())
    monkeypatch.setattr(monitoring_reference, "decisions_until", lambda *_: [])
    monkeypatch.setattr(monitoring_reference, "drift_start", lambda *_: began)
    monkeypatch.setattr(monitoring_reference, "quarantined_days", lambda *_: [])
    return SimpleNamespace(model=model)


@pytest.mark.parametrize(("days_ago", "days"), [(None, 14), (40, 14), (13, 14), (10, 11), (7, 8), (2, 8), (0, 8)])
def test_after_a_drift_normal_is_the_new_world(monkeypatch, days_ago: int | None, days: int) -> None:
    """Nothing from before its first alarm, but for the eight days that a reference needs."""
    began = None if days_ago is None else add_days(DAY, -days_ago)
    found, said = reference_days(deployment(began, monkeypatch), DAY)
    assert found == [add_days(DAY, -back) for back in range(days - 1, -1, -1)]
    assert said == began


FOLDS = tuple(
    Fold(add_days(DAY, -8 - 7 * back + 1), f"fold_{back}", add_days(DAY, -17 - 7 * back)) for back in (3, 2, 1)
)
ITSELF = Fold(DAY, "mdl_x", add_days(DAY, -8))


def asked(monkeypatch: pytest.MonkeyPatch, outcome: str, began: date | None, funnels: Collection[str]) -> list[object]:
    """Return from when to when who is asked about an outcome."""
    monkeypatch.setattr(monitoring_reference, "folds_of", lambda *_: (*FOLDS, ITSELF))
    monkeypatch.setattr(monitoring_reference, "is_funnel", lambda _, version: version in funnels)
    calls: list[object] = []

    def sampled(_: object, folds: tuple[Fold, ...], first: date, last: date, *, outcome: str) -> pa.Table:
        calls.extend([[fold.model_version for fold in folds], folds[0].first_day, first, last, outcome])
        return pa.table({})

    monkeypatch.setattr(monitoring_reference, "sampled_examples", sampled)
    _, folds = unseen_outcomes(SimpleNamespace(model=job_applications(Policies())), "mdl_x", DAY, outcome, began)
    assert [fold.model_version for fold in folds] == calls[0]
    return calls


@pytest.mark.parametrize(
    ("began", "first", "who"),
    [
        (None, FOLDS[0].first_day, ["fold_3", "fold_2", "fold_1", "mdl_x"]),
        (add_days(DAY, -60), FOLDS[0].first_day, ["fold_3", "fold_2", "fold_1", "mdl_x"]),
        (add_days(DAY, -20), add_days(DAY, -20), ["fold_2", "fold_1", "mdl_x"]),
        (add_days(DAY, -2), FOLDS[2].first_day, ["fold_1", "mdl_x"]),
    ],
)
def test_outcomes_are_scored_by_folds_of_the_world_that_is_normal(
    monkeypatch, began: date | None, first: date, who: list[str]
) -> None:
    """The newest week at least: labels of a drift that is two days old are not there yet."""
    assert asked(monkeypatch, LABEL, began, ()) == [who, first, first, add_days(DAY, -8), LABEL]


def test_who_scored_how_many_is_counted_by_model() -> None:
    """One model may have two folds; who is asked about no day has scored nothing."""
    again = replace(FOLDS[2], model_version="fold_3")
    days = [add_days(FOLDS[0].first_day, back) for back in (0, 6, 7, 14, 15, 20)]
    examples = pa.table({"exposure_date": pa.array(days, pa.date32())})
    assert rows_scored((*FOLDS[:2], again, ITSELF), examples) == {"fold_3": 5, "fold_2": 1}
    assert rows_scored(FOLDS, examples.slice(0, 0)) == {}


def test_an_earlier_step_is_scored_by_those_that_know_it(monkeypatch) -> None:
    """The recipe may have chosen another formulation for a week: what lies before it is left out."""
    funnels = {"fold_3", "fold_1", "mdl_x"}
    days = Policies().label.click_window_days
    first, last = FOLDS[2].first_day, add_days(DAY, -days - 1)
    assert asked(monkeypatch, "click", None, funnels) == [["fold_1", "mdl_x"], first, first, last, "click"]
