"""What a model does to each user: hand-worked cases, ties, and independence of the order of rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.training.fairness.measures import UserOutcomes, user_outcomes

USERS = np.array(["ann", "ann", "ann", "ann", "bob", "bob", "cat"], dtype=object)
ITEMS = np.array(["a", "b", "c", "d", "a", "b", "a"], dtype=object)
SCORES = np.array([0.4, 0.9, 0.1, 0.3, 0.6, 0.2, 0.5])
WORTH = np.array([20.0, 30.0, 40.0, 10.0, 15.0, 15.0, 50.0])


def outcomes(budget: int = 1, depth: int = 3, **changed: np.ndarray) -> UserOutcomes:
    columns = {"user_ids": USERS, "item_ids": ITEMS, "scores": SCORES, "worth": WORTH} | changed
    return user_outcomes(**columns, budget=budget, depth=depth, seed=1)


def test_the_best_candidate_decides_who_is_selected() -> None:
    assert outcomes().user_ids.tolist() == ["ann", "bob", "cat"]
    assert outcomes(0).is_selected.tolist() == [False, False, False]
    assert outcomes(1).is_selected.tolist() == [True, False, False]
    assert outcomes(2).is_selected.tolist() == [True, True, False]
    assert outcomes(9).is_selected.tolist() == [True, True, True]


def test_scoring_is_above_the_median_of_users_not_of_rows() -> None:
    assert outcomes().is_above_median.tolist() == [True, False, False]


def test_exposure_is_discounted_by_rank_and_relative_to_the_users_own_candidates() -> None:
    """Ann ranks b (30), a (20), d (10): of her median 25, b alone is worth more. Bob and Cat have no choice."""
    discount = 1 / np.log2([2.0, 3.0, 4.0])
    found = outcomes().valued_exposure
    assert found[0] == pytest.approx(discount[0] / discount.sum())
    assert np.isnan(found[1:]).all()
    assert outcomes(depth=1).valued_exposure[0] == 1.0


def test_what_is_worth_the_median_is_valued() -> None:
    found = user_outcomes(
        ["u"] * 3, ["a", "b", "c"], np.arange(3.0), np.array([9.0, 12.0, 15.0]), budget=1, depth=3, seed=1
    )
    discount = 1 / np.log2([2.0, 3.0, 4.0])
    assert found.valued_exposure[0] == pytest.approx((discount[0] + discount[1]) / discount.sum())


def test_a_constant_score_selects_at_random_and_shows_no_preference() -> None:
    users = np.repeat(np.arange(400), 10)
    items = np.tile(np.arange(10), 400)
    worth = items.astype(float)
    found = user_outcomes(users, items, np.zeros(4_000), worth, budget=200, depth=3, seed=7)
    assert found.is_selected.sum() == 200
    assert abs(found.is_selected[:200].sum() - 100) < 40, "ties go by hash, not by id"
    assert not found.is_above_median.any()
    assert found.valued_exposure.mean() == pytest.approx(0.5, abs=0.05)


@given(st.permutations(range(len(USERS))), st.integers(0, 4), st.integers(1, 5))
def test_the_order_of_rows_changes_nothing(order: list[int], budget: int, depth: int) -> None:
    place = np.array(order)
    one = outcomes(budget, depth)
    columns = {"user_ids": USERS, "item_ids": ITEMS, "scores": SCORES, "worth": WORTH}
    other = outcomes(budget, depth, **{name: column[place] for name, column in columns.items()})
    for name in ("user_ids", "is_selected", "is_above_median"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
    assert np.array_equal(one.valued_exposure, other.valued_exposure, equal_nan=True)


def test_no_rows_are_no_users() -> None:
    empty = user_outcomes([], [], np.zeros(0), np.zeros(0), budget=1, depth=1, seed=1)
    assert len(empty.user_ids) == len(empty.valued_exposure) == len(empty.is_selected) == 0


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"scores": np.append(SCORES[:-1], np.nan)}, "score is nan in row 6"),
        ({"worth": np.append(np.inf, WORTH[1:])}, "worth is inf in row 0"),
        ({"worth": WORTH[1:]}, "6 values of worth for 7 rows"),
        ({"item_ids": ITEMS[1:]}, "6 values of item_ids"),
    ],
)
def test_columns_that_do_not_fit_are_refused(changed: dict[str, np.ndarray], told: str) -> None:
    with pytest.raises(InvalidInputError, match=told):
        outcomes(**changed)


@pytest.mark.parametrize(("budget", "depth"), [(-1, 1), (1, 0)])
def test_limits_that_make_no_sense_are_refused(budget: int, depth: int) -> None:
    with pytest.raises(InvalidInputError, match="budget is"):
        outcomes(budget, depth)
