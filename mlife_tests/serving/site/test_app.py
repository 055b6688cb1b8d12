"""The site over real HTTP: what answers, what is refused, that every link leads somewhere.

What the pages of messages, models and runbooks say, and what a strange runbook may not do.
"""

from __future__ import annotations

import re
import socket
import threading
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import urldefrag, urljoin, urlsplit

import pytest

from mlife_assets.core.errors import IntegrityError, NotFoundError, TransientError
from mlife_assets.core.pages import element, page
from mlife_assets.core.pages.document import BACKTEST, DASHBOARD, nav
from mlife_assets.core.pictures import data_uri
from mlife_assets.core.training.explain import plot_waterfall
from mlife_assets.recruiting.features import PAIR_WORDS
from mlife_assets.recruiting.mail.body import MailBody
from mlife_assets.recruiting.message_trace import MessageLine
from mlife_assets.recruiting.places import call_list_key
from mlife_assets.serving.site.app import CONVERTED, FIRST, MARK, NEWEST, messages_body, read_runbooks, trace_body
from mlife_assets.serving.site.models import ShownModel, ShownVersion, overview

ADDRESSES = [
    "/", "/dashboard/index.html", "/models/mdl_1/card.html", "/runbooks/", "/runbooks/data_drift", "/messages/",
    "/messages/msg_1", "/calls/", "/calls/calls/2026-06-10.html",
]  # fmt: skip
VERSIONS = (
    ShownVersion("mdl_2", date(2013, 2, 3), 23_035, "promoted", True),
    ShownVersion("mdl_1", date(2013, 1, 29), 20_000, None, False),
)


@pytest.mark.parametrize("path", ADDRESSES)
def test_a_page_is_html_that_loads_nothing_and_is_framed_by_nobody(get, path) -> None:
    answer = get(path, allow_redirects=False)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "script-src 'sha256-" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers[MARK] == "m1"
    assert answer.text.startswith("<!doctype html>")


def test_gauges_are_the_text_that_prometheus_reads(get) -> None:
    answer = get("/metrics")
    assert (answer.status_code, answer.text) == (200, "mlife_sending_is_paused 0.0\n")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


def test_every_link_leads_to_a_page(get, site, links) -> None:
    """From the root, every page is reached, and none of its links is dead; links to the UI are only named."""
    waiting, seen, outside = [site + "/"], set(), set()
    while waiting:
        url = waiting.pop()
        if url in seen:
            continue
        seen.add(url)
        answer = get(url.removeprefix(site))
        known = not url.startswith(f"{site}/messages/msg_") or url.endswith("/msg_1")
        assert answer.status_code == (200 if known else 404), url
        for link in links(answer.text):
            target = urldefrag(urljoin(url, link)).url
            (waiting.append if target.startswith(site) else outside.add)(target)
    assert {urlsplit(url).path for url in seen} >= set(ADDRESSES)
    ui = "http://127.0.0.1:3000"
    assert outside == {
        f"{ui}/assets/metrics/dashboard", f"{ui}/assets/model/evaluation", f"{ui}/assets/messages/message_plan",
        f"{ui}/assets/calls/call_list", f"{ui}/assets/messages/message_plan?partition=2026-06-10",
        f"{ui}/asset-groups",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/nothing", "There is no page /nothing."),
        ("/models/mdl_9/card.html", "There is no card of a model version mdl_9."),
        ("/models/mdl_1/manifest.json", "There is no page /models/mdl_1/manifest.json."),
        ("/runbooks/nothing", "There is no runbook nothing."),
        ("/messages/msg_9", "No message_planned event has message_id"),
        ("/" + BACKTEST, "This page was not built yet."),
    ],
)
def test_what_is_not_there_is_said_with_where_to_go(get, site, links, path, said) -> None:
    answer = get(path)
    assert answer.status_code == 404
    assert said in answer.text
    targets = {urljoin(site + path, link) for link in links(answer.text)}
    assert {f"{site}/{DASHBOARD}", f"{site}/messages/", f"{site}/runbooks/"} <= targets


