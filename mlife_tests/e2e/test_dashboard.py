"""The published dashboard: each figure is its mart's, nothing immature is a number, every link leads to a page.

`mlife_tests/dbt/test_marts.py` recomputes the marts from the log; here the page is held against the marts.
"""

from __future__ import annotations

import html
import re
from dataclasses import replace
from datetime import date
from urllib.parse import urljoin, urlparse

import duckdb
import pytest

from mlife_assets.components.metrics import dashboard
from mlife_assets.components.metrics.dashboard import collect
from mlife_assets.core.pages.charts.values import DailyValue, format_day, format_value
from mlife_assets.core.pages.document import DASHBOARD, card_key
from mlife_assets.core.windows import add_days, is_mature, mature_day
from mlife_assets.recruiting.dashboard.data import Decision, OtherModel, RuleGain
from mlife_assets.recruiting.dashboard.page import render_dashboard

DAY = date(2026, 6, 2)
OTHERS = tuple(
    OtherModel(
        name,
        "Who will not come back",
        "mdl_7d09ce5518aa2b6e4f10",
        DAY,
        outcome="promoted",
        gain=RuleGain("average precision", "least_recently_seen_v1", DailyValue(DAY, 0.108, 0.095, 0.12)),
        decision=Decision(DAY, "wait", ("The domain classifier finds today among the reference: AUC 0.52 of 0.55.",)),
    )
    for name in ("churn_risk", "loan_default_within_a_year")
)
"""Two models beside the first, whose lines may not make the page too long or too wide."""


@pytest.fixture(scope="module")
def page(lived) -> str:
    return (lived.home.settings.places.lake / DASHBOARD).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def words(page) -> str:
    """The page as it reads, without its style."""
    return " ".join(html.unescape(re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.S)).split())


@pytest.fixture(scope="module")
def mart(lived):
    """Ask the warehouse as anybody could, with SQL of our own."""
    with duckdb.connect(str(lived.home.settings.home / "warehouse.duckdb"), read_only=True) as warehouse:
        yield lambda sql: warehouse.execute(sql).fetchall()


@pytest.fixture(scope="module")
def as_of(lived, lived_world) -> date:
    return lived.home.day(lived_world.DAYS)


def tile(page: str, label: str) -> tuple[str, str]:
    found = re.search(rf"<dt>{label}</dt><dd><strong>([^<]*)</strong>\s*<span class=\"detail\">([^<]*)<", page)
    assert found, label
    return found.group(1), html.unescape(found.group(2))


def values(page: str, title: str) -> list[tuple[str, ...]]:
    """Return the table of values below a chart: a row per day."""
    figure = page[page.index(f"<h3>{title}</h3>") :].split("</figure>")[0]
    rows = re.findall(r"<tr><td>(.*?)</tr>", figure)
    return [tuple(re.sub(r"<[^>]+>", "|", row).replace("||", "|").strip("|").split("|")) for row in rows]


def test_tiles_are_sums_of_the_marts(page, mart, lived, as_of) -> None:
    first = lived.home.settings.days.first_lived_date
    label = lived.home.platform.policies.label
    span = f"kpi_date between '{first}' and '{as_of}'"
    ((sent, delivered, opt_outs),) = mart(
        f"select sum(messages_submitted), sum(messages_delivered), sum(opt_outs) from marts.kpi_daily where {span}"
    )
    assert tile(page, "Texts delivered") == (f"{delivered:,}", f"of {sent:,} sent")
    assert tile(page, "Opt-outs")[0] == format_value(opt_outs / delivered, "share")
    last = max(day for (day,) in mart(f"select kpi_date from marts.kpi_daily where {span}"))
    mature = f"{span} and kpi_date + {label.click_window_days + 1} <= date '{as_of}'"
    ((clicks, clicked_of),) = mart(f"select sum(clicks), sum(messages_delivered) from marts.kpi_daily where {mature}")
    value, detail = tile(page, "Click-through rate")
    assert value == format_value(clicks / clicked_of, "share")
    assert detail.endswith(f"pending until {format_day(mature_day(last, label.click_window_days))}")
    value, detail = tile(page, "Bids of applies after texts")
    assert not is_mature(first, as_of, label.apply_window_days), "this world is too short for mature applies"
    assert (value, detail) == ("–", f"pending until {format_day(mature_day(last, label.apply_window_days))}")


def test_the_headline_is_that_of_the_arms(words, mart, as_of) -> None:
    """This world is younger than the declared minimum, so nothing is claimed, of money neither."""
    rows = mart(
        "select users, applies, lift_date from marts.lift_daily where experiment = 'job_of_the_day' "
        f"and lift_date = date '{as_of}' - 1 order by arm desc"
    )
    (treated, treated_applies, day), (holdout, holdout_applies, _) = rows
    assert f"to {format_day(day)}: {100 * treated_applies / treated:.1f} applies per 100 of {treated:,} people" in words
    assert f"{100 * holdout_applies / holdout:.1f} of {holdout:,} who never are; not known yet" in words
    assert "it is not known yet whether texting gets more applies" in words
    assert "in bids" not in words


