"""Five jobs, some of them hard to lay out, as one mail."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from html.parser import HTMLParser

import pyarrow as pa
import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.ids import item_token, link_token
from mlife_assets.recruiting.mail.body import HTML_MAXIMUM_BYTES, MailBody, read_mail_body
from mlife_assets.recruiting.mail.letterhead import Letterhead
from mlife_assets.recruiting.mail.mime import Stationery, read_unsubscribe_token
from mlife_assets.recruiting.messaging.email_digest import digest
from mlife_assets.recruiting.messaging.email_digest.digest import DigestJob, DigestWriter, Offer, PairFacts, offer_jobs
from mlife_assets.recruiting.messaging_policy import MessagingPolicy
from mlife_tests.reviews import everybody_approved

LONG = "Senior Warehouse Associate & Inventory Control Specialist (Second Shift, Overtime Available Every Weekend)"

MESSAGE = "msg_" + "a" * 24

USER, KEY = "usr_0000001", b"m" * 32


def job(number: int, title: str, pay: str, employer: str, place: str, km: float | None, *why: str) -> DigestJob:
    return DigestJob(Offer(f"job_{number}", title, pay, employer, place), km, why)


@pytest.fixture
def jobs() -> list[DigestJob]:
    return [
        job(1, "Forklift Operator", "$21.50/hr", "Lakeside Logistics", "Chicago, IL", 4.2, "the shift you work"),
        job(2, LONG, "$19/hr", "Great Lakes Distribution and Fulfillment Company of Illinois", "Chicago, IL", 18.0),
        job(3, "Supercalifragilistic" * 4, "$23.75/hr", "Acme", "Chicago, IL", 0.4, "new this week", "close to you"),
        job(4, "Cook", "$18/hr", "", "", None),
        job(5, "Dock <b>Worker</b> {{ 7 * 7 }}", "$20.10/hr", 'Müller & "Söhne"', "", 80.0, "fits your experience"),
    ]


@pytest.fixture
def rendered(jobs: list[DigestJob]) -> Callable[..., MailBody]:
    """Return what renders jobs, the five unless others are given."""

    def render(chosen: list[DigestJob] | None = None, **other: object) -> MailBody:
        arguments = {
            "message_id": "msg_" + "a" * 24, "user_id": "usr_0000001", "application": "email_digest",
            "as_of": date(2026, 6, 1), "letterhead": Letterhead(), "link_key": b"l" * 32, "mail_key": b"m" * 32,
        }  # fmt: skip
        return digest.render_digest(jobs if chosen is None else chosen, **{**arguments, **other})

    return render


class Page(HTMLParser):
    """What a mail program finds in a mail."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.words.append(data)

    @property
    def links(self) -> list[str]:
        return [value for name, value in self.attributes if name == "href"]


def test_the_same_jobs_are_the_same_bytes(rendered):
    assert rendered().canonical() == rendered().canonical()
    assert read_mail_body(rendered().canonical()) == rendered()


def test_subject_and_preview_say_different_things(rendered, jobs):
    mail = rendered()
    assert mail.subject == "Forklift Operator, $21.50/hr and 4 more jobs"
    assert "Senior Warehouse Associate" in mail.html.split("<h1")[0]
    assert rendered(jobs[:1]).subject == "Forklift Operator, $21.50/hr"
    assert rendered(jobs[:2]).subject.endswith(" and 1 more job")
    assert len(rendered([jobs[1]]).subject) <= 75


def test_html_and_text_say_the_same(rendered, jobs):
    mail = rendered()
    words = " ".join(" ".join(Page(mail.html).words).split())
    for one in jobs:
        for said in (one.title, one.offer.pay, one.where, one.reasons):
            assert said in words
            assert said in mail.text
    for said in (Letterhead().office_address, "Northstar Jobs", "Monday, June 1"):
        assert said in words
        assert said in mail.text


def test_each_job_has_a_link_of_its_own_with_our_token(rendered):
    mail, base = rendered(), Letterhead().link_base
    tokens = [base + item_token(MESSAGE, place, b"l" * 32) for place in range(1, 6)]
    assert re.findall(rf"{base}[a-z0-9]{{9}}\n", mail.text) == [f"{token}\n" for token in tokens]
    assert list(dict.fromkeys(Page(mail.html).links))[:5] == tokens
    assert tokens[0] == base + link_token(MESSAGE, b"l" * 32)
    assert len(set(tokens)) == 5


def test_the_way_out_is_the_readers_in_both_parts(rendered):
    mail, base = rendered(), Letterhead().unsubscribe_base
    (in_html,) = {link for link in Page(mail.html).links if link.startswith(base)}
    assert f"Unsubscribe: {in_html}\n" in mail.text
    said = read_unsubscribe_token(in_html.removeprefix(base), b"m" * 32)
    assert (said.user_id, said.application) == ("usr_0000001", "email_digest")


