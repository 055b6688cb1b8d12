"""The whole page: self-contained, deterministic, escaped, sensible when empty, quiet in a real browser."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mlife_assets.core.dashboard.data import (
    DailyValue,
    DashboardData,
    Decision,
    DriftSeries,
    DriftValue,
    Kpi,
    Marker,
    ModelMetrics,
    ModelVersion,
    Suppression,
)
from mlife_assets.core.dashboard.page import render_dashboard
from mlife_assets.core.errors import InvalidInputError

if TYPE_CHECKING:
    from playwright.sync_api import Browser

DAY = date(2026, 6, 2)
HOSTILE = "</title></script><script>window.pwned=1</script>\"'><img src=x onerror=window.pwned=1>&\x00\ud800"
VOID = {"meta", "link"}


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
        suppressions=(Suppression(HOSTILE, 3),),
        extra_markers=(Marker(DAY, "rollback", HOSTILE),),
    )


def test_page_is_well_formed_and_has_every_part(example_data: DashboardData) -> None:
    page = render_dashboard(example_data)
    nesting = parse(page)
    headings = re.findall(r"<h[123]>([^<]+)", page)
    for heading in ("Should the model be retrained?", "Ranking quality, MAP@10", "AUC, realised and estimated"):
        assert heading in headings
    for heading in ("Texts per day", "People with an apply, treated against holdout", "Decisions", "Model versions"):
        assert heading in headings
    assert sum(tag == "tr" and "data-verdict" in attributes for tag, attributes in nesting.tags) == 21
    assert sum(tag == "svg" and attributes.get("role") == "img" for tag, attributes in nesting.tags) == 12


def test_page_loads_nothing(example_data: DashboardData) -> None:
    page = render_dashboard(example_data)
    assert not re.search(r"https?:|//[a-z]|@import|url\(", page)
    for tag, attributes in parse(page).tags:
        assert "src" not in attributes
        assert attributes.get("href", "data:,") == "data:,", tag
    assert "default-src 'none'" in page


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
    for words in ("No data yet.", "No decision yet.", "No model yet.", "Nothing was suppressed.", "none yet"):
        assert words in page
    assert "nan" not in page.lower().replace("nannyml", "")


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
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_browser_shows_the_page_without_errors_or_requests(
    browser: Browser, tmp_path: Path, example_data: DashboardData, scheme: str
) -> None:
    file = tmp_path / "dashboard.html"
    file.write_text(render_dashboard(example_data), encoding="utf-8")
    context = browser.new_context(color_scheme=scheme, viewport={"width": 1280, "height": 900})  # type: ignore[arg-type]
    page = context.new_page()
    problems: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(file.as_uri())

    page.locator(".plot svg").first.hover(position={"x": 300, "y": 100})
    assert page.locator("#tip").is_visible()
    assert "model: 0." in page.locator("#tip").inner_text()
    assert page.locator(".reading").evaluate_all("all => all.filter(a => a.style.visibility === 'visible').length") > 4
    page.locator("[data-filter=block]").click()
    assert page.locator("[data-verdict]:visible").count() == 1
    page.locator(".plot svg").nth(1).focus()
    page.keyboard.press("ArrowLeft")
    assert "22 Jun 2026" in page.locator("#tip").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(16, 18, 21)") == (scheme == "dark")

    assert problems == []
    assert requests == [file.as_uri()]
    context.close()


@pytest.mark.browser
def test_browser_runs_no_hostile_text(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "dashboard.html"
    file.write_text(render_dashboard(hostile_data()), encoding="utf-8")
    page = browser.new_page()
    page.goto(file.as_uri())
    page.locator(".plot svg").first.hover(position={"x": 300, "y": 100})
    assert "onerror" in page.locator("#tip").inner_text()
    assert page.evaluate("window.pwned === undefined")
    page.close()
