"""What the UI shows: figures that keep their names, metadata, the simulated present, verdicts on versions."""

from __future__ import annotations

import base64
import math
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pydantic import ValidationError

from mlife_assets.components.metrics.dashboard import _models
from mlife_assets.components.shown.figures import (
    champion_figures,
    figures,
    impact_figures,
    kpi_figures,
    lift_figures,
    opt_outs_per_thousand,
    report_figures,
    report_glance,
    report_verdict,
    sending_figures,
    value_figures,
    verdict_figures,
    verdict_glance,
)
from mlife_assets.components.shown.metadata import (
    TABLE_ROWS_MAXIMUM,
    message_links,
    page_link,
    plot,
    runbook_link,
    table,
    wide_table,
    worded_link,
)
from mlife_assets.components.shown.present import STEP, newest_day, next_day, operator_time
from mlife_assets.components.shown.says_why import DATA_DRIFT
from mlife_assets.components.shown.verdicts import imports, last_verdict, outcome_words, verdicts
from mlife_assets.core.monitoring.reports import Finding, conclude, undecided
from mlife_assets.core.statistics import Interval
from mlife_assets.core.training.fairness.results import FairnessAudit, ImpactRow, ImpactTable
from mlife_assets.core.training.gate import Comparison
from mlife_assets.core.training.reliability import Calibration
from mlife_assets.core.windows import add_days, run_time
from mlife_assets.deployments.board_ports import BoardPorts, board_ports
from mlife_assets.deployments.times import OPERATOR_DELAY
from mlife_assets.recruiting.dashboard.data import Lift, ModelVersion
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.lift import ArmsOfDay, ArmSums, Look
from mlife_assets.recruiting.messaging.states import SendState
from mlife_assets.recruiting.policies import Policies, PricePolicy
from mlife_assets.recruiting.ports import LedgerRow
from mlife_assets.settings import Settings

DAY = date(2026, 6, 10)
PRICE = PricePolicy(text_segment_usd=0.01)
COMPARISONS = (
    Comparison("human", "rule", 0.45, 0.32, Interval(0.13, 0.11, 0.15, 0.95, 900), 0.0, 0.0),
    Comparison("simple", "simple_rule", 0.45, 0.43, Interval(0.02, 0.01, 0.03, 0.95, 900), 0.0, 0.0),
    Comparison("champion", "mdl_a", 0.45, 0.44, Interval(0.01, -0.002, 0.022, 0.95, 900), 0.0, 0.0),
    Comparison("random", "random", 0.45, 0.1, Interval(0.35, 0.33, 0.37, 0.95, 900), 0.0, 0.0),
)
ROW = {"name": "a", "count": 3, "share": 0.1234567891, "flag": True, "day": date(2026, 6, 2), "nothing": None}
NOW = datetime(2026, 6, 12, 22, tzinfo=UTC)


def numbers(found: dict[str, dg.MetadataValue]) -> dict[str, Any]:
    kinds = (dg.FloatMetadataValue, dg.IntMetadataValue)
    return {name: value.value for name, value in found.items() if isinstance(value, kinds)}


def test_numbers_are_numbers_of_six_digits_and_what_is_not_known_is_absent() -> None:
    found = figures({"rate": 0.123456789, "count": 3, "none": None, "nan": float("nan"), "inf": float("inf")})
    assert found == {"rate": dg.MetadataValue.float(0.123457), "count": dg.MetadataValue.int(3)}


def test_a_verdict_gives_each_side_and_the_differences_with_bounds() -> None:
    slope = Calibration(1.05, 1.0, 1.1, 0.0, math.log(0.9), math.log(1.2), 0.01, 90, 900, ())
    gain = Interval(0.002, 0.001, 0.003, 0.95, 500)
    assert numbers(verdict_figures(COMPARISONS, 10, slope, gain)) == {
        "map_at_10_challenger": 0.45, "map_at_10_human": 0.32, "map_at_10_delta_human": 0.13,
        "map_at_10_delta_human_lower": 0.11, "map_at_10_delta_human_upper": 0.15, "map_at_10_simple": 0.43,
        "map_at_10_delta_simple": 0.02, "map_at_10_delta_simple_lower": 0.01, "map_at_10_delta_simple_upper": 0.03,
        "map_at_10_champion": 0.44, "map_at_10_delta_champion": 0.01, "map_at_10_delta_champion_lower": -0.002,
        "map_at_10_delta_champion_upper": 0.022, "map_at_10_random": 0.1, "calibration_slope": 1.05,
        "calibration_slope_lower": 1.0, "calibration_slope_upper": 1.1, "calibration_level": 1.0,
        "calibration_level_lower": 0.9, "calibration_level_upper": 1.2, "log_loss_gain_nats": 0.002,
        "log_loss_gain_nats_lower": 0.001, "log_loss_gain_nats_upper": 0.003,
    }  # fmt: skip


