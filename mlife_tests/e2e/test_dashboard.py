"""The dashboard held against the marts, the audit of fairness, and a day with faults.

`mlife_tests/e2e/test_lived_days.py` recomputes the marts from the log; here the page is held against the marts.
"""

from __future__ import annotations

import html
import re
import stat
from dataclasses import replace
from datetime import date
from pathlib import Path
from urllib.parse import urljoin, urlparse

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from mlife_assets.components.graph import keys
from mlife_assets.components.messages import planning
from mlife_assets.components.metrics import dashboard
from mlife_assets.components.metrics.dashboard import collect
from mlife_assets.components.model.challengers import PROMOTION_REPORT
from mlife_assets.components.model.fairness import (
    FAIRNESS_REPORT,
    FOLDS_REPORT,
    audit_folds,
    audit_model,
    audited_pairs,
    audited_users,
    day_fairness_conditions,
)
from mlife_assets.components.model.retrain_decision import decision_rows
from mlife_assets.components.monitoring.inputs import SAMPLE_TABLE
from mlife_assets.components.predictions.scores import CANDIDATES_TABLE
from mlife_assets.core.pages.charts.scales import format_day, format_value
from mlife_assets.core.pages.charts.values import DailyValue
from mlife_assets.core.pages.document import DASHBOARD, card_key
from mlife_assets.core.statistics import Sums, mean_difference_interval
from mlife_assets.core.training.fairness.audit import CONDITION, fairness_condition
from mlife_assets.core.training.fairness.results import ETHNICITIES, SEXES, FairnessAudit
from mlife_assets.core.training.training_set import gate_days
from mlife_assets.core.windows import add_days, is_mature, mature_day
from mlife_assets.recruiting.dashboard.data import Decision, OtherModel, RuleGain
from mlife_assets.recruiting.dashboard.page import render_dashboard

DAY = date(2026, 6, 2)
OTHERS = tuple(
    OtherModel(
        name, "Who will not come back", "mdl_7d09ce5518aa2b6e4f10", DAY, outcome="promoted",
        gain=RuleGain("average precision", "least_recently_seen_v1", DailyValue(DAY, 0.108, 0.095, 0.12)),
        decision=Decision(DAY, "wait", ("The domain classifier finds today among the reference: AUC 0.52 of 0.55.",)),
    )
    for name in ("churn_risk", "loan_default_within_a_year")
)  # fmt: skip
"""Two models beside the first, whose lines may not make the page too long or too wide."""
COLUMNS = {"sex", "race_ethnicity", "race", "ethnicity", "gender"}
ANSWERS = {*SEXES, *ETHNICITIES}


@pytest.fixture(scope="module")
def page(lived) -> str:
    return (lived.home.settings.lake_place / DASHBOARD).read_text(encoding="utf-8")


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
    first = lived.home.settings.first_lived_date
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


def test_the_headline_is_that_of_the_readout(words, mart, lived) -> None:
    rows = mart(
        "select arm, eligible_users, users_with_apply, bids_usd, bids_usd_squared from marts.experiment_readout "
        "where period_kind = 'total' order by arm desc"
    )
    (_, treated, treated_apply, *treated_bids), (_, holdout, holdout_apply, *holdout_bids) = rows
    lift = treated_apply / treated - holdout_apply / holdout
    assert f"{format_value(treated_apply / treated, 'share')} of {treated:,} people who may be texted" in words
    assert f"{format_value(holdout_apply / holdout, 'share')} of {holdout:,} who never are" in words
    assert f"a difference of {100 * lift:+.1f} points (" in words
    earned = mean_difference_interval(Sums(treated, *treated_bids), Sums(holdout, *holdout_bids))
    low, middle, high = (treated * one for one in (earned.lower, earned.estimate, earned.upper))
    if low > 0:
        assert f"texts earned ${middle:,.0f} in bids (${low:,.0f} to ${high:,.0f})" in words
    elif high < 0:
        assert f"and cost ${-middle:,.0f} in bids (${-high:,.0f} to ${-low:,.0f})" in words
    else:
        sign = "-" if low < 0 else ""
        assert f"and is not shown to earn anything ({sign}${abs(low):,.0f} to ${high:,.0f} in bids)" in words
        assert "It pays" not in words


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
            if not lived.home.settings.first_lived_date <= day <= as_of:
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
    first = lived.home.settings.first_lived_date
    rows = mart(
        "select kpi_date, messages_submitted, messages_delivered, opt_outs from marts.kpi_daily "
        f"where kpi_date between '{first}' and '{as_of}' order by kpi_date"
    )
    assert values(page, "Texts per day") == [(str(day), f"{sent:,}", f"{got:,}") for day, sent, got, _ in rows]
    assert values(page, "Opt-outs per day") == [(str(day), f"{opt_outs:,}") for day, *_, opt_outs in rows]


