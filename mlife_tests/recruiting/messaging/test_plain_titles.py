"""Titles of known words, and titles that say something else. The lists are in `mlife_tests/attacks/data`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.recruiting.messaging.plain_titles import is_plain_title, unknown_words


@pytest.mark.parametrize(
    "title",
    [
        *(
            "Cook", "IS Manager", "WAREHOUSE ASSOCIATE", "Driver, DOE", "R.N. / L.P.N.", "ASP.NET Developer",
            "Ni\u00f1era",
        ),
        *(
            "Nurses (7p-7a), $2,000 sign-on bonus", "Clerk 8-5 Mon-Fri", "Cook $18.50-$20.25/hr, 24/7",
            "Teacher 2026-2027",
        ),
        *(
            "Call Center Rep", "Driver \u2013 on call", "Gift Shop Associate", "Men's Department Sales",
            "Sales Rep @ $18/hr",
        ),
        *("Store Manager #1204", "CDL-A Driver", "Labeling Operators", "Crisis Counselor, 988 Line"),
    ],
)  # fmt: skip
def test_a_job_is_plain(title: str) -> None:
    assert is_plain_title(title)


@pytest.mark.parametrize(
    ("title", "unknown"),
    [
        *(("Cook, call", ["call"]), ("Cook on Telegram", ["telegram"]), ("evil.com nurse", ["evil.com"])),
        *(("Cook bluediner22", ["bluediner22"]), ("C\uff4fok", ["c\uff4fok"]), ("Cook?", ["cook?"])),
        *(("Cook 44221 nights", ["44221"]), ("Nurse 1800-FLOWERS", ["1800"]), ("Cook, no women", ["no"])),
        *(("Summer bonus", []), ("North and South", []), ("", []), ("12345", [])),
        *(("Nurse 21 or 25 or 55 01 00", []), ("Nurse $212555 0100", []), ("Cook $212-$555 0100", [])),
        *(("Clerk seven one eight 55 55", []), ("Cook e v i l", []), ("Cook dos uno twos fives fives fives one", [])),
    ],
)
def test_what_has_an_unknown_word_names_no_job_or_may_spell_something_is_not(title: str, unknown: list[str]) -> None:
    assert not is_plain_title(title)
    assert unknown_words(title) == unknown


def test_a_deployment_may_know_other_words() -> None:
    title = "Cook - Woodfield Mall, Woodfields (PTIN)"
    assert unknown_words(title) == ["woodfield", "woodfields", "ptin"]
    assert is_plain_title(title, ("Woodfield", "PTIN"))
    assert unknown_words(f"{title} on telegram", ("Woodfield", "PTIN")) == ["telegram"]
    assert unknown_words("Dial-a-Ride Driver, dial O'Malley", ("dial-a", "O'Malley")) == ["dial"]


@given(st.text(max_size=80))
def test_any_text_that_is_plain_names_a_job_and_no_telegram(title: str) -> None:
    assert not is_plain_title(f"{title} on telegram")
    assert not is_plain_title("".join(c for c in title if not c.isalpha()))
