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
        ("j3", "call_to_action"),
        ("j4", "unwritable"),
        ("j5", "employer_refused"),
    ]
    assert refused[0].why == "employer_name 'evil.example' breaks web_address"


def test_what_is_quoted_is_short():
    table = jobs(("j", "evil.com " * 30, "e"))
    _, (refused,) = word_jobs(table, MessagingPolicy(), link_key=KEY, reviews=everybody_approved(table))
    assert len(refused.why) < 200


@pytest.mark.parametrize(
    "title",
    [
        *("Nurse 7am-3pm, 3pm-11pm, 11pm-7am", "Clerk 8-5 Mon-Fri, 10-6 Sat, 9-5 Sun", "Teacher 2025"),
        *("Welder, Job ID 1048576", "Req 20260415 - Machinist", "Cook $18.50-$20.25/hr, 24/7"),
        *("Driver 2,500-3,000 miles", "Forklift Operator, 12 hour shifts", "Ten Pin Mechanic", "300 Nurse Jobs"),
    ],
)
def test_pay_hours_and_vacancies_are_no_digits_to_doubt(title):
    table = jobs(("j", title, "Diner 2024"))
    assert word_jobs(table, POLICY, link_key=KEY, reviews=everybody_approved(table))[1] == ()


def test_refusals_are_counted_by_reason():
    refused = [RefusedJob("a", "x", ""), RefusedJob("b", "w", ""), RefusedJob("c", "x", "")]
    assert refusal_counts(refused) == {"w": 1, "x": 2}


def broken(text: str) -> tuple[str, ...]:
    return broken_rules(text, POLICY.brand, POLICY.refused_phrases)


