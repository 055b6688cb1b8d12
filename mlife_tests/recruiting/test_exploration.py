"""Exploration: a pure hash decides, nobody is texted below the floor, propensities are the frequencies they claim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.ids import unit_interval
from mlife_assets.core.row_keys import tie_keys
from mlife_assets.recruiting import exploration
from mlife_assets.recruiting.exploration import Exploration, explore
from mlife_assets.recruiting.messaging_policy import MessagingPolicy

DAY = date(2026, 6, 2)
USERS, JOBS = 4_000, 5
USER_IDS = [f"u{i}" for i in range(USERS) for _ in range(JOBS)]
JOB_IDS = [f"j{k}" for _ in range(USERS) for k in range(JOBS)]
PROBABILITIES = np.tile(np.array([0.004, 0.05, 0.02, 0.006, 0.03]), USERS)
AGES = np.tile(np.array([0.0, 10.0, 3.0, 4.0, np.nan]), USERS)
NAMES = ("rank", "is_exploration", "propensity", "exploration_propensity")
POLICY = MessagingPolicy(
    exploration_share=0.3, exploration_floor_of_best=0.1, exploration_new_job_days=3, exploration_new_job_bonus=2.0
)
OFFERED = np.array([0.0, 1.0, 3.0, 1.0, 1.0]) / 6
"""The first job is new but below the floor, the third is new, the age of the last is unknown."""


def drawn(
    users: Sequence[str] = USER_IDS,
    jobs: Sequence[str] = JOB_IDS,
    probabilities: np.ndarray = PROBABILITIES,
    ages: np.ndarray = AGES,
    policy: MessagingPolicy = POLICY,
    as_of: date = DAY,
) -> Exploration:
    columns = (pa.chunked_array([pa.array(ids, pa.string())]) for ids in (users, jobs))
    return explore(*columns, probabilities, ages, policy=policy, as_of=as_of)


def test_ranks_and_propensities_of_each_user() -> None:
    found = drawn(policy=replace(POLICY, exploration_share=0.06))
    assert found.rank.reshape(USERS, JOBS).tolist() == [[5, 1, 3, 4, 2]] * USERS
    assert np.allclose(found.exploration_propensity.reshape(USERS, JOBS), OFFERED, atol=1e-15)
    assert found.propensity[:5] == pytest.approx([0.0, 0.95, 0.03, 0.01, 0.01])


def test_picks_come_as_often_as_stated() -> None:
    picks = drawn().is_exploration.reshape(USERS, JOBS)
    assert picks.sum(axis=1).max() == 1
    assert chisquare([picks.sum(), USERS - picks.sum()], [0.3 * USERS, 0.7 * USERS]).pvalue > 0.001
    assert picks[:, 0].sum() == 0, "below the floor"
    assert chisquare(picks.sum(axis=0)[1:], OFFERED[1:] * picks.sum()).pvalue > 0.001
    assert not drawn(policy=replace(POLICY, exploration_share=0.0)).is_exploration.any()


def test_the_whole_policy_sends_each_row_as_often_as_stated() -> None:
    found = drawn(policy=replace(POLICY, exploration_share=0.5))
    picks, best = found.is_exploration.reshape(USERS, JOBS), found.rank.reshape(USERS, JOBS) == 1
    sent = np.where(picks.any(axis=1)[:, None], picks, best).sum(axis=0)
    expected = found.propensity.reshape(USERS, JOBS)[0] * USERS
    assert sent[0] == expected[0] == 0
    assert chisquare(sent[1:], expected[1:]).pvalue > 0.001


def test_the_logged_columns_give_the_pick_again() -> None:
    """Whoever holds the log (salt, user, day, jobs, draw probabilities) finds the same picks, row by row."""
    found, checked = drawn(), 0
    ties = tie_keys(USER_IDS, JOB_IDS, DAY.toordinal())
    for user in range(300):
        rows = range(user * JOBS, (user + 1) * JOBS)
        explores = unit_interval(POLICY.assignment_salt, "explore", DAY.isoformat(), f"u{user}") < 0.3
        assert found.is_exploration[user * JOBS : (user + 1) * JOBS].any() == explores
        if explores:
            left = unit_interval(POLICY.assignment_salt, "pick", DAY.isoformat(), f"u{user}")
            for row in sorted(rows, key=lambda one: ties[one]):
                left -= found.exploration_propensity[row]
                if left < 0:
                    break
            assert found.is_exploration[row]
            checked += 1
    assert checked > 50


def test_neither_order_nor_other_users_move_anything() -> None:
    found = drawn()
    order = np.random.default_rng(1).permutation(len(PROBABILITIES))
    shuffled = drawn([USER_IDS[i] for i in order], [JOB_IDS[i] for i in order], PROBABILITIES[order], AGES[order])
    part = slice(5 * JOBS, 50 * JOBS)
    few = drawn(USER_IDS[part], JOB_IDS[part], PROBABILITIES[part], AGES[part])
    for name in NAMES:
        assert np.array_equal(getattr(shuffled, name), getattr(found, name)[order])
        assert np.array_equal(getattr(few, name), getattr(found, name)[part])


@pytest.mark.parametrize("place", [0.0, 1 - 2**-52, 1 / 6, 0.5])
def test_no_draw_falls_below_the_floor_or_out_of_the_set(monkeypatch: pytest.MonkeyPatch, place: float) -> None:
    """The first, the last and the exact edges of what the hash may give."""
    monkeypatch.setattr(exploration, "unit_interval", lambda *parts: place if "pick" in parts else 0.0)
    picks = drawn().is_exploration.reshape(USERS, JOBS)
    assert picks.sum(axis=1).tolist() == [1] * USERS
    assert not picks[:, 0].any()


def test_a_share_of_nothing_explores_nobody_even_at_the_lowest_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exploration, "unit_interval", lambda *parts: 0.0)
    assert not drawn(policy=replace(POLICY, exploration_share=0.0)).is_exploration.any()


def test_probabilities_move_picks_only_through_the_floor() -> None:
    turned = np.tile(np.array([0.004, 0.02, 0.05, 0.03, 0.006]), USERS)
    found, other = drawn(), drawn(probabilities=turned)
    assert np.array_equal(other.is_exploration, found.is_exploration)
    assert not np.array_equal(other.rank, found.rank)
    moved = drawn(probabilities=np.full(len(PROBABILITIES), 0.01)).is_exploration.reshape(USERS, JOBS)
    assert moved[:, 0].sum() > 0


def test_day_and_salt_choose_others() -> None:
    found = drawn().is_exploration
    tomorrow = drawn(as_of=date(2026, 6, 3)).is_exploration
    salted = drawn(policy=replace(POLICY, assignment_salt="t")).is_exploration
    assert (found & tomorrow).sum() < found.sum() / 2
    assert (found & salted).sum() < found.sum() / 2


def test_equal_probabilities_have_distinct_ranks_that_favour_no_job() -> None:
    ranks = drawn(probabilities=np.full(len(PROBABILITIES), 0.01)).rank.reshape(USERS, JOBS)
    assert (np.sort(ranks, axis=1) == np.arange(1, JOBS + 1)).all()
    assert chisquare((ranks == 1).sum(axis=0)).pvalue > 0.001


@st.composite
def candidates(draw: st.DrawFn) -> tuple[list[str], list[str], np.ndarray, np.ndarray]:
    sizes = draw(st.lists(st.integers(1, 8), min_size=1, max_size=12))
    users = [f"u{i}" for i, size in enumerate(sizes) for _ in range(size)]
    jobs = [f"j{k}" for size in sizes for k in range(size)]
    chance = st.one_of(st.floats(0, 1), st.sampled_from([0.0, 1e-300, 0.1, 1.0]))
    probabilities = draw(st.lists(chance, min_size=len(users), max_size=len(users)))
    ages = draw(st.lists(st.sampled_from([0.0, 3.0, 4.0, np.nan]), min_size=len(users), max_size=len(users)))
    return users, jobs, np.array(probabilities), np.array(ages)


@settings(max_examples=150)
@given(candidates(), st.floats(0, 1), st.floats(0, 20), st.floats(0, 0.5), st.integers(0, 5))
def test_propensities_sum_to_one_and_picks_keep_the_floor(
    rows: tuple[list[str], list[str], np.ndarray, np.ndarray], floor: float, bonus: float, share: float, salt: int
) -> None:
    users, jobs, probabilities, ages = rows
    policy = MessagingPolicy(
        exploration_share=share,
        exploration_floor_of_best=floor,
        exploration_new_job_bonus=bonus,
        assignment_salt=str(salt),
    )
    found = drawn(users, jobs, probabilities, ages, policy)
    names = np.array(users)
    for user in set(users):
        mine = names == user
        assert found.propensity[mine].sum() == pytest.approx(1.0, abs=1e-12)
        assert found.exploration_propensity[mine].sum() == pytest.approx(1.0, abs=1e-12)
        is_good = probabilities[mine] >= floor * probabilities[mine].max()
        assert np.array_equal(found.exploration_propensity[mine] > 0, is_good)
        assert found.is_exploration[mine].sum() <= 1
        assert is_good[found.is_exploration[mine]].all()
        assert sorted(found.rank[mine]) == list(range(1, mine.sum() + 1))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"probabilities": PROBABILITIES[1:]}, "probabilities has 19999 rows, user_ids 20000"),
        ({"ages": AGES[1:]}, "job_age_days has 19999 rows"),
        (
            {"probabilities": np.where(np.arange(USERS * JOBS) == 3, np.nan, PROBABILITIES)},
            "probabilities row 3 is nan",
        ),
        ({"probabilities": PROBABILITIES * 30}, "probabilities row 1 is 1.5"),
        ({"probabilities": PROBABILITIES * np.nan}, "probabilities row 0 is nan"),
    ],
)
def test_what_is_no_probability_is_refused(change: dict[str, np.ndarray], sentence: str) -> None:
    with pytest.raises(InvalidInputError, match=sentence):
        drawn(**change)  # type: ignore[arg-type]


def test_no_rows() -> None:
    nothing = drawn([], [], np.zeros(0), np.zeros(0))
    assert all(len(getattr(nothing, name)) == 0 for name in NAMES)
