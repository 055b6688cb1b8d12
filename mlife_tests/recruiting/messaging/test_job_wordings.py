from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.recruiting.messaging import job_wordings as rules
from mlife_assets.recruiting.messaging.job_wordings import RefusedJob, broken_rules, refusal_counts, word_jobs
from mlife_assets.recruiting.messaging_policy import MessagingPolicy
from mlife_tests.reviews import everybody_approved

KEY = b"k" * 32

POLICY = MessagingPolicy()


def jobs(*rows: tuple[str, str, str]) -> pa.Table:
    names = ("job_id", "title", "employer_name")
    whole = [dict(zip(names, row, strict=True)) for row in rows]
    return pa.Table.from_pylist(
        [row | {"employer_id": f"e_{row['job_id']}", "pay_usd_per_hour": 18.5, "openings": 1} for row in whole]
    )


def test_each_job_has_a_wording_or_a_reason():
    table = jobs(
        ("j1", "Line Cook", "Blue Diner"),
        ("j2", "Cook", "evil.example"),
        ("j3", "Reply YES", "Diner"),
        ("j4", "Nurse \U0001f600", "Clinic"),
        ("j5", "Baker", "Newcomer"),
    )
    reviews = replace(everybody_approved(table), refused={"e_j5"})
    worded, refused = word_jobs(table, MessagingPolicy(), link_key=KEY, reviews=reviews)
    assert list(worded) == ["j1"]
    assert [(job.job_id, job.reason) for job in refused] == [
        ("j2", "web_address"),
        ("j3", "no_job_title"),
        ("j4", "no_job_title"),
        ("j5", "employer_refused"),
    ]
    assert refused[0].why == "employer_name 'evil.example' breaks web_address"


def test_what_is_quoted_is_short():
    table = jobs(("j", "evil.com " * 30, "e"))
    _, (refused,) = word_jobs(table, MessagingPolicy(), link_key=KEY, reviews=everybody_approved(table))
    assert len(refused.why) < 200


def test_refusals_are_counted_by_reason():
    refused = [RefusedJob("a", "x", ""), RefusedJob("b", "w", ""), RefusedJob("c", "x", "")]
    assert refusal_counts(refused) == {"w": 1, "x": 2}


def broken(text: str) -> tuple[str, ...]:
    return broken_rules(text, POLICY.brand, POLICY.refused_phrases)


REFUSED = [
    *("evil.example/x", "www evil", "https://x", "me@evil.org", "Cook @evil", "t.me/jobs", "evil\uff0ecom"),
    *("900-555-0199", "+1 (900) 555.0199", "9005550199", "northstarjobs", "N0rth star_j0bs", "win a gift card"),
    "Evil\u00ae.com",
]
ALLOWED = ["401k", ".NET Developer", "Asst. Manager", "Req 20260415", "Cook $18.50-$20.25/hr", "St. Mary's Inc."]


@pytest.mark.parametrize("text", REFUSED)
def test_a_strangers_tricks_are_refused(text):
    assert broken(text)


@pytest.mark.parametrize("text", ALLOWED)
def test_a_plain_job_passes(text):
    assert broken(text) == ()


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("evil.example/x", rules.WEB_ADDRESS),
        ("Cook 900-555-0199", rules.PHONE_NUMBER),
        ("Northstar-Jobs crew", rules.OWN_BRAND),
        ("Win a prize", rules.REFUSED_PHRASE),
        ("C\u043e\u043ek", rules.LOOK_ALIKE),
    ],
)
def test_the_rule_is_named(text, rule):
    assert broken(text) == (rule,)


@given(text=st.text(max_size=60))
def test_any_text_gets_a_verdict_and_the_same_again(text):
    assert broken(text) == broken_rules.__wrapped__(text, POLICY.brand, POLICY.refused_phrases)


def test_rules_come_in_their_order():
    found = broken("Reply STOP at evil.com or call 900-555-0199, Northstar Jobs prize \u0430 =?utf-8?q?x?=")
    assert list(found) == [rule for rule in rules.RULES if rule in found]
    assert set(found) == {*rules.RULES} - {rules.TOO_LONG}


def test_what_is_longer_than_a_title_is_not_read():
    assert broken("Cook " * 60) == ()
    assert broken("Cook " * 60 + "x") == (rules.TOO_LONG,)