def test_before_the_first_build_the_root_says_what_builds_it(get, contents) -> None:
    contents.pages.clear()
    answer = get("/")
    assert answer.status_code == 404
    assert "mlife demo" in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/runbooks/../../settings.py", "/runbooks/%2e%2e%2f%2e%2e%2fsettings.py", "/models/../card.html",
        "/models/%2e%2e/card.html", "/messages/..%2f..%2fprivate", "//etc/passwd",
    ],
)  # fmt: skip
def test_a_path_that_climbs_finds_nothing(site, path) -> None:
    """Sent as it is: a client would tidy it up."""
    host, port = urlsplit(site).netloc.split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 404 ")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_can_be_changed(site, session, method) -> None:
    answer = session.request(method, f"{site}/messages/", data=b"id=msg_1", timeout=20)
    assert answer.status_code == 405


def test_head_answers_as_get_without_a_body(site, session) -> None:
    answer = session.head(f"{site}/messages/msg_1", timeout=20)
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", ""])
def test_only_a_name_of_this_machine_is_answered(get, host) -> None:
    answer = get("/", headers={"Host": host})
    assert answer.status_code == 421
    assert "<h1>Dashboard" not in answer.text


def test_an_id_leads_to_its_message(get) -> None:
    answer = get("/messages/?id=%20msg_1%0a", allow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "msg_1")
    assert get("/messages/?id=msg_1").status_code == 200
    assert get("/messages/?id=%20").status_code == 200
    odd = get("/messages/?id=//evil.example/%0d%0aSet-Cookie:x", allow_redirects=False)
    assert odd.status_code == 303
    assert odd.headers["location"].startswith("%2F%2Fevil.example%2F%0D%0ASet-Cookie")
    assert "set-cookie" not in odd.headers
    assert get("/messages/?id=" + "x" * 3000).status_code == 404


def test_a_backtest_that_is_newer_than_a_page_is_linked_from_it(get, site, contents, links) -> None:
    for path in ("/", "/models/mdl_1/card.html", "/runbooks/"):
        assert f"{site}/{BACKTEST}" not in [urljoin(site + path, link) for link in links(get(path).text)]
    contents.pages[BACKTEST] = page("Backtest", element("h1", "Backtest"), nav=nav(BACKTEST))
    for path in ("/", "/models/mdl_1/card.html", "/runbooks/", "/" + BACKTEST):
        found = [urljoin(site + path, link) for link in links(get(path).text)]
        assert found.count(f"{site}/{BACKTEST}") == 1
    assert get("/" + BACKTEST).status_code == 200


def test_a_stored_page_of_an_earlier_release_gets_links_too(get, site, contents, links) -> None:
    contents.pages[DASHBOARD] = "<!doctype html><html><body><h1>Old</h1></body></html>"
    targets = [urljoin(f"{site}/", link) for link in links(get("/").text)]
    assert f"{site}/runbooks/" in targets
    assert get("/").text.count("<nav") == 1


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotFoundError("nothing ran; run it"), 404),
        (TransientError("the file is busy; try again"), 503),
        (IntegrityError("a row was changed; run `mlife log verify`"), 500),
    ],
)
def test_an_error_of_ours_is_said_with_its_remedy(get, contents, monkeypatch, error, status) -> None:
    def fails(_: str) -> None:
        raise error

    monkeypatch.setattr(contents, "trace", fails)
    answer = get("/messages/msg_1")
    message, remedy = str(error).split("; ")
    assert answer.status_code == status
    assert message[1:] in answer.text
    assert remedy[1:] in answer.text


def test_a_defect_keeps_its_words_to_the_log(get, contents, monkeypatch) -> None:
    monkeypatch.setattr(contents, "dashboard", lambda: {}["+15550100"])
    answer = get("/")
    assert answer.status_code == 500
    assert "15550100" not in answer.text
    assert "the site&#39;s log says why" in answer.text or "The site&#39;s log says why" in answer.text


def test_traces_are_followed_one_at_a_time_while_pages_are_answered(get, contents, monkeypatch) -> None:
    trace, started, may_end = contents.trace, [], threading.Event()

    def slow(message_id: str):
        started.append(message_id)
        assert may_end.wait(20)
        return trace(message_id)

    monkeypatch.setattr(contents, "trace", slow)
    threads = [threading.Thread(target=get, args=("/messages/msg_1",)) for _ in range(3)]
    for thread in threads:
        thread.start()
    while not started:
        may_end.wait(0.01)
    assert get("/").status_code == 200
    assert len(started) == 1
    may_end.set()
    for thread in threads:
        thread.join()
    assert len(started) == 3


