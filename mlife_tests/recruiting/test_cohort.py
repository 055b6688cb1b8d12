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


def shown_table(rows: list[tuple[str, str, str | None, date, datetime]]) -> pa.Table:
    return applies_table(rows).rename_columns({"apply_date": "exposure_date"})


def observed(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 23, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def world(job_pairs: ModuleType) -> tuple[pa.Table, pa.Table, date]:
    return job_pairs.user_features(300), job_pairs.job_features(80), job_pairs.DAY


def happenings(
    world: tuple[pa.Table, pa.Table, date], count: int, seed: int
) -> list[tuple[str, str, str | None, date, datetime]]:
    """Return rows around the window's edges, some caused by a text, some observed late, most of no candidate."""
    users, jobs, day = world
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        happened = day + timedelta(days=int(rng.integers(-2, WINDOW + 3)))
        seen = observed(happened + timedelta(days=int(rng.choice([0, 0, 0, 3]))))
        user = users["user_id"][int(rng.integers(0, users.num_rows))].as_py()
        job = jobs["job_id"][int(rng.integers(0, jobs.num_rows))].as_py()
        rows.append((user, job, SLICES[int(rng.integers(0, len(SLICES)))], happened, seen))
    return rows


@pytest.fixture(scope="module")
def applies(world: tuple[pa.Table, pa.Table, date]) -> pa.Table:
    return applies_table(happenings(world, 1_500, 3))


@pytest.fixture(scope="module")
def exposures(world: tuple[pa.Table, pa.Table, date], applies: pa.Table) -> pa.Table:
    """Return the exposures of most applies, of some a view besides, and many to which nobody applied."""
    first = applies.slice(0, 1_200).rename_columns({"apply_date": "exposure_date"})
    viewed = first.slice(0, 600).set_column(2, "slice", pa.array(["organic"] * 600))
    return pa.concat_tables([first, viewed, shown_table(happenings(world, 12_000, 5))])


def cohort(world: tuple[pa.Table, pa.Table, date], applies: pa.Table, exposures: pa.Table) -> CohortDay:
    users, jobs, day = world
    return ranked_cohort(users, jobs, applies, exposures, as_of=day, window_days=WINDOW, policy=POLICY)


def within_window(rows: pa.Table, happened: str, day: date) -> dict[tuple[str, str], set[str | None]]:
    found: dict[tuple[str, str], set[str | None]] = {}
    for row in rows.to_pylist():
        is_known = row["observed_at"] < observed(day + timedelta(days=WINDOW)) + timedelta(minutes=30)
        if day <= row[happened] <= day + timedelta(days=WINDOW - 1) and is_known:
            found.setdefault((row["user_id"], row["job_id"]), set()).add(row["slice"])
    return found


def test_the_cohort_equals_brute_force(
    world: tuple[pa.Table, pa.Table, date], applies: pa.Table, exposures: pa.Table
) -> None:
    users, jobs, day = world
    within = within_window(applies, "apply_date", day)
    unchosen = {"organic", "explore"}
    shown = {pair for pair, why in within_window(exposures, "exposure_date", day).items() if why & unchosen}
    counted = {pair for pair, why in within.items() if why & unchosen} & shown
    every = candidate_pairs(users, jobs, day, POLICY)
    pairs = list(zip(every["user_id"].to_pylist(), every["job_id"].to_pylist(), strict=True))
    ranked = {user for user, job in pairs if (user, job) in counted}
    is_explored = {pair for pair, why in within.items() if "organic" not in why}
    expected = [
        (user, job, (user, job) in counted, "explore" if (user, job) in is_explored else "organic")
        for user, job in pairs
        if user in ranked and (user, job) in shown and ((user, job) in counted or (user, job) not in within)
    ]
    of_ranked = [pair for pair in pairs if pair[0] in ranked]
    left_out = [pair for pair in of_ranked if pair in within and pair in shown and pair not in counted]
    unseen = [pair for pair in of_ranked if pair not in shown]

    found = cohort(world, applies, exposures)
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
    assert unseen, "everything was shown to everybody"
    assert not found.is_relevant.all(), "nothing that was shown was passed over"
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
    usual = (pair["user_id"], pair["job_id"], "organic", day, observed(day))
    for applies, exposures in ((row, usual), (usual, row)):
        found = cohort(world, applies_table([applies, applies]), shown_table([exposures, exposures]))
        assert int(found.is_relevant.sum()) == int(counts)
        assert set(found.pairs["user_id"].to_pylist()) == ({pair["user_id"]} if counts else set())


def test_what_was_shown_to_somebody_else_is_not_ranked(world: tuple[pa.Table, pa.Table, date]) -> None:
    users, jobs, day = world
    every = candidate_pairs(users, jobs, day, POLICY).select(["user_id", "job_id"]).to_pylist()
    one, other = (row["user_id"] for row in (every[0], every[-1]))
    mine = [row["job_id"] for row in every if row["user_id"] == one][:3]
    shown = [(one, job, "organic", day, observed(day)) for job in mine]
    shown += [(other, row["job_id"], "organic", day, observed(day)) for row in every if row["user_id"] == one]
    found = cohort(world, applies_table(shown[:1]), shown_table(shown))
    assert found.pairs["user_id"].to_pylist() == [one] * 3
    assert found.pairs["job_id"].to_pylist() == mine
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
    assert (examples.first_day, examples.last_day) == (one.as_of_date, later.as_of_date)
    assert examples.as_of_dates[count] == np.datetime64(later.as_of_date)
    assert examples.is_relevant.tolist() == 2 * one.is_relevant.tolist()
    assert "distance_km" in pairs.column_names
