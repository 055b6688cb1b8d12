from __future__ import annotations

import csv
import io

import pytest

from mlife_assets.recruiting.recruiter_call_list import CalledJob, call_list_csv, call_list_page
from mlife_assets.recruiting.recruiter_call_list import call_list as rules
from mlife_assets.recruiting.recruiter_call_list.documents import COLUMNS, LEFT_OUT_WORDS


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
        "as_of_date": "2026-06-01",
        "recruiter": "Ann",
        "position": "1",
        "user_id": "usr_0000001",
        "job_id": "job_1",
        "title": "Forklift Operator",
        "pay": "$21.50/hr",
        "employer_name": "Lakeside & Söhne",
        "place": "Chicago, IL",
        "why": "the shift they work, close to them",
        "absence": "last seen 6 days ago",
    }
    assert rows[3][COLUMNS.index("why")] == "among their best matches"


def test_spreadsheets_run_nothing(listed):
    cells = [cell for row in read(call_list_csv(listed)) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    assert [cell for cell in cells if cell.startswith("'=HYPERLINK(")]


def test_the_page_says_the_same_and_who_is_left_out(listed):
    html = call_list_page(listed)
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
    assert LEFT_OUT_WORDS["holdout"] in html
    assert "usr_0000004" not in html


def test_a_day_without_calls_says_so(made):
    html = call_list_page(made([]))
    assert "Nobody is to be called today." in html
    assert html.count("No call today.") == 2
    assert read(call_list_csv(made([]))) == [list(COLUMNS)]


def test_the_same_list_is_the_same_bytes(listed):
    assert call_list_csv(listed) == call_list_csv(listed)
    assert call_list_page(listed) == call_list_page(listed)


def test_every_reason_has_words():
    reasons = {value for name, value in vars(rules).items() if name.isupper() and isinstance(value, str)}
    assert reasons == set(LEFT_OUT_WORDS)


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_in_a_browser_it_holds_at_any_width(look, listed, width, scheme):
    seen = look(call_list_page(listed), width=width, scheme=scheme)
    assert (seen.width, seen.problems, seen.requests, seen.faults) == (width, [], [], [])