def test_a_call_list_is_a_page_and_a_file_and_nothing_else_of_the_lake(get) -> None:
    index, listed = get("/calls/"), get("/calls/calls/2026-06-10.html")
    assert 'href="calls/2026-06-10.html"' in index.text
    assert 'href="2026-06-10.csv"' in listed.text
    file = get("/calls/calls/2026-06-10.csv")
    assert (file.status_code, file.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    assert file.headers["content-disposition"] == 'attachment; filename="calls_2026-06-10.csv"'
    assert file.content == b"user_id\r\nu1\r\n"
    others = ("calls/2026-06-11.html", "calls/manifest.json", "..%2Fmodels/2026-06-10.html", "Calls/2026-06-10.csv")
    for other in others:
        answer = get(f"/calls/{other}")
        assert answer.status_code == 404, other
        assert "the page of calls names them all" in answer.text.lower() or "there is no page" in answer.text.lower()


def test_a_home_without_call_lists_says_so(get, contents) -> None:
    contents.lists.clear()
    assert "No day made a list yet." in get("/calls/").text


def test_the_newest_sixty_call_lists_are_named(get, contents) -> None:
    days = [date(2026, 1, 1) + timedelta(days=number) for number in range(70)]
    contents.lists.update({call_list_key("calls", day, "html"): b"x" for day in days})
    listed = get("/calls/").text
    assert listed.count('href="calls/') == 60
    assert "2026-01-05" not in listed


@pytest.fixture(scope="module")
def sources(repository: Path) -> dict[str, str]:
    return {path.stem: path.read_text(encoding="utf-8") for path in (repository / "docs" / "runbooks").glob("*.md")}


def test_every_runbook_has_title_and_occasion_and_no_dead_link(sources, links) -> None:
    books = read_runbooks(sources)
    assert set(books) == set(sources)
    assert next(iter(books)) == FIRST
    for book in books.values():
        assert book.title[0].isupper()
        assert not book.title.startswith("Runbook")
        assert "<h1>" in book.body
        assert book.when, book.name
        targets = [link for link in links(book.body + book.when) if not link.startswith(("#", "https://"))]
        assert set(targets) <= set(sources), book.name
    linked = {link for book in books.values() for link in links(book.body)}
    assert len(linked) > 10, "runbooks lead to each other"


def test_commands_and_tables_are_shown_as_such(sources) -> None:
    books = read_runbooks(sources)
    assert '<pre tabindex="0"><code>$ mlife status' in books["data_drift"].body
    assert books["drift_alert"].body.count("<table") == books["drift_alert"].body.count("</table></div>") == 1
    assert "<td>" in books["drift_alert"].body


def test_when_to_open_one_is_a_sentence_of_its_own(sources) -> None:
    when = read_runbooks(sources)["data_drift"].when
    assert when.startswith("<code>no_column_drifted</code> is red")
    assert "You are here" not in when


def test_links_lead_to_pages_or_lose_their_address() -> None:
    source = (
        "# Runbook: one\n\n[two](two.md), [a part](two.md#part), [code](../adr/1.md), [web](https://example.org), "
        "[js](javascript:alert(1)), [gone](gone.md) <b>bold</b> <script>x</script>\n"
    )
    body = read_runbooks({"one": source, "two": "# Two"})["one"].body
    assert '<a href="two">two</a>' in body
    assert '<a href="two#part">a part</a>' in body
    assert '<a href="https://example.org">web</a>' in body
    assert "code, " in body
    assert "gone &lt;b&gt;bold&lt;/b&gt; &lt;script&gt;" in body
    assert "adr" not in body
    assert 'href="javascript' not in body


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


def test_each_model_says_who_serves_and_lists_its_versions() -> None:
    page = overview([ShownModel("late_flights", "mdl_2", ("It is <well>.",), VERSIONS)])
    assert "mdl_2 serves." in page
    assert "It is &lt;well&gt;." in page
    assert '<a href="../models/mdl_2/card.html">mdl_2</a></td><td>2013-02-03</td><td>23,035</td>' in page
    assert "<td>mdl_1</td><td>2013-01-29</td><td>20,000</td><td>not judged</td><td></td>" in page


def test_a_model_without_a_version_and_a_home_without_a_model_say_so() -> None:
    page = overview([ShownModel("late_flights", None, (), ())])
    assert "No model was promoted yet." in page
    assert "<table>" not in page
    assert "Nothing was decided yet" in overview([])
