"""The whole page: self-contained, deterministic, escaped, sensible when empty, quiet in a real browser.

Its headline says how things stand and never calls a gain what is not shown to be one. Each chart shows what it was
given; of the detectors, those that alarm are drawn and all are in the table.
"""

from __future__ import annotations

import html
import re
from dataclasses import replace
from datetime import date, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.pages import Link
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
    Ranking,
    ReportDigest,
    RuleGain,
    Suppression,
    lifecycle_markers,
)
from mlife_assets.recruiting.dashboard.page import (
    alarmed_since,
    detectors,
    drift_panels,
    headline,
    lift_charts,
    model_charts,
    production_charts,
    render_dashboard,
)
from mlife_tests.recruiting.dashboard.conftest import lift_to

if TYPE_CHECKING:
    from playwright.sync_api import Browser

DAY = date(2026, 6, 2)
HOSTILE = "</title></script><script>window.pwned=1</script>\"'><img src=x onerror=window.pwned=1>&\x00\ud800"
VOID = {"meta", "link", "wbr"}

HEADLINE_DAY = date(2026, 6, 10)


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
                HOSTILE, HOSTILE, HOSTILE, DAY, None, "refused", RuleGain(HOSTILE, HOSTILE, values[0]),
                Decision(DAY, "wait", (HOSTILE,)),
            ),
        ),
        suppressions=(Suppression(HOSTILE, 3),),
        reports=(ReportDigest(HOSTILE, DAY, "alarm", HOSTILE, 1, 1, 1, (HOSTILE,)),),
        extra_markers=(Marker(DAY, "rollback", HOSTILE),),
        nav=(Link(HOSTILE, HOSTILE),),
    )  # fmt: skip


def test_page_is_well_formed_and_has_every_part(example_data: DashboardData) -> None:
    page = render_dashboard(example_data)
    nesting = parse(page)
    headings = re.findall(r"<h[123][^>]*>([^<]+)", page)
    parts = ("Day by day", "Monitoring", "The model", "Drift", "Texts", "Decisions", "Model versions")
    parts += ("Lift", "Applications", "Other models")
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
    hurt = OtherModel("loan_risk", "Who defaults", fault="its report is not JSON; materialize it again")
    others = (*example_data.others, OtherModel("loan_risk", "Who defaults"), hurt)
    page = render_dashboard(replace(example_data, others=others))
    first, second, third = page[page.index('id="others"') :].split("<tbody>")[1].split("</tr>")[:3]
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
    assert hurt.fault in third
    assert "none yet" not in third
    assert "no decision yet" not in third
    assert "ther models" not in render_dashboard(replace(example_data, others=()))


def test_applications_have_a_line_each_and_a_single_one_has_no_such_section(example_data: DashboardData) -> None:
    texts = ApplicationFigures("Job <of> the day", "sms", 38_399, 0.172, 0.021, 6_032.0)
    lift = lift_to(-0.1, 0.34)
    mails = ApplicationFigures("Jobs of the week", "email", 339, pending_until=date(2026, 6, 19), lift=lift)
    calls = ApplicationFigures("Calls", "call", 75)
    page = render_dashboard(replace(example_data, applications=(texts, mails, calls)))
    section = page[page.index('id="applications"') : page.index('id="others"')]
    rows = [re.sub(r"<[^>]+>", " ", row).split() for row in section.split("<tbody>")[1].split("</tr>")[:3]]
    words = [html.unescape(" ".join(row)) for row in rows]
    assert words[0].startswith("Job <of> the day text 38,399 17.2 % 2.1")
    assert "pending until 19 Jun pending until 19 Jun" in words[1]
    assert words[1].endswith("not known yet: +12 % (-10 to +34 %); by 3 Aug it reaches ±20 %")
    assert words[2] == "Calls call 75 – – – –"
    assert 'href="#applications"' in page
    assert 'id="applications"' not in render_dashboard(replace(example_data, applications=(texts,)))


def test_versions_link_to_their_cards_and_say_where_they_were_judged(example_data: DashboardData) -> None:
    with_card = replace(example_data.models[0], card="../models/mdl_4f/card.html", judged_in="dev")
    page = render_dashboard(replace(example_data, models=(with_card, example_data.models[1])))
    assert page.count('href="../models/mdl_4f/card.html"') == 2, "as champion and as version"
    assert "promoted in dev" in page
    assert "promoted in" not in render_dashboard(example_data)
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
@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark")])
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


