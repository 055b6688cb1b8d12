"""Average precision: hand-worked, against ir_measures, and invariant 3 (row order and ties)."""

from __future__ import annotations

import ir_measures
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.ranking import (
    RankingResult,
    average_precision_by_user,
    mean_average_precision,
    prepare_ranking_rows,
    random_ranking_expectation,
    rank_rows,
    tie_keys,
)


def ranked(users: list[str], relevant: list[bool], scores: list[float], depth: int) -> RankingResult:
    items = [f"job_{i}" for i in range(len(users))]
    keys = tie_keys(users, items, 1)
    return average_precision_by_user(users, np.array(relevant), np.array(scores, dtype=float), keys, depth)


@pytest.mark.parametrize(
    ("relevant_by_rank", "depth", "expected"),
    [
        ([1, 0, 0, 0], 10, 1.0),
        ([0, 1, 0, 0], 10, 1 / 2),
        ([1, 0, 1, 0], 10, (1 + 2 / 3) / 2),
        ([0, 0, 0, 1], 3, 0.0),
        ([1, 1, 1, 1], 2, 1.0),
        ([0, 1, 1, 1], 2, (1 / 2) / 2),
        ([1, 0, 1, 0, 1], 3, (1 + 2 / 3) / 3),
        ([1], 1, 1.0),
    ],
)
def test_hand_worked_average_precision(relevant_by_rank: list[int], depth: int, expected: float) -> None:
    n = len(relevant_by_rank)
    result = ranked(["u"] * n, [bool(r) for r in relevant_by_rank], [float(n - i) for i in range(n)], depth)
    assert result.average_precision.tolist() == [pytest.approx(expected, abs=1e-15)]
    assert result.positives.tolist() == [sum(relevant_by_rank)]


def test_users_without_positives_are_left_out_and_counted() -> None:
    result = ranked(["c", "b", "a", "a"], [True, False, False, True], [1, 1, 2, 1], 10)
    assert result.users.tolist() == ["a", "c"]
    assert result.average_precision.tolist() == [0.5, 1.0]
    assert (result.users_total, result.users_without_positives) == (3, 1)
    assert result.share_without_positives == pytest.approx(1 / 3)
    assert result.mean == 0.75


def test_nobody_with_positives_is_not_a_mean() -> None:
    result = ranked(["a", "b"], [False, False], [1, 2], 10)
    assert len(result.average_precision) == 0
    with pytest.raises(NotEnoughEvidenceError, match="0 users with positives"):
        mean_average_precision(result.average_precision)


def test_a_user_of_two_windows_counts_once_with_the_mean_of_its_windows() -> None:
    users = ["a"] * 6 + ["b"] * 2
    items = ["1", "2", "3", "1", "2", "3", "1", "2"]
    windows = [0, 0, 0, 1, 1, 1, 0, 0]
    relevant = np.array([1, 0, 0, 0, 0, 1, 1, 0], dtype=bool)
    scores = np.array([3, 2, 1, 3, 2, 1, 1, 2], dtype=float)
    result = rank_rows(prepare_ranking_rows(users, items, relevant, 1, windows), scores, 10)
    assert result.average_precision.tolist() == [pytest.approx((1 + 1 / 3) / 2), 0.5]
    assert result.positives.tolist() == [2, 1]
    assert result.users_total == 2


def test_a_window_without_positives_does_not_lower_the_mean_of_a_user() -> None:
    rows = prepare_ranking_rows(["a"] * 4, ["1", "2", "1", "2"], np.array([1, 0, 0, 0], dtype=bool), 1, [0, 0, 1, 1])
    assert rank_rows(rows, np.array([2.0, 1, 2, 1]), 10).average_precision.tolist() == [1.0]


def random_rows(
    seed: int, users: int = 300, largest: int = 90
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, largest, users)
    owners = np.repeat([f"user_{i:04d}" for i in range(users)], sizes).astype(object)
    items = np.array([f"job_{i}" for size in sizes for i in range(size)], dtype=object)
    return owners, items, rng.random(len(owners)) < 0.1, rng.permutation(len(owners)).astype(float)


