"""A panel of people: the file to fill in, consensus and agreement, and which rows of a gate it covers."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import combinations
from types import ModuleType, SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError, NotFoundError
from mlife_assets.core.policies import PromotionPolicy
from mlife_assets.core.training.gate import GateExamples, Hearing, Terms, decide_promotion, on_examples
from mlife_assets.recruiting.candidates import candidate_pairs
from mlife_assets.recruiting.cohort import RULE_NAME
from mlife_assets.recruiting.features import haversine_km
from mlife_assets.recruiting.panel import ballots, baseline
from mlife_assets.recruiting.panel.ballots import Panel, panel_template, parse_panel, require_candidates, template_bytes
from mlife_assets.recruiting.panel.baseline import human_baseline, kendall_w, panel_agreement, panel_name, panel_rows
from mlife_assets.recruiting.policies import CandidatePolicy, PanelPolicy

Rows = list[dict[str, str]]
POLICY = CandidatePolicy(candidates_per_user=6)
DAY = date(2026, 6, 2)
NEXT = DAY + timedelta(days=1)
PANEL_POLICY = PanelPolicy(minimum_users=30)
AGREEMENT_POLICY = PromotionPolicy(bootstrap_resamples=400)
RANKS = st.tuples(st.integers(2, 6), st.integers(2, 9), st.integers(0, 10_000)).map(
    lambda drawn: np.array([np.random.default_rng((drawn[2], k)).permutation(drawn[1]) + 1 for k in range(drawn[0])])
)


def ballot_rows(rankings: Iterable[tuple[str, str, Sequence[str]]], day: date = DAY) -> Rows:
    """Return the rows of (recruiter, user, jobs best first)."""
    return [
        {"as_of_date": str(day), "recruiter": recruiter, "user_id": user, "job_id": job, "rank": str(rank)}
        for recruiter, user, jobs in rankings
        for rank, job in enumerate(jobs, 1)
    ]


def csv_of(rows: Sequence[Mapping[str, str]], columns: Sequence[str] = ballots.PANEL_COLUMNS) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def file_of(*rankings: tuple[str, str, Sequence[str]]) -> bytes:
    return csv_of(ballot_rows(rankings))


@pytest.fixture
def rows() -> Rows:
    """Return rows 2 to 6 of r1 and r2 for u1 (a, b), and of r1 for u2 (c)."""
    return ballot_rows([("r1", "u1", "ab"), ("r2", "u1", "ba"), ("r1", "u2", "c")])


def test_a_file_is_read_whatever_else_it_holds(rows: Rows) -> None:
    columns = ("distance_km", *ballots.PANEL_COLUMNS[::-1], "note")
    data = csv_of([row | {"distance_km": "1.5", "note": "so, so"} for row in rows[::-1]], columns)
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


def test_what_spreadsheets_add_changes_nothing(rows: Rows) -> None:
    plain = csv_of(rows)
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
def test_a_broken_row_is_named(rows: Rows, change: Callable[[Rows], Rows], sentence: str) -> None:
    with pytest.raises(InvalidInputError, match=sentence):
        parse_panel(csv_of(change(rows)))


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
def test_what_was_no_candidate_or_is_missing_is_refused(rankings: list[tuple[str, str, str]], sentence: str) -> None:
    candidates = pa.table({"user_id": ["u1", "u1", "u2"], "job_id": ["a", "b", "z"]})
    with pytest.raises(InvalidInputError, match=sentence):
        require_candidates(parse_panel(file_of(*rankings)), candidates)
    require_candidates(parse_panel(file_of(("r1", "u1", "ba"), ("r2", "u2", "z"))), candidates)


def days(*values: date) -> np.ndarray:
    return np.array(values, dtype="datetime64[D]")


def test_consensus_is_minus_the_mean_rank_by_the_number_of_jobs() -> None:
    panel = parse_panel(file_of(("r1", "u1", "abcd"), ("r2", "u1", "badc"), ("r3", "u1", "abdc")))
    scores = baseline.consensus_scores(panel.ballots)
    assert scores == pytest.approx({"a": -4 / 12, "b": -5 / 12, "c": -11 / 12, "d": -10 / 12})
    tied = baseline.consensus_scores(parse_panel(file_of(("r1", "u1", "ab"), ("r2", "u1", "ba"))).ballots)
    assert tied["a"] == tied["b"] == -0.75


@given(st.data())
def test_consensus_knows_no_order_of_rows_or_recruiters(data: st.DataObject) -> None:
    jobs = data.draw(st.lists(st.sampled_from("abcdefg"), unique=True, min_size=1))
    rankings = [data.draw(st.permutations(jobs)) for _ in range(data.draw(st.integers(1, 5)))]
    names = data.draw(st.permutations([f"r{k}" for k in range(len(rankings))]))
    plain = [(f"r{k}", "u1", ranking) for k, ranking in enumerate(rankings)]
    renamed = [(name, "u1", ranking) for name, ranking in zip(names, rankings, strict=True)]
    shuffled = csv_of(data.draw(st.permutations(ballot_rows(renamed))))
    scores = baseline.consensus_scores(parse_panel(file_of(*plain)).ballots)
    assert baseline.consensus_scores(parse_panel(shuffled).ballots) == scores
    assert all(-1 <= score < 0 for score in scores.values())
    if len(set(map(tuple, rankings))) == 1:
        assert sorted(scores, key=scores.__getitem__, reverse=True) == rankings[0]


@pytest.fixture
def panel() -> Panel:
    return parse_panel(file_of(("r1", "u1", "abc"), ("r2", "u1", "acb"), ("r1", "u2", "ba")))


def test_rows_are_scored_where_the_panel_ranked_them(panel: Panel) -> None:
    users = ["u2", "u1", "u1", "u3", "u1", "u1"]
    jobs = ["b", "c", "a", "a", "b", "a"]
    rows = panel_rows([panel], users, jobs, days(DAY, DAY, DAY, DAY, DAY, NEXT))
    assert rows.mask.tolist() == [True, True, True, False, True, False]
    assert rows.scores[rows.mask] == pytest.approx([-1 / 2, -5 / 6, -1 / 3, -5 / 6])
    assert np.isnan(rows.scores[~rows.mask]).all()
    assert (rows.ranked, rows.unranked, rows.incomplete) == (2, 2, 0)


def test_a_list_with_an_unranked_job_is_masked_whole(panel: Panel) -> None:
    rows = panel_rows([panel], ["u1", "u1", "u2"], ["a", "new", "b"], days(DAY, DAY, DAY))
    assert rows.mask.tolist() == [False, False, True]
    assert np.isnan(rows.scores[:2]).all()
    assert (rows.ranked, rows.unranked, rows.incomplete) == (1, 0, 1)


def test_each_day_is_scored_by_its_own_panel(panel: Panel) -> None:
    other = parse_panel(csv_of(ballot_rows([("r1", "u1", "cba")], day=NEXT)))
    for panels in ([panel, other], [other, panel]):
        rows = panel_rows(panels, ["u1", "u1"], ["a", "a"], days(DAY, NEXT))
        assert rows.scores == pytest.approx([-1 / 3, -1])
    with pytest.raises(InvalidInputError, match="two panels rank 2026-06-02; pass the one that counts"):
        panel_rows([panel, replace(other, as_of_date=DAY)], ["u1"], ["a"], days(DAY))
    with pytest.raises(InvalidInputError, match="2 user_ids, 1 job_ids, 1 as_of_dates"):
        panel_rows([panel], ["u1", "u2"], ["a"], days(DAY))


def test_a_panel_is_named_by_its_hash(panel: Panel) -> None:
    other = replace(panel, as_of_date=NEXT, sha256="f" * 64)
    assert panel_name([panel]) == f"panel:{panel.sha256[:12]}"
    assert panel_name([panel, other]) == panel_name([other, panel])
    assert panel_name([panel, other]) not in (panel_name([panel]), panel_name([other]))
    assert len(panel_name([panel, other])) == len(panel_name([panel]))
    with pytest.raises(InvalidInputError, match="no panel to name"):
        panel_name([])


def gate(users: int, jobs: int = 5, seed: int = 3) -> tuple[GateExamples, np.ndarray]:
    """Return examples of two days (odd users on the second) with one relevant job each, and the truth."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(users, jobs))
    relevant = np.zeros((users, jobs), dtype=bool)
    relevant[np.arange(users), truth.argmax(axis=1)] = True
    at = np.repeat(np.where(np.arange(users) % 2, np.datetime64(NEXT), np.datetime64(DAY)), jobs)
    examples = GateExamples(
        user_ids=np.repeat(np.array([f"u{k:03d}" for k in range(users)], dtype=object), jobs),
        item_ids=np.tile(np.array([f"j{k}" for k in range(jobs)], dtype=object), users),
        as_of_dates=at,
        is_relevant=relevant.ravel(),
        label_mature_dates=at + 8,
        slices=np.full(users * jobs, "organic", dtype=object),
    )
    return examples, truth


