"""Who is ranked and what is relevant, against a loop that a person can check."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import ModuleType
from typing import Any

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


Row = tuple[str, str, str, str | None, date, datetime]
"""User, job, exposure, slice of the exposure, day, when it was observed."""


def applies_table(rows: list[Row]) -> pa.Table:
    return shown_table(rows).drop_columns(["slice"]).rename_columns({"exposure_date": "apply_date"})


def shown_table(rows: list[Row]) -> pa.Table:
    names = ("user_id", "job_id", "exposure_id", "slice", "exposure_date", "observed_at")
    types = (*[pa.string()] * 4, pa.date32(), TIMESTAMP)
    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    return pa.table({n: pa.array(c, t) for n, c, t in zip(names, columns, types, strict=True)})


def observed(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 23, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def world(job_pairs: ModuleType) -> tuple[pa.Table, pa.Table, date]:
    return job_pairs.user_features(300), job_pairs.job_features(80), job_pairs.DAY


@pytest.fixture(scope="module")
def shown(world: tuple[pa.Table, pa.Table, date]) -> list[Row]:
    """Return exposures around the window's edges, some by a text, some observed late, many of no candidate."""
    users, jobs, day = world
    rng = np.random.default_rng(5)
    rows = []
    for number in range(12_000):
        seen = day + timedelta(days=int(rng.integers(-2, WINDOW + 3)))
        known = observed(seen + timedelta(days=int(rng.choice([0, 0, 0, 3]))))
        user = users["user_id"][int(rng.integers(0, users.num_rows))].as_py()
        job = jobs["job_id"][int(rng.integers(0, jobs.num_rows))].as_py()
        why = SLICES[int(rng.choice(len(SLICES), p=[0.6, 0.1, 0.1, 0.1, 0.1]))]
        rows.append((user, job, f"x{number:05d}", why, seen, known))
    return rows


@pytest.fixture(scope="module")
def exposures(shown: list[Row]) -> pa.Table:
    return shown_table(shown)


@pytest.fixture(scope="module")
def applies(shown: list[Row]) -> pa.Table:
    """Return what every sixth exposure led to, up to four days later and some of it observed late."""
    rng = np.random.default_rng(3)
    rows = []
    for user, job, exposure, why, seen, _ in shown[::6]:
        applied = seen + timedelta(days=int(rng.integers(0, 5)))
        known = observed(applied + timedelta(days=int(rng.choice([0, 0, 0, 3]))))
        rows.append((user, job, exposure, why, applied, known))
    return applies_table(rows)


def cohort(world: tuple[pa.Table, pa.Table, date], applies: pa.Table, exposures: pa.Table) -> CohortDay:
    users, jobs, day = world
    return ranked_cohort(users, jobs, applies, exposures, as_of=day, window_days=WINDOW, policy=POLICY)


