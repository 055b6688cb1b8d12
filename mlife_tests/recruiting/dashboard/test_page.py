"""The whole page: self-contained, deterministic, escaped, sensible when empty, quiet in a real browser."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.pages import Link
from mlife_assets.core.pages.charts.scales import format_day
from mlife_assets.core.pages.charts.values import DailyValue, Marker
from mlife_assets.core.statistics import Interval
from mlife_assets.recruiting.dashboard.data import (
    ApplicationFigures,
    DashboardData,
    Decision,
    DriftSeries,
    DriftValue,
    Kpi,
    ModelMetrics,
    ModelVersion,
    OtherModel,
    ReportDigest,
    RuleGain,
    Suppression,
)
from mlife_assets.recruiting.dashboard.page import render_dashboard

if TYPE_CHECKING:
    from playwright.sync_api import Browser

DAY = date(2026, 6, 2)
HOSTILE = "</title></script><script>window.pwned=1</script>\"'><img src=x onerror=window.pwned=1>&\x00\ud800"
VOID = {"meta", "link", "wbr"}


class Nesting(HTMLParser):
    """Fails on a tag that is closed out of order; collects tags and attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def parse(page: str) -> Nesting:
    nesting = Nesting()
    nesting.feed(page)
    nesting.close()
    assert nesting.open == []
    return nesting


def hostile_data() -> DashboardData:
    values = (DailyValue(DAY, 0.5),)
    return DashboardData(
        as_of_date=DAY,
        first_date=DAY,
        world=HOSTILE,
        kpis=(Kpi(HOSTILE, 1.0, "count", HOSTILE),),
        model=ModelMetrics(
            map_realised=values,
            map_cohort=HOSTILE,
            drift=(DriftSeries(HOSTILE, "data", (DriftValue(DAY, 1, 2, False),)),),
        ),
        decisions=(Decision(DAY, "block", (HOSTILE,), (HOSTILE,), HOSTILE),),
        models=(ModelVersion(HOSTILE, DAY, DAY, DAY, 1, 1, "refused", None, (HOSTILE,), is_champion=True),),
        others=(
            OtherModel(
                HOSTILE,
                HOSTILE,
                HOSTILE,
                DAY,
                None,
                "refused",
                RuleGain(HOSTILE, HOSTILE, values[0]),
                Decision(DAY, "wait", (HOSTILE,)),
            ),
        ),
        suppressions=(Suppression(HOSTILE, 3),),
        reports=(ReportDigest(HOSTILE, DAY, "alarm", HOSTILE, 1, 1, 1, (HOSTILE,)),),
        extra_markers=(Marker(DAY, "rollback", HOSTILE),),
        nav=(Link(HOSTILE, HOSTILE),),
    )


def test_a_version_that_another_gate_judged_says_so(example_data: DashboardData) -> None:
    first, *others = example_data.models
    page = render_dashboard(replace(example_data, models=(replace(first, judged_in="dev"), *others)))
    assert "promoted in dev" in page
    assert "promoted in" not in render_dashboard(example_data)


def test_page_is_well_formed_and_has_every_part(example_data: DashboardData) -> None:
    page = render_dashboard(example_data)
    nesting = parse(page)
    headings = re.findall(r"<h[123][^>]*>([^<]+)", page)
    parts = ("Day by day", "Monitoring", "The model", "Drift", "Texts", "Decisions", "Model versions")
    parts += ("Applications", "Other models")
    for heading in parts:
        assert heading in headings
    for heading in ("Ranking quality, MAP@10", "Texts per day", "People with an apply, texted or not"):
        assert heading in headings
    runs = [attributes["data-verdict"] for tag, attributes in nesting.tags if "data-verdict" in attributes]
    assert runs == ["wait", "block", "wait", "retrain", "wait"], "21 days are five runs of like verdicts"
    ids = {attributes["id"] for _, attributes in nesting.tags if "id" in attributes}
    inside = {a["href"][1:] for tag, a in nesting.tags if tag == "a" and a["href"].startswith("#")}
    assert len(inside) == len(parts)
    assert inside <= ids, "a line of the table of contents leads nowhere"


