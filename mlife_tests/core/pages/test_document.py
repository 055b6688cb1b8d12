"""The document loads nothing, runs only the script it names, links to where it is told, and is quiet in a browser."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import pytest

from mlife_assets.core.pages import Link, Markup, element, page, reading_script
from mlife_assets.core.pages.document import SLOT, with_links

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
