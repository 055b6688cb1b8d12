"""The document loads nothing and is quiet in a browser; text is escaped, numbers are short and stable."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from mlife_assets.core.pages import Link, Markup, element, page, reading_script, render
from mlife_assets.core.pages.document import (
    BACKTEST,
    DASHBOARD,
    RUNBOOKS,
    SLOT,
    between,
    breakable,
    card_key,
    nav,
    packaged,
    served_nav,
    with_links,
    with_served_links,
)
from mlife_assets.core.pages.markup import join, number, text
from mlife_assets.recruiting.places import MESSAGES, SERVED

CARD = card_key("mdl_1")
HERE = (DASHBOARD, CARD, BACKTEST, f"{RUNBOOKS}retrain", f"{MESSAGES}msg_1", RUNBOOKS)
BODY = Markup("<h1>Title</h1><p>Words.</p>")
LINKS = (Link("Here", "index.html", True), Link("There & back", "../there.html"))


def test_a_page_without_a_script_may_run_none() -> None:
    document = page("T", BODY)
    assert "script-src" not in document
    assert "<script" not in document
    assert "default-src 'none'" in document
    assert document == page("T", BODY)


def test_the_policy_names_the_one_script_by_its_hash() -> None:
    document = page("T", BODY, script=reading_script())
    (script,) = re.findall(r"<script>(.*?)</script>", document, re.S)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in document
    assert "unsafe-inline" not in document.split("script-src")[1].split('"')[0]


def test_text_in_the_place_of_markup_is_escaped() -> None:
    assert "<main>\n&lt;img&gt;\n</main>" in page("<", "<img>")  # type: ignore[arg-type]


def test_links_stand_in_a_bar_and_a_page_without_links_has_none() -> None:
    document = page("T", BODY, nav=LINKS)
    assert '<a href="index.html" aria-current="page">Here</a>' in document
    assert '<a href="../there.html">There &amp; back</a>' in document
    assert "<nav" not in page("T", BODY)


def test_a_server_adds_links_where_the_page_has_its_slot() -> None:
    document = page("T", BODY, nav=LINKS)
    served = with_links(document, (Link("Runbooks", "../runbooks/"),))
    assert served.count('<a href="../runbooks/">Runbooks</a>') == 1
    assert served.index("There &amp; back") < served.index("Runbooks") < served.index("<main")
    assert served.count(SLOT) == 1


def test_a_page_of_an_earlier_release_gets_a_bar() -> None:
    old = "<!doctype html>\n<html><head></head>\n<body>\n<main>old</main>\n</body></html>"
    assert with_links(old, LINKS).index("There &amp; back") < with_links(old, LINKS).index("<main>")


def test_text_cannot_hold_the_slot() -> None:
    document = page(SLOT, element("p", SLOT), nav=LINKS)
    assert document.count(SLOT) == 1


@pytest.mark.browser
@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark")])
def test_an_empty_page_is_quiet(look, width: int, scheme: str) -> None:
    seen = look(page("T", BODY, nav=LINKS, script=reading_script()), width, scheme)
    assert (seen.problems, seen.requests, seen.faults) == ([], [], [])
    assert seen.width <= width


@pytest.mark.browser
def test_no_other_script_runs(browser, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    evil = Markup("<script>window.pwned=1</script><img src=x onerror='window.pwned=1'>")
    file.write_text(page("T", evil, script="window.ours=1"), encoding="utf-8")
    tab = browser.new_page()
    tab.goto(file.as_uri())
    assert tab.evaluate("[window.pwned, window.ours]") == [None, 1]
    tab.close()


def test_text_is_escaped_and_markup_is_kept() -> None:
    page = render(
        "document.html", title="<b>&\x00", body=Markup("<p>"), nav="", style="", script="", policy="", is_wide=False
    )
    assert "<title>&lt;b&gt;&amp;\ufffd</title>" in page
    assert "\n<p>\n</main>" in page


def test_a_name_that_is_not_given_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="policy"):
        render("document.html", body="")


def test_names_may_break_after_underscores_and_dots_but_not_within_numbers() -> None:
    assert breakable("a_b.c 0.25 <") == "a_<wbr>b.<wbr>c 0.25 &lt;"


def test_style_and_script_come_with_the_package() -> None:
    assert ":root{" in packaged("style.css")
    assert "use strict" in packaged("reading.js")
    assert "</" not in packaged("reading.js")
    assert "<" not in packaged("style.css")


@pytest.mark.parametrize("base", ["file:///home/lake/", "http://127.0.0.1:3001/"])
@pytest.mark.parametrize("here", HERE)
@pytest.mark.parametrize("there", HERE)
def test_a_relative_link_leads_there(base: str, here: str, there: str) -> None:
    assert urljoin(base + here, between(here, there)) == base + there


def test_the_root_serves_the_dashboard_with_the_same_links() -> None:
    for link in nav(DASHBOARD, has_backtest=True):
        assert urljoin("http://127.0.0.1/", link.href) == urljoin(f"http://127.0.0.1/{DASHBOARD}", link.href)


def test_a_file_links_to_files_only_and_says_where_it_is() -> None:
    links = nav(CARD)
    assert [link.href for link in links] == ["../../dashboard/index.html", "../../dashboard/index.html#models"]
    assert not any(link.is_here for link in links)
    assert [link.words for link in nav(DASHBOARD) if link.is_here] == ["Dashboard"]
    assert BACKTEST not in {link.href.removeprefix("../") for link in nav(DASHBOARD)}
    assert [link.words for link in nav(BACKTEST) if link.is_here] == ["Backtest"]


def test_what_is_served_links_to_everything() -> None:
    words = [link.words for link in served_nav(f"{RUNBOOKS}retrain", SERVED, has_backtest=True)]
    assert words == ["Dashboard", "Model versions", "Backtest", "Messages", "Calls", "Runbooks"]
    served = with_served_links(page("T", Markup("x"), nav=nav(CARD)), CARD, SERVED)
    assert '<a href="../../runbooks/">Runbooks</a>' in served
    assert served.count(">Dashboard<") == 1
    old = with_served_links("<html><body>\nold</body></html>", CARD, SERVED)
    assert ">Dashboard<" in old
    assert ">Messages<" in old


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words = ""
        self.seen: list[tuple[str, list[tuple[str, str | None]]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        self.words += data


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")))
def test_any_text_survives_as_text_and_as_attribute(words: str) -> None:
    reader = Reader()
    reader.feed(element("p", words, data_tip=words))
    reader.close()
    assert reader.seen == [("p", [("data-tip", words)])]
    assert reader.words == words


@given(st.text())
def test_any_text_can_be_written_as_utf_8(words: str) -> None:
    assert "<" not in text(words)
    text(words).encode()


def test_markup_is_kept_and_attributes_are_named() -> None:
    inner = element("b", "a & b")
    assert element("p", inner, class_="x", data_day="d", width=1.5, hidden=None) == (
        '<p class="x" data-day="d" width="1.5"><b>a &amp; b</b></p>'
    )
    assert join("<", Markup("<br>")) == "&lt;<br>"


def test_numbers_are_short() -> None:
    assert [number(v) for v in (1.0, 0.126, -0.001, 100.0, 3.1)] == ["1", "0.13", "0", "100", "3.1"]