def test_agrees_with_ir_measures_where_positives_fit_the_depth() -> None:
    users, items, relevant, scores = random_rows(5)
    depth = 100
    result = average_precision_by_user(users, relevant, scores, tie_keys(users, items, 1), depth)
    qrels: dict[str, dict[str, int]] = {}
    run: dict[str, dict[str, float]] = {}
    for user, item, flag, score in zip(users, items, relevant, scores, strict=True):
        qrels.setdefault(user, {})[item] = int(flag)
        run.setdefault(user, {})[item] = float(score)
    measure = ir_measures.AP @ depth
    theirs = {m.query_id: m.value for m in ir_measures.iter_calc([measure], qrels, run)}
    assert len(result.users) > 200
    for user, ours in zip(result.users, result.average_precision, strict=True):
        assert abs(ours - theirs[user]) < 1e-12


def test_agrees_with_ir_measures_at_ten_after_its_divisor_is_changed() -> None:
    users, items, relevant, scores = random_rows(6)
    relevant = relevant | (np.arange(len(users)) % 3 == 0)
    result = average_precision_by_user(users, relevant, scores, tie_keys(users, items, 1), 10)
    qrels: dict[str, dict[str, int]] = {}
    run: dict[str, dict[str, float]] = {}
    for user, item, flag, score in zip(users, items, relevant, scores, strict=True):
        qrels.setdefault(user, {})[item] = int(flag)
        run.setdefault(user, {})[item] = float(score)
    theirs = {m.query_id: m.value for m in ir_measures.iter_calc([ir_measures.AP @ 10], qrels, run)}
    assert result.positives.max() > 20
    for user, ours, m in zip(result.users, result.average_precision, result.positives, strict=True):
        assert abs(ours - theirs[user] * m / min(m, 10)) < 1e-12


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 5))
def test_invariant_3_the_order_of_rows_changes_no_bit(seed: int, depth: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    users, items, relevant, _ = random_rows(seed, users=30, largest=40)
    windows = rng.integers(0, 2, len(users))
    scores = rng.integers(0, levels, len(users)).astype(float)
    order = rng.permutation(len(users))
    one = rank_rows(prepare_ranking_rows(users, items, relevant, 3, windows), scores, depth)
    shuffled = prepare_ranking_rows(users[order], items[order], relevant[order], 3, windows[order])
    two = rank_rows(shuffled, scores[order], depth)
    assert one.average_precision.tobytes() == two.average_precision.tobytes()
    assert one.users.tolist() == two.users.tolist()
    assert one.positives.tolist() == two.positives.tolist()


def test_tie_keys_that_share_their_leading_bits_still_order_ties() -> None:
    keys = np.array([2, 1, 3, 0], dtype=np.uint64)
    for order in (np.arange(4), np.array([3, 1, 0, 2])):
        relevant = np.array([False, True, False, False])[order]
        result = average_precision_by_user([7] * 4, relevant, np.zeros(4), keys[order], 10)
        assert result.average_precision.tolist() == [0.5]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_only_the_order_of_scores_matters(seed: int) -> None:
    users, items, relevant, scores = random_rows(seed, users=20, largest=30)
    rows = prepare_ranking_rows(users, items, relevant, 3)
    one, two = rank_rows(rows, scores, 10), rank_rows(rows, np.arctan(scores / len(scores)), 10)
    assert one.average_precision.tobytes() == two.average_precision.tobytes()


def test_invariant_3_a_constant_score_gets_the_random_value_even_when_positives_come_first() -> None:
    users = np.repeat(np.arange(20_000), 30)
    items = np.tile(np.arange(30), 20_000)
    relevant = np.random.default_rng(3).random((20_000, 30)) < 0.05
    relevant = np.sort(relevant, axis=1)[:, ::-1].ravel()
    result = average_precision_by_user(users, relevant, np.zeros(len(users)), tie_keys(users, items, 3), 10)
    error = result.average_precision.std() / np.sqrt(len(result.users))
    assert abs(result.mean - result.random_mean) < 4 * error
    assert result.random_mean == pytest.approx(0.103, abs=0.003)


@pytest.mark.parametrize(("n", "m", "depth"), [(1, 1, 10), (5, 2, 3), (6, 6, 4), (7, 1, 10), (4, 3, 2), (30, 4, 10)])
def test_random_expectation_is_the_mean_over_random_orders(n: int, m: int, depth: int) -> None:
    rng = np.random.default_rng(1)
    count = 40_000
    users, items = np.repeat(np.arange(count), n), np.tile(np.arange(n), count)
    relevant = items < m
    result = average_precision_by_user(users, relevant, rng.random(count * n), tie_keys(users, items, 1), depth)
    expected = random_ranking_expectation(np.array([n]), np.array([m]), depth)[0]
    error = result.average_precision.std() / np.sqrt(count)
    assert abs(result.mean - expected) <= 4 * error + 1e-12
    assert result.random_mean == pytest.approx(expected)


@pytest.mark.parametrize(("n", "m"), [(5, 0), (5, 6)])
def test_random_expectation_needs_one_to_n_positives(n: int, m: int) -> None:
    with pytest.raises(InvalidInputError, match="group 0"):
        random_ranking_expectation(np.array([n]), np.array([m]), 10)


@pytest.mark.parametrize("size", [1, 7, 8, 9, 64, 65, 129, 1_000])
def test_groups_of_every_size_are_padded_without_effect(size: int) -> None:
    rng = np.random.default_rng(size)
    relevant = rng.random(size) < 0.3
    relevant[-1] = True
    scores = rng.permutation(size).astype(float) - size
    result = average_precision_by_user(["u"] * size, relevant, scores, tie_keys(["u"] * size, np.arange(size), 1), 10)
    by_rank = relevant[np.argsort(-scores)]
    hits = np.cumsum(by_rank)
    m = min(int(by_rank.sum()), 10)
    expected = sum(hits[i] / (i + 1) for i in range(min(10, size)) if by_rank[i]) / m
    assert result.average_precision[0] == pytest.approx(expected, abs=1e-12)


def test_the_lowest_possible_score_ranks_last_but_counts() -> None:
    result = ranked(["u"] * 3, [False, True, False], [1.0, -np.inf, np.inf], 10)
    assert result.average_precision[0] == pytest.approx(1 / 3)


def test_a_nan_score_is_refused_with_its_row() -> None:
    with pytest.raises(InvalidInputError, match="NaN in row 1"):
        ranked(["a", "a"], [True, False], [1.0, float("nan")], 10)


def test_a_repeated_item_of_a_user_is_refused_with_its_rows() -> None:
    flags = np.array([True, False, True])
    with pytest.raises(InvalidInputError, match="'a' has the same item in rows 0 and 2"):
        prepare_ranking_rows(["a", "a", "a"], ["1", "2", "1"], flags, 1)
    keys = tie_keys(["a", "a", "a"], ["1", "2", "1"], 1)
    with pytest.raises(InvalidInputError, match="rows 0 and 2"):
        average_precision_by_user(["a", "a", "a"], flags, np.array([1.0, 2.0, 3.0]), keys, 10)


def test_an_item_may_return_in_another_window_or_for_another_user() -> None:
    prepare_ranking_rows(["a", "a", "b"], ["1", "1", "1"], np.array([True, False, True]), 1, [0, 1, 0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"relevant": np.array([True])}, "1 relevance values for 2 rows"),
        ({"relevant": np.array([0, 2])}, "relevance is .* in row 1"),
        ({"windows": [1]}, "1 windows for 2 rows"),
        ({"item_ids": ["1"]}, "2 user ids but 1 item ids"),
    ],
)
def test_columns_that_do_not_fit_are_refused(change: dict[str, object], message: str) -> None:
    columns: dict[str, object] = {
        "user_ids": ["a", "a"],
        "item_ids": ["1", "2"],
        "relevant": np.array([True, False]),
        "seed": 1,
    }
    with pytest.raises(InvalidInputError, match=message):
        prepare_ranking_rows(**(columns | change))  # type: ignore[arg-type]


def test_scores_depth_and_keys_are_checked() -> None:
    rows = prepare_ranking_rows(["a", "a"], ["1", "2"], np.array([1, 0]), 1)
    with pytest.raises(InvalidInputError, match="one score per row"):
        rank_rows(rows, np.array([1.0]), 10)
    with pytest.raises(InvalidInputError, match="depth is 0"):
        rank_rows(rows, np.array([1.0, 2.0]), 0)
    with pytest.raises(InvalidInputError, match="uint64"):
        average_precision_by_user(["a"], np.array([True]), np.array([1.0]), np.array([1]), 10)