def test_a_verdict_without_a_comparison_has_no_number_and_no_forest() -> None:
    assert verdict_figures((), 10, None, None) == {}
    assert verdict_glance((), "MAP@10") == {}


def test_the_forest_of_a_verdict_holds_the_rivals_and_the_margin() -> None:
    shown = verdict_glance(COMPARISONS, "MAP@10")["challenger_minus_rival"].value
    rivals = (
        "human: +0.130 (+0.110 to +0.150)",
        "simple: +0.020 (+0.010 to +0.030)",
        "champion: +0.010 (-0.002 to +0.022)",
    )
    for words in (*rivals, "upright: margin 0"):
        assert f">{words}<" in shown.replace("%3C", "<").replace("%3E", ">")
    assert "random" not in shown


@pytest.mark.parametrize(
    ("outcome", "rivals", "expected"),
    [
        ("promoted", 4, {"map_at_10_champion": 0.45, "map_at_10_human": 0.32, "map_at_10_simple": 0.43}),
        ("refused", 4, {"map_at_10_champion": 0.44, "map_at_10_human": 0.32, "map_at_10_simple": 0.43}),
        ("promoted", 1, {"map_at_10_champion": 0.45, "map_at_10_human": 0.32}),
        ("refused", 0, {}),
    ],
)
def test_the_champion_is_the_challenger_where_it_was_promoted(outcome: str, rivals: int, expected: dict) -> None:
    """A verdict of a release without a simple rule has no figure of it, and a first challenger leaves nobody."""
    compared = [
        {"against": one.against, "challenger_map": one.challenger_map, "other_map": one.other_map}
        for one in COMPARISONS[:rivals]
    ]
    report = {"outcome": outcome, "depth": 10, "comparisons": compared}
    assert numbers(champion_figures(report, 3)) == {**expected, "reigns": 3}


def test_a_report_says_how_far_it_is_from_its_limits_and_one_that_was_not_judged_says_nothing() -> None:
    findings = [
        Finding("data", "pay", "ks", 0.6, 0.2, True, "x"),
        Finding("data", "distance", "ks", 0.1, 0.2, False, "x"),
    ]
    report = conclude("r", as_of=DAY, model_version="m", sample_rows=1, findings=findings, ok="", alarm="")
    assert numbers(report_figures(report, "data_")) == {"data_worst_ratio_to_limit": 3.0, "data_alarms": 1}
    assert "pay: 3 x limit" in report_glance(report)["nearest_to_limit"].value
    assert report_verdict(report) == "alarm: 1 of 2 beyond their limits; 3.00 x limit, pay"
    silent = undecided("r", as_of=DAY, model_version="m", sample_rows=0, sentence="too few")
    assert report_figures(silent) == {}
    assert report_glance(silent) == {}
    assert report_verdict(silent) == "not enough evidence"


def ledger_row(number: int, state: SendState) -> LedgerRow:
    now = datetime(2026, 6, 10, 18, tzinfo=UTC)
    return LedgerRow(f"m{number}", "u", "j", "c", DAY, "A text.", state, 1, None, now)


def test_only_texts_that_the_provider_took_are_sends_and_cost() -> None:
    found = {state.value: numbers(sending_figures([ledger_row(1, state)], PRICE)) for state in SendState}
    taken, left = {"sends": 1, "spend_usd": 0.01}, {"sends": 0, "spend_usd": 0.0}
    billed = {"accepted", "delivered", "undelivered"}
    assert found == {state.value: taken if state.value in billed else left for state in SendState}
    rows = [ledger_row(number, SendState.DELIVERED) for number in range(4)]
    assert numbers(sending_figures(rows, PRICE)) == {"sends": 4, "spend_usd": 0.04}


def kpi(day: int, sends: int, revenue: float) -> dict[str, Any]:
    rates = {"ctr": 0.2, "apply_rate": None}
    return {"kpi_date": date(2026, 6, day), "messages_submitted": sends, "revenue_usd": revenue, **rates}


