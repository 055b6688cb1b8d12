"""AP, NDCG and recall: hand-worked, against ir_measures, and invariant 3 (row order and ties).

What a random ranking gets: hand-worked, by enumeration, and as the mean over random orders.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import permutations

import ir_measures
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.ranking.metrics import (
    RankingResult,
    mean_average_precision,
    random_ndcg_expectation,
    random_ranking_expectation,
    random_recall_expectation,
    rank_rows,
)
from mlife_assets.core.ranking.rows import prepare_ranking_rows
from mlife_assets.core.row_keys import tie_keys

ARRAYS = ("average_precision", "ndcg", "recall", "random_expectation", "random_ndcg", "random_recall", "positives")

EXPECTATIONS = (random_ranking_expectation, random_ndcg_expectation, random_recall_expectation)


def ranked(users: list[str], relevant: list[bool], scores: list[float], depth: int) -> RankingResult:
    items = [f"job_{i}" for i in range(len(users))]
    return rank_rows(prepare_ranking_rows(users, items, np.array(relevant), 1), np.array(scores, dtype=float), depth)


def by_rank(relevant_by_rank: list[int], depth: int) -> RankingResult:
    n = len(relevant_by_rank)
    return ranked(["u"] * n, [bool(r) for r in relevant_by_rank], [float(n - i) for i in range(n)], depth)


def same_bits(one: RankingResult, two: RankingResult) -> bool:
    return one.users.tolist() == two.users.tolist() and all(
        getattr(one, name).tobytes() == getattr(two, name).tobytes() for name in ARRAYS
    )


@pytest.mark.parametrize(
    ("relevant_by_rank", "depth", "expected"),
    [
        ([1, 0, 0, 0], 10, 1.0), ([0, 1, 0, 0], 10, 1 / 2), ([1, 0, 1, 0], 10, (1 + 2 / 3) / 2),
        ([0, 0, 0, 1], 3, 0.0), ([1, 1, 1, 1], 2, 1.0), ([0, 1, 1, 1], 2, (1 / 2) / 2),
        ([1, 0, 1, 0, 1], 3, (1 + 2 / 3) / 3), ([1], 1, 1.0),
    ],
)  # fmt: skip
def test_hand_worked_average_precision(relevant_by_rank: list[int], depth: int, expected: float) -> None:
    result = by_rank(relevant_by_rank, depth)
    assert result.average_precision.tolist() == [pytest.approx(expected, abs=1e-15)]
    assert result.positives.tolist() == [sum(relevant_by_rank)]


# 1 / log2(rank + 1): 1, .63092975, .5, .43067656 for the ranks 1 to 4.
@pytest.mark.parametrize(
    ("relevant_by_rank", "depth", "expected"),
    [
        ([1, 0, 0, 0], 10, 1.0),
        ([0, 1, 0, 0], 10, 0.6309297535714574),
        ([0, 0, 1], 10, 0.5),
        ([1, 0, 1, 0], 10, 1.5 / 1.6309297535714574),
        ([0, 0, 0, 1], 3, 0.0),
        ([1, 1, 1, 1], 2, 1.0),
        ([0, 1, 1, 1], 2, 0.6309297535714574 / 1.6309297535714574),
        ([0, 1, 0, 1], 4, (0.6309297535714574 + 0.43067655807339306) / 1.6309297535714574),
        ([1], 1, 1.0),
    ],
)
def test_hand_worked_ndcg(relevant_by_rank: list[int], depth: int, expected: float) -> None:
    assert by_rank(relevant_by_rank, depth).ndcg.tolist() == [pytest.approx(expected, abs=1e-15)]


@pytest.mark.parametrize(
    ("relevant_by_rank", "depth", "expected"),
    [
        ([1, 0, 0], 10, 1.0),
        ([0, 0, 1], 2, 0.0),
        ([0, 1, 1], 2, 1 / 2),
        ([1, 1, 1, 1], 3, 3 / 4),
        ([1, 0, 1, 0, 1], 3, 2 / 3),
    ],
)
def test_hand_worked_recall(relevant_by_rank: list[int], depth: int, expected: float) -> None:
    assert by_rank(relevant_by_rank, depth).recall.tolist() == [expected]


def test_users_without_positives_are_left_out_and_counted() -> None:
    result = ranked(["c", "b", "a", "a"], [True, False, False, True], [1, 1, 2, 1], 10)
    assert result.users.tolist() == ["a", "c"]
    assert result.average_precision.tolist() == [0.5, 1.0]
    assert result.ndcg.tolist() == [pytest.approx(0.6309297535714574), 1.0]
    assert result.recall.tolist() == [1.0, 1.0]
    assert (result.users_total, result.users_without_positives) == (3, 1)
    assert result.share_without_positives == pytest.approx(1 / 3)
    assert (result.mean, result.mean_recall) == (0.75, 1.0)
    assert result.mean_ndcg == pytest.approx((1 + 0.6309297535714574) / 2)


@pytest.mark.parametrize("count", [0, 2])
def test_nobody_with_positives_is_not_a_mean(count: int) -> None:
    result = ranked(["a", "b"][:count], [False] * count, [1, 2][:count], 10)
    assert len(result.average_precision) == 0
    assert result.share_without_positives == (1.0 if count else 0.0)
    with pytest.raises(NotEnoughEvidenceError, match="0 users with positives"):
        mean_average_precision(result.average_precision)
    with pytest.raises(NotEnoughEvidenceError, match="mean NDCG"):
        _ = result.mean_ndcg


def test_a_user_of_two_windows_counts_once_with_the_mean_of_its_windows() -> None:
    users = ["a"] * 6 + ["b"] * 2
    items = ["1", "2", "3", "1", "2", "3", "1", "2"]
    windows = [0, 0, 0, 1, 1, 1, 0, 0]
    relevant = np.array([1, 0, 0, 0, 0, 1, 1, 0], dtype=bool)
    scores = np.array([3, 2, 1, 3, 2, 1, 1, 2], dtype=float)
    result = rank_rows(prepare_ranking_rows(users, items, relevant, 1, windows), scores, 10)
    assert result.average_precision.tolist() == [pytest.approx((1 + 1 / 3) / 2), 0.5]
    assert result.ndcg.tolist() == [pytest.approx((1 + 1 / 2) / 2), pytest.approx(0.6309297535714574)]
    assert result.positives.tolist() == [2, 1]
    assert result.users_total == 2
    shallow = rank_rows(prepare_ranking_rows(users, items, relevant, 1, windows), scores, 2)
    assert shallow.recall.tolist() == [0.5, 1.0]
    assert shallow.random_recall.tolist() == [pytest.approx(2 / 3), 1.0]


def test_a_window_without_positives_does_not_lower_the_mean_of_a_user() -> None:
    rows = prepare_ranking_rows(["a"] * 4, ["1", "2", "1", "2"], np.array([1, 0, 0, 0], dtype=bool), 1, [0, 0, 1, 1])
    result = rank_rows(rows, np.array([2.0, 1, 2, 1]), 10)
    assert [result.average_precision[0], result.ndcg[0], result.recall[0]] == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("depth", "share"),
    [(10, 1 / 3), (3, 0.0), (100, 0.0)],
    ids=["more positives than ranks", "few ranks", "more ranks than rows"],
)
def test_agrees_with_ir_measures(random_rows: Callable, depth: int, share: float) -> None:
    """Its AP@k divides by m, ours by min(m, k): the one is scaled to the other."""
    users, items, relevant, scores = random_rows(depth)
    relevant = relevant | (np.random.default_rng(depth).random(len(users)) < share)
    result = rank_rows(prepare_ranking_rows(users, items, relevant, 1), scores, depth)
    qrels: dict[str, dict[str, int]] = {}
    run: dict[str, dict[str, float]] = {}
    for user, item, flag, score in zip(users, items, relevant, scores, strict=True):
        qrels.setdefault(user, {})[item] = int(flag)
        run.setdefault(user, {})[item] = float(score)
    measures = [ir_measures.AP @ depth, ir_measures.nDCG @ depth, ir_measures.R @ depth]
    theirs = {(str(m.measure), m.query_id): m.value for m in ir_measures.iter_calc(measures, qrels, run)}
    assert len(result.users) > 200
    assert (result.positives.max() > 20) == (share > 0)
    for i, user in enumerate(result.users):
        m = result.positives[i]
        assert abs(result.average_precision[i] - theirs[f"AP@{depth}", user] * m / min(m, depth)) < 1e-12
        assert abs(result.ndcg[i] - theirs[f"nDCG@{depth}", user]) < 1e-12
        assert abs(result.recall[i] - theirs[f"R@{depth}", user]) < 1e-12


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 5))
def test_invariant_3_the_order_of_rows_changes_no_bit(
    random_rows: Callable, seed: int, depth: int, levels: int
) -> None:
    rng = np.random.default_rng(seed)
    users, items, relevant, _ = random_rows(seed, users=30, largest=40)
    windows = rng.integers(0, 2, len(users))
    scores = rng.integers(0, levels, len(users)).astype(float)
    one = rank_rows(prepare_ranking_rows(users, items, relevant, 3, windows), scores, depth)
    by_window = np.lexsort((rng.random(len(users)), users, -windows))
    for order in (rng.permutation(len(users)), by_window, np.argsort(users, kind="stable")[::-1]):
        shuffled = prepare_ranking_rows(users[order], items[order], relevant[order], 3, windows[order])
        assert same_bits(one, rank_rows(shuffled, scores[order], depth))


def test_invariant_3_holds_for_many_rows_and_integer_ids() -> None:
    rng = np.random.default_rng(8)
    users = np.repeat(rng.permutation(20_000), rng.integers(1, 12, 20_000)) * 3
    items = np.arange(len(users)) % 999_983
    relevant, scores = rng.random(len(users)) < 0.2, rng.integers(0, 4, len(users)).astype(float)
    order = rng.permutation(len(users))
    one = rank_rows(prepare_ranking_rows(users, items, relevant, 3), scores, 10)
    two = rank_rows(prepare_ranking_rows(users[order], items[order], relevant[order], 3), scores[order], 10)
    assert len(users) > 100_000
    assert same_bits(one, two)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 20), st.integers(1, 6), st.floats(0, 1))
def test_agrees_with_the_definition_when_scores_tie(seed: int, n: int, depth: int, levels: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    items = rng.choice(1_000, n, replace=False)
    relevant, scores = rng.random(n) < share, rng.integers(0, levels, n).astype(float)
    relevant[0] = True
    keys = tie_keys(["u"] * n, items, 5)
    result = rank_rows(prepare_ranking_rows(["u"] * n, items, relevant, 5), scores, depth)
    in_order = relevant[sorted(range(n), key=lambda i: (-scores[i], int(keys[i])))]
    ranks = np.flatnonzero(in_order) + 1
    hits, m = ranks[ranks <= depth], len(ranks)
    best = np.arange(1, min(m, depth) + 1)
    precision = sum((i + 1) / rank for i, rank in enumerate(hits)) / min(m, depth)
    assert result.average_precision[0] == pytest.approx(precision, abs=1e-12)
    assert result.ndcg[0] == pytest.approx(sum(1 / np.log2(hits + 1)) / sum(1 / np.log2(best + 1)), abs=1e-12)
    assert result.recall[0] == len(hits) / m


def test_tie_keys_that_share_their_leading_bits_still_order_ties() -> None:
    keys = np.array([2, 1, 3, 0], dtype=np.uint64)
    for order in (np.arange(4), np.array([3, 1, 0, 2])):
        relevant = np.array([False, True, False, False])[order]
        rows = replace(prepare_ranking_rows([7] * 4, order, relevant, 1), keys=keys[order])
        result = rank_rows(rows, np.zeros(4), 10)
        assert result.average_precision.tolist() == [0.5]


def test_signed_zeros_tie() -> None:
    keys = np.array([1, 2], dtype=np.uint64)
    for scores in ([0.0, -0.0], [-0.0, 0.0]):
        rows = replace(prepare_ranking_rows([7, 7], [1, 2], np.array([False, True]), 1), keys=keys)
        result = rank_rows(rows, np.array(scores), 10)
        assert result.average_precision.tolist() == [0.5]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_only_the_order_of_scores_matters(random_rows: Callable, seed: int) -> None:
    users, items, relevant, scores = random_rows(seed, users=20, largest=30)
    rows = prepare_ranking_rows(users, items, relevant, 3)
    assert same_bits(rank_rows(rows, scores, 10), rank_rows(rows, np.arctan(scores / len(scores)), 10))


def test_invariant_3_a_constant_score_gets_the_random_value_even_when_positives_come_first() -> None:
    users = np.repeat(np.arange(20_000), 30)
    items = np.tile(np.arange(30), 20_000)
    relevant = np.random.default_rng(3).random((20_000, 30)) < 0.05
    relevant = np.sort(relevant, axis=1)[:, ::-1].ravel()
    result = rank_rows(prepare_ranking_rows(users, items, relevant, 3), np.zeros(len(users)), 10)
    assert result.random_mean == pytest.approx(0.103, abs=0.003)
    for values, expected in (
        (result.average_precision, result.random_expectation),
        (result.ndcg, result.random_ndcg),
        (result.recall, result.random_recall),
    ):
        error = values.std() / np.sqrt(len(values))
        assert abs(values.mean() - expected.mean()) < 4 * error


def test_a_constant_score_gets_the_random_value_of_each_user_on_average_over_seeds() -> None:
    users, items = ["a"] * 12 + ["b"] * 5, [*range(12), *range(5)]
    relevant = np.array([True, True, True] + [False] * 9 + [True] + [False] * 4)
    results = [rank_rows(prepare_ranking_rows(users, items, relevant, seed), np.zeros(17), 4) for seed in range(3_000)]
    for metric, expected in (
        ("average_precision", results[0].random_expectation),
        ("ndcg", results[0].random_ndcg),
        ("recall", results[0].random_recall),
    ):
        values = np.array([getattr(result, metric) for result in results])
        error = values.std(axis=0) / np.sqrt(len(values))
        assert np.all(np.abs(values.mean(axis=0) - expected) < 4 * error)


@pytest.mark.parametrize("size", [1, 7, 8, 9, 64, 65, 129, 5_000])
@pytest.mark.parametrize("share", [0.01, 0.3, 1.0])
def test_groups_of_every_size_and_share_of_positives(size: int, share: float) -> None:
    rng = np.random.default_rng(size)
    relevant = rng.random(size) < share
    relevant[-1] = True
    scores = rng.permutation(size).astype(float) - size
    result = rank_rows(prepare_ranking_rows(["u"] * size, np.arange(size), relevant, 1), scores, 10)
    in_order = relevant[np.argsort(-scores)]
    hits = np.cumsum(in_order)
    m = int(in_order.sum())
    expected = sum(hits[i] / (i + 1) for i in range(min(10, size)) if in_order[i]) / min(m, 10)
    assert result.average_precision[0] == pytest.approx(expected, abs=1e-12)
    assert result.recall[0] == hits[min(10, size) - 1] / m


def test_the_lowest_possible_score_ranks_last_but_counts() -> None:
    result = ranked(["u"] * 3, [False, True, False], [1.0, -np.inf, np.inf], 10)
    assert result.average_precision[0] == pytest.approx(1 / 3)


def test_a_nan_score_is_refused_with_its_row() -> None:
    with pytest.raises(InvalidInputError, match="NaN in row 1"):
        ranked(["a", "a"], [True, False], [1.0, float("nan")], 10)
    with pytest.raises(InvalidInputError, match="NaN in row 1"):
        ranked(["a", "b"], [True, False], [1.0, float("nan")], 10)


def test_scores_and_depth_are_checked() -> None:
    rows = prepare_ranking_rows(["a", "a"], ["1", "2"], np.array([1, 0]), 1)
    with pytest.raises(InvalidInputError, match="one score per row"):
        rank_rows(rows, np.array([1.0]), 10)
    with pytest.raises(InvalidInputError, match="depth is 0"):
        rank_rows(rows, np.array([1.0, 2.0]), 0)


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
