"""Groups of rows: the same as sorting by user and window, whatever the order of rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlife_assets.core.ranking import groups as under_test
from mlife_assets.core.ranking.groups import RowGroups, group_rows
from mlife_assets.core.row_keys import read_ids


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
