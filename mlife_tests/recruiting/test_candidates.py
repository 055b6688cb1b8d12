"""Who is ranked, among which jobs, by which features: a row alone is a batch, and a plain loop agrees."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.scoring.feature_spec import FeatureSpec, feature_hashes, fit_feature_spec
from mlife_assets.recruiting import features
from mlife_assets.recruiting.candidates import candidate_pairs, find_candidates
from mlife_assets.recruiting.cohort import CohortDay, gate_examples, ranked_cohort
from mlife_assets.recruiting.events import TIMESTAMP
from mlife_assets.recruiting.features import DERIVED_FEATURES, JOB_EXAMPLES, feature_matrix, pair_features
from mlife_assets.recruiting.policies import CandidatePolicy

POLICY = CandidatePolicy(candidates_per_user=10)
WINDOW = 7
SLICES = ("organic", "explore", "exploit", "recruiter_rule", None)
COHORT_POLICY = CandidatePolicy(candidates_per_user=12)
Row = tuple[str, str, str, str | None, date, datetime]
"""User, job, exposure, slice of the exposure, day, when it was observed."""


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
    return ranked_cohort(users, jobs, applies, exposures, as_of=day, window_days=WINDOW, policy=COHORT_POLICY)


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
    every = candidate_pairs(users, jobs, day, COHORT_POLICY)
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
        found.pairs["user_id"].to_pylist(), found.pairs["job_id"].to_pylist(), found.is_relevant.tolist(),
        found.slices.tolist(), strict=True,
    )  # fmt: skip
    assert list(ranked) == expected
    assert 10 < len({user for user, *_ in expected}) < users.num_rows
    assert min(texted, elsewhere, unseen, len(alone)) > 0, "each of these has to occur"
    assert set(found.slices.tolist()) == {"organic", "explore"}
    assert found.cohort_users == users.num_rows
    assert found.label_mature_date == day + timedelta(days=WINDOW + 1)
    assert found.as_of_date == day


def two_jobs(world: tuple[pa.Table, pa.Table, date]) -> tuple[str, str, str]:
    """Return a user and two candidates of theirs."""
    users, jobs, day = world
    pairs = candidate_pairs(users, jobs, day, COHORT_POLICY).slice(0, 2).to_pylist()
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


@pytest.fixture(scope="module")
def pair_rows(job_pairs: ModuleType) -> pa.Table:
    return candidate_pairs(job_pairs.user_features(40), job_pairs.job_features(60), job_pairs.DAY, CandidatePolicy())


def fitted(table: pa.Table, *kinds: str) -> FeatureSpec:
    """Return the spec of rows that were shown in these ways, one after the other."""
    shown = pa.array([kinds[row % len(kinds)] for row in range(table.num_rows)])
    return fit_feature_spec(table.append_column("exposure_kind", shown), JOB_EXAMPLES)


def changed(table: pa.Table, name: str, value: object) -> pa.Table:
    values = pa.array([value] * table.num_rows, table.schema.field(name).type)
    return table.set_column(table.column_names.index(name), name, values)


def test_derived_features_are_what_their_names_say(pair_rows: pa.Table) -> None:
    row = pair_features(pair_rows).slice(7, 1).to_pylist()[0]
    assert row["same_occupation_group"] == (row["user_occupation_group"] == row["job_occupation_group"])
    assert row["same_shift"] == (row["user_shift"] == row["job_shift"])
    assert row["seniority_gap"] == abs(row["user_seniority"] - row["job_seniority"])
    ratio = np.log(row["pay_usd_per_hour"] / row["reservation_pay_usd_per_hour"])
    assert row["log_pay_ratio"] == pytest.approx(ratio)
    match = sum(row[f"taste_{k}"] * row[f"text_{k}"] for k in range(1, 9)) / np.sqrt(8)
    assert row["taste_match"] == pytest.approx(match)


def test_distance_is_the_great_circle(pair_rows: pa.Table) -> None:
    new_york, london = (40.7128, -74.0060), (51.5074, -0.1278)
    table = pair_rows.slice(0, 1)
    for name, value in zip(
        ("latitude", "longitude", "job_latitude", "job_longitude"), (*new_york, *london), strict=True
    ):
        table = changed(table, name, value)
    assert pair_features(table)["distance_km"][0].as_py() == pytest.approx(5570.2, abs=0.5)


def test_one_row_alone_is_a_batch_to_the_bit(pair_rows: pa.Table) -> None:
    spec = fitted(pair_features(pair_rows), "impression", "message")
    batch = feature_matrix(pair_features(pair_rows), spec, exposure_kind="message")
    alone = [
        feature_matrix(pair_features(pair_rows.slice(row, 1)), spec, exposure_kind="message")
        for row in range(pair_rows.num_rows)
    ]
    assert np.concatenate(alone).tobytes() == batch.tobytes()


def test_deriving_again_changes_nothing(pair_rows: pa.Table) -> None:
    once = pair_features(pair_rows)
    assert pair_features(once).equals(once)
    assert set(DERIVED_FEATURES) <= set(once.column_names)


def test_an_unseen_category_and_a_null_are_missing(pair_rows: pa.Table) -> None:
    table = pair_features(pair_rows)
    spec = fitted(table, "impression", "message")
    place = spec.names.index("metro_code")
    assert not np.isnan(feature_matrix(table, spec, "message")[:, place]).any()
    assert np.isnan(feature_matrix(changed(table, "metro_code", "new city"), spec, "message")[:, place]).all()
    assert np.isnan(feature_matrix(changed(table, "metro_code", None), spec, "message")[:, place]).all()
    no_clicks = feature_matrix(changed(table, "days_since_last_click", None), spec, "message")
    assert np.isnan(no_clicks[:, spec.names.index("days_since_last_click")]).all()


def test_pay_of_zero_has_no_logarithm(pair_rows: pa.Table) -> None:
    assert np.isnan(pair_features(changed(pair_rows, "pay_usd_per_hour", 0.0))["log_pay_ratio"].to_numpy()).all()


def test_how_it_is_shown_is_whatever_the_training_rows_say(pair_rows: pa.Table) -> None:
    table = pair_features(pair_rows)
    spec = fitted(table, "impression", "message")
    place = spec.names.index("exposure_kind")
    codes = {kind: feature_matrix(table, spec, kind)[0, place] for kind in ("impression", "message")}
    assert codes == {"impression": 0.0, "message": 1.0}
    wider = fitted(table, "message", "email", "impression")
    assert dict(wider.vocabularies)["exposure_kind"] == ("email", "impression", "message")
    assert feature_matrix(table, wider, "email")[0, place] == 0.0


def test_a_kind_that_the_model_has_not_learned_from_is_missing(pair_rows: pa.Table) -> None:
    table = pair_features(pair_rows)
    spec = fitted(table, "impression", "message")
    matrix, place = feature_matrix(table, spec, "letter"), spec.names.index("exposure_kind")
    assert np.isnan(matrix[:, place]).all()
    others = [column for column in range(matrix.shape[1]) if column != place]
    assert np.array_equal(matrix[:, others], feature_matrix(table, spec, "message")[:, others], equal_nan=True)


def test_a_missing_column_is_named(pair_rows: pa.Table) -> None:
    with pytest.raises(InvalidInputError, match="user_shift"):
        pair_features(pair_rows.drop_columns(["user_shift"]))


def test_no_rows_are_a_typed_empty_matrix(pair_rows: pa.Table) -> None:
    spec = fitted(pair_features(pair_rows), "impression", "message")
    matrix = feature_matrix(pair_features(pair_rows.slice(0, 0)), spec, exposure_kind="message")
    assert matrix.shape == (0, len(features.MODEL_FEATURES))
    assert feature_hashes(matrix) == []


values = st.floats(allow_nan=True, allow_infinity=True, allow_subnormal=True)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(values, min_size=3, max_size=3), min_size=1, max_size=6))
def test_hashes_are_equal_exactly_when_rows_are(rows: list[list[float]]) -> None:
    matrix = np.array(rows)
    hashes = feature_hashes(matrix)
    assert hashes == [feature_hashes(matrix[[row]])[0] for row in range(len(matrix))]
    for left in range(len(matrix)):
        for right in range(len(matrix)):
            is_same = bool(np.array_equal(matrix[left], matrix[right], equal_nan=True))
            assert (hashes[left] == hashes[right]) == is_same


def test_a_nan_is_a_nan_whatever_its_bits() -> None:
    quiet, other = np.array([[np.nan]]), np.array([[0x7FF8000000000001]], dtype=np.uint64).view(np.float64)
    assert feature_hashes(quiet) == feature_hashes(other)
    assert feature_hashes(quiet) != feature_hashes(np.array([[0.0]]))
