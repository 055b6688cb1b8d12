from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.messaging.assignment import assign, exploration_limit, integer_values, reserve_exploration


def brute_force(values: np.ndarray, capacity: np.ndarray, budget: int) -> int:
    """Best total over every way to give each user one job or none; -1 marks a pair that is no candidate."""
    users, jobs = values.shape
    best = 0
    for choice in product(range(jobs + 1), repeat=users):
        picks = [(u, j) for u, j in enumerate(choice) if j < jobs]
        if len(picks) > budget or any(values[pick] < 0 for pick in picks):
            continue
        if all(sum(j == job for _, j in picks) <= capacity[job] for job in range(jobs)):
            best = max(best, sum(int(values[pick]) for pick in picks))
    return best


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_flow_equals_brute_force_and_keeps_every_cap(data):
    users, jobs = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 3))
    cells = st.lists(st.integers(-1, 20), min_size=users * jobs, max_size=users * jobs)
    values = np.array(data.draw(cells)).reshape(users, jobs)
    capacity = np.array(data.draw(st.lists(st.integers(0, 3), min_size=jobs, max_size=jobs)))
    budget = data.draw(st.integers(0, 6))
    user, job = np.nonzero(values >= 0)
    worth = values[user, job].astype(np.int64)
    chosen = assign(user, job, worth, capacity, budget=budget)
    assert len(set(user[chosen])) == len(chosen) <= budget
    assert (np.bincount(job[chosen], minlength=jobs) <= capacity).all()
    assert worth[chosen].sum() == brute_force(values, capacity, budget)


def test_greedy_would_lose_what_the_flow_finds():
    user, job = np.array([0, 0, 1]), np.array([0, 1, 0])
    chosen = assign(user, job, np.array([10, 9, 9]), np.array([1, 1]), budget=2)
    assert chosen.tolist() == [1, 2]


def test_nothing_is_sent_for_nothing():
    assert assign(np.array([0]), np.array([0]), np.array([0]), np.array([5]), budget=3).size == 0


@pytest.mark.parametrize("bad", [np.nan, -1.0, np.inf, 1e7])
def test_values_out_of_range_are_refused_with_their_row(bad):
    with pytest.raises(InvalidInputError, match="row 1"):
        integer_values(np.array([1.0, bad]))


def test_exploration_keeps_caps_limit_and_one_a_user_whatever_the_row_order():
    users = [f"u{i}" for i in range(50)] + ["u0"]
    jobs = np.array([i % 3 for i in range(51)])
    capacity = np.array([4, 100, 100])
    chosen = reserve_exploration(users, jobs, capacity, limit=20, salt="day")
    names = [users[i] for i in chosen]
    assert len(chosen) == 20 == len(set(names))
    assert np.bincount(jobs[chosen], minlength=3)[0] <= 4
    back = np.arange(50)[::-1]
    again = reserve_exploration([users[i] for i in back], jobs[back], capacity, limit=20, salt="day")
    whole = reserve_exploration(users[:50], jobs[:50], capacity, limit=20, salt="day")
    assert {users[back[i]] for i in again} == {users[i] for i in whole}
    assert capacity.tolist() == [4, 100, 100]
    other_day = reserve_exploration(users, jobs, capacity, limit=20, salt="next day")
    assert other_day.tolist() != chosen.tolist()


def test_exploration_limit_is_a_share_of_what_can_be_sent():
    assert exploration_limit(0.05, 2_500, 9_000) == 125
    assert exploration_limit(0.05, 2_500, 10) == 1
    assert exploration_limit(0.0, 2_500, 9_000) == 0