def panels_for(truth: np.ndarray, users: int) -> list[Panel]:
    """Return the panels of both days in which three recruiters rank by the truth for the first `users` users."""
    found = []
    for odd, day in enumerate((DAY, NEXT)):
        rankings = [
            (f"r{recruiter}", f"u{user:03d}", [f"j{job}" for job in np.argsort(-truth[user])])
            for user in range(odd, users, 2)
            for recruiter in range(3)
        ]
        found.append(parse_panel(csv_of(ballot_rows(rankings, day=day))))
    return found


def test_without_a_panel_the_rule_is_named_a_proxy() -> None:
    examples, truth = gate(40)
    proxy = np.arange(200.0)
    elsewhere = replace(panels_for(truth, 40)[0], as_of_date=DAY - timedelta(days=1))
    for panels in ([], [elsewhere]):
        human = human_baseline(panels, examples, proxy, PANEL_POLICY)
        assert (human.name, human.is_panel, human.panels) == (RULE_NAME, False, ())
        assert human.mask.all()
        assert human.examples is examples
        assert np.array_equal(human.scores, proxy)
        assert (
            human.sentence
            == "No panel of recruiters ranked a day of this gate; recruiter_rule_v1 stands in as a proxy."
        )


def test_with_a_panel_all_sides_keep_its_rows() -> None:
    examples, truth = gate(60)
    panels = panels_for(truth, 50)
    human = human_baseline(panels[::-1], examples, np.zeros(300), PANEL_POLICY)
    assert human.is_panel
    assert human.name == panel_name(panels)
    assert [panel.as_of_date for panel in human.panels] == [DAY, NEXT]
    assert human.mask.tolist() == [True] * 250 + [False] * 50
    assert len(human.examples.user_ids) == len(human.scores) == 250
    for name in ("user_ids", "item_ids", "as_of_dates", "is_relevant", "label_mature_dates", "slices"):
        assert np.array_equal(getattr(human.examples, name), getattr(examples, name)[human.mask]), name
    assert "3 recruiters ranked 50 candidate lists before their outcomes; 10 lists without a full" in human.sentence


