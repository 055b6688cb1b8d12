"""What the pages of messages say."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date

import pytest

from mlife_assets.core.pages import page
from mlife_assets.core.pictures import data_uri
from mlife_assets.core.training.explain import plot_waterfall
from mlife_assets.recruiting.features import PAIR_WORDS
from mlife_assets.recruiting.mail.body import MailBody
from mlife_assets.recruiting.message_trace import MessageLine
from mlife_assets.serving.site.messages import CONVERTED, NEWEST, messages_body, planned_day, trace_body


def test_the_list_names_what_led_to_something_and_the_newest(get) -> None:
    text = get("/messages/").text
    assert text.count('href="msg_') == 2 + NEWEST
    assert text.index("msg_1<") < text.index("msg_clicked<") < text.index("msg_2<")
    assert "Cook &lt;b&gt;wanted&lt;/b&gt; &amp; more" in text
    assert CONVERTED < NEWEST


def test_without_messages_the_list_says_so() -> None:
    assert "No text was planned yet." in messages_body([])
    body = messages_body([], "nothing ran; run `mlife demo`")
    assert "nothing ran; run `mlife demo`" in body
    assert "No text was planned yet." not in body


def test_a_trace_says_what_the_command_prints(get, contents) -> None:
    text, found = get("/messages/msg_1").text, contents.trace("msg_1")
    for hop in found.hops:
        assert hop.event_type.replace("_", " ") in text
        assert f"evt_{hop.event_type}" in text
    assert text.count("occurred 2026-06-10 18:05:00Z, observed 2026-06-10 18:05:00Z") == len(found.hops)
    assert "the same to the bit" in text
    assert "near: the score by +0.5" in text
    assert "1.235" in text
    assert "Best-ranked jobs for this person, 5 of 7" in text
    assert 'row">j6' not in text
    assert text.count("this text</small>") == 1
    assert "Cook &lt;b&gt;wanted&lt;/b&gt; &amp; more" in text
    assert "gone" not in text
    assert re.search(r"is granted</th><td>\s*yes\s*</td>", text)
    assert "mlife trace msg_1" in text


def test_a_trace_draws_the_score_feature_by_feature(get, contents) -> None:
    png = plot_waterfall(contents.trace("msg_1").parts, PAIR_WORDS)
    assert png.startswith(b"\x89PNG")
    text = get("/messages/msg_1").text
    assert f'src="{data_uri(png)}"' in text
    assert 'alt="From the expected score' in text


def test_versions_with_a_card_link_to_it(get) -> None:
    text = get("/messages/msg_1").text
    assert text.count('href="../models/mdl_1/card.html"') == 2
    assert "models/mdl_2" not in text


def test_a_text_that_no_model_chose_says_so(contents) -> None:
    found = contents.trace("msg_1")
    hops = tuple(hop for hop in found.hops if hop.stage not in ("model", "prediction"))
    body = trace_body(replace(found, hops=hops, features={}, reasons=(), alternatives=(), parts=None), {}, None)
    assert "No model chose this text" in body
    assert "the same to the bit" not in body
    assert "<img" not in body


def test_the_plan_is_of_the_day_that_was_planned(contents) -> None:
    assert planned_day(contents.trace("msg_1")) == "2026-06-10"


LINE = MessageLine("msg_1", date(2026, 6, 10), "", "applied")
MAIL = MailBody(
    "Cook, $18/hr and 4 more jobs",
    "1. Cook\n   https://jobs.example/abc\n",
    '<!doctype html><html lang="en"><head><title>Jobs</title></head><body style="color:#17191c;background:#fff">'
    '<h1>Your <b>best</b> jobs</h1><p><a href="https://jobs.example/abc">Cook</a></p>'
    "<script>document.title='ran'</script></body></html>",
)


def traced(contents, body: str) -> str:
    found = contents.trace("msg_1")
    hops = [
        replace(hop, details={**hop.details, "body": body}) if hop.event_type == "message_planned" else hop
        for hop in found.hops
    ]
    return page("msg_1", trace_body(replace(found, hops=tuple(hops)), {}, None), is_wide=True)


def test_a_mail_is_listed_by_its_subject_and_shown_as_it_is_read(contents) -> None:
    assert "Mail: Cook, $18/hr and 4 more jobs" in messages_body([replace(LINE, body=MAIL.canonical())])
    html = traced(contents, MAIL.canonical())
    assert '<p class="lead">Mail: Cook, $18/hr and 4 more jobs</p>' in html
    assert "1. Cook\n   https://jobs.example/abc\n</pre>" in html
    assert "<script>document.title" not in html
    assert "<iframe" not in traced(contents, "Cook. Reply STOP to opt out")


@pytest.mark.browser
@pytest.mark.parametrize("width", [320, 1280])
def test_the_mail_is_seen_and_nothing_in_it_runs_or_leads_away(look, browser, contents, tmp_path, width) -> None:
    html = traced(contents, MAIL.canonical())
    seen = look(html, width=width)
    assert (seen.width, seen.requests, seen.faults) == (width, [], [])
    (tmp_path / "page.html").write_text(html, encoding="utf-8")
    opened = browser.new_page()
    asked: list[str] = []
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto((tmp_path / "page.html").as_uri())
    mail = opened.frame_locator("iframe[title='The mail']")
    assert mail.get_by_role("heading", name="Your best jobs").is_visible()
    mail.get_by_role("link", name="Cook").click(timeout=5_000)
    opened.wait_for_timeout(300)
    assert not [url for url in asked if url.startswith("http")]
    assert opened.title() == "msg_1"
    opened.close()
