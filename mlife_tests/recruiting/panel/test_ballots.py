"""The file to fill in and what it must say: every break of it is refused by row, field and remedy."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Callable
from datetime import date
from types import ModuleType, SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.errors import InvalidInputError, NotFoundError
from mlife_assets.recruiting.candidates import candidate_pairs
from mlife_assets.recruiting.features import haversine_km
from mlife_assets.recruiting.panel.ballots import (
    PANEL_COLUMNS,
    panel_template,
    parse_panel,
    require_candidates,
    template_bytes,
)
from mlife_assets.recruiting.policies import CandidatePolicy

Rows = list[dict[str, str]]

POLICY = CandidatePolicy(candidates_per_user=6)


@pytest.fixture
def rows(files: SimpleNamespace) -> Rows:
    """Return rows 2 to 6 of r1 and r2 for u1 (a, b), and of r1 for u2 (c)."""
    return files.rows_of([("r1", "u1", "ab"), ("r2", "u1", "ba"), ("r1", "u2", "c")])


def test_a_file_is_read_whatever_else_it_holds(files: SimpleNamespace, rows: Rows) -> None:
    columns = ("distance_km", *PANEL_COLUMNS[::-1], "note")
    data = files.csv_of([row | {"distance_km": "1.5", "note": "so, so"} for row in rows[::-1]], columns)
    panel = parse_panel(data)
    assert panel.as_of_date == date(2026, 6, 2)
    assert [(b.user_id, b.recruiter, b.job_ids) for b in panel.ballots] == [
        ("u1", "r1", ("a", "b")),
        ("u1", "r2", ("b", "a")),
        ("u2", "r1", ("c",)),
    ]
    assert (panel.recruiters, panel.user_ids, panel.pairs) == (("r1", "r2"), ("u1", "u2"), 3)
    assert panel.sha256 == hashlib.sha256(data).hexdigest()
    assert panel.panel_id == panel.sha256[:12]


def test_what_spreadsheets_add_changes_nothing(files: SimpleNamespace, rows: Rows) -> None:
    plain = files.csv_of(rows)
    dressed = b"\xef\xbb\xbf" + plain.replace(b"\n", b"\r\n").replace(b",u1,", b", u1 ,") + b",,,,\r\n\r\n"
    assert parse_panel(dressed).ballots == parse_panel(plain).ballots


def broken(place: int, **values: str) -> Callable[[Rows], Rows]:
    return lambda rows: [row | values if at == place else row for at, row in enumerate(rows)]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (broken(1, as_of_date="06/02/2026"), r"row 3: as_of_date is '06/02/2026'; write it as YYYY-MM-DD"),
        (broken(1, as_of_date="20260602"), r"row 3: as_of_date is '20260602'"),
        (broken(4, as_of_date="2026-06-03"), r"row 6: as_of_date is 2026-06-03, row 2 says 2026-06-02; .* one file"),
        (broken(2, recruiter=""), r"row 4: recruiter is ''; write a code such as r1"),
        (broken(2, recruiter="ann@example.com"), r"row 4: recruiter is 'ann@example.com'"),
        (broken(2, recruiter="+14155550100"), r"row 4: recruiter is "),
        (broken(0, user_id=" "), r"row 2: user_id is empty; copy it"),
        (broken(0, job_id=""), r"row 2: job_id is empty; copy it"),
        (broken(3, rank=""), r"row 5: rank is ''; write a whole number from 1, or remove all rows of user u1 by r2"),
        (broken(3, rank="0"), r"row 5: rank is '0'"),
        (broken(3, rank="1.5"), r"row 5: rank is '1.5'"),
        (broken(3, rank="first"), r"row 5: rank is 'first'"),
        (
            broken(1, rank="1"),
            r"row 3: rank 1 is given in row 2 already \(recruiter r1, user u1\); give each rank once",
        ),
        (broken(1, rank="3"), r"row 3: rank 3 with 2 ranked jobs, and no job has rank 2 .*; rank from 1 to 2 without"),
        (broken(1, job_id="a"), r"row 3: job_id a is in row 2 already \(recruiter r1, user u1\); rank each job once"),
        (lambda rows: rows[:3], r"row 2: job_id a of user u1 is ranked by r1 and not by r2; everyone who ranks"),
        (
            lambda rows: rows[1:] and rows[2:4] + broken(0, rank="1")(rows[:1]),
            r"row 2: job_id b .* by r2 and not by r1",
        ),
        (lambda rows: [], r"the file holds no ranking, at least one recruiter is needed; fill in the template"),
    ],
)
def test_a_broken_row_is_named(
    files: SimpleNamespace, rows: Rows, change: Callable[[Rows], Rows], sentence: str
) -> None:
    with pytest.raises(InvalidInputError, match=sentence):
        parse_panel(files.csv_of(change(rows)))


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", r"row 1: column as_of_date occurs 0 times; write a comma-separated header"),
        (b"as_of_date;recruiter;user_id;job_id;rank\n", r"row 1: column as_of_date occurs 0 times"),
        (b"as_of_date,recruiter,user_id,job_id,rank,rank\n", r"row 1: column rank occurs 2 times"),
        (b"as_of_date,recruiter,user_id,job_id,rank\n2026-06-02,r1,u1\n", r"row 2: 3 fields, too few for the header"),
        (b'as_of_date,recruiter,user_id,job_id,rank\n"2026', r"row 2: not CSV .*; save the file as CSV again"),
        (b"as_of_date,recruiter,user_id,job_id,rank\n\xff\xfe", r"not UTF-8 text .*; save it as CSV UTF-8"),
    ],
)
def test_a_broken_file_is_reported(data: bytes, sentence: str) -> None:
    with pytest.raises(InvalidInputError, match=sentence):
        parse_panel(data)


@given(st.one_of(st.binary(max_size=80), st.text(max_size=80).map(lambda text: text.encode("utf-8", "replace"))))
def test_any_other_bytes_are_refused_in_words(noise: bytes) -> None:
    for data in (noise, b"as_of_date,recruiter,user_id,job_id,rank\n" + noise):
        with pytest.raises(InvalidInputError, match=re.compile(r"row \d+: |the file ")):
            parse_panel(data)


@given(st.randoms(use_true_random=False), st.data())
def test_rows_may_stand_in_any_order(files: SimpleNamespace, random: object, data: st.DataObject) -> None:
    jobs = data.draw(st.lists(st.sampled_from("abcdefgh"), unique=True, min_size=1))
    recruiters = data.draw(st.lists(st.sampled_from(["r1", "r2", "r3"]), unique=True, min_size=1))
    rows = files.rows_of([(one, "u1", data.draw(st.permutations(jobs))) for one in recruiters])
    shuffled = data.draw(st.permutations(rows))
    assert parse_panel(files.csv_of(shuffled)).ballots == parse_panel(files.csv_of(rows)).ballots


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