def test_every_link_of_the_page_leads_to_a_page_of_the_lake(page, lived) -> None:
    folder = lived.home.settings.lake_place
    base = (folder / DASHBOARD).as_uri()
    links = [urlparse(urljoin(base, href)) for href in re.findall(r'<a href="([^"]+)"', page)]
    assert all(link.scheme == "file" for link in links)
    for link in links:
        text = (folder / link.path.removeprefix(folder.as_uri().removeprefix("file://") + "/")).read_text("utf-8")
        assert not link.fragment or f'id="{link.fragment}"' in text, link
    versions = {row["model_version"] for row in lived.home.platform.registry.versions()}
    assert {(folder / card_key(version)).as_uri() for version in versions} <= {link.geturl() for link in links}


def test_cards_link_back(lived) -> None:
    folder = lived.home.settings.lake_place
    for row in lived.home.platform.registry.versions():
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
    assert [len(one.values) for one in cut.model.drift] == [len(one.values[-2:]) for one in whole.model.drift]
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
@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark")])
def test_pages_of_the_lake_have_no_fault(page, look, lived, width, scheme) -> None:
    cards = [lived.home.platform.registry.card(row["model_version"]) for row in lived.home.platform.registry.versions()]
    others = render_dashboard(replace(collect(lived.home.platform), others=OTHERS))
    for text in (page, others, *cards):
        seen = look(text, width, scheme)
        assert (seen.problems, seen.requests, seen.faults) == ([], [], [])
        assert seen.width <= width
        assert len(text) < 1_000_000
    assert look(page).height <= look(others).height <= 4_000


def training_days(lived) -> list:
    return lived.home.platform.tables.report_days("challenger")


def test_every_challenger_was_audited_and_the_gate_read_it(lived) -> None:
    tables = lived.home.platform.tables
    days = training_days(lived)
    assert len(days) >= 2
    assert days[0] == add_days(lived.home.settings.first_lived_date, -1), "the first, before any day was scored"
    for day in days:
        version = tables.read_report("challenger", day)["model_version"]
        audit = FairnessAudit.from_report(tables.read_report(FAIRNESS_REPORT, day))
        assert audit.model_version == version
        assert audit.compared
        conditions = {one["name"]: one for one in tables.read_report(PROMOTION_REPORT, day)["conditions"]}
        expected = fairness_condition(audit, version)
        assert conditions[CONDITION]["sentence"] == expected.sentence
        assert conditions[CONDITION]["is_met"] == expected.is_met
        assert expected.is_met, "the market treats nobody by sex or race"
        by_folds = fairness_condition(FairnessAudit.from_report(tables.read_report(FOLDS_REPORT, day)), version)
        assert conditions[f"{CONDITION}_by_folds"]["sentence"] == f"On the weeks of the folds: {by_folds.sentence}"
        assert conditions[f"{CONDITION}_by_folds"]["is_met"] == by_folds.is_met


def test_a_day_without_an_audit_is_refused(lived) -> None:
    conditions = day_fairness_conditions(lived.home.platform, add_days(training_days(lived)[0], -1), "mdl_any")
    assert [one.name for one in conditions] == [CONDITION, f"{CONDITION}_by_folds"]
    for condition in conditions:
        assert not condition.is_met
        assert "no fairness audit" in condition.sentence


