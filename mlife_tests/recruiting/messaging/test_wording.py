"""The words of a message: templates, titles of known words, reviewed employers, look-alikes, and parts of an SMS."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.market.catalogue import load_catalogue
from mlife_assets.market.source import _TITLE_PREFIX
from mlife_assets.recruiting.events import OCCUPATION_GROUPS
from mlife_assets.recruiting.ids import link_token
from mlife_assets.recruiting.instances import job_of_the_day
from mlife_assets.recruiting.mail.body import read_mail_body
from mlife_assets.recruiting.messaging import job_wordings as rules
from mlife_assets.recruiting.messaging.bodies import RENDERERS, Message, OfferedJobs, Stamps, bodies_of, offers_of
from mlife_assets.recruiting.messaging.employer_review import APPROVED, REFUSED, Decision, reviews_of
from mlife_assets.recruiting.messaging.job_wordings import (
    broken_rules,
    closed_lists,
    doubtful_words,
    is_plain_title,
    labelled,
    word_jobs,
)
from mlife_assets.recruiting.messaging.look_alikes import fold, foreign_letters, is_invisible
from mlife_assets.recruiting.messaging.templates import (
    MINIMUM_TITLE_SEPTETS,
    OPT_OUT,
    Wording,
    _shorten,
    segments,
    septets,
    to_gsm7,
)
from mlife_assets.recruiting.messaging.templates import wording as wording_of
from mlife_assets.recruiting.messaging_policy import MessagingPolicy
from mlife_assets.recruiting.policies import Policies
from mlife_tests.reviews import everybody_approved

KEY, LABEL = b"k" * 32, "Food service job"
TEXTS = job_of_the_day(Policies())
WORDED = {"j0": Wording("Cook. x/", " Reply STOP", KEY)}
DAY = date(2026, 6, 1)
OFFERED = OfferedJobs(
    TEXTS, DAY, pa.table({"user_id": ["u"]}), pa.table({"job_id": ["j0"]}), WORDED, Stamps(KEY, mail_key=KEY)
)
wording = partial(wording_of, link_key=KEY)
WORDS = st.text(alphabet=st.characters(codec="latin-1", categories=("L", "N", "P", "S", "Z")), max_size=200)
POLICY = MessagingPolicy()
JOB = {"job_id": "j", "title": "Call me", "employer_name": "Evil", "job_occupation_group": "29"}
NOON = datetime(2026, 6, 10, 12, tzinfo=UTC)


def test_a_text_is_the_wording_of_its_one_job() -> None:
    assert bodies_of(OFFERED)([Message("m", "u", ("j0",))]) == [WORDED["j0"].body("m")]
    with pytest.raises(ValueError, match="unpack"):
        bodies_of(OFFERED)([Message("m", "u", ("j0", "j0"))])


def test_a_channel_that_nothing_writes_for_is_refused_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(RENDERERS, "email")
    mails = replace(OFFERED, application=replace(TEXTS, name="mails", channel="email"))
    with pytest.raises(InvalidInputError, match=r"nothing writes what mails sends by email; add a renderer"):
        bodies_of(mails)


def test_a_mail_says_of_each_job_what_suits_its_reader() -> None:
    mails = replace(TEXTS, name="mails", channel="email", items=2)
    people = pa.table({"user_id": ["u"], "latitude": [30.0], "longitude": [-97.0], **people_traits(1)})
    titles = ["Registered Nurse", "Cook", "Act now"]
    jobs = pa.table({"job_id": ["j0", "j1", "j2"], "title": titles, "employer_name": ["Mercy", "Diner", "X"],
                     "pay_usd_per_hour": [30.0, 18.0, 20.0], "openings": [9, 1, 1], **job_facts(3)})  # fmt: skip
    offers, refused = offers_of(jobs, mails, OFFERED.stamps, everybody_approved(jobs))
    assert [one.job_id for one in refused] == ["j2"]
    offered = OfferedJobs(mails, DAY, people, jobs, offers, OFFERED.stamps)
    messages = [Message(f"msg_{place}", "u", ("j0", "j1")[: 2 - place]) for place in range(2)]
    both, one = (read_mail_body(body) for body in bodies_of(offered)(messages))
    assert "1. Registered Nurse\n   $30/hr, Mercy, about 2 miles away\n   Why: the kind of work you do" in both.text
    assert "2. Cook" in both.text
    assert "Cook" not in one.text
    assert bodies_of(offered)([messages[1]]) == [one.canonical()], "whom it is written beside changes nothing"


def people_traits(count: int) -> dict[str, list[object]]:
    traits = {"user_occupation_group": "29", "user_shift": "day", "user_seniority": 1, "as_of_date": DAY,
              "reservation_pay_usd_per_hour": 25.0, **{f"taste_{k}": 0.1 for k in range(1, 9)}}  # fmt: skip
    return {name: [value] * count for name, value in traits.items()}


def job_facts(count: int) -> dict[str, list[object]]:
    facts = {"job_latitude": 30.02, "job_longitude": -97.02, "job_occupation_group": "29", "job_shift": "day",
             "job_seniority": 3, "as_of_date": DAY, "job_age_days": 20,
             **{f"text_{k}": 0.1 for k in range(1, 9)}}  # fmt: skip
    return {name: [value] * count for name, value in facts.items()}


def test_the_key_of_links_is_never_shown() -> None:
    assert "kkk" not in repr(OFFERED)


def test_a_typical_text():
    text = wording(brand="Northstar Jobs", title="Registered Nurse", pay_usd_per_hour=45.0, employer_name="Mercy")
    body = text.body("msg_1")
    link = f"jobs.example/{link_token('msg_1', KEY)}"
    assert body == f"Northstar Jobs: Registered Nurse at Mercy, $45/hr. {link} Reply STOP to opt out"


@given(title=WORDS, employer=st.none() | WORDS, metro=st.none() | WORDS, pay=st.floats(5, 999))
def test_always_one_segment_with_brand_pay_link_and_opt_out(title, employer, metro, pay):
    try:
        text = wording(
            brand="Northstar Jobs", title=title, pay_usd_per_hour=pay, employer_name=employer, metro_name=metro
        )
    except InvalidInputError:
        return
    body = text.body("msg_1")
    assert segments(body) == 1
    assert body.startswith("Northstar Jobs: ")
    assert body.endswith(" " + OPT_OUT)
    assert link_token("msg_1", KEY) in body
    assert "/hr" in body


def test_the_employer_gives_way_to_the_metro_and_the_title_is_cut_at_a_word():
    long = "Senior Certified Occupational Therapist Assistant for Pediatric Home Health and Schools in the Region"
    body = wording(
        brand="Northstar Jobs", title=long, pay_usd_per_hour=31.5, employer_name="E" * 90, metro_name="M" * 90
    ).body("m")
    assert "EEE" not in body
    assert "MMM" not in body
    assert ".., $31.50/hr" in body
    assert septets(body) <= 160
    kept = body.removeprefix("Northstar Jobs: ").split("..")[0]
    assert long.startswith(kept + " ")
    short = wording(
        brand="Northstar Jobs", title="Cook", pay_usd_per_hour=20, employer_name="E" * 120, metro_name="Austin, TX"
    )
    assert "Cook in Austin, TX, $20/hr" in short.body("m")


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"title": "\u770b\u8b77"}, "U\\+770B"),
        ({"title": "  "}, "title"),
        ({"pay_usd_per_hour": 0}, "pay"),
        ({"brand": "B" * 120}, "brand"),
    ],
)
def test_what_cannot_be_written_is_refused(change, names):
    good = {"brand": "Northstar Jobs", "title": "Cook", "pay_usd_per_hour": 20.0}
    with pytest.raises(InvalidInputError, match=names):
        wording(**(good | change))


def shortened_letter_by_letter(text: str, room: int) -> str:
    """Shorten by taking one letter away until it fits: slow, and what shortening means."""
    if septets(text) <= room:
        return text
    cut = text
    while septets(cut) > room - 2:
        cut = cut[:-1]
    whole_words = cut.rsplit(" ", 1)[0] if " " in cut and text[len(cut)] != " " else cut
    kept = whole_words if septets(whole_words) >= MINIMUM_TITLE_SEPTETS else cut
    return kept.rstrip(" ,-/(&") + ".."


@given(text=st.text("ab []{}~-/(&,", max_size=60), room=st.integers(10, 50))
def test_shortening_in_one_pass_is_shortening_letter_by_letter(text, room):
    assert _shorten(text, room) == shortened_letter_by_letter(text, room)


def jobs(*rows: tuple[str, str, str]) -> pa.Table:
    names = ("job_id", "title", "employer_name")
    whole = [dict(zip(names, row, strict=True)) for row in rows]
    return pa.Table.from_pylist(
        [row | {"employer_id": f"e_{row['job_id']}", "pay_usd_per_hour": 18.5, "openings": 1} for row in whole]
    )


def test_each_job_has_a_wording_or_a_reason():
    table = jobs(
        ("j1", "Line Cook", "Blue Diner"), ("j2", "Cook", "evil.example"), ("j3", "Reply YES", "Diner"),
        ("j4", "Nurse \U0001f600", "Clinic"), ("j5", "Baker", "Newcomer"),
        ("j6", "Crypto Compliance Analyst", "Bank"), ("j7", "Escort Driver", "Bank"), ("j8", "Cook", "Prize Foods"),
        ("j9", "Escort at evil.example", "Bank"),
    ).append_column("job_occupation_group", pa.array(["35"] * 9))  # fmt: skip
    reviews = replace(everybody_approved(table), refused={"e_j5"})
    policy = MessagingPolicy(refused_phrases=(*POLICY.refused_phrases, "escort"))
    worded, refused = word_jobs(table, policy, link_key=KEY, reviews=reviews)
    assert list(worded) == ["j1", "j3", "j4", "j6", "j8"]
    assert [(job.job_id, job.reason, job.label) for job in refused] == [
        ("j2", "web_address", ""), ("j3", "no_job_title", LABEL), ("j4", "no_job_title", LABEL),
        ("j5", "employer_refused", ""), ("j7", "refused_phrase", ""), ("j8", "refused_phrase", LABEL),
        ("j9", "web_address", ""),
    ]  # fmt: skip
    assert "Prize" not in worded["j8"].body("m")
    assert refused[0].why == "employer_name 'evil.example' breaks web_address"


def test_what_is_quoted_is_short():
    table = jobs(("j", "evil.com " * 30, "e"))
    _, (refused,) = word_jobs(table, MessagingPolicy(), link_key=KEY, reviews=everybody_approved(table))
    assert len(refused.why) < 200


def broken(text: str) -> tuple[str, ...]:
    return broken_rules(text, POLICY.brand, POLICY.refused_phrases)


REFUSED_WORDINGS = [
    *("evil.example/x", "www evil", "https://x", "me@evil.org", "Cook @evil", "t.me/jobs", "evil\uff0ecom"),
    *("900-555-0199", "+1 (900) 555.0199", "9005550199", "northstarjobs", "N0rth star_j0bs", "win a gift card"),
    *("Evil\u00ae.com", "Sales Rep tel +44 7700 900 361"),
]


ALLOWED = ["401k", ".NET Developer", "Asst. Manager", "Req 20260415", "Cook $18.50-$20.25/hr", "St. Mary's Inc."]


@pytest.mark.parametrize("text", [*REFUSED_WORDINGS, *ALLOWED])
def test_a_strangers_tricks_are_refused(text):
    assert bool(broken(text)) == (text in REFUSED_WORDINGS)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        *(("evil.example/x", rules.WEB_ADDRESS), ("Cook 900-555-0199", rules.PHONE_NUMBER)),
        *(("Northstar-Jobs crew", rules.OWN_BRAND), ("Win a prize", rules.REFUSED_PHRASE)),
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


@pytest.mark.parametrize(
    ("group", "code", "metro", "said"),
    [
        ("29", "29-1141", "16980", ("Registered Nurse", "Chicago")),
        ("29", "29-9999", "16980", ("Healthcare job", "Chicago")),
        ("29", None, "x", ("Healthcare job", None)),
        ("35", "29-1141", None, ("Food service job", None)),
        ("35", "evil.com", "16980", ("Food service job", "Chicago")),
    ],
)
def test_a_label_is_of_closed_lists_alone(group, code, metro, said):
    found = labelled(JOB | {"job_occupation_group": group, "job_metro_code": metro}, code)
    assert found is not None
    assert (found["title"], found["metro_name"]) == said
    assert found["employer_name"] is None


@pytest.mark.parametrize("group", ["99", None, "", "Call me"])
def test_an_occupation_of_no_group_has_no_label(group):
    assert labelled(JOB | {"job_occupation_group": group, "job_metro_code": "16980"}, f"{group}-1141") is None


def test_each_group_that_may_land_has_a_label_and_the_market_is_called_as_it_calls_itself():
    occupations, cities = closed_lists()
    assert {code for code in occupations if len(code) == 2} == set(OCCUPATION_GROUPS)
    assert all(re.fullmatch(r"(\d{2})(-\d{4})?", code) and code[:2] in OCCUPATION_GROUPS for code in occupations)
    catalogue = load_catalogue()
    assert occupations.items() >= dict(zip(catalogue.occupation_codes, catalogue.titles, strict=True)).items()
    assert cities.items() >= {metro.metro_code: metro.city for metro in catalogue.metros}.items()


def test_labels_and_titles_of_the_market_keep_the_rules_of_titles():
    assert not [label for label in closed_lists()[0].values() if broken_rules(label, "Northstar Jobs", ())]
    assert not [label for code, label in closed_lists()[0].items() if len(code) > 2 and not is_plain_title(label)]
    titles = [prefix + title for prefix in _TITLE_PREFIX for title in load_catalogue().titles]
    assert not [title for title in titles if not is_plain_title(title)]


TITLES = (
    "Cook|IS Manager|WAREHOUSE ASSOCIATE|Driver, DOE|R.N. / L.P.N.|ASP.NET Developer|Ni\u00f1era|"
    "Nurses (7p-7a), $2,000 sign-on bonus|Clerk 8-5 Mon-Fri|Cook $18.50-$20.25/hr, 24/7|Teacher 2026-2027|"
    "Call Center Rep|Driver \u2013 on call|Gift Shop Associate|Men's Department Sales|Sales Rep @ $18/hr|"
    "Store Manager #1204|CDL-A Driver|Labeling Operators|Crisis Counselor, 988 Line|Cash Office Clerk II|"
    "Nurse, Escort Driver|Text Message Marketing Manager - Xaxa|Cook Xaxa Xexe Xixi|Aide, 24/7, Mesa 85254|"
    "Teacher 6.5 hrs, 2025-26|Cook $45000-$60000 2nd shift|Packer $19.50 + $1.00|Clerk S09211|Nurse .9 FTE"
)


@pytest.mark.parametrize("title", TITLES.split("|"))
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
        *(("Telegram Xaxa Cook", ["telegram"]), ("Nurse Whites", ["whites"]), ("Cook $442079-$460958", [])),
        *(("Cook $312-$5550 199", []), ("Cook $3125-$550 199", []), ("Cook $4420-$794609", [])),
        *(("Cook $2125-$550101", []), ("Cook $121255-$50101", []), ("Nurse $21255 to $50101", [])),
        *(("Clerk seven one eight 55 55", []), ("Cook e v i l", []), ("Cook dos uno twos fives fives fives one", [])),
    ],
)
def test_what_has_an_unknown_word_names_no_job_or_may_spell_something_is_not(title: str, unknown: list[str]) -> None:
    assert not is_plain_title(title)
    assert doubtful_words(title) == unknown


def test_a_deployment_may_know_other_words() -> None:
    title = "Cook - Woodfield Mall, Woodfields (PTIN) by cash"
    assert (doubtful_words(title), doubtful_words(f"{title} office", ("cash-office",))) == (["cash"], [])
    assert doubtful_words(f"{title} on telegram", ("Woodfield", "cash")) == ["telegram"]
    assert doubtful_words("Dial-a-Ride Driver, dial O'Malley", ("dial-a", "O'Malley")) == ["dial"]


def test_few_words_may_be_unknown_and_words_of_lures_stand_before_a_job() -> None:
    assert doubtful_words("Cook, Xaxa Xexe Xixi Xoxo Xuxu") == ["xoxo", "xuxu"]
    assert doubtful_words("Clerk: cash") == doubtful_words("Cash - Clerk") == doubtful_words("Cash, II") == ["cash"]
    assert not any(map(is_plain_title, ("Cook h.i.r.e.f.a.s.t", "Cook xaxa c o m", "Tell Office Clerk")))


@given(st.text(max_size=80))
def test_any_text_that_is_plain_names_a_job_and_no_telegram(title: str) -> None:
    assert not is_plain_title(f"{title} on telegram")
    assert not is_plain_title("".join(c for c in title if not c.isalpha()))


@pytest.mark.parametrize(
    "typed",
    [
        "\u0405\u0422\u041e\u0420", "\u0455\u0442\u043e\u0440", "\uff33\uff34\uff2f\uff30", "s\u200bt\u200bo\u200bp",
        "st\u00f3p", "\U0001f182\U0001f183\U0001f17e\U0001f17f", "\u24c8\u24c9\u24c4\u24c5",
        "\U0001d412\U0001d413\U0001d40e\U0001d40f", "st\u03bf\u03c1", "st\u00adop", "\u202estop",
    ],
)  # fmt: skip
def test_what_reads_as_stop_is_stop(typed):
    assert fold(typed) == "stop"


@given(text=st.text(alphabet=st.characters(codec="ascii", categories=["L", "N", "P", "Z"])))
def test_plain_text_is_only_lowered(text):
    assert fold(text) == text.lower()
    assert foreign_letters(text) == ()


@pytest.mark.parametrize(
    "text", ["Caf\u00e9 Barista", "Ni\u00f1era", "Chef \u2013 line", "Cook\u2019s aide", "n\u00ba 2", "\u20ac"]
)
def test_latin_letters_with_accents_are_what_they_seem(text):
    assert foreign_letters(text) == ()


@pytest.mark.parametrize(
    "character", ["\u0430", "\u03bf", "\u200b", "\u202e", "\uff21", "\U0001d400", "\u2460", "\u0131", "\u4e2d", "\x00"]
)
def test_a_letter_that_pretends_is_named(character):
    assert foreign_letters(f"Co{character}k") == (character,)


def test_what_is_invisible():
    assert all(map(is_invisible, "\u200b\u200d\ufeff\u202e\x00\ufe0f"))
    assert not any(map(is_invisible, "a \u00e9\u4e2d"))


@pytest.mark.parametrize(
    ("text", "count", "parts"),
    [
        ("", 0, 1), ("a" * 160, 160, 1), ("a" * 161, 161, 2), ("a" * 306, 306, 2), ("a" * 307, 307, 3),
        ("€" * 80, 160, 1),
    ],
)  # fmt: skip
def test_counts(text, count, parts):
    assert (septets(text), segments(text)) == (count, parts)


def test_an_escape_pair_is_not_split_between_segments():
    assert segments("a" * 152 + "€" + "a" * 152) == 3
    assert segments("a" * 151 + "€" + "a" * 153) == 2


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("\u201cNurse\u201d \u2013 it\u2019s\u00a0here\u2026", '"Nurse" - it\'s here...'),
        ("Se\u00f1or caf\u00e9 \u00e1\u00ed\u00f3\u00fa", "Se\u00f1or caf\u00e9 aiou"),
        ("Cafe\u0301", "Caf\u00e9"),
        ("\ufb01t", "fit"),
    ],
)
def test_what_has_a_plain_form_is_made_plain(text, plain):
    assert to_gsm7(text) == plain


@given(st.text(max_size=60))
def test_the_result_is_always_gsm7_or_an_error(text):
    try:
        plain = to_gsm7(text)
    except InvalidInputError:
        return
    assert septets(plain) >= 0
    assert to_gsm7(plain) == plain


def test_septets_refuses_what_was_not_transliterated():
    with pytest.raises(InvalidInputError, match=r"U\+2019 at 2"):
        septets("it\u2019s")


@pytest.mark.parametrize(
    ("decisions", "approved", "refused"),
    [
        ([], set(), set()), ([(APPROVED, "Diner", -1)], {"Diner"}, set()),
        ([(APPROVED, "Diner", 0), (APPROVED, "Diner Inc", 1)], {"Diner"}, set()),
        ([(APPROVED, "Diner", -2), (APPROVED, "Diner Inc", -1)], {"Diner", "Diner Inc"}, set()),
        ([(APPROVED, None, -1)], set(), set()), ([(REFUSED, "Diner", -1)], set(), {"e"}),
        ([(REFUSED, "Diner", 5)], set(), {"e"}), ([(REFUSED, "Diner", -1), (APPROVED, "Diner", 1)], set(), {"e"}),
        ([(REFUSED, "Diner", 1), (APPROVED, "Diner", 2)], set(), {"e"}),
        ([(APPROVED, "Diner", -2), (REFUSED, "Diner Inc", -1)], set(), {"e"}),
        ([(APPROVED, "Diner", -3), (REFUSED, "Diner", -2), (APPROVED, "Diner Inc", -1)], {"Diner Inc"}, set()),
    ],
)  # fmt: skip
def test_an_approval_covers_its_name_until_a_refusal(decisions, approved, refused):
    made = [Decision("e", name, verdict, NOON + timedelta(hours=hours)) for verdict, name, hours in decisions]
    found = reviews_of(made, until=NOON)
    assert found.approved == {("e", name) for name in approved}
    assert found.refused == refused


def test_a_job_is_approved_by_employer_and_name():
    found = reviews_of([Decision("e", "Diner", APPROVED, NOON)], until=NOON)
    assert found.is_approved({"employer_id": "e", "employer_name": "Diner"})
    assert not found.is_approved({"employer_id": "e", "employer_name": "Diner Inc"})
    assert not found.is_approved({"employer_id": "f", "employer_name": "Diner"})
    assert not found.is_approved({})