def test_kpis_are_those_of_mature_days_on_which_we_texted() -> None:
    rows = [kpi(1, 9, 9.0), kpi(2, 100, 5.0), kpi(4, 300, 40.0), kpi(3, 200, 0.0), kpi(5, 0, 0.0), kpi(6, 7, 0.0)]
    found = kpi_figures(rows, date(2026, 6, 2), date(2026, 6, 5), PRICE)
    assert found["mature_day"].value == "2026-06-04"
    assert numbers(found) == {
        "sends": 300, "spend_usd": 3.0, "revenue_usd": 40.0, "click_through_rate": 0.2, "sends_to_date": 600,
        "spend_usd_to_date": 6.0, "revenue_usd_to_date": 45.0,
    }  # fmt: skip
    assert "02 Jun to 04 Jun, at most $40 a day" in found["revenue_by_day"].value
    assert kpi_figures(rows, date(2026, 6, 2), date(2026, 6, 1), PRICE) == {}


def test_opt_outs_are_of_seven_days_and_of_delivered_texts() -> None:
    rows = [
        {"kpi_date": date(2026, 6, day), "messages_delivered": delivered, "opt_outs": stops}
        for day, delivered, stops in ((3, 900, 900), (4, 300, 3), (9, None, None), (10, 100, 5), (11, 50, 50))
    ]
    assert opt_outs_per_thousand(rows, date(2026, 6, 10)) == pytest.approx(20)
    assert opt_outs_per_thousand(rows[2:3], date(2026, 6, 10)) is None, "a day without texts says nothing"


def test_a_lift_is_plotted_with_its_bounds_and_told() -> None:
    arms = ArmsOfDay(date(2026, 6, 20), ArmSums(9_500, 900, 1_200), ArmSums(500, 40, 60))
    look = Look(arms.day, "shown", Interval(0.2, 0.1, 0.3, 0.95, 10_000))
    found = lift_figures(Lift((look,), arms, 0.05))
    assert numbers(found) == {"lift": 0.2, "lift_lower": 0.1, "lift_upper": 0.3}
    assert found["claim"].value == "shown: +20 % (+10 to +30 %)"
    early = lift_figures(Lift((replace(look, claim="not_known", lift=None),), arms, 0.05))
    assert {name: one.value for name, one in early.items()} == {"claim": "not known yet"}
    assert lift_figures(None) == {}


def test_values_of_policies_keep_their_bounds() -> None:
    estimate = {"estimate": 0.02, "lower": 0.01, "upper": 0.03}
    value = {"policy": "champion", "doubly_robust": estimate, "effective_sample_size": 312.5}
    assert numbers(value_figures([value])) == {
        "applies_per_text_champion": 0.02,
        "applies_per_text_champion_lower": 0.01,
        "applies_per_text_champion_upper": 0.03,
        "effective_decisions_champion": 312.5,
    }
    assert value_figures([]) == {}


def test_the_lowest_impact_ratio_of_each_measure_is_kept() -> None:
    rows = (
        ImpactRow("Female", 500, 100, 0.2, 1.0, None, None, "reference"),
        ImpactRow("Male", 500, 90, 0.18, 0.9, 0.7, 1.2, "not_settled"),
        ImpactRow("Other", 500, 80, 0.16, 0.8, 0.6, 1.1, "not_settled"),
    )
    tables = (ImpactTable("selection", "sex", rows, 0, 0, 0.05), ImpactTable("exposure", "sex", rows[:1], 0, 0, 0.05))
    found = impact_figures(FairnessAudit("m", 1_500, 0.8, 0.05, tables))
    assert numbers(found) == {
        "impact_ratio_selection": 0.8,
        "impact_ratio_selection_lower": 0.6,
        "impact_ratio_selection_upper": 1.1,
    }
    assert "selection: 0.80 (0.60 to 1.10)" in found["lowest_impact_ratios"].value
    assert impact_figures(FairnessAudit("m", 0, 0.8, 0.05, ())) == {}


def test_a_plot_is_an_inline_image_with_its_title() -> None:
    found = re.fullmatch(r"!\[drift\]\(data:image/png;base64,([A-Za-z0-9+/=]+)\)", plot(b"\x89PNG data", "drift").value)
    assert base64.b64decode(found[1]) == b"\x89PNG data"


def test_a_table_keeps_numbers_as_numbers_and_writes_the_rest_out() -> None:
    shown = table([ROW, ROW | {"count": 4}])
    types = {column.name: column.type for column in shown.schema.columns}
    assert types == {
        "name": "string", "count": "int", "share": "float", "flag": "bool", "day": "string", "nothing": "string",
    }  # fmt: skip
    assert shown.records[0].data == ROW | {"share": 0.123457, "day": "2026-06-02"}
    assert [record.data["count"] for record in shown.records] == [3, 4]


