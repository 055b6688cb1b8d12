"""From scores of everybody to the candidates of one application: who may be reached, when, and who explores."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.ids import unit_interval
from mlife_assets.core.row_keys import tie_keys
from mlife_assets.recruiting.instances import job_of_the_day
from mlife_assets.recruiting.messaging import audience
from mlife_assets.recruiting.messaging.audience import (
    CHOSEN,
    Exploration,
    application_candidates,
    explore,
    reachable_users,
)
from mlife_assets.recruiting.messaging.eligibility import (
    ZONES_OF_STATE,
    audience_of,
    cohort_name,
    decide_eligibility,
    frequency_reasons,
    holdout_mask,
    is_holdout,
    panel_of,
    require_columns,
    window_verdict,
    window_verdicts,
)
from mlife_assets.recruiting.messaging.people import accounts_by_number, join_people, normalise, stranger_id
from mlife_assets.recruiting.messaging_policy import ContactPolicy, MessagingPolicy
from mlife_assets.recruiting.policies import Policies

DAY = date(2026, 6, 2)
POLICY = MessagingPolicy(exploration_share=0.5)
PEOPLE, JOBS = 300, 5
UNREACHABLE = {"usr_no": (False, "America/Chicago"), "usr_unknown": (None, "America/Chicago"), "usr_lost": (True, None)}
USERS, JOBS_EACH = 4_000, 5
USER_IDS = [f"u{i}" for i in range(USERS) for _ in range(JOBS_EACH)]
JOB_IDS = [f"j{k}" for _ in range(USERS) for k in range(JOBS_EACH)]
PROBABILITIES = np.tile(np.array([0.004, 0.05, 0.02, 0.006, 0.03]), USERS)
AGES = np.tile(np.array([0.0, 10.0, 3.0, 4.0, np.nan]), USERS)
NAMES = ("rank", "is_exploration", "propensity", "exploration_propensity")
DRAW_POLICY = MessagingPolicy(
    exploration_share=0.3, exploration_floor_of_best=0.1, exploration_new_job_days=3, exploration_new_job_bonus=2.0
)
OFFERED = np.array([0.0, 1.0, 3.0, 1.0, 1.0]) / 6
"""The first job is new but below the floor, the third is new, the age of the last is unknown."""
COHORT_USERS = [f"u{i}" for i in range(20_000)]
QUIET = MessagingPolicy()
TUESDAY = datetime(2026, 6, 2, 18, tzinfo=UTC)
ZONES = sorted({zone for zones in ZONES_OF_STATE.values() for zone in zones})


def people() -> pa.Table:
    known = {f"usr_{number:03d}": (True, "America/Chicago") for number in range(PEOPLE)} | UNREACHABLE
    rows = [{"user_id": one, "is_consented": said, "time_zone": zone} for one, (said, zone) in known.items()]
    return pa.Table.from_pylist(rows)


def vacancies() -> pa.Table:
    return pa.table({"job_id": [f"job_{place}" for place in range(JOBS)], "job_age_days": [1, 30, None, 2, 9]})


def scores() -> pa.Table:
    """Return scores of everybody, whoever may be reached."""
    rng = np.random.default_rng(11)
    user_ids = people()["user_id"].to_pylist()
    pairs = [(user, f"job_{place}") for user in user_ids for place in range(JOBS)]
    probability = rng.uniform(0.05, 0.4, len(pairs))
    return pa.table(
        {
            "user_id": [user for user, _ in pairs], "job_id": [job for _, job in pairs], "probability": probability,
            "prediction_id": [f"prd_{user}_{job}" for user, job in pairs], "candidate_set_hash": ["set"] * len(pairs),
            "expected_value_usd": probability * 2, "raw_score": np.log(probability),
        }
    )  # fmt: skip


def chosen(policy: MessagingPolicy = POLICY, **changed: Any) -> pa.Table:
    given = {"scores": scores(), "users": people(), "jobs": vacancies()} | changed
    return application_candidates(given["scores"], given["users"], given["jobs"], policy=policy, as_of=DAY)


def test_scores_are_of_everybody_and_candidates_of_those_who_can_be_reached() -> None:
    assert set(UNREACHABLE) < set(scores()["user_id"].to_pylist())
    reached = set(chosen()["user_id"].to_pylist())
    assert reached == set(people()["user_id"].to_pylist()) - set(UNREACHABLE)
    users, given = reachable_users(people()), scores()
    assert users["user_id"].to_pylist() == sorted(reached)
    before = given.filter(pc.is_in(given["user_id"], value_set=users["user_id"].combine_chunks()))
    assert chosen().equals(chosen(scores=before, users=users)), "the others change no pick"


def test_each_row_keeps_its_score_and_says_how_it_would_be_sent() -> None:
    found, given = chosen(), scores()
    assert found.column_names == [*given.column_names, *CHOSEN]
    kept = given.filter(pc.is_in(given["user_id"], value_set=pc.unique(found["user_id"])))
    assert found.select(given.column_names).equals(kept)
    picks = explore(
        found["user_id"], found["job_id"], found["probability"].to_numpy(), np.tile([1, 30, np.nan, 2, 9], PEOPLE),
        policy=POLICY, as_of=DAY,
    )  # fmt: skip
    assert np.array_equal(found["is_exploration"].to_numpy(), picks.is_exploration)
    assert np.array_equal(found["propensity"].to_numpy(), picks.propensity)
    assert np.array_equal(found["exploration_propensity"].to_numpy(), picks.exploration_propensity)
    assert 100 < pc.sum(found["is_exploration"]).as_py() < 200
    said = dict(zip(found["is_exploration"].to_pylist(), found["slice"].to_pylist(), strict=True))
    assert said == {True: "explore", False: "exploit"}
    assert pc.unique(found["exploration_salt"]).to_pylist() == [POLICY.assignment_salt]


def test_scores_of_0_1_0_are_chosen_from_anew() -> None:
    """They hold what the only application had chosen, and only those whom it could reach."""
    given = chosen()
    old = given.set_column(given.schema.get_field_index("slice"), "slice", pa.array(["explore"] * given.num_rows))
    assert chosen(scores=old).equals(given)


@pytest.mark.parametrize("table", ["scores", "users", "jobs"])
def test_a_missing_column_is_named(table: str) -> None:
    given = {"scores": scores(), "users": people(), "jobs": vacancies()}
    column = {"scores": "probability", "users": "time_zone", "jobs": "job_age_days"}[table]
    with pytest.raises(InvalidInputError, match=column):
        chosen(**{table: given[table].drop_columns([column])})


def test_a_job_that_was_scored_has_facts() -> None:
    with pytest.raises(InvalidInputError, match="job_4 was scored and has no facts; materialize user_job_scores"):
        chosen(jobs=vacancies().slice(0, 4))


def drawn(
    users: Sequence[str] = USER_IDS,
    jobs: Sequence[str] = JOB_IDS,
    probabilities: np.ndarray = PROBABILITIES,
    ages: np.ndarray = AGES,
    policy: MessagingPolicy = DRAW_POLICY,
    as_of: date = DAY,
) -> Exploration:
    columns = (pa.chunked_array([pa.array(ids, pa.string())]) for ids in (users, jobs))
    return explore(*columns, probabilities, ages, policy=policy, as_of=as_of)


def test_ranks_and_propensities_of_each_user() -> None:
    found = drawn(policy=replace(DRAW_POLICY, exploration_share=0.06))
    assert found.rank.reshape(USERS, JOBS_EACH).tolist() == [[5, 1, 3, 4, 2]] * USERS
    assert np.allclose(found.exploration_propensity.reshape(USERS, JOBS_EACH), OFFERED, atol=1e-15)
    assert found.propensity[:5] == pytest.approx([0.0, 0.95, 0.03, 0.01, 0.01])


def test_picks_come_as_often_as_stated() -> None:
    picks = drawn().is_exploration.reshape(USERS, JOBS_EACH)
    assert picks.sum(axis=1).max() == 1
    assert chisquare([picks.sum(), USERS - picks.sum()], [0.3 * USERS, 0.7 * USERS]).pvalue > 0.001
    assert picks[:, 0].sum() == 0, "below the floor"
    assert chisquare(picks.sum(axis=0)[1:], OFFERED[1:] * picks.sum()).pvalue > 0.001


def test_the_whole_policy_sends_each_row_as_often_as_stated() -> None:
    found = drawn(policy=replace(DRAW_POLICY, exploration_share=0.5))
    picks, best = found.is_exploration.reshape(USERS, JOBS_EACH), found.rank.reshape(USERS, JOBS_EACH) == 1
    sent = np.where(picks.any(axis=1)[:, None], picks, best).sum(axis=0)
    expected = found.propensity.reshape(USERS, JOBS_EACH)[0] * USERS
    assert sent[0] == expected[0] == 0
    assert chisquare(sent[1:], expected[1:]).pvalue > 0.001


def test_the_logged_columns_give_the_pick_again() -> None:
    """Whoever holds the log (salt, user, day, jobs, draw probabilities) finds the same picks, row by row."""
    found, checked = drawn(), 0
    ties = tie_keys(USER_IDS, JOB_IDS, DAY.toordinal())
    for user in range(300):
        rows = range(user * JOBS_EACH, (user + 1) * JOBS_EACH)
        explores = unit_interval(DRAW_POLICY.assignment_salt, "explore", DAY.isoformat(), f"u{user}") < 0.3
        assert found.is_exploration[user * JOBS_EACH : (user + 1) * JOBS_EACH].any() == explores
        if explores:
            left = unit_interval(DRAW_POLICY.assignment_salt, "pick", DAY.isoformat(), f"u{user}")
            for row in sorted(rows, key=lambda one: ties[one]):
                left -= found.exploration_propensity[row]
                if left < 0:
                    break
            assert found.is_exploration[row]
            checked += 1
    assert checked > 50


def test_neither_order_nor_other_users_move_anything() -> None:
    found = drawn()
    order = np.random.default_rng(1).permutation(len(PROBABILITIES))
    shuffled = drawn([USER_IDS[i] for i in order], [JOB_IDS[i] for i in order], PROBABILITIES[order], AGES[order])
    part = slice(5 * JOBS_EACH, 50 * JOBS_EACH)
    few = drawn(USER_IDS[part], JOB_IDS[part], PROBABILITIES[part], AGES[part])
    for name in NAMES:
        assert np.array_equal(getattr(shuffled, name), getattr(found, name)[order])
        assert np.array_equal(getattr(few, name), getattr(found, name)[part])


@pytest.mark.parametrize("place", [0.0, 1 - 2**-52, 1 / 6, 0.5])
def test_no_draw_falls_below_the_floor_or_out_of_the_set(monkeypatch: pytest.MonkeyPatch, place: float) -> None:
    """The first, the last and the exact edges of what the hash may give."""
    monkeypatch.setattr(audience, "unit_interval", lambda *parts: place if "pick" in parts else 0.0)
    picks = drawn().is_exploration.reshape(USERS, JOBS_EACH)
    assert picks.sum(axis=1).tolist() == [1] * USERS
    assert not picks[:, 0].any()


def test_a_share_of_nothing_explores_nobody_even_at_the_lowest_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audience, "unit_interval", lambda *parts: 0.0)
    assert not drawn(policy=replace(DRAW_POLICY, exploration_share=0.0)).is_exploration.any()


def test_probabilities_move_picks_only_through_the_floor() -> None:
    turned = np.tile(np.array([0.004, 0.02, 0.05, 0.03, 0.006]), USERS)
    found, other = drawn(), drawn(probabilities=turned)
    assert np.array_equal(other.is_exploration, found.is_exploration)
    assert not np.array_equal(other.rank, found.rank)
    moved = drawn(probabilities=np.full(len(PROBABILITIES), 0.01)).is_exploration.reshape(USERS, JOBS_EACH)
    assert moved[:, 0].sum() > 0


def test_day_and_salt_choose_others() -> None:
    found = drawn().is_exploration
    tomorrow = drawn(as_of=date(2026, 6, 3)).is_exploration
    salted = drawn(policy=replace(DRAW_POLICY, assignment_salt="t")).is_exploration
    assert (found & tomorrow).sum() < found.sum() / 2
    assert (found & salted).sum() < found.sum() / 2


def test_equal_probabilities_have_distinct_ranks_that_favour_no_job() -> None:
    ranks = drawn(probabilities=np.full(len(PROBABILITIES), 0.01)).rank.reshape(USERS, JOBS_EACH)
    assert (np.sort(ranks, axis=1) == np.arange(1, JOBS_EACH + 1)).all()
    assert chisquare((ranks == 1).sum(axis=0)).pvalue > 0.001


@st.composite
def candidates(draw: st.DrawFn) -> tuple[list[str], list[str], np.ndarray, np.ndarray]:
    sizes = draw(st.lists(st.integers(1, 8), min_size=1, max_size=12))
    users = [f"u{i}" for i, size in enumerate(sizes) for _ in range(size)]
    jobs = [f"j{k}" for size in sizes for k in range(size)]
    chance = st.one_of(st.floats(0, 1), st.sampled_from([0.0, 1e-300, 0.1, 1.0]))
    probabilities = draw(st.lists(chance, min_size=len(users), max_size=len(users)))
    ages = draw(st.lists(st.sampled_from([0.0, 3.0, 4.0, np.nan]), min_size=len(users), max_size=len(users)))
    return users, jobs, np.array(probabilities), np.array(ages)


@settings(max_examples=150)
@given(candidates(), st.floats(0, 1), st.floats(0, 20), st.floats(0, 0.5), st.integers(0, 5))
def test_propensities_sum_to_one_and_picks_keep_the_floor(
    rows: tuple[list[str], list[str], np.ndarray, np.ndarray], floor: float, bonus: float, share: float, salt: int
) -> None:
    users, jobs, probabilities, ages = rows
    policy = MessagingPolicy(
        exploration_share=share,
        exploration_floor_of_best=floor,
        exploration_new_job_bonus=bonus,
        assignment_salt=str(salt),
    )
    found = drawn(users, jobs, probabilities, ages, policy)
    names = np.array(users)
    for user in set(users):
        mine = names == user
        assert found.propensity[mine].sum() == pytest.approx(1.0, abs=1e-12)
        assert found.exploration_propensity[mine].sum() == pytest.approx(1.0, abs=1e-12)
        is_good = probabilities[mine] >= floor * probabilities[mine].max()
        assert np.array_equal(found.exploration_propensity[mine] > 0, is_good)
        assert found.is_exploration[mine].sum() <= 1
        assert is_good[found.is_exploration[mine]].all()
        assert sorted(found.rank[mine]) == list(range(1, mine.sum() + 1))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"probabilities": PROBABILITIES[1:]}, "probabilities has 19999 rows, user_ids 20000"),
        ({"ages": AGES[1:]}, "job_age_days has 19999 rows"),
        (
            {"probabilities": np.where(np.arange(USERS * JOBS_EACH) == 3, np.nan, PROBABILITIES)},
            "probabilities row 3 is nan",
        ),
        ({"probabilities": PROBABILITIES * 30}, "probabilities row 1 is 1.5"),
        ({"probabilities": PROBABILITIES * np.nan}, "probabilities row 0 is nan"),
    ],
)
def test_what_is_no_probability_is_refused(change: dict[str, np.ndarray], sentence: str) -> None:
    with pytest.raises(InvalidInputError, match=sentence):
        drawn(**change)  # type: ignore[arg-type]


def test_no_rows() -> None:
    nothing = drawn([], [], np.zeros(0), np.zeros(0))
    assert all(len(getattr(nothing, name)) == 0 for name in NAMES)


def test_the_holdout_has_its_share_and_nests_when_the_share_grows():
    small = holdout_mask(COHORT_USERS, salt="s", share=0.05)
    large = holdout_mask(COHORT_USERS, salt="s", share=0.10)
    assert small.mean() == pytest.approx(0.05, abs=0.005)
    assert not (small & ~large).any()


FROZEN = [1, 6, 31, 76, 89, 124, 146, 186, 228, 330, 345, 372, 376, 387]


def test_the_arm_is_frozen_across_releases():
    assert holdout_mask(COHORT_USERS[:400], salt="2026-holdout", share=0.05).nonzero()[0].tolist() == FROZEN
    assert is_holdout(COHORT_USERS[FROZEN[0]], salt="2026-holdout", share=0.05)


def test_another_process_assigns_the_same_arms():
    code = (
        "from mlife_assets.recruiting.messaging.eligibility import holdout_mask;"
        "print(holdout_mask([f'u{i}' for i in range(2000)], salt='s', share=0.05).nonzero()[0].tolist())"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert eval(other) == holdout_mask(COHORT_USERS[:2000], salt="s", share=0.05).nonzero()[0].tolist()


def test_panels_are_of_equal_size_and_independent_of_the_arm():
    panels = np.array([panel_of(u, salt="s") for u in COHORT_USERS])
    holdout = holdout_mask(COHORT_USERS, salt="s", share=0.5)
    for panel in "abcd":
        assert (panels == panel).mean() == pytest.approx(0.25, abs=0.015)
        assert holdout[panels == panel].mean() == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize(
    ("tenure", "click", "audience"),
    [(None, None, "everyone"), (3, None, "new"), (100, 2, "active"), (100, 60, "quiet"), (100, None, "quiet")],
)
def test_audiences(tenure, click, audience):
    assert audience_of(tenure, click) == audience
    name = cohort_name("u1", salt="s", tenure_days=tenure, days_since_last_click=click)
    assert name == f"{audience}_{panel_of('u1', salt='s')}"


@given(
    ages=st.lists(st.integers(-12, 12), max_size=6), week=st.integers(0, 4), gap=st.integers(0, 6),
    ours=st.booleans(), counts_own=st.booleans(),
)  # fmt: skip
def test_frequency_equals_counting_by_hand(ages, week, gap, ours, counts_own):
    caps = {"maximum_messages_per_7_days": week, "minimum_days_between_messages": gap}
    free = {"maximum_messages_per_7_days": 7, "minimum_days_between_messages": 0}
    application = job_of_the_day(Policies(messaging=MessagingPolicy(**(caps if counts_own else free))))
    contact = ContactPolicy(**(free if counts_own else caps))
    recent = pa.table(
        {
            "person_id": pa.array(["a"] * len(ages), pa.string()),
            "as_of_date": pa.array([DAY - timedelta(days=age) for age in ages], pa.date32()),
            "campaign": pa.array([application.name if ours else "other"] * len(ages), pa.string()),
        }
    )
    others = [abs(age) for age in ages if (age != 0 or not ours) and (ours or not counts_own)]
    expected = None
    if sum(age < 7 for age in others) >= week:
        expected = "frequency_7_days"
    elif any(age < gap for age in others):
        expected = "frequency_gap"
    found = frequency_reasons(pa.array(["a"]), recent, application=application, contact=contact, as_of=DAY)
    assert found.tolist() == [expected]


def decide(people: dict[str, str], **changes: object) -> dict[str, str]:
    """Return the reason of each account: user id -> person id."""
    users = pa.table(
        {
            "user_id": list(people), "person_id": list(people.values()), "is_consented": [True] * len(people),
            "state_code": ["TX"] * len(people), "time_zone": ["America/Chicago"] * len(people),
        }
    )  # fmt: skip
    recent = pa.schema([("person_id", pa.string()), ("as_of_date", pa.date32()), ("campaign", pa.string())])
    arguments: dict[str, object] = {
        "with_candidates": users["user_id"].combine_chunks(), "recent_sends": recent.empty_table(),
        "suppressed_people": [], "application": job_of_the_day(Policies()),
        "contact": ContactPolicy(holdout_share=0.0), "as_of": DAY, "now": datetime(2026, 6, 2, 18, tzinfo=UTC),
    }  # fmt: skip
    found = decide_eligibility(users, **(arguments | changes))  # type: ignore[arg-type]
    return dict(zip(found.user_ids, found.reasons.tolist(), strict=True))


def test_the_first_account_stands_for_a_person_else_the_smallest():
    assert decide({"c": "b", "b": "b", "a": "b", "z": "y", "x": "y"}) == {
        "a": "same_person", "b": "allowed", "c": "same_person", "x": "allowed", "z": "same_person",
    }  # fmt: skip


def test_what_is_known_of_the_person_counts_when_their_first_account_is_away():
    held = next(f"u{i}" for i in range(99) if is_holdout(f"u{i}", salt="s", share=0.5))
    free = next(f"u{i}" for i in range(99) if not is_holdout(f"u{i}", salt="s", share=0.5))
    contact = ContactPolicy(holdout_share=0.5, assignment_salt="s")
    assert decide({free: held}, contact=contact) == {free: "holdout"}
    assert decide({held: free}, contact=contact) == {held: "allowed"}
    assert decide({"b": "a"}, suppressed_people=["a"]) == {"b": "opted_out"}
    assert decide({"b": "a"}, suppressed_people=["b"]) == {"b": "allowed"}
    recent = pa.table({"person_id": ["a"], "as_of_date": pa.array([DAY], pa.date32()), "campaign": ["other"]})
    assert decide({"b": "a", "d": "d"}, recent_sends=recent) == {"b": "frequency_gap", "d": "allowed"}


def test_a_person_is_never_unknown():
    users = pa.table({"user_id": ["a"], "person_id": pa.array([None], pa.string())})
    with pytest.raises(InvalidInputError, match="register the accounts"):
        decide({"a": None})  # type: ignore[dict-item]
    with pytest.raises(InvalidInputError, match="users lacks columns person_id"):
        require_columns(users.drop_columns(["person_id"]), ("user_id", "person_id"), "users")


@given(
    state=st.sampled_from(sorted(ZONES_OF_STATE)), zone=st.sampled_from(ZONES), minutes=st.integers(0, 60 * 24 * 400)
)
def test_an_allowed_text_is_in_the_window_in_every_possible_zone(state, zone, minutes):
    now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    verdict = window_verdict(state, zone, now, QUIET)
    local = [now.astimezone(ZoneInfo(name)) for name in (zone, *ZONES_OF_STATE[state])]
    is_open = all(10 <= t.hour < 17 and t.weekday() != 6 for t in local)
    assert (verdict == "allowed") is is_open


@pytest.mark.parametrize(
    ("state", "zone", "verdict"),
    [
        ("NY", "America/New_York", "allowed"), ("CA", "America/Los_Angeles", "allowed"),
        ("NY", None, "unknown_time_zone"), ("NY", "", "unknown_time_zone"),
        ("NY", "Mars/Olympus", "unknown_time_zone"), ("NY", "../etc/passwd", "unknown_time_zone"),
        (None, "America/New_York", "unknown_state"), ("ZZ", "America/New_York", "unknown_state"),
        ("HI", "Pacific/Honolulu", "quiet_hours"), ("AK", "America/Anchorage", "quiet_hours"),
    ],
)  # fmt: skip
def test_the_daily_run(state, zone, verdict):
    assert window_verdict(state, zone, TUESDAY, QUIET) == verdict
    assert window_verdicts([state], [zone], TUESDAY, QUIET).tolist() == [verdict]


def test_no_texts_on_sundays_unless_allowed():
    sunday = datetime(2026, 6, 7, 18, tzinfo=UTC)
    assert window_verdict("TX", "America/Chicago", sunday, QUIET) == "quiet_hours"
    assert window_verdict("TX", "America/Chicago", sunday, MessagingPolicy(allow_sunday=True)) == "allowed"


def test_a_naive_instant_is_refused():
    with pytest.raises(InvalidInputError, match="aware"):
        window_verdict("TX", "America/Chicago", datetime(2026, 6, 2, 18), QUIET)  # noqa: DTZ001


class Book:
    """Accounts and numbers as a ledger would keep them."""

    def __init__(self) -> None:
        self.accounts: dict[str, str] = {}
        self.numbers: dict[str, str] = {}

    def see(self, **seen: str | None) -> dict[str, str]:
        joined = join_people(self.accounts, self.numbers, seen)
        self.accounts |= joined.accounts
        self.numbers |= joined.numbers
        return self.accounts


def test_a_number_that_another_has_makes_two_people_one_for_ever() -> None:
    book = Book()
    book.see(a="1", b="2")
    assert book.see(b="1") == {"a": "a", "b": "a"}
    assert book.see(a="3", b="4") == {"a": "a", "b": "a"}
    assert set(book.numbers.values()) == {"a"}


def test_what_is_known_already_changes_nothing() -> None:
    book = Book()
    book.see(a="1", b="1", c="2")
    joined = join_people(book.accounts, book.numbers, {"a": "1", "b": "1", "c": "2"})
    assert (joined.accounts, joined.numbers) == ({}, {})


SEEN = st.lists(
    st.dictionaries(st.sampled_from("abcdefgh"), st.one_of(st.none(), st.sampled_from("1234567")), max_size=6),
    max_size=6,
)


@given(days=SEEN)
def test_people_are_the_connected_parts_of_accounts_and_numbers(days: list[dict[str, str | None]]) -> None:
    book, order, links = Book(), [], set()
    for seen in days:
        order += sorted(seen.keys() - set(order))
        links |= {(user, number) for user, number in seen.items() if number is not None}
        assert list(book.see(**seen)) == order
    first = {thing: place for place, thing in enumerate(order)} | {number: len(order) for _, number in links}
    for _ in range(2 * len(links)):
        for user, number in links:
            first[user] = first[number] = min(first[user], first[number])
    assert book.accounts == {user: order[first[user]] for user in order}
    assert book.numbers == {number: order[first[number]] for _, number in links}


def test_a_stranger_who_turns_out_to_be_somebody_gives_nobody_an_id() -> None:
    stranger = stranger_id("in-1")
    joined = join_people({stranger: stranger}, {"n": stranger}, {"z": "n", "a": None})
    assert joined.accounts == {stranger: "z", "z": "z", "a": "a"}
    assert joined.numbers == {"n": "z"}


@pytest.mark.parametrize(
    "written",
    [
        "+12125550100", "12125550100", "2125550100", "+1 (212) 555-0100", "212.555.0100", " 1-212-555-0100\n",
        "tel:+1-212-555-0100", "+1 212 555 0100 ext. 7", "011 1 212 555 0100", "+1 212 555 0100",
    ],
)  # fmt: skip
def test_one_number_has_one_spelling(written: str) -> None:
    assert normalise(written) == "+12125550100"


@pytest.mark.parametrize("written", ["", "STOP", "5550100", "911", "+1", "+1212555010", "+121255501000", "+0123456789"])
def test_what_reaches_nobody_is_no_number(written: str) -> None:
    assert normalise(written) is None


def test_other_countries_are_written_with_their_code() -> None:
    assert normalise("+44 20 7946 0958") == normalise("020 7946 0958", "GB") == "+442079460958"


def test_accounts_are_found_by_the_one_spelling_of_their_number() -> None:
    written = {"b": "212-555-0100", "a": "+12125550100", "c": "call me", "d": None, "e": "+12125550101"}
    assert accounts_by_number(written) == {"+12125550100": ["a", "b"], "+12125550101": ["e"]}