def decisions(*codes: tuple[str, ...]) -> tuple[Decision, ...]:
    """Decisions of consecutive days, the last on `DAY`; a code `fault` makes a block."""
    first = HEADLINE_DAY - timedelta(days=len(codes) - 1)
    return tuple(
        Decision(
            first + timedelta(days=n), "block" if "fault" in names else "wait", ("Reason one.", "Reason two."), names
        )
        for n, names in enumerate(codes)
    )


def version(day: date, outcome: str) -> ModelVersion:
    return ModelVersion(
        f"mdl_{day}", day, HEADLINE_DAY, HEADLINE_DAY, 1, 1, outcome, sentences=("Refused: it is no better.",)
    )  # type: ignore[arg-type]


def told(data: DashboardData) -> str:
    found = headline(data)
    return found.sentence + " " + " ".join(words for _, words in found.evidence)


def texted(data: DashboardData, *bounds: float, earned: tuple[float, float, float] | None = None) -> DashboardData:
    money = None if earned is None else Interval(*earned, 0.95, 10)
    return replace(data, texting=replace(data.texting, lift=lift_to(*bounds, earned=money)))


def test_one_sentence_says_all_three_things(example_data: DashboardData) -> None:
    found = headline(example_data)
    assert found.sentence == (
        "The model ranks jobs 57 % better than the recruiters' rule; nothing that matters drifts; texting gets 32 % "
        "more applies than not texting (19 to 44 %), which brought $8,100 more in bids ($1,200 to $15,000)."
    )
    assert [title for title, _ in found.evidence] == ["Ranking", "Drift", "Texting"]
    assert "MAP@10 0.412 against 0.262" in told(example_data)
    assert "31.8 applies per 100 of 9,120 people who may be texted, 22.9 of 480 who never are" in told(example_data)
    assert "shown: +32 % (+19 to +44 %)" in told(example_data)
    assert "207 opt-outs" in told(example_data)
    assert "It pays while a text costs less than $0.04 to $0.44." in told(example_data)


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        ((-0.1, 0.34), "it is not known yet whether texting gets more applies."),
        ((-0.34, -0.1), "texting gets 22 % fewer applies than not texting (10 to 34 %)."),
    ],
)
def test_a_lift_that_is_not_shown_is_no_gain_and_no_money(
    example_data: DashboardData, bounds: tuple[float, float], words: str
) -> None:
    data = texted(example_data, *bounds)
    assert headline(data).sentence.endswith(words)
    assert "$" not in told(data)
    unknown = texted(example_data, -0.1, 0.34, earned=(8_100.0, 1_200.0, 15_000.0))
    assert "$" not in told(unknown), "money comes after applies"
    assert "by 3 Aug it reaches ±20 %" in told(unknown)


def test_a_blanked_holdout_says_nothing_of_texting_but_why(example_data: DashboardData) -> None:
    lift = example_data.texting.lift
    blanked = replace(lift, looks=(*lift.looks[:-1], replace(lift.newest, claim="blanked", lift=None, earned=None)))
    data = replace(example_data, texting=replace(example_data.texting, lift=blanked))
    assert "what texting is worth cannot be said, since its holdout is not as it should be" in told(data)
    assert "5.0 % of 9,600 people are in the holdout and 5.0 % should be" in told(data)
    assert "more applies" not in told(data)
    assert "applies per 100" not in told(data)
    drawn = str(lift_charts(replace(data, applications=(replace(data.applications[0], lift=blanked),))))
    assert "<svg" not in drawn
    assert "of 9,600 people are in the holdout" in drawn


@pytest.mark.parametrize(
    ("earned", "words"),
    [
        ((8_100.0, -700.0, 15_000.0), "which is not shown to change bids (-$700 to $15,000)."),
        ((-900.0, -1_500.0, -300.0), "which cost $900 in bids."),
    ],
)
def test_money_that_is_not_shown_to_be_a_gain_is_none(
    example_data: DashboardData, earned: tuple[float, float, float], words: str
) -> None:
    data = texted(example_data, 0.19, 0.44, earned=earned)
    assert headline(data).sentence.endswith(words)
    assert "brought" not in told(data)
    assert "It pays" not in told(data)


def test_without_money_or_texts_nothing_is_said_about_bids(example_data: DashboardData) -> None:
    silent = replace(example_data, texting=replace(example_data.texting, texts=0))
    for data in (texted(example_data, 0.19, 0.44), silent):
        assert "$" not in told(data)