def test_a_panel_of_too_few_users_with_positives_gives_way_and_says_so() -> None:
    examples, truth = gate(60)
    panels = panels_for(truth, 29)
    human = human_baseline(panels, examples, np.zeros(300), PANEL_POLICY)
    assert (human.name, human.mask.all()) == (RULE_NAME, True)
    assert "ranked for 29 users with positives, 30 needed; recruiter_rule_v1 stands in as a proxy" in human.sentence
    assert human_baseline(panels_for(truth, 30), examples, np.zeros(300), PANEL_POLICY).is_panel


def test_users_without_an_outcome_do_not_count() -> None:
    examples, truth = gate(40)
    panels = panels_for(truth, 40)
    nobody = replace(examples, is_relevant=np.zeros(200, dtype=bool))
    assert human_baseline(panels, examples, np.zeros(200), PANEL_POLICY).is_panel
    assert not human_baseline(panels, nobody, np.zeros(200), PANEL_POLICY).is_panel


def test_the_gate_takes_the_panel_as_its_human() -> None:
    """The panel ranks by the truth, so a challenger that does not is refused by its name."""
    examples, truth = gate(60)
    human = human_baseline(panels_for(truth, 50), examples, np.zeros(300), PANEL_POLICY)
    noise = np.random.default_rng(1).normal(size=300)[human.mask]
    sides = {
        "challenger": on_examples(human.examples, "mdl_new", noise, training_end_date=DAY - timedelta(days=20)),
        "human": on_examples(human.examples, human.name, human.scores),
    }
    terms = Terms(NEXT + timedelta(days=8))
    decision = decide_promotion(
        Hearing(human.examples, sides, terms, calibration=None), PromotionPolicy(bootstrap_resamples=200)
    )
    assert not decision.is_promoted
    (against,) = [one for one in decision.comparisons if one.against == "human"]
    assert against.model_version == human.name
    assert against.other_map == pytest.approx(1)
    assert against.delta.upper < 0


def test_one_proxy_score_per_row() -> None:
    examples, _ = gate(40)
    with pytest.raises(InvalidInputError, match="3 proxy_scores for 200 examples"):
        human_baseline([], examples, np.zeros(3), PANEL_POLICY)


