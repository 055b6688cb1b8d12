"""Text is escaped, markup is not, numbers are short and stable."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.pages.markup import Markup, element, join, number, text


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