def test_lift_is_drawn_to_date_and_open_days_are_open(example_data: DashboardData) -> None:
    young = replace(example_data.texting.lift, looks=example_data.texting.lift.looks[:5])
    applications = (replace(example_data.applications[0], lift=young),)
    assert str(lift_charts(replace(example_data, applications=applications))) == "", "before the declared minimum"
    drawn = str(lift_charts(example_data))
    assert drawn.count("<figure") == 2, "calls have no holdout that is compared"
    assert "pending until 23 Jun" in drawn
    assert "<h3>Job of the day</h3>" in drawn
    whole = render_dashboard(example_data)
    assert "20 % is recommended, which shows +20 % after 47 days; it has 5 %." in whole
    assert "Applies over its holdout" in whole


@pytest.mark.parametrize(
    ("model", "human", "bounds", "words"),
    [
        (0.36, 0.3, (0.01, 0.11), "ranks jobs 20 % better than"),
        (0.36, 0.3, (-0.01, 0.13), "is not shown to rank jobs better than"),
        (0.36, 0.3, None, "is not shown to rank jobs better than"),
        (0.305, 0.3, (0.001, 0.009), "ranks jobs about as well as"),
        (0.295, 0.3, None, "ranks jobs about as well as"),
        (0.29, 0.3, None, "ranks jobs worse than"),
        (0.1, 0.0, (0.05, 0.15), "ranks jobs better than"),
        (0.0, 0.0, None, "ranks jobs about as well as"),
    ],
)
def test_a_model_is_better_only_where_that_is_shown(
    example_data: DashboardData, model: float, human: float, bounds: tuple[float, float] | None, words: str
) -> None:
    gain = None if bounds is None else Interval(model - human, *bounds, 0.95, 5)
    data = replace(example_data, ranking=Ranking(HEADLINE_DAY, HEADLINE_DAY, 5, model, human, gain))
    assert headline(data).sentence.startswith(f"The model {words} the recruiters' rule; ")
    assert ("The mean difference of a day is" in told(data)) == (gain is not None)


def test_drift_lasts_because_of_a_refusal_or_waits_or_outlasts_a_new_model() -> None:
    drifting = decisions((), ("data_alarm",), ("data_alarm",), ("fault",), ("concept_alarm",))
    since = HEADLINE_DAY - timedelta(days=3)
    data = DashboardData(HEADLINE_DAY, HEADLINE_DAY - timedelta(days=9), decisions=drifting)
    assert alarmed_since(drifting) == since, "a blocked day does not end it"
    assert "drift since 7 Jun is not answered yet" in told(data)
    before = version(since - timedelta(days=1), "refused")
    assert "not answered yet" in told(replace(data, models=(before,)))
    refused = (version(since, "refused"), version(HEADLINE_DAY, "refused"))
    words = told(replace(data, models=(before, *refused)))
    assert "drift since 7 Jun lasts because the gate refused the models trained on 7 Jun and 10 Jun" in words
    assert "The gate on 10 Jun: Refused: it is no better." in words
    thin = told(replace(data, models=(version(HEADLINE_DAY, "not_enough_evidence"),)))
    assert "lasts because there was not enough evidence for the model trained on 10 Jun" in thin
    promoted = told(replace(data, models=(version(since, "refused"), version(HEADLINE_DAY, "promoted"))))
    assert "drift since 7 Jun outlasts the new model of 10 Jun" in promoted


def test_drift_of_the_past_or_of_no_importance_does_not_last() -> None:
    over = decisions(("data_alarm",), ("data_alarm_unimportant",))
    assert alarmed_since(over) is None
    assert "nothing that matters drifts" in told(DashboardData(HEADLINE_DAY, HEADLINE_DAY, decisions=over))


@pytest.mark.parametrize(
    ("undecided", "code", "words"),
    [
        (("concept_drift_report",), "no_drift", "no drift is shown; concept drift could not be judged;"),
        (
            ("data_drift_report", "latent_drift_report", "concept_drift_report"),
            "no_drift",
            "no drift is shown; data drift, latent drift and concept drift could not be judged;",
        ),
        (
            ("latent_drift_report", "concept_drift_report"),
            "data_alarm_unimportant",
            "no drift that matters is shown; latent drift and concept drift could not be judged;",
        ),
    ],
)
def test_drift_that_could_not_be_judged_is_not_said_to_be_none(
    undecided: tuple[str, ...], code: str, words: str
) -> None:
    known = ReportDigest("data_quality_report", HEADLINE_DAY, "ok", "All is well.", 10, 1, 0)
    reports = (known, *(replace(known, name=name, status="not_enough_evidence") for name in undecided))
    data = DashboardData(HEADLINE_DAY, HEADLINE_DAY, decisions=decisions((code,)), reports=reports)
    assert words in headline(data).sentence
    assert "nothing that matters drifts" not in told(data)
    assert "nothing that matters drifts" in told(replace(data, reports=(known,)))