def panel_of(users: int, recruiters: int, jobs: int, noise: float, seed: int = 1) -> Panel:
    """Return recruiters who rank by a common taste of each user plus noise."""
    rng = np.random.default_rng(seed)
    rankings = []
    for user in range(users):
        taste = rng.normal(size=jobs)
        for recruiter in range(recruiters):
            order = np.argsort(taste + noise * rng.normal(size=jobs))
            rankings.append((f"r{recruiter}", f"u{user:03d}", [f"j{job}" for job in order]))
    return parse_panel(file_of(*rankings))


@given(RANKS)
def test_tau_and_w_equal_scipy(ranks: np.ndarray) -> None:
    from scipy.stats import friedmanchisquare, kendalltau

    taus = [kendalltau(one, two).statistic for one, two in combinations(ranks, 2)]
    assert baseline.mean_kendall_tau(ranks) == pytest.approx(np.mean(taus), abs=1e-12)
    raters, jobs = ranks.shape
    if jobs >= 3:
        # Friedman's statistic of the same ranks is m (n - 1) W.
        assert kendall_w(ranks) == pytest.approx(
            friedmanchisquare(*ranks.T).statistic / (raters * (jobs - 1)), abs=1e-12
        )


@given(RANKS, st.randoms(use_true_random=False))
def test_the_order_of_recruiters_and_jobs_changes_no_bit(ranks: np.ndarray, random: object) -> None:
    rng = np.random.default_rng(random.randrange(1 << 30))  # type: ignore[attr-defined]
    moved = rng.permutation(rng.permutation(ranks, axis=0), axis=1)
    assert (kendall_w(moved), baseline.mean_kendall_tau(moved)) == (kendall_w(ranks), baseline.mean_kendall_tau(ranks))


@given(RANKS)
def test_equal_rankings_agree_wholly(ranks: np.ndarray) -> None:
    same = np.repeat(ranks[:1], len(ranks), axis=0)
    assert (kendall_w(same), baseline.mean_kendall_tau(same)) == (1, 1)
    assert 0 <= kendall_w(ranks) <= 1
    assert -1 <= baseline.mean_kendall_tau(ranks) <= 1


def test_a_panel_of_one_mind() -> None:
    agreement = panel_agreement([panel_of(20, 3, 8, noise=0)], AGREEMENT_POLICY)
    assert (agreement.kendall_w.estimate, agreement.kendall_w.lower, agreement.kendall_w.upper) == (1, 1, 1)
    assert agreement.kendall_tau.estimate == 1
    assert (agreement.users, agreement.recruiters, agreement.kendall_w.n) == (20, 3, 20)
    assert "Kendall's W 1.00 (95% interval 1.00 to 1.00; 0.33 at random)" in agreement.sentence


@pytest.mark.parametrize("recruiters", [2, 4, 25])
def test_a_random_panel_agrees_as_much_as_chance(recruiters: int) -> None:
    agreement = panel_agreement([panel_of(150, recruiters, 10, noise=1e9)], AGREEMENT_POLICY)
    assert agreement.random_w == pytest.approx(1 / recruiters)
    assert agreement.kendall_w.estimate == pytest.approx(1 / recruiters, abs=0.03)
    assert agreement.kendall_tau.lower < 0 < agreement.kendall_tau.upper


def test_users_of_one_recruiter_or_one_job_count_for_nothing() -> None:
    both = [(r, u, "abc") for u in ("u1", "u2") for r in ("r1", "r2")]
    one = [("r3", "u3", "cba"), ("r1", "u4", "a"), ("r4", "u4", "a")]
    agreement = panel_agreement([parse_panel(file_of(*both, *one))], AGREEMENT_POLICY)
    assert (agreement.users, agreement.recruiters, agreement.kendall_w.estimate) == (2, 2, 1)
    for rankings in (one, [*both[:2], *one]):
        with pytest.raises(NotEnoughEvidenceError, match=r"[01] users were ranked for by two recruiters, at least 2"):
            panel_agreement([parse_panel(file_of(*rankings))], AGREEMENT_POLICY)


def test_a_user_of_two_days_counts_once_by_the_mean() -> None:
    first = parse_panel(file_of(*[(r, u, "ab") for u in ("u1", "u2") for r in ("r1", "r2")]))
    second = replace(
        parse_panel(file_of(("r1", "u1", "ab"), ("r2", "u1", "ba"))), as_of_date=date(2026, 6, 3), sha256="f" * 64
    )
    agreement = panel_agreement([first, second], AGREEMENT_POLICY)
    assert agreement.users == 2
    assert agreement.kendall_w.estimate == pytest.approx((0.5 + 1) / 2)
    assert agreement.kendall_tau.estimate == pytest.approx((0 + 1) / 2)
    assert panel_agreement([second, first], AGREEMENT_POLICY) == agreement