def test_the_audited_pairs_are_those_that_may_be_texted_about(lived) -> None:
    """Everybody is scored; audited is what the model does to those whom a text can reach."""
    platform, day = lived.home.platform, lived.home.day(1)
    users, scored = audited_users(platform, day), platform.tables.read(CANDIDATES_TABLE, day)
    texted = scored.filter(pc.and_(scored["is_consented"], pc.is_valid(scored["time_zone"])))
    assert audited_pairs(platform, day, users).equals(texted)
    assert 0 < texted.num_rows < scored.num_rows


def test_an_audit_repeats_to_the_byte(lived) -> None:
    platform, day = lived.home.platform, training_days(lived)[0]
    version = platform.tables.read_report("challenger", day)["model_version"]
    stored = FairnessAudit.from_report(platform.tables.read_report(FAIRNESS_REPORT, day))
    assert audit_model(platform, version, day) == stored
    by_folds = FairnessAudit.from_report(platform.tables.read_report(FOLDS_REPORT, day))
    assert audit_folds(platform, version, day) == by_folds != stored


def test_by_folds_every_user_is_audited_once_in_a_week_of_their_own(lived) -> None:
    """Users of several weeks would count several times, and bounds would be too narrow."""
    platform, day = lived.home.platform, training_days(lived)[-1]
    version = platform.tables.read_report("challenger", day)["model_version"]
    audit = audit_folds(platform, version, day)
    assert audit is not None
    ranked = gate_days(day, platform.model.maturity_days, platform.model.promotion)
    reachable = [audited_users(platform, one) for one in ranked]
    most = {user for users in reachable for user in users["user_id"].to_pylist()}
    assert 0.8 * min(users.num_rows for users in reachable) < audit.users <= len(most)
    assert sum(users.num_rows for users in reachable) > 1.8 * audit.users


def test_the_asset_shows_aggregates_and_a_warning_at_most(lived, tmp_path) -> None:
    home = lived.home.copy_to(tmp_path / "copy")
    result = home.run_assets(training_days(lived)[0], keys.FAIRNESS_AUDIT)
    shown = result.asset_materializations_for_node("model__fairness_audit")[0].metadata
    text = repr(shown)
    assert "usr_" not in text
    assert {"impact_by_sex", "impact_by_race_ethnicity", "impact_by_sex_and_race_ethnicity"} <= set(shown)
    assert "data:image/png" in shown["impact_ratios"].value
    (check,) = result.get_asset_check_evaluations()
    assert check.passed
    assert check.severity.value == "WARN"


def test_no_answer_leaves_the_restricted_table(lived) -> None:
    """Neither as a column nor as a value, in landing files, lake, truth tables or the warehouse."""
    folder: Path = lived.home.folder
    restricted = folder / "private" / "audit_attributes.parquet"
    assert stat.S_IMODE(restricted.stat().st_mode) == 0o600
    files = [path for path in sorted(folder.rglob("*.parquet")) if path != restricted]
    assert len(files) > 50
    for path in files:
        schema = pq.read_schema(path)
        assert not COLUMNS & set(schema.names), path
        for place, field in enumerate(schema):
            if pa.types.is_string(field.type) and field.name not in {"body"}:
                seen = pq.ParquetFile(path).read(columns=[schema.names[place]])[0].unique().to_pylist()
                assert not ANSWERS & set(seen), f"{path}: {field.name}"


def test_no_mart_holds_an_answer(lived) -> None:
    for name in ("user_features", "job_features", "labelled_examples"):
        day = lived.home.day(1)
        table = lived.home.platform.warehouse.read(name, start=day, end=day)
        assert not COLUMNS & set(table.column_names), name


@pytest.mark.parametrize("suffix", ["json", "jsonl"])
def test_json_outside_the_audit_report_names_no_category(lived, suffix: str) -> None:
    for path in sorted((lived.home.folder / "lake").rglob(f"*.{suffix}")):
        text = path.read_text(encoding="utf-8", errors="replace")
        if not {FAIRNESS_REPORT, FOLDS_REPORT} & set(path.parts):
            told = [name for name in ETHNICITIES[2:] if name in text]
            is_verdict = f"/reports/{PROMOTION_REPORT}/" in path.as_posix()
            assert is_verdict or not told, path
            assert "race_ethnicity" not in text, path