def test_other_models_have_a_line_each_and_a_single_model_has_no_such_section(example_data: DashboardData) -> None:
    page = render_dashboard(
        replace(example_data, others=(*example_data.others, OtherModel("loan_risk", "Who defaults")))
    )
    first, second = page[page.index('id="others"') :].split("<tbody>")[1].split("</tr>")[:2]
    for words in (
        "Who will not come back",
        "since 1 Jun 2026",
        "promoted",
        "+0.108",
        "0.095 to 0.120",
        "average precision, against least_recently_seen_v1",
        "22 Jun: Nothing that matters drifts.",
        'href="../models/mdl_7d09ce5518aa2b6e4f10/card.html"',
    ):
        assert words in first, words
    assert "none yet" in second
    assert "no decision yet" in second
    assert "ther models" not in render_dashboard(replace(example_data, others=()))


def test_applications_have_a_line_each_and_a_single_one_has_no_such_section(example_data: DashboardData) -> None:
    texts = ApplicationFigures("Job <of> the day", "sms", 38_399, 0.172, 0.021, 6_032.0)
    lift = Interval(0.068, 0.037, 0.09, 0.95, 1_000)
    mails = ApplicationFigures("Jobs of the week", "email", 339, pending_until=date(2026, 6, 19), lift=lift)
    calls = ApplicationFigures("Calls", "call", 75)
    page = render_dashboard(replace(example_data, applications=(texts, mails, calls)))
    section = page[page.index('id="applications"') : page.index('id="others"')]
    rows = [re.sub(r"<[^>]+>", " ", row).split() for row in section.split("<tbody>")[1].split("</tr>")[:3]]
    words = [html.unescape(" ".join(row)) for row in rows]
    assert words[0].startswith("Job <of> the day text 38,399 17.2 % 2.1")
    assert "pending until 19 Jun pending until 19 Jun" in words[1]
    assert words[1].endswith("+6.8 points +3.7 to +9.0")
    assert words[2] == "Calls call 75 – – – –"
    assert 'href="#applications"' in page
    assert 'id="applications"' not in render_dashboard(replace(example_data, applications=(texts,)))


def test_a_model_that_cannot_be_read_says_why_and_nothing_else(example_data: DashboardData) -> None:
    hurt = OtherModel("loan_risk", "Who defaults", fault="its report is not JSON; materialize it again")
    page = render_dashboard(replace(example_data, others=(hurt,)))
    row = page[page.index('id="others"') :].split("<tbody>")[1].split("</tr>")[0]
    assert "its report is not JSON; materialize it again" in row
    assert "none yet" not in row
    assert "no decision yet" not in row


def test_page_loads_nothing(example_data: DashboardData) -> None:
    page = render_dashboard(example_data)
    assert not re.search(r"https?:|//[a-z]|@import|url\(", page)
    for tag, attributes in parse(page).tags:
        assert "src" not in attributes
        assert tag != "link" or attributes["href"] == "data:,"
    assert "default-src 'none'" in page


def test_versions_link_to_their_cards_where_there_are_any(example_data: DashboardData) -> None:
    with_card = replace(example_data.models[0], card="../models/mdl_4f/card.html")
    page = render_dashboard(replace(example_data, models=(with_card, example_data.models[1])))
    assert page.count('href="../models/mdl_4f/card.html"') == 2, "as champion and as version"
    assert f'<code title="{example_data.models[1].model_version}">' in page


def test_nothing_folded_is_lost(example_data: DashboardData) -> None:
    page = render_dashboard(example_data)
    for decision in example_data.decisions:
        for sentence in decision.sentences:
            assert sentence in page.replace("&#39;", "'")
    for version in example_data.models:
        assert all(sentence in page for sentence in version.sentences)
    for one in example_data.suppressions:
        assert f"{one.count:,}" in page
    assert "59,847 texts were held back" in page
    assert "-0.004 to 0.017" in page


def test_same_data_gives_same_bytes(example_data: DashboardData) -> None:
    shuffled = replace(
        example_data,
        decisions=example_data.decisions[::-1],
        models=example_data.models[::-1],
        suppressions=example_data.suppressions[::-1],
    )
    assert render_dashboard(example_data).encode() == render_dashboard(shuffled).encode()