def test_the_cohort_equals_brute_force(
    world: tuple[pa.Table, pa.Table, date], applies: pa.Table, exposures: pa.Table
) -> None:
    users, jobs, day = world
    end = observed(day + timedelta(days=WINDOW)) + timedelta(minutes=30)
    happened = [row for row in applies.to_pylist() if row["apply_date"] >= day and row["observed_at"] < end]
    led = {row["exposure_id"] for row in happened}
    applied = {(row["user_id"], row["job_id"]) for row in happened}
    by_pair: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in exposures.to_pylist():
        if day <= row["exposure_date"] < day + timedelta(days=WINDOW) and row["observed_at"] < end:
            by_pair.setdefault((row["user_id"], row["job_id"]), []).append(row)
    every = candidate_pairs(users, jobs, day, POLICY)
    rows: dict[str, list[tuple[str, bool, str]]] = {}
    texted, elsewhere, unseen = 0, 0, 0
    for pair in zip(every["user_id"].to_pylist(), every["job_id"].to_pylist(), strict=True):
        seen = by_pair.get(pair, [])
        unseen += not seen
        if {row["slice"] for row in seen} - {"organic", "explore"}:
            texted += any(row["slice"] == "organic" and row["exposure_id"] in led for row in seen)
            continue
        sources = {row["slice"] for row in seen if row["exposure_id"] in led}
        if seen and (sources or pair not in applied):
            slices = "explore" if sources == {"explore"} else "organic"
            rows.setdefault(pair[0], []).append((pair[1], bool(sources), slices))
        elsewhere += bool(seen) and not sources and pair in applied
    expected = [
        (user, *row)
        for user, own in rows.items()
        if {relevant for _, relevant, _ in own} == {True, False}
        for row in own
    ]
    alone = [user for user, own in rows.items() if all(relevant for _, relevant, _ in own)]

    found = cohort(world, applies, exposures)
    ranked = zip(
        found.pairs["user_id"].to_pylist(),
        found.pairs["job_id"].to_pylist(),
        found.is_relevant.tolist(),
        found.slices.tolist(),
        strict=True,
    )
    assert list(ranked) == expected
    assert 10 < len({user for user, *_ in expected}) < users.num_rows
    assert min(texted, elsewhere, unseen, len(alone)) > 0, "each of these has to occur"
    assert set(found.slices.tolist()) == {"organic", "explore"}
    assert found.cohort_users == users.num_rows
    assert found.label_mature_date == day + timedelta(days=WINDOW + 1)
    assert found.as_of_date == day


def test_candidates_are_those_of_a_day_on_which_everybody_is_ranked(
    world: tuple[pa.Table, pa.Table, date], applies: pa.Table, exposures: pa.Table
) -> None:
    users, jobs, day = world
    every = candidate_pairs(users, jobs, day, POLICY)
    sets = dict(zip(every["user_id"].to_pylist(), every["candidate_set_hash"].to_pylist(), strict=True))
    found = cohort(world, applies, exposures).pairs
    assert all(
        sets[user] == value
        for user, value in zip(found["user_id"].to_pylist(), found["candidate_set_hash"].to_pylist(), strict=True)
    )


def two_jobs(world: tuple[pa.Table, pa.Table, date]) -> tuple[str, str, str]:
    """Return a user and two candidates of theirs."""
    users, jobs, day = world
    pairs = candidate_pairs(users, jobs, day, POLICY).slice(0, 2).to_pylist()
    assert pairs[0]["user_id"] == pairs[1]["user_id"]
    return pairs[0]["user_id"], pairs[0]["job_id"], pairs[1]["job_id"]


@pytest.mark.parametrize(
    ("why", "shown_after", "shown_late", "applied_after", "applied_late", "counts"),
    [
        ("organic", 0, 0, 0, 0, True), ("organic", WINDOW - 1, 0, WINDOW - 1, 0, True),
        ("organic", WINDOW - 1, 1, WINDOW, 0, True), ("organic", WINDOW - 1, 2, WINDOW, 0, False),
        ("organic", 0, 0, WINDOW, 1, False), ("organic", WINDOW, 0, WINDOW, 0, False),
        ("organic", -1, 0, 0, 0, False), ("explore", 0, 0, 0, 0, True), ("exploit", 0, 0, 0, 0, False),
        ("recruiter_rule", 0, 0, 0, 0, False), (None, 0, 0, 0, 0, False),
    ],
)  # fmt: skip
def test_edges_of_the_window(
    world: tuple[pa.Table, pa.Table, date],
    why: str | None,
    shown_after: int,
    shown_late: int,
    applied_after: int,
    applied_late: int,
    counts: bool,
) -> None:
    user, job, other = two_jobs(world)
    day = world[2]
    seen, applied = (day + timedelta(days=after) for after in (shown_after, applied_after))
    shown = (user, job, "x1", why, seen, observed(seen + timedelta(days=shown_late)))
    passed_over = (user, other, "x2", "organic", day, observed(day))
    led = (user, job, "x1", why, applied, observed(applied + timedelta(days=applied_late)))
    found = cohort(world, applies_table([led, led]), shown_table([shown, shown, passed_over]))
    assert dict(zip(found.pairs["job_id"].to_pylist(), found.is_relevant.tolist(), strict=True)) == (
        {job: True, other: False} if counts else {}
    )


