"""Templates escape what they are given, and an absent name is an error."""

from __future__ import annotations

import pytest
from jinja2 import UndefinedError

from mlife_assets.core.pages import render
from mlife_assets.core.pages.markup import Markup
from mlife_assets.core.pages.templates import breakable, packaged


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