def test_every_text_is_escaped() -> None:
    page = render_dashboard(hostile_data())
    nesting = parse(page)
    assert sum(tag == "script" for tag, _ in nesting.tags) == 1
    assert not any(tag == "img" or "onerror" in attributes for tag, attributes in nesting.tags)
    page.encode()


def test_empty_history_says_so() -> None:
    page = render_dashboard(DashboardData(as_of_date=DAY, first_date=DAY))
    parse(page)
    for words in ("No data yet.", "No decision yet.", "No model yet.", "No text was held back.", "none yet"):
        assert words in page
    assert "nan" not in page.lower().replace("nannyml", "")


def test_a_page_of_the_newest_days_says_from_when_its_texts_were_held_back() -> None:
    cut = DashboardData(as_of_date=DAY, first_date=DAY, is_cut=True)
    assert f"No text was held back since {format_day(DAY)}." in render_dashboard(cut)
    held = render_dashboard(replace(cut, suppressions=(Suppression("quiet_hours", 3),)))
    assert f"3 texts were held back since {format_day(DAY)} by the rules" in held


def test_one_day_and_missing_values_are_gaps_not_zeros() -> None:
    values = (DailyValue(DAY, float("nan")), DailyValue(date(2026, 6, 3), 0.4), DailyValue(date(2026, 6, 4), None))
    data = DashboardData(date(2026, 6, 4), DAY, model=ModelMetrics(map_realised=values))
    page = render_dashboard(data)
    parse(page)
    assert not re.search(r'="[^"]*\b(nan|inf)\b', page)
    assert page.count('class="dot"') == 1


def test_reversed_dates_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="first_date"):
        render_dashboard(DashboardData(as_of_date=DAY, first_date=date(2026, 6, 3)))


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_browser_finds_no_fault(look, example_data: DashboardData, width: int, scheme: str) -> None:
    empty = DashboardData(as_of_date=DAY, first_date=DAY)
    for name, data in (("full", example_data), ("hostile", hostile_data()), ("empty", empty)):
        seen = look(render_dashboard(data), width, scheme)
        assert (seen.problems, seen.requests, seen.faults) == ([], [], []), name
        assert seen.width <= width, name


@pytest.mark.browser
def test_browser_shows_the_values_of_the_day_under_the_pointer(
    browser: Browser, tmp_path: Path, example_data: DashboardData
) -> None:
    file = tmp_path / "dashboard.html"
    file.write_text(render_dashboard(example_data), encoding="utf-8")
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(file.as_uri())
    plot = page.locator(".plot svg").first
    plot.scroll_into_view_if_needed()
    page.wait_for_timeout(300)  # scrolling hides the tip, and its event comes late on a busy machine
    plot.hover(position={"x": 150, "y": 60})
    page.locator("#tip").wait_for()
    assert "model: 0." in page.locator("#tip").inner_text()
    assert page.locator(".reading").evaluate_all("all => all.filter(a => a.style.visibility === 'visible').length") > 4
    page.locator(".plot svg").nth(1).focus()
    page.keyboard.press("ArrowLeft")
    assert "22 Jun 2026" in page.locator("#tip").inner_text()
    page.locator(".sign.m-block").hover()
    assert "blocked by data quality" in page.locator("#tip").inner_text()
    page.close()


@pytest.mark.browser
def test_browser_without_scripts_shows_the_same_words(
    browser: Browser, tmp_path: Path, example_data: DashboardData
) -> None:
    file = tmp_path / "dashboard.html"
    file.write_text(render_dashboard(example_data), encoding="utf-8")
    words = []
    for has_scripts in (True, False):
        context = browser.new_context(java_script_enabled=has_scripts)
        page = context.new_page()
        page.goto(file.as_uri())
        words.append(page.locator("main").inner_text())
        page.locator("details.line summary").first.click()
        assert page.locator("details.line p").first.is_visible()
        context.close()
    assert words[0] == words[1]
    assert len(words[0]) > 2_000


@pytest.mark.browser
def test_browser_runs_no_hostile_text(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "dashboard.html"
    file.write_text(render_dashboard(hostile_data()), encoding="utf-8")
    page = browser.new_page()
    page.goto(file.as_uri())
    page.locator(".sign.m-block").hover(force=True)
    assert "onerror" in page.locator("#tip").inner_text()
    assert page.evaluate("window.pwned === undefined")
    page.close()