def test_no_day_that_is_not_mature_is_a_number(page, mart, lived, as_of) -> None:
    """The marts hold zeros for days whose outcomes are still to come; the page must not."""
    label = lived.home.platform.policies.label
    for title, column, unit, window in (
        ("Click-through rate", "ctr", "share", label.click_window_days),
        ("Bids of applies after texts", "revenue_usd", "usd", label.apply_window_days),
        ("Openings filled", "fill_rate", "share", 0),
    ):
        found = (
            dict(values(page, title))
            if "Values" in page[page.index(f"<h3>{title}</h3>") :].split("</figure>")[0]
            else {}
        )
        rows = mart(f"select kpi_date, {column}, messages_submitted from marts.kpi_daily order by kpi_date")
        seen = 0
        for day, value, sent in rows:
            if not lived.home.settings.days.first_lived_date <= day <= as_of:
                continue
            seen += 1
            if is_mature(day, as_of, window):
                is_known = column != "revenue_usd" or sent
                assert found[day.isoformat()] == format_value(value if is_known else None, unit), (title, day)
            elif found:
                assert found[day.isoformat()] == f"pending until {format_day(mature_day(day, window))}", (title, day)
            else:
                assert f"Pending until {format_day(mature_day(as_of, window))}." in page
        assert seen == 4
    weeks = mart("select arm, is_closed, period_end_date from marts.experiment_readout where period_kind = 'week'")
    assert any(not closed for _, closed, _ in weeks)
    arms = page[page.index("<h3>People with an apply, texted or not</h3>") :].split("</figure>")[0]
    assert "0.00 %" not in arms
    assert re.search("[Pp]ending until", arms)


def test_days_whose_texts_are_known_at_once_are_those_of_the_mart(page, mart, lived, as_of) -> None:
    first = lived.home.settings.days.first_lived_date
    rows = mart(
        "select kpi_date, messages_submitted, messages_delivered, opt_outs from marts.kpi_daily "
        f"where kpi_date between '{first}' and '{as_of}' order by kpi_date"
    )
    assert values(page, "Texts per day") == [(str(day), f"{sent:,}", f"{got:,}") for day, sent, got, _ in rows]
    assert values(page, "Opt-outs per day") == [(str(day), f"{opt_outs:,}") for day, *_, opt_outs in rows]


def test_every_link_of_the_page_leads_to_a_page_of_the_lake(page, lived) -> None:
    folder = lived.home.settings.places.lake
    base = (folder / DASHBOARD).as_uri()
    links = [urlparse(urljoin(base, href)) for href in re.findall(r'<a href="([^"]+)"', page)]
    assert all(link.scheme == "file" for link in links)
    for link in links:
        text = (folder / link.path.removeprefix(folder.as_uri().removeprefix("file://") + "/")).read_text("utf-8")
        assert not link.fragment or f'id="{link.fragment}"' in text, link
    versions = {row["model_version"] for row in lived.home.platform.of_model().registry.versions()}
    assert {(folder / card_key(version)).as_uri() for version in versions} <= {link.geturl() for link in links}


def test_cards_link_back(lived) -> None:
    folder = lived.home.settings.places.lake
    for row in lived.home.platform.of_model().registry.versions():
        here = folder / card_key(row["model_version"])
        hrefs = re.findall(r'<a href="([^"#]+)', here.read_text(encoding="utf-8"))
        assert urljoin(here.as_uri(), hrefs[0]) == (folder / DASHBOARD).as_uri()


def test_the_page_is_that_of_the_marts_as_they_are(page, lived) -> None:
    assert render_dashboard(collect(lived.home.platform)) == page


def test_an_old_deployment_shows_its_newest_days_and_totals_of_all(page, lived, monkeypatch) -> None:
    whole = collect(lived.home.platform)
    monkeypatch.setattr(dashboard, "DAYS_SHOWN", 2)
    cut = collect(lived.home.platform)
    since = add_days(whole.as_of_date, -1)
    assert (cut.first_date, cut.as_of_date, cut.is_cut, whole.is_cut) == (since, whole.as_of_date, True, False)
    daily = ("auc_realised", "map_human", "map_realised")
    for old, new in [(getattr(whole.model, name), getattr(cut.model, name)) for name in daily]:
        assert new == tuple(value for value in old if value.day >= since) != old
    assert cut.production.sent == tuple(one for one in whole.production.sent if one.day >= since) != ()
    assert cut.decisions == tuple(one for one in whole.decisions if one.day >= since) != whole.decisions
    kept = [[value for value in one.values if value.day >= since] for one in whole.model.drift]
    assert [len(one.values) for one in cut.model.drift] == [len(values) for values in kept if values]
    assert (cut.champion, cut.texting, cut.applications) == (whole.champion, whole.texting, whole.applications)
    assert {one.label: one.value for one in cut.kpis if "MAP" not in one.label} == {
        one.label: one.value for one in whole.kpis if "MAP" not in one.label
    }
    assert all(one.is_champion or one.registered_on >= since for one in cut.models)
    note = f"days from <b>{format_day(since, year=True)}</b> on, totals of all"
    assert note in render_dashboard(cut)
    assert f"held back since {format_day(since)}" in render_dashboard(cut)
    assert "totals of all" not in page
    assert "held back since" not in page


@pytest.mark.browser
def test_pages_of_the_lake_have_no_fault(page, look, lived) -> None:
    """Every page in each width and scheme: tests of the page and of the card."""
    registry, phone, desk = lived.home.platform.of_model().registry, (390, "light"), (1280, "dark")
    others = render_dashboard(replace(collect(lived.home.platform), others=OTHERS))
    cards = [(registry.card(row["model_version"]), *phone) for row in registry.versions()]
    heights = []
    for text, width, scheme in ((page, *desk), (others, *desk), (others, *phone), *cards):
        seen = look(text, width, scheme)
        assert (seen.problems, seen.requests, seen.faults) == ([], [], [])
        assert seen.width <= width
        assert len(text) < 1_000_000
        heights.append(seen.height)
    assert heights[0] <= heights[1] <= 4_000
