"""Figures: names that stay, numbers in their unit, and nothing where nothing is known yet."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg
import pytest

from mlife_assets.components.shown.figures import (
    champion_figures,
    figures,
    impact_figures,
    kpi_figures,
    opt_outs_per_thousand,
    readout_figures,
    report_figures,
    report_glance,
    sending_figures,
    value_figures,
    verdict_figures,
    verdict_glance,
)
from mlife_assets.core.monitoring.reports import Finding, conclude, undecided
from mlife_assets.core.statistics import Interval, proportion_difference_interval
from mlife_assets.core.training.fairness.results import FairnessAudit, ImpactRow, ImpactTable
from mlife_assets.core.training.gate import Comparison
from mlife_assets.core.training.reliability import Calibration
from mlife_assets.recruiting.messaging.states import SendState
from mlife_assets.recruiting.policies import PricePolicy
from mlife_assets.recruiting.ports import LedgerRow

DAY = date(2026, 6, 10)
PRICE = PricePolicy(text_segment_usd=0.01)
COMPARISONS = (
    Comparison("human", "rule", 0.45, 0.32, Interval(0.13, 0.11, 0.15, 0.95, 900), 0.0, 0.0),
    Comparison("simple", "simple_rule", 0.45, 0.43, Interval(0.02, 0.01, 0.03, 0.95, 900), 0.0, 0.0),
    Comparison("champion", "mdl_a", 0.45, 0.44, Interval(0.01, -0.002, 0.022, 0.95, 900), 0.0, 0.0),
    Comparison("random", "random", 0.45, 0.1, Interval(0.35, 0.33, 0.37, 0.95, 900), 0.0, 0.0),
)


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


@pytest.mark.parametrize(("outcome", "expected"), [("promoted", 0.45), ("refused", 0.44)])
def test_the_champion_is_the_challenger_where_it_was_promoted(outcome: str, expected: float) -> None:
    compared = [
        {"against": one.against, "challenger_map": one.challenger_map, "other_map": one.other_map}
        for one in COMPARISONS
    ]
    report = {"outcome": outcome, "depth": 10, "comparisons": compared}
    assert numbers(champion_figures(report, 3)) == {
        "map_at_10_champion": expected,
        "map_at_10_human": 0.32,
        "map_at_10_simple": 0.43,
        "reigns": 3,
    }


def test_a_verdict_of_a_release_without_a_simple_rule_has_no_figure_of_it() -> None:
    compared = [{"against": "human", "challenger_map": 0.45, "other_map": 0.32}]
    report = {"outcome": "promoted", "depth": 10, "comparisons": compared}
    assert numbers(champion_figures(report, 1)) == {"map_at_10_champion": 0.45, "map_at_10_human": 0.32, "reigns": 1}


def test_a_first_challenger_that_was_refused_leaves_no_champion_to_measure() -> None:
    report = {"outcome": "refused", "depth": 10, "comparisons": []}
    assert numbers(champion_figures(report, 0)) == {"reigns": 0}


def test_a_report_says_how_far_it_is_from_its_limits_and_one_that_was_not_judged_says_nothing() -> None:
    findings = [
        Finding("data", "pay", "ks", 0.6, 0.2, True, "x"),
        Finding("data", "distance", "ks", 0.1, 0.2, False, "x"),
    ]
    report = conclude("r", as_of=DAY, model_version="m", sample_rows=1, findings=findings, ok="", alarm="")
    assert numbers(report_figures(report, "data_")) == {"data_worst_ratio_to_limit": 3.0, "data_alarms": 1}
    assert "pay: 3 x limit" in report_glance(report)["nearest_to_limit"].value
    silent = undecided("r", as_of=DAY, model_version="m", sample_rows=0, sentence="too few")
    assert report_figures(silent) == {}
    assert report_glance(silent) == {}


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


def readout(kind: str, day: int, arm: str, converted: int, *, closed: bool = True) -> dict[str, Any]:
    return {
        "period_kind": kind, "period_start_date": date(2026, 6, day), "arm": arm, "eligible_users": 400,
        "users_with_apply": converted, "apply_rate": converted / 400, "is_closed": closed,
    }  # fmt: skip


def test_the_lift_is_that_of_the_newest_week_that_is_over() -> None:
    rows = [
        *(readout("week", 1, arm, count) for arm, count in (("treated", 60), ("holdout", 20))),
        *(readout("week", 8, arm, count) for arm, count in (("treated", 50), ("holdout", 40))),
        *(readout("week", 15, arm, 0, closed=False) for arm in ("treated", "holdout")),
        *(readout("total", 1, arm, 70, closed=False) for arm in ("treated", "holdout")),
    ]
    found, lift = readout_figures(rows), proportion_difference_interval(50, 400, 40, 400)
    assert found["closed_week"].value == "2026-06-08"
    assert numbers(found) == pytest.approx(
        {
            "apply_rate_treated": 0.125,
            "apply_rate_holdout": 0.1,
            "apply_rate_lift": 0.025,
            "apply_rate_lift_lower": lift.lower,
            "apply_rate_lift_upper": lift.upper,
        },
        rel=1e-5,
    )
    drawn = found["treated_minus_holdout"].value
    assert drawn.index("week of 08 Jun") < drawn.index("week of 01 Jun")
    assert "all days" not in drawn
    assert readout_figures(rows[4:]) == {}
    assert readout_figures(rows[:1]) == {}


def test_a_closed_experiment_stands_below_its_weeks() -> None:
    rows = [readout(kind, 1, arm, 30) for kind in ("week", "total") for arm in ("treated", "holdout")]
    drawn = readout_figures(rows)["treated_minus_holdout"].value
    assert drawn.index("week of 01 Jun") < drawn.index("all days")


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
