"""The site over real HTTP: what answers, what is refused, that every link leads somewhere."""

from __future__ import annotations

import socket
import threading
from datetime import date, timedelta
from urllib.parse import urldefrag, urljoin, urlsplit

import pytest

from mlife_assets.core.errors import IntegrityError, NotFoundError, TransientError
from mlife_assets.core.pages import element, page
from mlife_assets.core.pages.places import BACKTEST, DASHBOARD, nav
from mlife_assets.recruiting.places import call_list_key
from mlife_assets.serving.site import MARK

ADDRESSES = [
    "/",
    "/dashboard/index.html",
    "/models/mdl_1/card.html",
    "/runbooks/",
    "/runbooks/data_drift",
    "/messages/",
    "/messages/msg_1",
    "/calls/",
    "/calls/calls/2026-06-10.html",
]


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
        f"{ui}/assets/metrics/dashboard",
        f"{ui}/assets/model/evaluation",
        f"{ui}/assets/messages/message_plan",
        f"{ui}/assets/calls/call_list",
        f"{ui}/assets/messages/message_plan?partition=2026-06-10",
        f"{ui}/asset-groups",
    }


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
        "/runbooks/../../settings.py",
        "/runbooks/%2e%2e%2f%2e%2e%2fsettings.py",
        "/models/../card.html",
        "/models/%2e%2e/card.html",
        "/messages/..%2f..%2fprivate",
        "//etc/passwd",
    ],
)
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
    others = (
        "calls/2026-06-11.html",
        "calls/manifest.json",
        "..%2Fmodels/2026-06-10.html",
        "Calls/2026-06-10.csv",
    )
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
