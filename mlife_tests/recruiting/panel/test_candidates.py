"""The file to fill in: who is in it, what it shows and hides; and which rankings are complete."""

from __future__ import annotations

import csv
import io
from types import ModuleType, SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlife_assets.core.errors import InvalidInputError, NotFoundError
from mlife_assets.recruiting.candidates import candidate_pairs
from mlife_assets.recruiting.features import haversine_km
from mlife_assets.recruiting.panel import panel_template, parse_panel, require_candidates, template_bytes
from mlife_assets.recruiting.policies import CandidatePolicy

POLICY = CandidatePolicy(candidates_per_user=6)


@pytest.fixture(scope="module")
def world(job_pairs: ModuleType) -> SimpleNamespace:
    return SimpleNamespace(users=job_pairs.user_features(80), jobs=job_pairs.job_features(40), day=job_pairs.DAY)


def template(world: SimpleNamespace, users: int) -> pa.Table:
    return panel_template(world.users, world.jobs, world.day, users=users, policy=POLICY)


def pair_set(table: pa.Table) -> set[tuple[str, str]]:
    return set(zip(table["user_id"].to_pylist(), table["job_id"].to_pylist(), strict=True))


def test_all_candidates_of_the_drawn_users_are_there_once(world: SimpleNamespace) -> None:
    shown = template(world, 15)
    users = set(shown["user_id"].to_pylist())
    assert len(users) == 15
    everyone = candidate_pairs(world.users, world.jobs, world.day, POLICY)
    assert pair_set(shown) == {pair for pair in pair_set(everyone) if pair[0] in users}
    assert len(pair_set(shown)) == shown.num_rows


def test_it_shows_facts_and_nothing_that_would_lead(world: SimpleNamespace) -> None:
    shown = template(world, 15)
    assert shown.column_names == [
        *("as_of_date", "user_id", "job_id", "recruiter", "rank", "user_occupation_group", "job_occupation_group"),
        *("distance_km", "pay_usd_per_hour", "reservation_pay_usd_per_hour", "user_shift", "job_shift"),
        *("user_seniority", "job_seniority"),
    ]
    assert set(shown["recruiter"].to_pylist()) == set(shown["rank"].to_pylist()) == {""}
    users = {row["user_id"]: row for row in world.users.to_pylist()}
    jobs = {row["job_id"]: row for row in world.jobs.to_pylist()}
    for row in shown.to_pylist():
        user, job = users[row["user_id"]], jobs[row["job_id"]]
        assert row["pay_usd_per_hour"] == job["pay_usd_per_hour"]
        assert (row["user_shift"], row["job_shift"]) == (user["user_shift"], job["job_shift"])
        points = (user["latitude"], user["longitude"], job["job_latitude"], job["job_longitude"])
        (distance,) = haversine_km(*(np.array([value]) for value in points))
        assert row["distance_km"] == pytest.approx(distance, abs=0.051)
        assert round(row["distance_km"], 1) == row["distance_km"]


def test_the_draw_depends_on_day_and_user_alone(world: SimpleNamespace) -> None:
    few, many = template(world, 5), template(world, 30)
    assert many.slice(0, few.num_rows).equals(few)
    shuffled = SimpleNamespace(**{**vars(world), "users": world.users.take(pa.array(range(79, -1, -1)))})
    assert template(shuffled, 5).equals(few)


def test_the_order_says_nothing_about_the_fit(world: SimpleNamespace) -> None:
    """Neither users nor jobs are sorted, and near jobs are no more often in the first half."""
    shown = template(world, 60)
    users = list(dict.fromkeys(shown["user_id"].to_pylist()))
    assert users != sorted(users)
    nearer, by_id = [], []
    for user in users:
        own = shown.filter(pc.equal(shown["user_id"], user))
        jobs, distance = own["job_id"].to_pylist(), own["distance_km"].to_numpy()
        by_id.append(jobs == sorted(jobs))
        half = len(distance) // 2
        nearer.append(distance[:half].mean() < distance[half:].mean())
    assert 0.3 < np.mean(nearer) < 0.7
    assert np.mean(by_id) < 0.2


