"""Jobs, people and lists of calls."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.policies import CallPolicy
from mlife_assets.recruiting.recruiter_call_list import call_list as rules
from mlife_assets.recruiting.recruiter_call_list.call_list import COLUMNS, CallCandidate, CalledJob, call_list_csv

JOBS = {
    "job_1": CalledJob("job_1", "Forklift Operator", "$21.50/hr", "Lakeside Logistics", "Chicago, IL", openings=2),
    "job_2": CalledJob("job_2", "Cook", "$18/hr", openings=1),
}


@pytest.fixture
def made() -> Callable[..., rules.CallList]:
    """Return what makes a list; everybody agreed unless it is said otherwise."""

    def make(candidates: list[CallCandidate], **other: object) -> rules.CallList:
        jobs = other.pop("jobs", JOBS)
        arguments = {
            "policy": CallPolicy(("Ann", "Bob"), calls_per_recruiter=2, calls_per_opening=2),
            "as_of": date(2026, 6, 1),
            "consented": {one.user_id for one in candidates},
            "holdout": set(),
            "suppressed": set(),
        }
        return rules.build_call_list(candidates, jobs, **{**arguments, **other})

    return make


@pytest.fixture
def pair() -> Callable[..., CallCandidate]:
    """Return what makes the pair of the n-th person, whose account and person are one unless another is named."""

    def make(
        number: int, job_id: str, probability: float, *why: str, person: str = "", absence: str = ""
    ) -> CallCandidate:
        user_id = f"usr_{number:07d}"
        return CallCandidate(user_id, person or user_id, job_id, probability, why, absence)

    return make


def calls(found):
    return [(row.recruiter, row.position, row.user_id[-1], row.job.job_id) for row in found.rows]


def test_the_likeliest_come_first_and_every_recruiter_begins_with_one(made, pair):
    found = made([pair(1, "job_1", 0.4), pair(2, "job_1", 0.9), pair(3, "job_1", 0.5), pair(3, "job_2", 0.6)])
    assert calls(found) == [("Ann", 1, "2", "job_1"), ("Ann", 2, "1", "job_1"), ("Bob", 1, "3", "job_2")]
    assert found.left_out == {}


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"consented": {"usr_0000002"}}, "no_call_consent"),
        ({"holdout": {"person"}}, "holdout"),
        ({"suppressed": {"person"}}, "opted_out"),
        ({"consented": set(), "suppressed": {"person"}}, "no_call_consent"),
        ({"suppressed": {"person"}, "holdout": {"person"}}, "opted_out"),
        ({"called_recently": {"person"}}, "called_recently"),
        ({"called_recently": {"person"}, "holdout": {"person"}}, "holdout"),
    ],
)
def test_whoever_may_not_be_called_is_not(made, pair, other, reason):
    found = made([pair(1, "job_1", 0.9, person="person"), pair(1, "job_2", 0.8, person="person")], **other)
    assert found.rows == ()
    assert found.left_out == {"usr_0000001": reason}


def test_a_person_with_two_accounts_is_called_once(made, pair):
    found = made([pair(1, "job_1", 0.4, person="p"), pair(2, "job_1", 0.9, person="p")])
    assert calls(found) == [("Ann", 1, "2", "job_1")]
    assert found.left_out == {"usr_0000001": "same_person"}


def test_a_full_job_gives_way_to_the_next_best(made, pair):
    found = made([*(pair(n, "job_2", 1 - n / 10) for n in range(1, 5)), pair(3, "job_1", 0.1)])
    assert calls(found) == [("Ann", 1, "1", "job_2"), ("Ann", 2, "3", "job_1"), ("Bob", 1, "2", "job_2")]
    assert found.left_out == {"usr_0000004": "job_capacity"}


def test_a_day_has_so_many_calls(made, pair):
    found = made(
        [pair(n, f"job_{n}", 1 - n / 10) for n in range(1, 7)],
        jobs={f"job_{n}": CalledJob(f"job_{n}", "Cook", "$18/hr") for n in range(1, 7)},
    )
    assert calls(found)[-1] == ("Bob", 2, "4", "job_4")
    assert found.left_out == {"usr_0000005": "call_capacity", "usr_0000006": "call_capacity"}
    assert found.left_out_counts == {"call_capacity": 2}


def test_low_scores_and_jobs_that_nobody_speaks_of_are_left_out(made, pair):
    policy = CallPolicy(("Ann",), minimum_probability=0.5)
    found = made([pair(1, "job_1", 0.49), pair(2, "job_gone", 0.9), pair(3, "job_1", 0.5)], policy=policy)
    assert calls(found) == [("Ann", 1, "3", "job_1")]
    assert found.left_out == {"usr_0000001": "low_score", "usr_0000002": "no_job"}


def test_the_order_of_the_input_does_not_matter_and_ties_are_drawn_anew_each_day(made, pair):
    tied = [pair(n, "job_1", 0.5) for n in range(1, 9)]
    shuffled = random.Random(1).sample(tied, len(tied))
    assert made(tied) == made(shuffled)
    days = {tuple(calls(made(tied, as_of=date(2026, 6, day)))) for day in range(1, 8)}
    assert len(days) > 3


def test_there_is_no_field_for_what_somebody_is():
    assert {one.name for one in fields(rules.CallRow)} == {"recruiter", "position", "user_id", "job", "why", "absence"}
    assert {one.name for one in fields(CallCandidate)} - {"person_id", "job_id", "probability"} == {
        "user_id",
        "why",
        "absence",
    }


@given(st.lists(st.tuples(st.integers(1, 12), st.integers(0, 5), st.integers(1, 4), st.floats(0, 1)), max_size=60))
def test_caps_hold_and_everybody_has_one_verdict(rows):
    pairs = {
        (user, job): CallCandidate(f"u{user}", f"p{person}", f"j{job}", probability)
        for user, person, job, probability in rows
    }
    pairs = {key: replace(one, person_id=f"p{key[0] % 6}") for key, one in pairs.items()}
    jobs = {f"j{n}": CalledJob(f"j{n}", "Cook", "$18/hr", openings=n % 3) for n in range(1, 5)}
    found = rules.build_call_list(
        list(pairs.values()), jobs, policy=CallPolicy(("a", "b"), calls_per_recruiter=2, calls_per_opening=1),
        as_of=date(2026, 6, 1), consented={f"u{n}" for n in range(1, 11)}, holdout={"p1"}, suppressed={"p2"},
    )  # fmt: skip
    called = [row.user_id for row in found.rows]
    assert sorted([*called, *found.left_out]) == sorted({one.user_id for one in pairs.values()})
    people = [one.person_id for one in {one.user_id: one for one in pairs.values()}.values() if one.user_id in called]
    assert len(set(people)) == len(people)
    assert not {"p1", "p2"} & set(people)
    for name in ("a", "b"):
        assert sum(row.recruiter == name for row in found.rows) <= 2
    for job in jobs.values():
        assert sum(row.job == job for row in found.rows) <= job.openings


def test_a_pair_twice_or_no_probability_is_refused(made, pair):
    with pytest.raises(InvalidInputError, match="repeat 1"):
        made([pair(1, "job_1", 0.5), pair(1, "job_1", 0.6)])
    with pytest.raises(InvalidInputError, match="row 1"):
        made([pair(1, "job_1", 0.5), pair(2, "job_1", float("nan"))])


@pytest.fixture
def listed(made, pair):
    return made(
        [
            pair(1, "job_1", 0.9, "the shift they work", "close to them", absence="last seen 6 days ago"),
            pair(2, "job_1", 0.8),
            pair(3, "job_3", 0.7, "pays 12% more than they look for"),
            pair(4, "job_1", 0.6),
        ],
        jobs={
            "job_1": CalledJob("job_1", "Forklift Operator", "$21.50/hr", "Lakeside & Söhne", "Chicago, IL", 9),
            "job_3": CalledJob("job_3", '=HYPERLINK("http://x.example","<b>Pay</b>")' + "LongWord" * 12, "$18/hr"),
        },
        holdout={"usr_0000004"},
    )


def read(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))


def test_the_file_has_a_row_for_each_call(listed):
    head, first, *_ = rows = read(call_list_csv(listed))
    assert tuple(head) == COLUMNS
    assert len(rows) == 4
    assert dict(zip(head, first, strict=True)) == {
        "as_of_date": "2026-06-01", "recruiter": "Ann", "position": "1", "user_id": "usr_0000001", "job_id": "job_1",
        "title": "Forklift Operator", "pay": "$21.50/hr", "employer_name": "Lakeside & Söhne", "place": "Chicago, IL",
        "why": "the shift they work, close to them", "absence": "last seen 6 days ago",
    }  # fmt: skip
    assert rows[3][COLUMNS.index("why")] == "among their best matches"


def test_spreadsheets_run_nothing(listed):
    cells = [cell for row in read(call_list_csv(listed)) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    assert [cell for cell in cells if cell.startswith("'=HYPERLINK(")]


def test_the_page_says_the_same_and_who_is_left_out(listed):
    html = rules.call_list_page(listed)
    for said in (
        "Calls for Monday, June\u00a01",
        "3 people",
        "Forklift Operator",
        "Lakeside &amp; Söhne",
        "usr_0000001",
    ):
        assert said in html
    assert "The shift they work, close to them" in html
    assert "last seen 6 days ago" in html
    assert "&lt;b&gt;Pay" in html
    assert "1 person with scored jobs" in html
    assert rules.LEFT_OUT_WORDS["holdout"] in html
    assert "usr_0000004" not in html


def test_a_day_without_calls_says_so(made):
    html = rules.call_list_page(made([]))
    assert "Nobody is to be called today." in html
    assert html.count("No call today.") == 2
    assert read(call_list_csv(made([]))) == [list(COLUMNS)]


def test_every_reason_has_words():
    public = {name: value for name, value in vars(rules).items() if name.isupper() and not name.startswith("_")}
    assert {value for value in public.values() if isinstance(value, str)} == set(rules.LEFT_OUT_WORDS)


@pytest.mark.browser
@pytest.mark.parametrize(("width", "scheme"), [(320, "light"), (1280, "dark")])
def test_in_a_browser_it_holds_at_any_width(look, listed, width, scheme):
    seen = look(rules.call_list_page(listed), width=width, scheme=scheme)
    assert (seen.width, seen.problems, seen.requests, seen.faults) == (width, [], [], [])
