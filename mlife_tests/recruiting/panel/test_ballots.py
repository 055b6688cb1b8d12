"""What a file of rankings must say, and that every break of it is told by row, field and remedy."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from datetime import date
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.panel import PANEL_COLUMNS, parse_panel

Rows = list[dict[str, str]]


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
        (
            broken(4, as_of_date="2026-06-03"),
            r"row 6: as_of_date is 2026-06-03, row 2 says 2026-06-02; .* one file",
        ),
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