REFUSED = [
    "evil.example/x claim now",
    "Call +1 900 555 0199",
    "Reply YES",
    "Cook evil dot example",
    "hxxp evil.com",
    "hxxps://evil.com",
    "bit.ly/x",
    "Driver - evil.com",
    "visit www evil",
    "192.168.0.1",
    "Cook 900-555-0199",
    "Cook 9OO 555 O199",
    "Cook 9 0 0 5 5 5 0 1 9 9",
    "nine zero zero five five five zero one nine nine",
    "1-800-FLOWERS",
    "1 800 JOBSNOW",
    "Text YES to win",
    "Text 55555",
    "text us now",
    "Call now",
    "Call us today",
    "Cook (900) 555 0199",
    "Cook 900.555.0199",
    "STOP now",
    "Reply STOP",
    "START Monday",
    "HELP",
    "Send HELP",
    "Northstar Jobs Manager",
    "N0rthstar Jobs",
    "northstarjobs",
    "C\u043e\u043ek",
    "Free prize",
    "win a gift card",
    "Crypto trader",
    "evil[.]com",
    "evil (dot) com",
    "evil . com",
    "evil. com",
    "me@evil.com",
    "evil.co.uk",
    "join t.me/jobs",
    "WhatsApp +44 7700 900123",
    "WhatsApp me",
    "click here",
    "Verify your account",
    "email us at a",
    "1900 555 0199",
    "555-0199 ext",
    "unsubscribe",
    "Cook\u200b evil",
    "tinyurl 7abc",
    "Call!",
    "Y\u0435s",
    "evil.shop",
    "EVIL.COM",
    "evil\uff0ecom",
    "Cook, 5 5 5 0 1 9 9",
    "llame al 900",
    "Amazon.com",
    "19.00 55.50 1999",
    "Cook \u202e evil",
    "evil\u00ae.com",
    "evil.\u00a9com",
    "Cook 900\u00ae555\u00a90199",
    "ca\u00a9ll me now",
    "ST\u00aeOP now",
    "gift\u00ae card",
    "Cook 9\u20220\u20220\u20225\u20225\u20225\u20220\u20221\u20229\u20229",
    "1-800\u2014FLOWERS",
    "opt\u2014out",
    "Cook 900'555'0199",
    "Cook 900=555#0199",
    "Cook 900$555$0199",
    "Dial *72",
    "Cook: HELP",
    "Cook - START",
    "COOK. END",
    "asp.net/evil",
    "node.js.com",
    "Req 9005 550199",
    "900 Req 5550199",
    "Req 900-555-0199",
    "Job 5550199",
    "Cook 2,125,550,199",
    "Cook 212,555-0199",
    "$2125550100 Cook",
    "Cook $212 $555 $9199",
    "Cook two one two double five 5 0199",
    "Cook dos uno dos 5550199",
    "Cook 2I2 5S5 OI99",
    "Driver evil,com",
    "Cook ev1l d0t c0m",
    "Cook e v i l . c o m",
    "Cook @evilcorp",
    "Cook ann (at) yahoo com",
    "txt EVIL 2 44221",
    "S.T.O.P now",
    "C a l l  n o w",
    "cl1ck here",
    *(f"Cook evil dot {ending}" for ending in ("jobs", "work", "careers", "page", "us", "co")),
    *("Cook evil . jobs", "Cook joe at evil dot jobs", "Cook evil,co", "Cook evil,jobs", "Cook evil(com)"),
    *("Cook evil d.o.t com", "tech.co", "rep.com", "mgr.work", "inc.page"),
]
ALLOWED = [
    "Registered Nurse",
    "Line Cook $18.50/hr",
    "Cook 24/7",
    "Warehouse Associate, 3rd shift",
    "CDL-A 2024",
    "401k and benefits",
    "Driver $18.50-$20.25/hr",
    "Driver 18.50-20.25",
    "Cook 7:00am-3:30pm",
    "Call Center Agent",
    "On-Call Nurse",
    "RN on call",
    "Text Editor",
    "Help Desk Technician",
    "HELP DESK TECHNICIAN",
    "Kitchen Help",
    "Front End Developer",
    "Node.js Developer",
    "ASP.NET Developer",
    ".NET Developer",
    "Sr. Cook",
    "Sr.Manager",
    "St. Louis Grill",
    "U.S. Postal Carrier",
    "DOT Certified Driver",
    "DOT Compliance Officer",
    "Truck Stop Attendant",
    "Stop & Shop Cashier",
    "Immediate start",
    "Start Monday Cook",
    "Year End Auditor",
    "Weekend Cashier",
    "Caf\xe9 Barista",
    "Chef \u2013 line",
    "Cook @ Diner",
    "Store #12345 Associate",
    "Dr. Pepper Merchandiser",
    "A.M. shift",
    "Server (p.m.)",
    "R.N. / L.P.N.",
    "Email Marketing Specialist",
    "First Responder",
    "Claims Adjuster",
    "Wire Technician",
    "Visiting Nurse",
    "Signal Engineer",
    "H&M",
    "7-Eleven Clerk",
    "Forklift 8-5 Mon-Fri $21",
    "Phone Sales Rep",
    "Message Therapist",
    "9-1-1 Dispatcher",
    "2nd/3rd shift 2026",
    "Contact Tracer",
    "Press Operator",
    "Machine Operator 12hr nights 7-7",
    "Ring Road Driver",
    "PT/FT 20-40 hrs",
    "Dial Corp Packer",
    "Class A CDL 53' 5000 lbs",
    "Sign Installer",
    "M.Ed Teacher",
    "Jr.Dev",
    "Engineer (Node.js/React)",
    "Three.js Programmer",
    "HELP WANTED: Cook",
    "START ASAP - Landscaper",
    "Text Message Marketing Specialist",
    "Email User Support",
    "Inbound Call Representative - Inbound Call",
    "Stop-and-Go Cashier",
    "Req 20260415 - Machinist",
    "Welder, Job ID 1048576",
    "OTR Driver 2,500-3,000 miles weekly",
    "Plumber 60000-75000 per year",
    "Class A CDL Driver - $0.65/mile",
    "Electrician $60,000-$75,000 per year",
    "T.G.I. Friday's\u00ae Server",
    "Caf\xe9 \u2122 Cook",
    "Cook $18-$22/hr + $1,500 bonus",
    "Stop Loss Analyst",
    "One on One Aide",
    "B2B Sales 5S",
    "Driver,CO",
    "Routes $900 - $1,100 weekly, 4 10s",
    *("Reply Clerk", "Prize Counter Attendant", "Cashier,US", "Asst.Store Manager", "DOT Inspector. Work nights"),
]


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
        ("Reply for details", rules.CALL_TO_ACTION),
        ("Cook, STOP", rules.COMMAND_WORD),
        ("Northstar-Jobs crew", rules.OWN_BRAND),
        ("Win a prize", rules.REFUSED_PHRASE),
        ("C\u043e\u043ek", rules.LOOK_ALIKE),
    ],
)
def test_the_rule_is_named(text, rule):
    assert broken(text) == (rule,)


@given(
    digits=st.text("0123456789", min_size=10, max_size=10).filter(lambda d: d[0] > "1" and d[3] > "1"),
    between=st.lists(st.sampled_from(["", " ", "-", ".", " - ", "/", "_", ") "]), min_size=9, max_size=9),
)
def test_ten_digits_are_a_number_however_they_are_written(digits, between):
    text = "Cook " + "".join(d + gap for d, gap in zip(digits, [*between, ""], strict=True))
    assert broken(text)


@given(pay=st.decimals(8, 99, places=2), hour=st.integers(1, 12), shift=st.sampled_from(["1st", "2nd", "3rd"]))
def test_pay_and_hours_are_no_number(pay, hour, shift):
    assert broken(f"Picker {shift} shift ${pay}/hr {hour}:30-{hour}:45") == ()


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
