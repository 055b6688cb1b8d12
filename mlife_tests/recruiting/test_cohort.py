"""Who is ranked and what is relevant, against a loop that a person can check."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import ModuleType

import numpy as np
import pyarrow as pa
import pytest

from mlife_assets.recruiting.candidates import candidate_pairs
from mlife_assets.recruiting.cohort import CohortDay, gate_examples, ranked_cohort
from mlife_assets.recruiting.events import TIMESTAMP
from mlife_assets.recruiting.policies import CandidatePolicy

WINDOW = 7
SLICES = ("organic", "explore", "exploit", "recruiter_rule", None)
POLICY = CandidatePolicy(candidates_per_user=12)


def applies_table(rows: list[tuple[str, str, str | None, date, datetime]]) -> pa.Table:
    names = ("user_id", "job_id", "slice", "apply_date", "observed_at")
    types = (pa.string(), pa.string(), pa.string(), pa.date32(), TIMESTAMP)
    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    return pa.table({n: pa.array(c, t) for n, c, t in zip(names, columns, types, strict=True)})


def observed(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 23, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def world(job_pairs: ModuleType) -> tuple[pa.Table, pa.Table, date]:
    return job_pairs.user_features(300), job_pairs.job_features(80), job_pairs.DAY


@pytest.fixture(scope="module")
def applies(world: tuple[pa.Table, pa.Table, date]) -> pa.Table:
    """Return applies around the window's edges, some caused by a text, some observed late, most to no candidate."""
    users, jobs, day = world
    rng = np.random.default_rng(3)
    rows = []
    for _ in range(1_500):
        applied = day + timedelta(days=int(rng.integers(-2, WINDOW + 3)))
        seen = observed(applied + timedelta(days=int(rng.choice([0, 0, 0, 3]))))
        user = users["user_id"][int(rng.integers(0, users.num_rows))].as_py()
        job = jobs["job_id"][int(rng.integers(0, jobs.num_rows))].as_py()
        rows.append((user, job, SLICES[int(rng.integers(0, len(SLICES)))], applied, seen))
    return applies_table(rows)


def cohort(world: tuple[pa.Table, pa.Table, date], applies: pa.Table) -> CohortDay:
    users, jobs, day = world
    return ranked_cohort(users, jobs, applies, as_of=day, window_days=WINDOW, policy=POLICY)


def test_the_cohort_equals_brute_force(world: tuple[pa.Table, pa.Table, date], applies: pa.Table) -> None:
    users, jobs, day = world
    within: dict[tuple[str, str], set[str | None]] = {}
    for row in applies.to_pylist():
        is_known = row["observed_at"] < observed(day + timedelta(days=WINDOW)) + timedelta(minutes=30)
        if day <= row["apply_date"] <= day + timedelta(days=WINDOW - 1) and is_known:
            within.setdefault((row["user_id"], row["job_id"]), set()).add(row["slice"])
    counted = {pair for pair, why in within.items() if why & {"organic", "explore"}}
    every = candidate_pairs(users, jobs, day, POLICY)
    pairs = list(zip(every["user_id"].to_pylist(), every["job_id"].to_pylist(), strict=True))
    ranked = {user for user, job in pairs if (user, job) in counted}
    is_explored = {pair for pair, why in within.items() if "organic" not in why}
    expected = [
        (user, job, (user, job) in counted, "explore" if (user, job) in is_explored else "organic")
        for user, job in pairs
        if user in ranked and ((user, job) in counted or (user, job) not in within)
    ]
    left_out = [pair for pair in pairs if pair[0] in ranked and pair in within and pair not in counted]

    found = cohort(world, applies)
    triples = zip(
        found.pairs["user_id"].to_pylist(),
        found.pairs["job_id"].to_pylist(),
        found.is_relevant.tolist(),
        found.slices.tolist(),
        strict=True,
    )
    assert list(triples) == expected
    assert 10 < len(ranked) < users.num_rows
    assert left_out, "nothing was sent, applied to and so left out"
    assert set(found.slices.tolist()) == {"organic", "explore"}
    assert found.cohort_users == users.num_rows
    assert found.label_mature_date == day + timedelta(days=WINDOW + 1)
    assert found.as_of_date == day