@pytest.fixture(scope="module")
def unchanged(lived, tmp_path_factory):
    """Return a copy of the lived home for what leaves it as it was."""
    return lived.home.copy_to(tmp_path_factory.mktemp("faulty_day") / "home")


def files(home) -> list[str]:
    """Return what the lake holds."""
    return sorted(str(path) for path in home.settings.lake_place.rglob("*"))


def test_retraining_on_a_faulty_day_stops_before_a_model_is_made(unchanged, lived_world) -> None:
    day = unchanged.day(lived_world.FAULT_DAY)
    versions = unchanged.platform.registry.versions()
    with unchanged.driver() as driver:
        run = driver.run_day("retraining_job", day)
    assert not run.is_success
    assert run.failed_steps == ("model__training_set_training_set_comes_from_a_sound_day",)
    assert unchanged.platform.registry.versions() == versions
    assert unchanged.platform.event_log.read("promotion_decided", start=day, end=day).num_rows == 0


@pytest.mark.parametrize(
    ("asset", "node"),
    [
        (keys.USER_JOB_SCORES, "predictions__user_job_scores"),
        (keys.CANDIDATE_MODEL, "model__candidate_model"),
        (keys.FOLD_MODELS, "model__fold_models"),
        (keys.CHAMPION_MODEL, "model__champion_model"),
        (keys.MESSAGE_PLAN, "messages__message_plan"),
    ],
)
def test_what_acts_verifies_the_day_itself_when_the_check_was_stepped_over(
    unchanged, lived_world, monkeypatch, asset, node
) -> None:
    """A blocking check gates only its own run. Somebody who materializes the next asset by hand meets another gate."""
    monkeypatch.setattr(planning, "require_present_day", lambda platform, day: None)
    day = unchanged.day(lived_world.FAULT_DAY)
    before = files(unchanged)
    result = unchanged.run_assets(day, asset, raise_on_error=False)
    failure = result.failure_data_for_node(node)
    assert f"data quality of {day} is not sound" in failure.user_failure_data.description
    assert files(unchanged) == before


def test_a_range_of_decisions_is_refused(unchanged, lived_world) -> None:
    """Backfilling what decides would decide days in one breath; raw events and features are what a range is for."""
    with unchanged.driver() as driver:
        run = driver.run_range("retraining_job", unchanged.day(1), unchanged.day(2))
    assert not run.is_success
    assert "decides for one day" in run.errors[0]


def test_a_day_that_others_followed_is_neither_planned_nor_sent(copied, lived_world) -> None:
    """Its texts would be late, and outside the caps of the days between."""
    for asset, node in (
        (keys.MESSAGE_PLAN, "messages__message_plan"),
        (keys.MESSAGE_DELIVERIES, "messages__message_deliveries"),
    ):
        result = copied.run_assets(copied.day(1), asset, raise_on_error=False)
        message = result.failure_data_for_node(node).user_failure_data.description
        assert f"{copied.day(1)} is over, {copied.day(lived_world.DAYS)} has landed" in message


def test_a_day_without_pairs_gets_reports_and_a_verdict(copied, lived_world) -> None:
    """Drift of nothing is not judged, and the quality fault still blocks: no verdict would be no answer at all."""
    day = copied.day(lived_world.FAULT_DAY)
    sample = copied.platform.tables.read(SAMPLE_TABLE, day)
    copied.platform.tables.write(SAMPLE_TABLE, day, sample.slice(0, 0))
    copied.run_assets(day, keys.DATA_DRIFT_REPORT, keys.LATENT_DRIFT_REPORT, keys.RETRAIN_DECISION)
    for name in ("data_drift_report", "latent_drift_report"):
        report = copied.platform.read_monitoring_report(name, day)
        assert (report.status, report.sample_rows) == ("not_enough_evidence", 0)
        assert "0 pairs were sampled" in report.sentence
    decided = {row["as_of_date"]: row for row in decision_rows(copied.platform)}[day]
    assert decided["verdict"] == "block"
