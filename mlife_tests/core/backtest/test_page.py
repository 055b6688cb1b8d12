"""The page of a replay: everything is on it, nothing is loaded, and it fits a narrow window."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from mlife_assets.core.backtest.contestants import NAMES
from mlife_assets.core.backtest.page.document import render_backtest
from mlife_assets.core.backtest.page.drawings import differences, is_alarmed, lanes
from mlife_assets.core.backtest.page.tables import decision_rows, policy_rows


@pytest.fixture(scope="module")
def page(changed) -> str:
    return render_backtest(changed.result, changed.cost)


class Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


def words(page: str) -> str:
    parser = Text()
    parser.feed(page)
    return " ".join(" ".join(parser.parts).split())


def test_the_page_says_what_was_found(page, changed):
    told = words(page)
    result = changed.result
    for sentence in (*result.recommendation.sentences, *result.limits):
        assert " ".join(sentence.split()) in told
    for one in result.policies:
        assert f"{one.score.average_precision.estimate:.4f}" in told
        assert f"{one.fitted_rows:,}" in told
        assert f" {one.trainings} {one.fits} {one.refusals} {one.installations} {one.fitted_rows:,} " in told
    for name, versus in result.differences.items():
        assert name in told
        assert f"{versus.estimate:+.4f}" in told
    for title in ("Average precision", "Regret, cumulated", "Trainings, cumulated", "Labels", "What each policy did"):
        assert title in told
    assert "which was installed ungated" in told


def test_every_action_of_every_policy_has_its_sign(changed):
    drawing = lanes(changed.result)
    for name in NAMES:
        assert f">{name}<" in drawing
    acted = [d for one in changed.result.policies for d in one.decisions if d.action != "wait"]
    assert len(re.findall(r'class="mark ', drawing)) == len(acted)
    alarmed = [d for one in changed.result.policies for d in one.decisions if is_alarmed(d.codes)]
    assert len(re.findall(r'class="tick-alarm"', drawing)) == len(alarmed) > 0


def test_decisions_of_governed_are_told_newest_first_with_codes(changed):
    table = decisions(changed.result)
    acted = [one for one in changed.result.policy("governed").decisions if one.action != "wait"]
    for one in acted:
        for code in one.codes:
            assert f"<code>{code}</code>" in table
    assert table.index("promoted") < table.index("first_champion_ungated")


def test_a_promotion_is_told_with_its_comparison(changed):
    promoted = [one for one in changed.result.policy("governed").decisions if one.action == "promoted"]
    table = decisions(changed.result)
    shown = re.findall(r'<td class="reasons"><p>(.*?)</p>', table)
    for one in promoted:
        (compared,) = [s for s in one.sentences if s.startswith("The refitted recipe is not shown to rank worse")]
        assert any(f"conditions are met. {compared}" in html.unescape(text) for text in shown)


def test_the_recommended_policy_is_marked(changed):
    chosen = changed.result.recommendation.policy
    table = policies_table(changed.result, changed.cost)
    assert re.search(rf'<tr class="chosen"><th scope="row">{chosen}<', table)
    assert table.count('class="chosen"') == 1


def test_the_margin_is_drawn(changed):
    assert 'class="margin-line"' in differences(changed.result)
    assert "margin of 0.01" in differences(changed.result)


def test_text_from_data_is_never_markup(changed):
    evil = '<img src=x onerror="alert(1)">'
    page = render_backtest(replace(changed.result, title=evil, source=evil), changed.cost)
    assert "<img" not in page
    assert page.count("&lt;img src=x") == 3


def test_the_page_loads_nothing_and_is_the_same_each_time(page, changed):
    assert "default-src 'none'" in page
    assert not re.search(r"(?:src|href)=\"(?!data:)", page)
    assert page == render_backtest(changed.result, changed.cost)


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits_its_window(page, browser, tmp_path: Path, width):
    file = tmp_path / "page.html"
    file.write_text(page, encoding="utf-8")
    context = browser.new_context(viewport={"width": width, "height": 900}, offline=True)
    try:
        tab = context.new_page()
        problems: list[str] = []
        tab.on("console", lambda message: problems.append(message.text))
        tab.on("pageerror", lambda error: problems.append(str(error)))
        tab.goto(file.as_uri())
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        mark = tab.locator(".lanes [data-tip]").first
        mark.scroll_into_view_if_needed()
        mark.hover(force=True)
        assert "installed" in tab.locator("#tip").inner_text()
        assert problems == []
    finally:
        context.close()
