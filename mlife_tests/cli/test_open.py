"""The pages as `mlife open` serves them: a real process over a home written through the real adapters."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import webbrowser
from contextlib import contextmanager
from datetime import timedelta

import orjson
import pytest
import requests

from mlife_assets.cli.home_pages import HomePages
from mlife_assets.cli.open import _has_window, _is_served, site_mark
from mlife_assets.cli.options import open_platform
from mlife_assets.core.errors import NotFoundError
from mlife_assets.core.pages.document import DASHBOARD
from mlife_assets.recruiting.places import call_list_key
from mlife_assets.settings import RUNBOOKS_FOLDER, Settings

PROGRAM = "from mlife_assets.cli import main; main()"


@contextmanager
def opened(home, port=0):
    """Yield what asks the site of a home; it must stop by itself, without a word, when interrupted."""
    command = [sys.executable, "-c", PROGRAM, "open", "--port", str(port), "--home", str(home), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            lines = []
            while not lines or lines[-1] not in ("", "}\n"):
                lines.append(process.stdout.readline())
            url = orjson.loads("".join(lines))["url"]
            with requests.Session() as session:
                session.trust_env = False
                yield url, lambda path: session.get(url + path, timeout=60)
        finally:
            process.send_signal(signal.SIGINT)
            rest, errors = process.communicate(timeout=30)
    assert (process.returncode, rest, errors) == (0, "", "")


def test_the_pages_show_the_home_as_it_is_now(run, home):
    version = home.champions[-1]
    with opened(home.path) as (url, get):
        port = int(url.rpartition(":")[2])
        assert _is_served(port, site_mark(Settings(home=home.path)))
        assert not _is_served(port, site_mark(Settings(home=home.path / "other")))
        assert get("/").status_code == 404, "no dashboard was built"
        home.platform.lake.replace(DASHBOARD, b"<html><body><p>First</body></html>")
        assert "First" in get("/").text
        home.platform.lake.replace(DASHBOARD, b"<html><body><p>Second</body></html>")
        assert "Second" in get("/").text
        assert get(f"/models/{version}/card.html").status_code == 404, "this model was not judged"
        home.platform.registry.put_card(version, "<html><body><p>A card</body></html>")
        assert "A card" in get(f"/models/{version}/card.html").text
        assert get("/models/../card.html").status_code == 404
        listed = get("/messages/").text
        assert f'href="{home.message_id}"' in listed
        assert ">applied<" in listed
        trace = get(f"/messages/{home.message_id}").text
        assert "the same to the bit" in trace
        assert f'href="../models/{version}/card.html"' in trace
        again = run("open", "--port", port, "--no-browser", "--home", home.path)
        assert (again.exit_code, "served already" in again.stderr) == (0, True)
        other = run("open", "--port", port, "--no-browser", "--home", home.path / "other")
        assert other.exit_code == 1
        assert "choose another --port" in other.stderr


def test_an_empty_home_says_what_to_run(empty):
    pages = HomePages(Settings(home=empty), RUNBOOKS_FOLDER)
    assert (pages.dashboard(), pages.backtest(), pages.card("mdl_1")) == (None, None, None)
    with pytest.raises(NotFoundError, match="mlife demo"):
        pages.messages()
    with pytest.raises(NotFoundError, match="mlife demo"):
        pages.trace("msg_1")
    assert "drift_alert" in pages.runbooks()
    assert not empty.exists(), "looking creates nothing"


def test_a_version_that_is_no_name_has_no_card(lived_home):
    pages = HomePages(Settings(home=lived_home.path), RUNBOOKS_FOLDER)
    assert [pages.card(name) for name in ("..", "", "mdl 1", "mdl/1", "é")] == [None] * 5


def test_call_lists_are_found_the_newest_day_first(home):
    pages, day = HomePages(Settings(home=home.path), RUNBOOKS_FOLDER), home.newest_day
    lake = open_platform(Settings(home=home.path)).lake
    assert pages.call_lists() == []
    keys = [call_list_key(name, one, "html") for name in ("a", "b") for one in (day, day + timedelta(days=1))]
    for key in (*keys, call_list_key("a", day, "csv")):
        lake.replace(key, key.encode())
    assert pages.call_lists() == [keys[3], keys[1], keys[2], keys[0]]
    assert pages.call_list(keys[0]) == keys[0].encode()
    assert pages.call_list(call_list_key("c", day, "html")) is None


def test_a_home_whose_plans_are_old_lists_their_messages(home):
    assert [line.message_id for line in HomePages(Settings(home=home.path), RUNBOOKS_FOLDER).messages()] == [
        home.message_id
    ]


def test_what_is_no_site_is_not_taken_for_one():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        assert not _is_served(silent.getsockname()[1], "mark"), "nobody listens"


@pytest.mark.parametrize(
    ("browser", "has_window"),
    [
        (webbrowser.BackgroundBrowser("xdg-open"), True),
        (webbrowser.Chrome("chromium"), True),
        (webbrowser.GenericBrowser("w3m"), False),
        (webbrowser.Error("could not locate runnable browser"), False),
    ],
)
def test_a_browser_of_the_terminal_is_not_opened(monkeypatch, browser, has_window):
    def get():
        if isinstance(browser, Exception):
            raise browser
        return browser

    monkeypatch.setattr(webbrowser, "get", get)
    assert _has_window() == has_window


@pytest.mark.parametrize("option", ["--port", "--pages-port"])
def test_a_taken_port_stops_dev_before_it_starts(run, home, option):
    ports = {"--port": 0, "--pages-port": 0}
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        ports[option] = taken.getsockname()[1]
        result = run("dev", *(part for pair in ports.items() for part in pair), "--home", home.path)
    assert result.exit_code == 1
    assert f"choose another {option}" in result.stderr
    assert not (home.path / "dagster").exists()