def test_a_day_whose_data_could_not_be_judged_is_not_called_faulty() -> None:
    blocked = Decision(HEADLINE_DAY, "block", ("Blocked: no report.",), ("quality_unknown",))
    words = told(DashboardData(HEADLINE_DAY, HEADLINE_DAY, decisions=(blocked,)))
    assert "the day is blocked because its data could not be judged" in words
    assert "faulty" not in words


def test_a_blocked_day_is_said_first() -> None:
    data = DashboardData(HEADLINE_DAY, HEADLINE_DAY, decisions=decisions(("data_alarm",), ("fault",)))
    assert "faulty data blocks the day" in told(data)
    assert "10 Jun: Reason one." in told(data)


def test_the_first_day_says_that_nothing_is_known() -> None:
    found = headline(DashboardData(HEADLINE_DAY, HEADLINE_DAY))
    assert found.sentence.startswith("No day is mature enough yet")
    assert "nothing was decided yet; it is not known yet what texting is worth" in found.sentence
    assert found.evidence == ()


def series(data: DashboardData, name: str, kind: str, ratio: float, days_ago: int) -> DriftSeries:
    last = data.as_of_date
    values = (DriftValue(last - timedelta(days=days_ago), ratio, 1.0, ratio > 1), DriftValue(last, 0.5, 1.0, False))
    return DriftSeries(name, kind, values if days_ago else values[:1])  # type: ignore[arg-type]


def test_clicks_are_drawn_beside_applies(example_data: DashboardData) -> None:
    clicks = tuple(DailyValue(value.day, 0.871) for value in example_data.model.auc_realised)
    with_clicks = replace(example_data, model=replace(example_data.model, click_auc_realised=clicks))
    assert "0.871" in model_charts(with_clicks, ())
    assert "0.871" not in model_charts(example_data, ())


def test_one_detector_of_each_kind_that_alarms_is_drawn_first(example_data: DashboardData) -> None:
    found = (
        series(example_data, "A", "concept", 5.0, 0),
        series(example_data, "B", "concept", 4.0, 0),
        series(example_data, "C", "concept", 3.0, 0),
        series(example_data, "D", "data", 2.0, 3),
        series(example_data, "E", "latent", 9.0, 20),
    )
    page = drift_panels(replace(example_data, model=replace(example_data.model, drift=found)), ())
    assert [name for name in "ABCDE" if f"<h3>{name}</h3>" in page] == ["A", "B", "D"]
    assert page.index("<h3>A</h3>") < page.index("<h3>D</h3>") < page.index("<h3>B</h3>")
    quiet = replace(example_data.model, drift=(series(example_data, "A", "data", 0.3, 0),))
    assert drift_panels(replace(example_data, model=quiet), ()) == ""


def test_every_detector_is_in_the_table_in_units_of_its_limit(example_data: DashboardData) -> None:
    rows = detectors(example_data)
    assert len(rows) == len(example_data.model.drift)
    alarms = {d.name: sorted(v.day for v in d.values if v.is_alarm) for d in example_data.model.drift}
    for row in rows:
        known = next(d for d in example_data.model.drift if d.name == row.name)
        newest = max(known.values, key=lambda v: v.day)
        assert row.newest == f"{newest.statistic / newest.threshold:.2f}"
        assert row.highest == f"{max(v.statistic / v.threshold for v in known.values):.2f}"
        assert row.alarms.startswith(f"{len(alarms[row.name])} of 34 days" if alarms[row.name] else "none")
    counts = [len(alarms[row.name]) for row in rows]
    assert counts == sorted(counts, reverse=True)


def test_detectors_without_a_value_or_a_limit_say_nothing(example_data: DashboardData) -> None:
    empty = DriftSeries("A", "data", (DriftValue(example_data.as_of_date, None, 1.0, False),))
    unlimited = DriftSeries("B", "data", (DriftValue(example_data.as_of_date, 1.0, None, False),))
    rows = detectors(replace(example_data, model=replace(example_data.model, drift=(empty, unlimited))))
    assert [(row.newest, row.highest) for row in rows] == [("–", "0.00")] * 2


def test_days_that_are_not_mature_are_pending_and_not_zero(example_data: DashboardData) -> None:
    page = production_charts(example_data)
    assert "pending until 1 Jul" in page
    assert "revenue: $0.00" not in page
    assert "pending until 1 Jul" in model_charts(example_data, lifecycle_markers(example_data))