@pytest.mark.parametrize(
    ("values", "kind"),
    [([1, 2.5], "float"), ([None, 1], "int"), ([1, "a"], "string"), ([True, None], "bool"), ([True, 1], "string")],
)
def test_the_type_of_a_column_fits_all_its_values(values, kind) -> None:
    shown = table([{"x": value} for value in values])
    assert shown.schema.columns[0].type == kind
    assert [record.data["x"] for record in shown.records] == values


def test_long_tables_are_cut_and_empty_ones_say_so() -> None:
    assert len(table([{"x": number} for number in range(500)]).records) == TABLE_ROWS_MAXIMUM
    assert table([]) == dg.MetadataValue.text("no rows")


def test_a_wide_table_is_markdown_whose_cells_break_no_row() -> None:
    shown = wide_table([ROW | {"name": "a | b\nc"}, ROW | {"count": None}])
    assert shown.value.split("\n") == [
        "| name | count | share | flag | day | nothing |",
        "| --- | --- | --- | --- | --- | --- |",
        r"| a \| b c | 3 | 0.1235 | yes | 2026-06-02 |  |",
        "| a |  | 0.1235 | yes | 2026-06-02 |  |",
    ]
    assert wide_table([]) == dg.MetadataValue.text("no rows")


def ports(tmp_path: Path, **settings: object) -> BoardPorts:
    return board_ports(Settings(home=tmp_path, **settings), policies=Policies())


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        ({}, "http://127.0.0.1:3001"),
        ({"pages_port": 4001}, "http://127.0.0.1:4001"),
        ({"pages_port": 4001, "pages_url": "https://jobs.example/mlife/"}, "https://jobs.example/mlife"),
    ],
)
def test_a_link_is_the_address_of_the_pages_and_the_place_of_one(tmp_path, settings, address) -> None:
    here = ports(tmp_path, **settings)
    assert page_link(here.home, "dashboard/index.html").url == f"{address}/dashboard/index.html"
    assert worded_link(here.home, "dashboard/index.html", "it").value == f"[it]({address}/dashboard/index.html)"
    assert runbook_link(here.home, DATA_DRIFT).url == f"{address}/runbooks/data_drift"
    listed = message_links(here.home, [("msg_1", "Cook [now](http://x) `wanted`\n*"), ("msg_2", "b")]).value
    assert listed == (
        f"- [msg_1]({address}/messages/msg_1): `Cook [now](http://x) 'wanted' *`\n"
        f"- [msg_2]({address}/messages/msg_2): `b`"
    )


@pytest.mark.parametrize("url", ["jobs.example", "ftp://x", "http://x?a=1", "http://x#a", "http://x y", "javascript:x"])
def test_an_address_is_a_plain_http_url(tmp_path, url) -> None:
    for name in ("pages_url", "ui_url"):
        with pytest.raises(ValidationError):
            Settings(home=tmp_path, **{name: url})


def test_the_present_is_the_evening_of_the_newest_day(lived_home):
    platform = lived_home.platform
    assert newest_day(platform.of_model()) == lived_home.newest_day
    assert next_day(platform.of_model()) == add_days(lived_home.newest_day, 1)
    now = operator_time(platform.of_model())
    assert now == run_time(lived_home.newest_day) + OPERATOR_DELAY < run_time(next_day(platform.of_model()))
    for event_type in ("retrain_decided", "message_planned", "message_submitted", "message_status", "model_promoted"):
        assert pc.max(platform.event_log.read(event_type)["observed_at"]).as_py() < now


def test_each_act_is_later_than_the_last(home):
    platform = home.platform
    first = operator_time(platform.of_model())
    platform.ledger.switches.pause(actor="a", reason="not published yet", now=first)
    second = operator_time(platform.of_model())
    platform.of_model().registry.rollback(actor="a", reason="r", now=second)
    assert second == first + STEP
    assert operator_time(platform.of_model()) == second + STEP


def test_a_later_promotion_moves_the_present(home):
    later = run_time(home.newest_day) + timedelta(hours=5)
    log, model = home.platform.event_log, home.platform.of_model()
    model.registry.promote(home.champions[0], actor="gate", reason="r", now=later)
    assert operator_time(model) == later + STEP
    row = {**log.read("model_registered").to_pylist()[-1], "event_id": "later", "observed_at": later + STEP}
    log.append(
        "model_registered", pa.Table.from_pylist([row], schema=EVENT_TYPES["model_registered"].schema), writer="r"
    )
    assert operator_time(model) == later + 2 * STEP, "nobody promotes a model before it is there"


