"""Titles that name a job, and titles that say something else. The lists are in `mlife_tests/attacks/data`."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.recruiting.messaging.plain_titles import is_plain_title


@pytest.mark.parametrize(
    "title",
    [
        "Cook",
        "IS Manager",
        "Sales - 2nd Shift",
        "Nurses (7p-7a), $2,000 sign-on bonus",
        "We're hiring: Cashiers",
        "Driver, DOE $DOE",
        "WAREHOUSE ASSOCIATE",
        "Phone Sales Rep",
        "Passport Agent",
        "Waiting Staff",
        "U-Haul Driver",
        "Cocinera",
        "Free Training: Nurse Aide",
        *("Gift Shop Associate", "Gift Wrapper", "Parcel Sorter", "Discount Store Cashier", "Lottery Clerk"),
        *("Refund Specialist", "Subscription Coordinator", "Girls' Basketball Coach", "Deposit Operations Clerk II"),
        *("Warrant Clerk", "Register Operator", "Pipe Layer for Utility Company", "Reply Clerk, nights"),
        *("Prize Counter Attendant", "Install Technician", "Money Room Clerk - Casino"),
    ],
)
def test_a_job_is_plain(title):
    assert is_plain_title(title)


@pytest.mark.parametrize(
    "title",
    [
        "Cook, the oven is yours",
        "Cook: ask for Ann",
        "Cook @bluediner",
        "Cook bluediner_22",
        "Cook bluediner22",
        "Cook $bluediner",
        "Cook on Telegram",
        "Cook, passw0rd needed",
        "Cook, free cruise",
        "Cook: last chance",
        *("Refund for every cook", "Cook, refund", "Gift card for each cook", "Your refund clerk"),
        *("Refund specialist assigned you", "Deposit agent holds money", "Prize now, nurse"),
        "Blue Diner",
        "Winner",
        "Better offer",
        "",
        "12345",
    ],
)
def test_what_speaks_promises_or_names_no_job_is_not(title):
    assert not is_plain_title(title)


@given(st.text(max_size=80))
def test_any_text_that_is_plain_names_a_job_and_no_telegram(title):
    assert not is_plain_title(f"{title} on telegram")
    assert not is_plain_title("".join(c for c in title if not c.isalpha()))


@pytest.mark.parametrize("piece", ["a ", "a.", "x1", "text a ", "1,", "dot ", "@", "a_", "'\"*_-", "e-mail "])
def test_no_title_takes_long(piece):
    spent = []
    for place in range(3):
        began = time.process_time()
        is_plain_title((piece * 300)[place:300])
        spent.append(time.process_time() - began)
    assert min(spent) < 0.05
