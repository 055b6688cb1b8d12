"""What a random ranking gets: hand-worked, by enumeration, and as the mean over random orders."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import numpy as np
import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.ranking import (
    prepare_ranking_rows,
    random_ndcg_expectation,
    random_ranking_expectation,
    random_recall_expectation,
    rank_rows,
)

EXPECTATIONS = (random_ranking_expectation, random_ndcg_expectation, random_recall_expectation)


@pytest.mark.parametrize(("n", "m", "depth"), [(1, 1, 10), (5, 2, 3), (6, 6, 4), (7, 1, 10), (4, 3, 2), (6, 3, 6)])
def test_random_expectation_is_the_mean_over_all_orders(n: int, m: int, depth: int) -> None:
    orders = np.array(list(permutations(range(n))))
    users, items = np.repeat(np.arange(len(orders)), n), np.tile(np.arange(n), len(orders))
    result = rank_rows(prepare_ranking_rows(users, items, items < m, 1), orders.ravel(), depth)
    sizes, positives = np.array([n]), np.array([m])
    for values, expected, expectation in (
        (result.average_precision, result.random_expectation, random_ranking_expectation),
        (result.ndcg, result.random_ndcg, random_ndcg_expectation),
        (result.recall, result.random_recall, random_recall_expectation),
    ):
        assert values.mean() == pytest.approx(expectation(sizes, positives, depth)[0], abs=1e-12)
        assert expected.mean() == pytest.approx(values.mean(), abs=1e-12)


def test_hand_worked_expectations() -> None:
    n, m = np.array([4, 20]), np.array([1, 2])
    assert random_ranking_expectation(n, m, 2).tolist() == [
        pytest.approx((1 + 1 / 2) / 4),
        pytest.approx((0.1 + 0.1 * (1 + 1 / 19) / 2) / 2),
    ]
    assert random_ndcg_expectation(n, m, 2).tolist() == [pytest.approx(1.6309297535714574 / 4), pytest.approx(0.1)]
    assert random_recall_expectation(n, m, 5).tolist() == [1.0, 0.25]


@pytest.mark.parametrize("expectation", EXPECTATIONS)
@pytest.mark.parametrize(("n", "m"), [(5, 0), (5, 6)])
def test_random_expectation_needs_one_to_n_positives(expectation: Callable, n: int, m: int) -> None:
    with pytest.raises(InvalidInputError, match="group 1"):
        expectation(np.array([5, n]), np.array([5, m]), 10)


@pytest.mark.parametrize("expectation", EXPECTATIONS)
def test_random_expectation_needs_a_depth(expectation: Callable) -> None:
    with pytest.raises(InvalidInputError, match="depth is 0"):
        expectation(np.array([5]), np.array([1]), 0)


@pytest.mark.parametrize("expectation", EXPECTATIONS)
def test_no_groups_have_no_expectation(expectation: Callable) -> None:
    assert len(expectation(np.array([]), np.array([]), 10)) == 0
