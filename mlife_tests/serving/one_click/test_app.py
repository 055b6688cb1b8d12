from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
import requests

from mlife_assets.core.errors import TransientError
from mlife_assets.recruiting.mail.mime import LinkUse, read_unsubscribe_token, unsubscribe_token
from mlife_assets.serving.one_click.app import LIMITS, create_one_click_app

KEY = b"k" * 32
TOKEN = unsubscribe_token("usr_0000001", "email_digest", KEY)
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@dataclass
class Book:
    """What was recorded, and what goes wrong; `gate` keeps records waiting."""

    url: str = ""
    now: datetime = datetime(2026, 6, 1, 15, 0, 0, 500_000, tzinfo=UTC)
    recorded: dict[str, LinkUse] = field(default_factory=dict)
    calls: int = 0
    error: Exception | None = None
    gate: threading.Event | None = None

    def record(self, use: LinkUse) -> None:
        self.calls += 1
        if self.gate is not None:
            self.gate.wait(20)
        if self.error is not None:
            raise self.error
        self.recorded.setdefault(use.inbound_id, use)


@pytest.fixture
def book(serve) -> Iterator[Book]:
    made = Book()
    app = create_one_click_app(
        lambda token: read_unsubscribe_token(token, KEY), made.record, brand="Northstar Jobs", now=lambda: made.now
    )
    with serve(app) as url:
        made.url = f"{url}/unsubscribe/"
        yield made


@pytest.fixture
def ask() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


def test_opening_the_link_changes_nothing(book, ask):
    for method in ("GET", "HEAD", "GET"):
        assert ask.request(method, book.url + TOKEN).status_code == 200
    assert "<button" in ask.get(book.url + TOKEN).text
    assert book.calls == 0


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000"])
def test_a_slash_too_many_sends_no_token_to_whatever_host_was_named(book, ask, host):
    for method in ("GET", "POST"):
        answer = ask.request(method, f"{book.url}{TOKEN}/", headers={"Host": host}, allow_redirects=False)
        assert (answer.status_code, answer.headers.get("location")) == (200, None)
        assert ask.request(method, f"{book.url}{TOKEN}//", headers={"Host": host}).status_code == 404
    assert len(book.recorded) == 1


def test_a_post_ends_mails_at_once(book, ask):
    answer = ask.post(book.url + TOKEN, data=ONE_CLICK, allow_redirects=False)
    assert answer.status_code == 200
    (use,) = book.recorded.values()
    assert (use.user_id, use.received_at) == ("usr_0000001", book.now.replace(microsecond=0))


@pytest.mark.parametrize(
    "body", [{"data": {}}, {"data": "anything"}, {"files": {"List-Unsubscribe": (None, "One-Click")}}]
)
def test_whoever_posts_wants_out_whatever_the_body_is(book, ask, body):
    assert ask.post(book.url + TOKEN, **body).status_code == 200
    assert len(book.recorded) == 1


def test_posting_again_is_harmless_and_later_counts_again(book, ask):
    answers = [ask.post(book.url + TOKEN, data=ONE_CLICK).text for _ in range(3)]
    assert len(set(answers)) == 1
    assert len(book.recorded) == 1
    book.now += timedelta(days=1)  # they may have asked for mails again in between
    ask.post(book.url + TOKEN, data=ONE_CLICK)
    assert len(book.recorded) == 2


@pytest.mark.parametrize(
    "token", [TOKEN[:-2] + "AA", "x", "usr_0000001", "%00", "a" * 5_000, TOKEN + "/more", "", "..%2f"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_link_of_nobody_leads_nowhere(book, ask, token, method):
    assert ask.request(method, book.url + token, data=ONE_CLICK).status_code == 404
    assert book.calls == 0


def test_no_answer_says_whose_link_it_is(book, ask):
    other = unsubscribe_token("usr_0000002", "another_one", KEY)
    for method in ("GET", "POST"):
        first, second = (ask.request(method, book.url + token, data=ONE_CLICK) for token in (TOKEN, other))
        assert first.text == second.text
        assert TOKEN not in first.text
        assert "usr_" not in first.text
        assert not first.cookies
    assert first.headers["referrer-policy"] == "no-referrer"
    assert first.headers["cache-control"] == "no-store"
    assert first.headers["x-robots-tag"] == "noindex"
    assert "frame-ancestors 'none'" in first.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("error", "status"),
    [(TransientError("the ledger of usr_0000001 is busy; wait"), 503), (OSError("usr_0000001"), 500)],
)
def test_success_is_shown_only_once_it_is_recorded(book, ask, error, status, caplog):
    book.error = error
    answer = ask.post(book.url + TOKEN, data=ONE_CLICK)
    assert answer.status_code == status
    assert "Done" not in answer.text
    assert (answer.headers.get("connection") == "close") is (status == 500)
    assert "usr_0000001" not in answer.text
    book.error = None
    assert ask.post(book.url + TOKEN, data=ONE_CLICK).status_code == 200
    assert len(book.recorded) == 1


def test_other_methods_and_places_are_refused(book, ask):
    assert ask.put(book.url + TOKEN).status_code == 405
    assert ask.delete(book.url + TOKEN).status_code == 405
    assert ask.get(book.url.removesuffix("unsubscribe/")).status_code == 404
    assert book.calls == 0


def test_a_large_body_is_refused_before_anything_is_recorded(book, ask):
    assert ask.post(book.url + TOKEN, data=b"x" * (LIMITS.body_bytes + 1)).status_code == 413
    assert book.calls == 0


def test_a_crowd_is_answered_in_turn_and_a_flood_is_turned_away(book, monkeypatch):
    monkeypatch.setattr("mlife_assets.serving.one_click.app.WAITING_MAXIMUM", 3)
    book.gate = threading.Event()
    statuses: list[int] = []

    def leave(number: int) -> None:
        with requests.Session() as session:
            session.trust_env = False
            token = unsubscribe_token(f"usr_{number}", "email_digest", KEY)
            statuses.append(session.post(book.url + token, data=ONE_CLICK, timeout=30).status_code)

    threads = [threading.Thread(target=leave, args=(number,)) for number in range(20)]
    with ExitStack() as stack:
        stack.callback(book.gate.set)
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 20
        while len(statuses) < 13 and time.monotonic() < deadline:
            time.sleep(0.05)
    for thread in threads:
        thread.join()
    assert set(statuses) == {200, 503}
    assert len(book.recorded) == statuses.count(200) == 7


@pytest.mark.browser
def test_the_button_works_without_scripts(browser, book):
    context = browser.new_context(viewport={"width": 320, "height": 640}, java_script_enabled=False)
    try:
        opened = context.new_page()
        opened.goto(book.url + TOKEN)
        assert book.calls == 0
        opened.get_by_role("button", name="Unsubscribe").click()
        assert opened.get_by_role("heading", name="Done").is_visible()
    finally:
        context.close()
    assert [one.user_id for one in book.recorded.values()] == ["usr_0000001"]


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_holds_on_a_phone(look, book, ask, scheme):
    seen = look(ask.get(book.url + TOKEN).text, width=320, scheme=scheme)
    assert (seen.width, seen.problems, seen.requests, seen.faults) == (320, [], [], [])
