"""Runbooks as pages: the real ones, and what a strange one may not do."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlife_assets.serving.site.runbooks import FIRST, read_runbooks


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
