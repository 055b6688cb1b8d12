from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.link_tokens import item_token, link_token
from mlife_assets.recruiting.mail.body import HTML_MAXIMUM_BYTES, read_mail_body
from mlife_assets.recruiting.mail.letterhead import Letterhead
from mlife_assets.recruiting.mail.unsubscribe import read_unsubscribe_token

MESSAGE = "msg_" + "a" * 24


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


def test_a_job_is_in_a_mail_once(rendered, jobs):
    with pytest.raises(InvalidInputError, match="each once"):
        rendered([jobs[0], jobs[0]])


def test_a_job_about_which_little_is_known_is_laid_out_without_gaps(rendered, jobs):
    mail = rendered([jobs[3]])
    assert "1. Cook\n   $18/hr\n   https://" in mail.text
    assert "Why" not in mail.html
    assert "best match first" not in mail.html


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_in_a_browser_it_holds_at_any_width(look, rendered, width, scheme):
    seen = look(rendered().html, width=width, scheme=scheme)
    assert seen.width == width
    assert seen.problems == []
    assert seen.requests == []
    assert seen.faults == []