def test_users_with_one_candidate_are_passed_over(world: SimpleNamespace) -> None:
    one_job = world.jobs.slice(0, 1)
    with pytest.raises(NotFoundError, match="no user of 2026-06-02 has two candidates to rank"):
        panel_template(world.users, one_job, world.day, users=5, policy=POLICY)
    few = panel_template(world.users, world.jobs.slice(0, 4), world.day, users=80, policy=POLICY)
    counts = pc.value_counts(few["user_id"]).field("counts").to_pylist()
    assert 0 < len(counts) < 80
    assert min(counts) >= 2
    for users in range(1, len(counts) + 1):
        part = panel_template(world.users, world.jobs.slice(0, 4), world.day, users=users, policy=POLICY)
        assert len(pc.unique(part["user_id"])) == users
        assert few.slice(0, part.num_rows).equals(part)
    with pytest.raises(InvalidInputError, match="users is 0"):
        template(world, 0)


def test_unknown_facts_are_empty(world: SimpleNamespace) -> None:
    shift = pa.array([None] * world.users.num_rows, pa.string())
    place = pa.array([None] * world.users.num_rows, pa.float64())
    users = world.users.set_column(world.users.column_names.index("user_shift"), "user_shift", shift)
    shown = panel_template(users, world.jobs, world.day, users=3, policy=POLICY)
    shown = shown.set_column(shown.column_names.index("distance_km"), "distance_km", place.slice(0, shown.num_rows))
    rows = list(csv.DictReader(io.StringIO(template_bytes(shown).decode())))
    assert {(row["user_shift"], row["distance_km"]) for row in rows} == {("", "")}
    nan = shown.set_column(shown.column_names.index("distance_km"), "distance_km", pa.array([np.nan] * len(rows)))
    assert template_bytes(nan) == template_bytes(shown)


def test_a_filled_template_is_complete(world: SimpleNamespace) -> None:
    shown = template(world, 4)
    rows = list(csv.reader(io.StringIO(template_bytes(shown).decode())))
    lines = [",".join(rows[0])]
    for recruiter in ("r1", "r2"):
        given: dict[str, int] = {}
        for row in rows[1:]:
            given[row[1]] = given.get(row[1], 0) + 1
            lines.append(",".join([*row[:3], recruiter, str(given[row[1]]), *row[5:]]))
    panel = parse_panel("\n".join(lines).encode())
    require_candidates(panel, candidate_pairs(world.users, world.jobs, world.day, POLICY))
    assert (panel.as_of_date, panel.pairs, len(panel.user_ids)) == (world.day, shown.num_rows, 4)


@pytest.mark.parametrize(
    ("rankings", "sentence"),
    [
        ([("r1", "u1", "ab"), ("r1", "u9", "a")], r"row 4: user_id u9 has no candidates on 2026-06-02; rank users of"),
        ([("r1", "u1", "abz")], r"row 4: job_id z is no candidate of user u1 on 2026-06-02; rank the jobs of"),
        ([("r1", "u1", "a")], r"row 2: recruiter r1 ranks 1 of 2 candidates of user u1, job_id b is missing; rank all"),
    ],
)
def test_what_was_no_candidate_or_is_missing_is_refused(
    files: SimpleNamespace, rankings: list[tuple[str, str, str]], sentence: str
) -> None:
    candidates = pa.table({"user_id": ["u1", "u1", "u2"], "job_id": ["a", "b", "z"]})
    with pytest.raises(InvalidInputError, match=sentence):
        require_candidates(parse_panel(files.of(*rankings)), candidates)
    require_candidates(parse_panel(files.of(("r1", "u1", "ba"), ("r2", "u2", "z"))), candidates)