def test_until_a_day_was_lived_it_is_the_evening_before_the_first(platform):
    """Somebody clicks on the daily job of a day before the first: its decision moves nothing."""
    model, first = platform.of_model(), platform.settings.days.first_lived_date
    day = add_days(first, -1)
    assert operator_time(model) == run_time(day) + OPERATOR_DELAY
    row = {"event_id": "e", "occurred_at": run_time(day), "observed_at": run_time(day), "decision_id": "d"}
    row |= {"as_of_date": day, "verdict": "retrain", "codes": ["no_champion"], "sentences": [], "model_version": None}
    row |= {"policy_version": "p", "model_name": model.model_name}
    decided = pa.Table.from_pylist([row], schema=EVENT_TYPES["retrain_decided"].schema)
    for rows in (decided.slice(0, 0), decided):
        model.event_log.append("retrain_decided", rows, writer="governor")
        assert (newest_day(model), next_day(model)) == (None, first)


def test_a_day_that_was_decided_but_never_planned_comes_again(home):
    day = home.newest_day
    (home.path / f"lake/reports/message_plan/as_of_date={day}/report.json").unlink()
    assert next_day(home.platform.of_model()) == day


@pytest.fixture
def add(production) -> Any:
    """What records an import, or a verdict of the gate here, some hours after `NOW`."""

    def call(event_type: str, hours: int, outcome: str, version: str = "mdl_1", **more: Any) -> None:
        at = NOW + timedelta(hours=hours)
        row = {
            "event_id": f"{event_type}_{hours}", "occurred_at": at, "observed_at": at, "model_version": version,
            "bundle_id": f"bdl_{hours}", "environment": "dev", "signed_by": "ab" * 32, "as_of_date": at.date(),
            "outcome": outcome, "users_with_positives": 900, "sentences": [f"{outcome}."], "policy_version": "pol",
            "actor": "ann", "reason": "r", "model_name": production.of_model().model_name, **more,
        }  # fmt: skip
        schema = EVENT_TYPES[event_type].schema
        table = pa.Table.from_pylist([{name: row.get(name) for name in schema.names}], schema=schema)
        production.event_log.append(event_type, table, writer="test")

    return call


def test_of_other_gates_the_newest_verdict_counts_whenever_it_was_imported(production, add) -> None:
    assert last_verdict(production.of_model(), "mdl_1") is None
    add("model_imported", 1, "refused", judged_at=NOW - timedelta(days=1))
    add("model_imported", 2, "promoted", judged_at=NOW - timedelta(days=2))
    add("model_imported", 3, "not_judged", judged_at=None)
    counts = last_verdict(production.of_model(), "mdl_1")
    assert (counts["outcome"], counts["decided_at"]) == ("refused", NOW - timedelta(days=1))
    assert outcome_words(counts) == "refused in dev"
    assert [row["outcome"] for row in verdicts(production.of_model())] == ["promoted", "refused"]
    assert [row["bundle_id"] for row in imports(production.of_model(), "mdl_1")] == ["bdl_1", "bdl_2", "bdl_3"]


def test_what_the_gate_here_said_counts_before_all_others(production, add) -> None:
    add("promotion_decided", 1, "not_enough_evidence")
    add("model_imported", 2, "promoted", judged_at=NOW + timedelta(hours=2))
    add("model_imported", 3, "promoted", version="mdl_2", judged_at=NOW)
    assert outcome_words(last_verdict(production.of_model(), "mdl_1")) == "not enough evidence"
    assert outcome_words(last_verdict(production.of_model(), "mdl_2")) == "promoted in dev"
    assert outcome_words(None) == "not judged"


def test_the_dashboard_shows_an_imported_champion_as_judged_elsewhere(production, add, tiny_models) -> None:
    day = NOW.date()
    version = production.of_model().registry.register(tiny_models.tiny_artifact(1), as_of=day, now=NOW)
    pending = production.of_model().registry.register(tiny_models.tiny_artifact(2), as_of=day, now=NOW)
    add("model_imported", 1, "promoted", version=version, judged_at=NOW)
    production.of_model().registry.promote(version, actor="ann", reason="r", now=NOW + timedelta(hours=2))
    shown: dict[str, ModelVersion] = {one.model_version: one for one in _models(production, [], day)}
    champion = shown[version]
    assert (champion.outcome, champion.judged_in, champion.sentences) == ("promoted", "dev", ("promoted.",))
    assert champion.is_champion
    assert champion.delta_map is None, "what it gained there says nothing of people here"
    assert (shown[pending].outcome, shown[pending].judged_in) == ("pending", "")