def test_candidates_are_those_of_a_day_on_which_everybody_is_ranked(
    world: tuple[pa.Table, pa.Table, date], applies: pa.Table
) -> None:
    users, jobs, day = world
    every = candidate_pairs(users, jobs, day, POLICY)
    sets = dict(zip(every["user_id"].to_pylist(), every["candidate_set_hash"].to_pylist(), strict=True))
    found = cohort(world, applies).pairs
    assert all(
        sets[user] == value
        for user, value in zip(found["user_id"].to_pylist(), found["candidate_set_hash"].to_pylist(), strict=True)
    )


@pytest.mark.parametrize(
    ("why", "offset", "late", "counts"),
    [
        ("organic", 0, 0, True),
        ("organic", WINDOW - 1, 0, True),
        ("organic", WINDOW - 1, 1, True),
        ("organic", WINDOW - 1, 2, False),
        ("organic", WINDOW, 0, False),
        ("organic", -1, 0, False),
        ("explore", 0, 0, True),
        ("exploit", 0, 0, False),
        ("recruiter_rule", 0, 0, False),
        (None, 0, 0, False),
    ],
)
def test_edges_of_the_window(
    world: tuple[pa.Table, pa.Table, date], why: str | None, offset: int, late: int, counts: bool
) -> None:
    users, jobs, day = world
    pair = candidate_pairs(users, jobs, day, POLICY).slice(5, 1).to_pylist()[0]
    applied = day + timedelta(days=offset)
    row = (pair["user_id"], pair["job_id"], why, applied, observed(applied + timedelta(days=late)))
    found = cohort(world, applies_table([row, row]))
    assert int(found.is_relevant.sum()) == int(counts)
    assert set(found.pairs["user_id"].to_pylist()) == ({pair["user_id"]} if counts else set())


def test_the_order_of_applies_does_not_matter(world: tuple[pa.Table, pa.Table, date], applies: pa.Table) -> None:
    order = np.random.default_rng(4).permutation(applies.num_rows)
    first, second = cohort(world, applies), cohort(world, applies.take(pa.array(order)))
    assert first.pairs.equals(second.pairs)
    assert (first.is_relevant == second.is_relevant).all()


def test_a_day_without_applies_is_an_empty_cohort_of_everybody(world: tuple[pa.Table, pa.Table, date]) -> None:
    found = cohort(world, applies_table([]))
    assert found.pairs.num_rows == 0
    assert found.is_relevant.shape == (0,)
    assert found.cohort_users == world[0].num_rows
    assert "candidate_set_hash" in found.pairs.column_names


def test_a_gate_has_the_rows_of_all_its_days_in_one_order(
    world: tuple[pa.Table, pa.Table, date], applies: pa.Table
) -> None:
    one = cohort(world, applies)
    later = replace(one, as_of_date=one.as_of_date + timedelta(days=7), label_mature_date=one.label_mature_date)
    examples, pairs = gate_examples([one, later])
    count = one.pairs.num_rows
    assert pairs.num_rows == len(examples.user_ids) == 2 * count
    assert examples.user_ids.tolist() == pairs["user_id"].to_pylist() == 2 * one.pairs["user_id"].to_pylist()
    assert examples.items.tolist() == pairs["job_id"].to_pylist()
    assert (examples.first_day, examples.last_day) == (one.as_of_date, later.as_of_date)
    assert examples.as_of_dates[count] == np.datetime64(later.as_of_date)
    assert examples.is_relevant.tolist() == 2 * one.is_relevant.tolist()
    assert "distance_km" in pairs.column_names
