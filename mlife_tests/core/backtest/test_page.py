"""The page of a replay: everything is on it, nothing is loaded, and it fits a narrow window."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from mlife_assets.core.backtest.contestants import NAMES
from mlife_assets.core.backtest.page import (
    decision_rows,
    differences,
    is_alarmed,
    lanes,
    plot_replay,
    policy_rows,
    render_backtest,
    signs_used,
)

COMPARED = ("The challenger is not inferior to the champion", "The challenger beats the champion")


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
    for sentence in (*result.recommendation.sentences, *result.limits, *result.notes):
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
    assert len(re.findall(r'class="sign ', drawing)) == len(acted)
    alarmed = [d for one in changed.result.policies for d in one.decisions if is_alarmed(d.codes)]
    assert len(re.findall(r'class="run m-tick"', drawing)) == len(alarmed) > 0
    assert {kind for kind, _, _ in signs_used(changed.result)} == {d.action for d in acted}


def test_decisions_of_governed_are_newest_first_with_codes(changed, page):
    acted = [one for one in changed.result.policy("governed").decisions if one.action != "wait"]
    summary, rows = decision_rows(changed.result)
    assert [row.decision for row in rows] == acted[::-1]
    waited = len(changed.result.policy("governed").decisions) - len(acted)
    assert summary.startswith(f"{waited:,} of ")
    for one in acted:
        for code in one.codes:
            assert f"<code>{code}</code>" in page


def test_a_promotion_is_shown_with_its_comparison(changed):
    promoted = [one for one in changed.result.policy("governed").decisions if one.action == "promoted"]
    shown = {row.decision.day: row.reason for row in decision_rows(changed.result)[1]}
    assert promoted
    for one in promoted:
        (compared,) = [s for s in one.sentences if s.startswith(COMPARED)]
        assert f"conditions are met. {compared}" in shown[one.day]


def test_the_recommended_policy_is_marked(changed, page):
    chosen = changed.result.recommendation.policy
    assert [row.name for row in policy_rows(changed.result, changed.cost) if row.is_chosen] == [chosen]
    assert re.search(rf'<tr class="chosen"><th scope="row">{chosen}\n', page)
    assert page.count('class="chosen"') == 1


def test_a_note_stands_before_the_figures(changed):
    page = render_backtest(replace(changed.result, notes=("Label times depend on outcomes.",)), changed.cost)
    assert page.index("Label times depend on outcomes.") < page.index('class="tiles"')


def test_the_margin_is_drawn(changed, page):
    drawing = differences(changed.result)
    assert drawing.count('class="limit c-threshold"') == len(changed.result.differences)
    assert "margin of 0.01" in page


def test_text_from_data_is_never_markup(changed):
    evil = '<img src=x onerror="alert(1)">'
    page = render_backtest(replace(changed.result, title=evil, source=evil), changed.cost)
    assert "<img" not in page
    assert page.count("&lt;img src=x") == 3


def test_the_page_loads_nothing_and_is_the_same_each_time(page, changed):
    assert "default-src 'none'" in page
    assert not re.search(r"(?:src|href)=\"(?!data:)", page)
    assert page == render_backtest(changed.result, changed.cost)


@pytest.mark.browser
@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark")])
def test_the_page_has_no_fault_and_fits_its_window(page, look, width, scheme):
    seen = look(page, width, scheme)
    assert (seen.problems, seen.requests, seen.faults) == ([], [], [])
    assert seen.width <= width
    assert len(page) < 1_000_000


@pytest.mark.browser
def test_a_sign_says_what_was_done(page, browser, tmp_path: Path):
    file = tmp_path / "page.html"
    file.write_text(page, encoding="utf-8")
    tab = browser.new_page()
    tab.goto(file.as_uri())
    sign = tab.locator(".sign[data-tip]").first
    sign.scroll_into_view_if_needed()
    sign.hover(force=True)
    assert "installed" in tab.locator("#tip").inner_text()
    tab.close()


def test_the_picture_is_small_and_the_same_each_time(changed, calm):
    one = plot_replay(changed.result)
    assert one[:4] == b"\x89PNG"
    assert len(one) < 60_000
    assert plot_replay(changed.result) == one
    assert plot_replay(calm.result) != one