def test_a_job_that_somebody_chose_to_text_counts_neither_way(world: tuple[pa.Table, pa.Table, date]) -> None:
    """It was chosen by what is judged: left out if they applied and wrong if they did not would be a penalty."""
    user, job, other = two_jobs(world)
    day = world[2]
    third = candidate_pairs(*world, POLICY).slice(2, 1)["job_id"][0].as_py()
    shown = [(user, one, f"x{one}", "organic", day, observed(day)) for one in (job, other, third)]
    led = applies_table(shown[:1])
    for texted in (job, other):
        text = (user, texted, "m1", "exploit", day, observed(day))
        found = cohort(world, led, shown_table([*shown, text]))
        assert texted not in found.pairs["job_id"].to_pylist()
        assert len(found.pairs) == (0 if texted == job else 2)


def test_what_was_shown_to_somebody_else_is_not_ranked(world: tuple[pa.Table, pa.Table, date]) -> None:
    users, jobs, day = world
    every = candidate_pairs(users, jobs, day, POLICY).select(["user_id", "job_id"]).to_pylist()
    one, other = (row["user_id"] for row in (every[0], every[-1]))
    mine = [row["job_id"] for row in every if row["user_id"] == one]
    shown = [(one, job, f"x{job}", "organic", day, observed(day)) for job in mine[:3]]
    shown += [(other, job, f"y{job}", "organic", day, observed(day)) for job in mine]
    found = cohort(world, applies_table(shown[:1]), shown_table(shown))
    assert found.pairs["user_id"].to_pylist() == [one] * 3
    assert found.pairs["job_id"].to_pylist() == mine[:3]
    assert found.is_relevant.tolist() == [True, False, False]


def test_the_order_of_rows_does_not_matter(
    world: tuple[pa.Table, pa.Table, date], applies: pa.Table, exposures: pa.Table
) -> None:
    orders = [np.random.default_rng(4).permutation(rows.num_rows) for rows in (applies, exposures)]
    mixed = [rows.take(pa.array(order)) for rows, order in zip((applies, exposures), orders, strict=True)]
    first, second = cohort(world, applies, exposures), cohort(world, *mixed)
    assert first.pairs.equals(second.pairs)
    assert (first.is_relevant == second.is_relevant).all()


def test_a_day_without_applies_is_an_empty_cohort_of_everybody(
    world: tuple[pa.Table, pa.Table, date], exposures: pa.Table
) -> None:
    found = cohort(world, applies_table([]), exposures)
    assert found.pairs.num_rows == 0
    assert found.is_relevant.shape == (0,)
    assert found.cohort_users == world[0].num_rows
    assert "candidate_set_hash" in found.pairs.column_names


def test_a_gate_has_the_rows_of_all_its_days_in_one_order(
    world: tuple[pa.Table, pa.Table, date], applies: pa.Table, exposures: pa.Table
) -> None:
    one = cohort(world, applies, exposures)
    later = replace(one, as_of_date=one.as_of_date + timedelta(days=7), label_mature_date=one.label_mature_date)
    examples, pairs = gate_examples([one, later])
    count = one.pairs.num_rows
    assert pairs.num_rows == len(examples.user_ids) == 2 * count
    assert examples.user_ids.tolist() == pairs["user_id"].to_pylist() == 2 * one.pairs["user_id"].to_pylist()
    assert examples.items.tolist() == pairs["job_id"].to_pylist()
    assert examples.cohort == "shown"
    assert (examples.first_day, examples.last_day) == (one.as_of_date, later.as_of_date)
    assert examples.as_of_dates[count] == np.datetime64(later.as_of_date)
    assert examples.is_relevant.tolist() == 2 * one.is_relevant.tolist()
    assert "distance_km" in pairs.column_names
