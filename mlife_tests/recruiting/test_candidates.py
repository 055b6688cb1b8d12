"""Candidates: near, fitting, at most so many; the same for a user whoever else is asked for."""

from __future__ import annotations

from datetime import date
from types import ModuleType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.candidates import candidate_pairs, find_candidates
from mlife_assets.recruiting.features import pair_features
from mlife_assets.recruiting.policies import CandidatePolicy

POLICY = CandidatePolicy(candidates_per_user=10)


@pytest.fixture(scope="module")
def tables(job_pairs: ModuleType) -> tuple[pa.Table, pa.Table]:
    return job_pairs.user_features(60), job_pairs.job_features(200)


@pytest.fixture(scope="module")
def pairs(job_pairs: ModuleType, tables: tuple[pa.Table, pa.Table]) -> pa.Table:
    return pair_features(candidate_pairs(*tables, job_pairs.DAY, POLICY))


def sets(pairs: pa.Table) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in pairs.select(["user_id", "job_id"]).to_pylist():
        found.setdefault(row["user_id"], []).append(row["job_id"])
    return found


def test_every_candidate_is_near_and_fits(pairs: pa.Table) -> None:
    assert pairs.num_rows > 400
    assert pc.max(pairs["distance_km"]).as_py() <= POLICY.maximum_distance_km + 1e-6
    assert pc.max(pairs["seniority_gap"]).as_py() <= POLICY.maximum_seniority_gap
    assert max(len(jobs) for jobs in sets(pairs).values()) == POLICY.candidates_per_user


def test_half_are_the_nearest_of_the_own_group_and_the_rest_the_nearest_left(
    job_pairs: ModuleType, tables: tuple[pa.Table, pa.Table], pairs: pa.Table
) -> None:
    everything = pair_features(
        candidate_pairs(*tables, job_pairs.DAY, CandidatePolicy(candidates_per_user=1000, maximum_seniority_gap=3))
    )
    chosen = sets(pairs)
    for user in list(chosen)[:25]:
        fits = [
            row
            for row in everything.filter(pc.equal(everything["user_id"], user)).to_pylist()
            if row["seniority_gap"] <= POLICY.maximum_seniority_gap
        ]
        fits.sort(key=lambda row: row["distance_km"])
        own = [row["job_id"] for row in fits if row["same_occupation_group"] == 1.0][:5]
        rest = [row["job_id"] for row in fits if row["job_id"] not in own][: 10 - len(own)]
        assert chosen[user] == sorted(own + rest)


def test_order_of_rows_and_other_users_change_nothing(
    job_pairs: ModuleType, tables: tuple[pa.Table, pa.Table], pairs: pa.Table
) -> None:
    users, jobs = tables
    shuffled = [t.take(pa.array(np.random.default_rng(4).permutation(t.num_rows))) for t in tables]
    again = pair_features(candidate_pairs(*shuffled, job_pairs.DAY, POLICY))
    assert again.equals(pairs)
    alone = pair_features(candidate_pairs(users.slice(17, 1), jobs, job_pairs.DAY, POLICY))
    user = users["user_id"][17].as_py()
    assert alone.equals(pairs.filter(pc.equal(pairs["user_id"], user)).combine_chunks())


def test_some_rows_are_those_of_all(job_pairs: ModuleType, tables: tuple[pa.Table, pa.Table]) -> None:
    found = find_candidates(*tables, job_pairs.DAY, POLICY)
    every = found.rows()
    assert every.equals(candidate_pairs(*tables, job_pairs.DAY, POLICY))
    chosen = np.random.default_rng(5).permutation(every.num_rows)[:37]
    assert found.rows(chosen).equals(every.take(pa.array(chosen)).combine_chunks())
    assert [column.to_pylist() for column in found.ids] == [every[name].to_pylist() for name in ("user_id", "job_id")]


def test_jobs_at_one_place_are_ordered_by_id(job_pairs: ModuleType) -> None:
    users, jobs = job_pairs.user_features(1), job_pairs.job_features(40)
    for name, value in (
        ("job_latitude", users["latitude"][0].as_py()),
        ("job_longitude", users["longitude"][0].as_py()),
        ("job_seniority", users["user_seniority"][0].as_py()),
        ("job_occupation_group", "99"),
    ):
        values = pa.array([value] * 40, jobs.schema.field(name).type)
        jobs = jobs.set_column(jobs.column_names.index(name), name, values)
    found = candidate_pairs(users, jobs, job_pairs.DAY, POLICY)
    assert found["job_id"].to_pylist() == [f"j{i:04d}" for i in range(10)]


def test_the_set_hash_is_one_per_user_and_follows_the_jobs(pairs: pa.Table) -> None:
    by_set: dict[tuple[str, ...], set[str]] = {}
    hashes = {row["user_id"]: row["candidate_set_hash"] for row in pairs.to_pylist()}
    for user, jobs in sets(pairs).items():
        mine = pairs.filter(pc.equal(pairs["user_id"], user))["candidate_set_hash"]
        assert pc.count_distinct(mine).as_py() == 1
        by_set.setdefault(tuple(jobs), set()).add(hashes[user])
    assert all(len(found) == 1 for found in by_set.values())
    assert len({next(iter(found)) for found in by_set.values()}) == len(by_set)


@pytest.mark.parametrize("empty", ["users", "jobs", "both"])
def test_nothing_gives_a_typed_empty_table(
    job_pairs: ModuleType, tables: tuple[pa.Table, pa.Table], pairs: pa.Table, empty: str
) -> None:
    users = tables[0].slice(0, 0) if empty in ("users", "both") else tables[0]
    jobs = tables[1].slice(0, 0) if empty in ("jobs", "both") else tables[1]
    found = pair_features(candidate_pairs(users, jobs, job_pairs.DAY, POLICY))
    assert found.num_rows == 0
    assert found.schema == pairs.schema


def test_unknown_coordinates_are_near_to_nothing(job_pairs: ModuleType, tables: tuple[pa.Table, pa.Table]) -> None:
    users, jobs = tables
    nowhere = users.set_column(
        users.column_names.index("latitude"), "latitude", pa.array([None] * users.num_rows, pa.float64())
    )
    assert candidate_pairs(nowhere, jobs, job_pairs.DAY, POLICY).num_rows == 0


def test_rows_of_another_day_twice_or_incomplete_are_refused(
    job_pairs: ModuleType, tables: tuple[pa.Table, pa.Table]
) -> None:
    users, jobs = tables
    with pytest.raises(InvalidInputError, match="2026-06-03"):
        candidate_pairs(users, jobs, date(2026, 6, 3), POLICY)
    with pytest.raises(InvalidInputError, match="repeat a user_id"):
        candidate_pairs(pa.concat_tables([users, users]), jobs, job_pairs.DAY, POLICY)
    with pytest.raises(InvalidInputError, match="job_seniority"):
        candidate_pairs(users, jobs.drop_columns(["job_seniority"]), job_pairs.DAY, POLICY)


def test_ten_thousand_users_get_thirty_candidates_each(job_pairs: ModuleType) -> None:
    users, jobs = job_pairs.user_features(10_000), job_pairs.job_features(800)
    found = candidate_pairs(users, jobs, job_pairs.DAY, CandidatePolicy())
    assert found.num_rows == 300_000