def test_the_mail_loads_and_runs_nothing(rendered):
    page = Page(rendered().html)
    assert not {"script", "img", "link", "iframe", "object", "form", "svg", "video", "base"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on") or name in {"src", "srcset", "background"}]
    assert "url(" not in rendered().html
    assert all(link.startswith("https://jobs.example/") for link in page.links)
    assert "usr_0000001" not in rendered().canonical()


def test_strangers_words_stay_words(rendered):
    html = rendered().html
    assert "<b>Worker" not in html
    assert "Dock &lt;b&gt;Worker&lt;/b&gt; {{ 7 * 7 }}" in html
    assert "Müller &amp; &#34;Söhne&#34;" in html


def test_ten_long_jobs_are_far_below_what_gmail_cuts(rendered, jobs):
    longest = [
        replace(jobs[1], offer=replace(jobs[1].offer, job_id=f"j{n}", title="&" * 300, employer_name="<" * 300))
        for n in range(10)
    ]
    assert len(rendered(longest).html.encode()) < HTML_MAXIMUM_BYTES / 2


@pytest.mark.parametrize("count", [0, 11])
def test_a_mail_has_one_to_ten_jobs(rendered, jobs, count):
    many = [replace(jobs[0], offer=replace(jobs[0].offer, job_id=f"j{n}")) for n in range(count)]
    with pytest.raises(InvalidInputError, match="1 to 10"):
        rendered(many)
    with pytest.raises(InvalidInputError, match="each once"):
        rendered([jobs[0], jobs[0]])


def test_a_job_about_which_little_is_known_is_laid_out_without_gaps(rendered, jobs):
    mail = rendered([jobs[3]])
    assert "1. Cook\n   $18/hr\n   https://" in mail.text
    assert "Why" not in mail.html
    assert "best match first" not in mail.html


@pytest.mark.browser
@pytest.mark.parametrize(("width", "scheme"), [(320, "light"), (1280, "dark")])
def test_in_a_browser_it_holds_at_any_width(look, rendered, width, scheme):
    seen = look(rendered().html, width=width, scheme=scheme)
    assert seen.width == width
    assert seen.problems == []
    assert seen.requests == []
    assert seen.faults == []


@pytest.fixture
def writer() -> DigestWriter:
    return DigestWriter(
        "email_digest",
        date(2026, 6, 1),
        Letterhead(),
        {"j1": Offer("j1", "Cook", "$18/hr", "Diner", "Chicago, IL"), "j2": Offer("j2", "Baker", "$19/hr")},
        {
            (USER, "j1"): PairFacts(
                {"distance_km": 5.0, "same_shift": 1.0, "user_age": 50.0}, {"same_shift": 0.1, "distance_km": 0.4}
            ),
            ("usr_0000002", "j2"): PairFacts({"distance_km": 9.0, "same_occupation_group": 1.0}),
        },
        b"l" * 32,
        KEY,
    )


def test_each_reader_gets_their_own_distance_and_reasons(writer):
    text = read_mail_body(writer(MESSAGE, USER, ["j1", "j2"])).text
    assert (
        "1. Cook\n   $18/hr, Diner, Chicago, IL, about 3 miles away\n   Why: close to you, the shift you work.\n"
        in text
    )
    assert "2. Baker\n   $19/hr\n   https://" in text
    other = read_mail_body(writer(MESSAGE, "usr_0000002", ["j2"])).text
    assert "about 6 miles away\n   Why: the kind of work you do, close to you.\n" in other
    assert "50" not in text


def test_a_message_is_written_again_to_the_letter_and_may_be_sent(writer):
    body = writer(MESSAGE, USER, ["j1", "j2"])
    assert writer(MESSAGE, USER, ["j1", "j2"]) == body
    assert writer(MESSAGE, USER, ["j2", "j1"]) != body
    sent = Stationery(Letterhead(), KEY).envelope(
        message_id=MESSAGE, user_id=USER, address="a@b.example", body=body, now=datetime(2026, 6, 1, tzinfo=UTC)
    )
    assert b"List-Unsubscribe-Post" in sent.mime


def test_a_job_that_may_not_be_offered_is_in_no_mail(writer):
    with pytest.raises(InvalidInputError, match="j9"):
        writer(MESSAGE, USER, ["j1", "j9"])


def test_keys_are_in_no_representation(writer):
    assert "mmmm" not in repr(writer)
    assert "llll" not in repr(writer)


def table(*rows: tuple[str, str, str]) -> pa.Table:
    names = ("job_id", "title", "employer_name")
    whole = [dict(zip(names, row, strict=True)) for row in rows]
    return pa.Table.from_pylist(
        [
            row
            | {
                "employer_id": f"e_{row['job_id']}",
                "metro_name": "Chicago, IL",
                "pay_usd_per_hour": 18.5,
                "openings": 1,
            }
            for row in whole
        ]
    )


def test_the_rules_of_texts_hold_for_mails():
    rows = table(
        ("j1", "Line  Cook", "Blue Diner"), ("j2", "Cook", "evil.example"), ("j3", "Reply YES", "Diner"),
        ("j5", "Baker", "Newcomer"), ("j6", "C\u043e\u043ek", "Diner"), ("j8", " ", "Diner"),
    )  # fmt: skip
    offers, refused = offer_jobs(rows, MessagingPolicy(), reviews=replace(everybody_approved(rows), refused={"e_j5"}))
    assert offers == {"j1": Offer("j1", "Line Cook", "$18.50/hr", "Blue Diner", "Chicago, IL")}
    reasons = ["web_address", "no_job_title", "employer_refused", "look_alike_letters", "unwritable"]
    assert [(job.job_id, job.reason) for job in refused] == list(
        zip(rows["job_id"].to_pylist()[1:], reasons, strict=True)
    )


def test_accents_stay_and_what_is_unknown_is_empty():
    rows = table(("j1", "Pâtissier", "Café Ünal")).drop_columns(["metro_name", "employer_id"])
    offers, refused = offer_jobs(rows, MessagingPolicy(), reviews=everybody_approved(rows))
    assert offers["j1"] == Offer("j1", "Pâtissier", "$18.50/hr", "Café Ünal", "")
    assert refused == ()


def test_a_job_without_pay_is_not_offered():
    rows = table(("j1", "Cook", "Diner")).drop_columns("pay_usd_per_hour")
    rows = rows.append_column("pay_usd_per_hour", pa.array([None], pa.float64()))
    offers, (refused,) = offer_jobs(rows, MessagingPolicy(), reviews=everybody_approved(rows))
    assert offers == {}
    assert "pay_usd_per_hour" in refused.why
