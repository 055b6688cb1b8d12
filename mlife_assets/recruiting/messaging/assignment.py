"""Assignment: which job each user is texted about, when jobs have capacity and the day has a budget.

Belongs here: reserving exploration picks and the min-cost flow. Does not belong here: eligibility and wording.

Concept: everyone's best job would be the same few jobs. Users, jobs and the budget form a flow network; its optimum,
over integer micro-dollars so that it is the same everywhere, maximises expected value with at most one text a user, a
cap per job and a total budget. Exploration picks are reserved before it, by hash, so their propensities stay what was
logged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mlife_assets.core.errors import InvalidInputError, PermanentError
from mlife_assets.core.ids import unit_interval

MICRO = 1_000_000


def integer_values(expected_value_usd: np.ndarray) -> np.ndarray:
    """Return expected values as int64 micro-dollars. Raises InvalidInputError on a negative or non-finite value."""
    is_bad = ~np.isfinite(expected_value_usd) | (expected_value_usd < 0) | (expected_value_usd > 1e6)
    if is_bad.any():
        row = int(is_bad.argmax())
        raise InvalidInputError(
            f"expected_value_usd row {row} is {expected_value_usd[row]}; it must be a number of dollars in [0, 1e6]"
        )
    values: np.ndarray = np.rint(expected_value_usd * MICRO).astype(np.int64)
    return values


def reserve_exploration(
    user_ids: Sequence[str], jobs: np.ndarray, capacity: np.ndarray, *, limit: int, salt: str
) -> np.ndarray:
    """Choose which exploration picks are sent, at most one a user, in the order of a hash of the user.

    Args:
        user_ids: user of each of m picks.
        jobs: int array of shape (m,): index of the picked job.
        capacity: int array: texts that each job can take.
        limit: how many picks are sent at most.
        salt: makes the order of this day differ from other days.

    Returns:
        int array: positions of the reserved picks, ascending.
    """
    order = sorted(range(len(user_ids)), key=lambda i: (unit_interval(salt, "explore", user_ids[i]), user_ids[i], i))
    left, taken, chosen = capacity.copy(), set[str](), list[int]()
    for place in order:
        if len(chosen) >= limit:
            break
        if user_ids[place] not in taken and left[jobs[place]] > 0:
            left[jobs[place]] -= 1
            taken.add(user_ids[place])
            chosen.append(place)
    return np.array(sorted(chosen), dtype=np.int64)


def exploration_limit(share: float, budget: int, users: int) -> int:
    """Return how many texts of a day explore at most: a share of what can be sent."""
    return math.ceil(share * min(budget, users))


def assign(users: np.ndarray, jobs: np.ndarray, values: np.ndarray, capacity: np.ndarray, *, budget: int) -> np.ndarray:
    """Maximise the total value of a day's texts.

    Args:
        users: int array of shape (m,): user index of each candidate, ascending.
        jobs: int array of shape (m,): job index of each candidate.
        values: int64 array of shape (m,): micro-dollars; candidates worth nothing are not assigned.
        capacity: int array: texts that each job can take.
        budget: texts in total.

    Returns:
        int array: positions of the chosen candidates, ascending; at most one a user, `capacity` a job, `budget` in all.
    """
    worth = np.flatnonzero((values > 0) & (capacity[jobs] > 0))
    if budget <= 0 or not worth.size:
        return np.empty(0, dtype=np.int64)
    user_of, user = np.unique(users[worth], return_inverse=True)
    job_of, job = np.unique(jobs[worth], return_inverse=True)
    n_users, n_jobs, m = len(user_of), len(job_of), len(worth)
    source, gate, sink = n_users + n_jobs, n_users + n_jobs + 1, n_users + n_jobs + 2
    user_nodes, job_nodes = np.arange(n_users), n_users + np.arange(n_jobs)
    flow_total = min(n_users, budget)
    tails = np.concatenate([user, np.full(n_users, source), job_nodes, [gate, source]])
    heads = np.concatenate([n_users + job, user_nodes, np.full(n_jobs, gate), [sink, sink]])
    capacities = np.concatenate([np.ones(m), np.ones(n_users), capacity[job_of], [flow_total, flow_total]])
    costs = np.concatenate([-values[worth], np.zeros(n_users + n_jobs + 2)])
    supplies = np.zeros(n_users + n_jobs + 3, dtype=np.int64)
    supplies[source], supplies[sink] = flow_total, -flow_total

    from ortools.graph.python import min_cost_flow

    network = min_cost_flow.SimpleMinCostFlow()
    arcs = network.add_arcs_with_capacity_and_unit_cost(
        tails.astype(np.int64), heads.astype(np.int64), capacities.astype(np.int64), costs.astype(np.int64)
    )
    network.set_nodes_supplies(np.arange(len(supplies)), supplies)
    status = network.solve()
    if status != network.OPTIMAL:
        raise PermanentError(f"min-cost flow ended with {status} on {m} candidates; check capacities and values")
    return worth[np.flatnonzero(network.flows(arcs[:m]))]
