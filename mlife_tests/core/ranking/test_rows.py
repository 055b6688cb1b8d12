"""Rows to be ranked: ties by user and item, and what is refused.

Groups of rows: the same as sorting by user and window, whatever the order of rows.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.ranking import rows as under_test
from mlife_assets.core.ranking.metrics import rank_rows
from mlife_assets.core.ranking.rows import RowGroups, group_rows, places_by_score, prepare_ranking_rows
from mlife_assets.core.row_keys import read_ids, tie_keys

RNG = np.random.default_rng(3)
USERS = pa.chunked_array([[f"u{one}" for one in RNG.integers(0, 40, 900)]])
ITEMS = pa.chunked_array([[f"i{place}" for place in range(900)]])
SCORES = RNG.integers(0, 6, 900) / 8


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


def test_a_repeated_item_of_a_user_is_refused_with_its_rows() -> None:
    flags = np.array([True, False, True])
    with pytest.raises(InvalidInputError, match=r"'a' has the same item in rows 0 and 2 \(1 repeats in all\)"):
        prepare_ranking_rows(["a", "a", "a"], ["1", "2", "1"], flags, 1)


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
        "user_ids": ["a", "a"],
        "item_ids": ["1", "2"],
        "relevant": np.array([True, False]),
        "seed": 1,
    }
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


def test_many_mixed_rows_are_staged() -> None:
    rng = np.random.default_rng(1)
    users = rng.integers(0, 5_000, 80_000)
    groups = group_rows(read_ids(users), None)
    assert sorted(groups.slots.tolist()) == list(range(80_000))
    assert groups.arranged(users).tolist() == sorted(users.tolist())
    assert members(groups, len(users)) == list(expected_members(users, np.zeros_like(users)).values())


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


def test_some_users_ranked_by_themselves_get_the_same_places() -> None:
    own = np.isin(USERS.to_pylist(), ["u3", "u17", "u20"])
    kept = pa.array(own)
    alone = places_by_score(USERS.filter(kept), ITEMS.filter(kept), SCORES[own], 7)
    assert np.array_equal(alone, places_by_score(USERS, ITEMS, SCORES, 7)[own])


def test_nobody_has_no_places() -> None:
    nobody = pa.chunked_array([], pa.string())
    assert places_by_score(nobody, nobody, np.zeros(0), 7).tolist() == []
