"""Rows to be ranked, their metrics and the compiled loops: invariant 3, hand-worked, and against ir_measures."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import ir_measures
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.ranking import kernels
from mlife_assets.core.ranking import rows as under_test
from mlife_assets.core.ranking.metrics import (
    RankingResult,
    mean_average_precision,
    random_ranking_expectation,
    rank_rows,
)
from mlife_assets.core.ranking.rows import RowGroups, group_rows, places_by_score, prepare_ranking_rows
from mlife_assets.core.row_keys import read_ids, tie_keys

RNG = np.random.default_rng(3)
USERS = pa.chunked_array([[f"u{one}" for one in RNG.integers(0, 40, 900)]])
ITEMS = pa.chunked_array([[f"i{place}" for place in range(900)]])
SCORES = RNG.integers(0, 6, 900) / 8
ARRAYS = ("average_precision", "ndcg", "recall", "random_expectation", "positives")
FIRST_USE = """
import sys, numpy as np
from mlife_assets.core.ranking.metrics import rank_rows
from mlife_assets.core.ranking.rows import prepare_ranking_rows
assert "numba" not in sys.modules, "numba was imported before it was needed"
rows = prepare_ranking_rows([3, 1, 3, 1], [1, 1, 2, 2], np.array([1, 0, 0, 1]), 1)
print(rank_rows(rows, np.array([1.0, 2, 3, 4]), 10).average_precision.tolist())
"""
RandomRows = Callable[..., tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]


@pytest.fixture(scope="module")
def random_rows() -> RandomRows:
    def make(seed: int, users: int = 300, largest: int = 90) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        rng = np.random.default_rng(seed)
        sizes = rng.integers(1, largest, users)
        owners = np.repeat([f"user_{i:04d}" for i in range(users)], sizes).astype(object)
        items = np.array([f"job_{i}" for size in sizes for i in range(size)], dtype=object)
        return owners, items, rng.random(len(owners)) < 0.1, rng.permutation(len(owners)).astype(float)

    return make


def test_rows_carry_the_tie_keys_of_their_user_and_item(random_rows: Callable) -> None:
    users, items, relevant, _ = random_rows(2)
    order = np.random.default_rng(2).permutation(len(users))
    for rows in (slice(None), order):
        prepared = prepare_ranking_rows(users[rows], items[rows], relevant[rows], 7)
        expected = tie_keys(users[rows], items[rows], 7)[prepared.order]
        assert prepared.keys.tolist() == expected.tolist()


@pytest.mark.parametrize("negative", [0, -(2**62)])
def test_integer_ids_carry_the_same_keys_as_row_keys(negative: int) -> None:
    rng = np.random.default_rng(4)
    users, items = rng.integers(0, 9, 50) + negative, rng.permutation(50) * 10**15 - 7
    prepared = prepare_ranking_rows(users, items, np.ones(50, dtype=bool), 7)
    assert prepared.keys.tolist() == tie_keys(users, items, 7)[prepared.order].tolist()


@pytest.mark.parametrize(
    "container",
    [list, lambda ids: np.array(ids, dtype=object), pa.array, lambda ids: pa.array(ids).dictionary_encode()],
    ids=["list", "objects", "arrow", "dictionary"],
)
def test_every_container_gives_the_same_ranking(random_rows: Callable, container: Callable) -> None:
    users, items, relevant, _ = random_rows(9, users=30)
    expected = rank_rows(prepare_ranking_rows(users, items, relevant, 7), np.zeros(len(users)), 10)
    rows = prepare_ranking_rows(container(users.tolist()), container(items.tolist()), relevant, 7)
    found = rank_rows(rows, np.zeros(len(users)), 10)
    assert found.users.tolist() == expected.users.tolist()
    assert found.average_precision.tobytes() == expected.average_precision.tobytes()


def test_columns_that_cannot_be_written_are_read_and_left_alone(random_rows: Callable) -> None:
    users, items, relevant, scores = random_rows(9, users=30)
    expected = rank_rows(prepare_ranking_rows(users, items, relevant, 7), scores, 10)
    kept = [column.copy() for column in (relevant, scores)]
    for column in (relevant, scores):
        column.flags.writeable = False
    found = rank_rows(prepare_ranking_rows(users, items, relevant, 7), scores, 10)
    assert found.ndcg.tobytes() == expected.ndcg.tobytes()
    writeable = scores.copy()
    rank_rows(prepare_ranking_rows(users, items, relevant, 7), writeable, 10)
    assert writeable.flags.writeable
    assert [column.tobytes() for column in (relevant, scores)] == [column.tobytes() for column in kept]


@pytest.mark.parametrize("size", [7, 8, 9, 500])
@pytest.mark.parametrize("is_shuffled", [False, True])
def test_one_repeat_among_many_rows_is_refused_with_its_rows(size: int, is_shuffled: bool) -> None:
    rng = np.random.default_rng(size)
    users, items = np.repeat(np.arange(200), size), np.tile(np.arange(size), 200)
    order = rng.permutation(len(users)) if is_shuffled else np.arange(len(users))
    users, items = users[order], items[order]
    mine = np.flatnonzero(users == 77)
    prepare_ranking_rows(users, items, np.ones(len(users), dtype=bool), 1)
    items[mine[-1]] = items[mine[2]]
    with pytest.raises(InvalidInputError, match=rf"77\D* has the same item in rows {mine[2]} and {mine[-1]} \(1 rep"):
        prepare_ranking_rows(users, items, np.ones(len(users), dtype=bool), 1)


def test_an_item_may_return_in_another_window_or_for_another_user() -> None:
    prepare_ranking_rows(["a", "a", "b"], ["1", "1", "1"], np.array([True, False, True]), 1, [0, 1, 0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"relevant": np.array([True])}, "1 relevance values for 2 rows"),
        ({"relevant": np.array([0, 2])}, "relevance is .* in row 1"),
        ({"windows": [1]}, "1 windows for 2 rows"),
        ({"item_ids": ["1"]}, "2 user ids but 1 item ids"),
        ({"user_ids": ["a", None]}, "user_ids is missing in row 1"),
        ({"item_ids": ["a", None]}, "item_ids is missing in row 1"),
    ],
)
def test_columns_that_do_not_fit_are_refused(change: dict[str, object], message: str) -> None:
    columns: dict[str, object] = {
        "user_ids": ["a", "a"], "item_ids": ["1", "2"], "relevant": np.array([True, False]), "seed": 1,
    }  # fmt: skip
    with pytest.raises(InvalidInputError, match=message):
        prepare_ranking_rows(**(columns | change))  # type: ignore[arg-type]


def members(groups: RowGroups, rows: int) -> list[list[int]]:
    """Return the input rows of each group."""
    places = groups.arranged(np.arange(rows))
    return [places[s : s + n].tolist() for s, n in zip(groups.starts, groups.sizes, strict=True)]


def expected_members(users: np.ndarray, windows: np.ndarray) -> dict[tuple[int, int], list[int]]:
    found: dict[tuple[int, int], list[int]] = {}
    for row, pair in enumerate(zip(users.tolist(), windows.tolist(), strict=True)):
        found.setdefault(pair, []).append(row)
    return dict(sorted(found.items()))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-3, 6), st.sampled_from([0, 5, 10**9]), st.integers(1, 6)), max_size=30),
    st.booleans(),
    st.booleans(),
)
def test_groups_are_those_of_users_and_windows(
    runs: list[tuple[int, int, int]], has_windows: bool, is_staged: bool
) -> None:
    users = np.array([user for user, _, length in runs for _ in range(length)], dtype=np.int64)
    windows = np.array([window for _, window, length in runs for _ in range(length)], dtype=np.int64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(under_test, "_STAGED_FROM_ROWS", 0 if is_staged else 1_000)
        patch.setattr(under_test, "_BUCKET_BITS", 1)
        groups = group_rows(read_ids(users), read_ids(windows) if has_windows else None)
    expected = expected_members(users, windows if has_windows else np.zeros_like(users))
    assert groups.users.tolist() == sorted(set(users.tolist()))
    assert groups.users[groups.group_users].tolist() == [user for user, _ in expected]
    assert members(groups, len(users)) == list(expected.values())


def test_contiguous_groups_stay_where_they_are() -> None:
    users, windows = np.repeat([5, 3, 3, 9], 4), np.repeat([0, 1, 0, 0], 4)
    groups = group_rows(read_ids(users), read_ids(windows))
    assert len(groups.arrangement) == len(groups.slots) == 0
    assert groups.starts.tolist() == [8, 4, 0, 12]
    assert groups.users[groups.group_users].tolist() == [3, 3, 5, 9]


def test_each_user_has_places_from_one_on_and_a_higher_score_comes_first() -> None:
    places = places_by_score(USERS, ITEMS, SCORES, 7)
    user_ids = np.array(USERS.to_pylist())
    for user in np.unique(user_ids):
        own = user_ids == user
        assert sorted(places[own]) == list(range(1, own.sum() + 1))
        assert np.all(np.diff(SCORES[own][np.argsort(places[own])]) <= 0)


def test_ties_follow_the_seed_and_not_the_order_of_rows() -> None:
    places, shuffled = places_by_score(USERS, ITEMS, SCORES, 7), RNG.permutation(900)
    again = places_by_score(USERS.take(shuffled), ITEMS.take(shuffled), SCORES[shuffled], 7)
    assert np.array_equal(again, places[shuffled])
    assert not np.array_equal(places_by_score(USERS, ITEMS, SCORES, 8), places)


def test_some_users_ranked_by_themselves_get_the_same_places_and_nobody_none() -> None:
    own = np.isin(USERS.to_pylist(), ["u3", "u17", "u20"])
    kept = pa.array(own)
    alone = places_by_score(USERS.filter(kept), ITEMS.filter(kept), SCORES[own], 7)
    assert np.array_equal(alone, places_by_score(USERS, ITEMS, SCORES, 7)[own])
    nobody = pa.chunked_array([], pa.string())
    assert places_by_score(nobody, nobody, np.zeros(0), 7).tolist() == []


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
def test_users_without_positives_are_left_out_and_counted() -> None:
    result = ranked(["c", "b", "a", "a"], [True, False, False, True], [1, 1, 2, 1], 10)
    assert result.users.tolist() == ["a", "c"]
    assert result.average_precision.tolist() == [0.5, 1.0]
    assert result.ndcg.tolist() == [pytest.approx(0.6309297535714574), 1.0]
    assert result.recall.tolist() == [1.0, 1.0]
    assert result.users_total == 3
    assert (result.mean, result.mean_recall) == (0.75, 1.0)
    assert result.mean_ndcg == pytest.approx((1 + 0.6309297535714574) / 2)


@pytest.mark.parametrize("count", [0, 2])
def test_nobody_with_positives_is_not_a_mean(count: int) -> None:
    result = ranked(["a", "b"][:count], [False] * count, [1, 2][:count], 10)
    assert len(result.average_precision) == 0
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
    error = result.average_precision.std() / np.sqrt(len(result.users))
    assert abs(result.mean - result.random_mean) < 4 * error


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


def test_the_lowest_possible_score_ranks_last_but_counts_and_nan_is_refused() -> None:
    result = ranked(["u"] * 3, [False, True, False], [1.0, -np.inf, np.inf], 10)
    assert result.average_precision[0] == pytest.approx(1 / 3)
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
    assert result.mean == pytest.approx(random_ranking_expectation(np.array([n]), np.array([m]), depth)[0], abs=1e-12)
    assert result.random_mean == pytest.approx(result.mean, abs=1e-12)


@pytest.mark.parametrize(("n", "m"), [(5, 0), (5, 6)])
def test_random_expectation_needs_one_to_n_positives(n: int, m: int) -> None:
    with pytest.raises(InvalidInputError, match="group 1"):
        random_ranking_expectation(np.array([5, n]), np.array([5, m]), 10)


def test_random_expectation_needs_a_depth_and_no_groups_have_none() -> None:
    with pytest.raises(InvalidInputError, match="depth is 0"):
        random_ranking_expectation(np.array([5]), np.array([1]), 0)
    assert len(random_ranking_expectation(np.array([]), np.array([]), 10)) == 0


def test_numba_is_imported_on_first_use_and_keeps_its_code(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", FIRST_USE], capture_output=True, text=True, check=False,
        env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)},
    )  # fmt: skip
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.strip() == "[1.0, 0.5]"
    assert len(list(tmp_path.rglob("*.nbi"))) == 4


def test_a_kernel_without_a_cache_folder_is_compiled_all_the_same() -> None:
    names: dict[str, object] = {}
    exec(compile("def twice(number):\n    return 2 * number\n", "<nowhere>", "exec"), names)
    assert kernels.compiled(names["twice"])(21) == 42  # type: ignore[arg-type]


def test_metrics_are_compiled_to_the_bits_of_python() -> None:
    rng = np.random.default_rng(6)
    sizes = rng.integers(1, 30, 40)
    starts = np.cumsum(sizes) - sizes
    rows = int(sizes.sum())
    arrangement = rng.permutation(rows)
    relevant = rng.random(rows) < 0.4
    positive_rows = np.flatnonzero(relevant)
    positives = np.add.reduceat(relevant.astype(np.int64), starts)
    keys = rng.permutation(rows).astype(np.uint64)
    scores = rng.integers(0, 3, rows).astype(float)
    discounts = 1 / np.log2(np.arange(2, 12))
    gains, groups = np.concatenate([[0], np.cumsum(discounts)]), (arrangement, starts, sizes)
    made = [
        kernel(groups, positives, positive_rows, keys, kernels.read_only(scores), 10, discounts, gains)
        for kernel in (kernels.group_metrics, kernels.compiled(kernels.group_metrics))
    ]
    assert made[0].min() >= 0
    assert made[0].tobytes() == made[1].tobytes()


def test_counting_is_a_stable_sort() -> None:
    codes = np.random.default_rng(1).integers(0, 7, 500)
    heads = np.searchsorted(np.sort(codes), np.arange(7))
    order, positions = np.empty(500, dtype=np.int64), np.empty(500, dtype=np.int64)
    kernels.compiled(kernels.counting_order)(codes, heads.copy(), order)
    kernels.compiled(kernels.counting_positions)(codes, heads.copy(), positions)
    assert order.tolist() == np.argsort(codes, kind="stable").tolist()
    assert positions[order].tolist() == list(range(500))
