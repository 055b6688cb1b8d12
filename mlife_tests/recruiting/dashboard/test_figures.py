"""What is not mature is pending and never a number; totals take mature days alone; what happened when is one axis."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from mlife_assets.core.pages.charts.values import Marker
from mlife_assets.core.statistics import wilson_interval
from mlife_assets.recruiting.application import Channel
from mlife_assets.recruiting.applications import job_of_the_day
from mlife_assets.recruiting.dashboard import figures
from mlife_assets.recruiting.dashboard.data import DashboardData, Decision, Ranking, lifecycle_markers
from mlife_assets.recruiting.dashboard.figures import application_figures, arm, paired_gain, production, texting, tiles
from mlife_assets.recruiting.dashboard.overview import lanes, verdict_runs
from mlife_assets.recruiting.policies import LabelPolicy, Policies

FIRST = date(2026, 6, 1)
AS_OF = date(2026, 6, 14)
LABEL = LabelPolicy(apply_window_days=7, click_window_days=2)
READ_ON = date(2026, 6, 20)
TEXTS = job_of_the_day(Policies())
MAILS = replace(TEXTS, name="mails", title="Mails", channel=Channel.EMAIL)
DAY = date(2026, 6, 1)


def kpi(day: date, **changes: Any) -> dict[str, Any]:
    row = {
        "kpi_date": day, "messages_submitted": 100, "messages_delivered": 90, "clicks": 9, "ctr": 0.1,
        "revenue_usd": 12.5, "opt_outs": 1, "fill_rate": 0.2,
    }  # fmt: skip
    return row | changes


def rows() -> list[dict[str, Any]]:
    """Fourteen days; on those that are not mature the mart holds zeros."""
    found = []
    for n in range(14):
        day = FIRST + timedelta(days=n)
        late = {} if n < 11 else {"clicks": 0, "ctr": 0.0}
        found.append(kpi(day, **late, revenue_usd=12.5 if n < 6 else 0.0))
    return found


def readout(arm_name: str, kind: str, start: date, end: date, **changes: Any) -> dict[str, Any]:
    row = {
        "arm": arm_name, "period_kind": kind, "period_start_date": start, "period_end_date": end,
        "eligible_users": 1000 if arm_name == "treated" else 100,
        "users_with_apply": 200 if arm_name == "treated" else 10, "apply_rate": 0.2 if arm_name == "treated" else 0.1,
        "bids_usd": 3000.0 if arm_name == "treated" else 150.0,
        "bids_usd_squared": 40_000.0 if arm_name == "treated" else 1_500.0, "is_closed": True,
    }  # fmt: skip
    return row | changes


TOTAL = [readout(name, "total", FIRST, AS_OF) for name in ("treated", "holdout")]


def test_a_figure_is_pending_until_all_that_it_counts_was_observed() -> None:
    values = figures.maturing(rows(), "ctr", LABEL.click_window_days, AS_OF)
    assert [v.value for v in values] == [0.1] * 11 + [None] * 3
    assert values[-1].pending_until == date(2026, 6, 17)
    assert values[10].pending_until is None
    assert [v.day for v in figures.pending_days([FIRST, AS_OF], 7, AS_OF)] == [AS_OF]


def test_no_immature_zero_reaches_the_charts_or_the_head() -> None:
    found = production(rows(), [], LABEL, AS_OF)
    assert [v.value for v in found.click_through_rate[-3:]] == [None] * 3
    assert [v.value for v in found.revenue_usd] == [12.5] * 6 + [None] * 8
    assert found.fill_rate[-1].pending_until == date(2026, 6, 15)
    shown = {one.label: one for one in tiles(rows(), None, None, LABEL, AS_OF)}
    assert shown["Click-through rate"].value == pytest.approx(0.1)
    assert shown["Click-through rate"].detail == "texts until 11 Jun; later ones pending until 17 Jun"
    assert shown["Bids of applies after texts"].value == pytest.approx(6 * 12.5)
    assert shown["Bids of applies after texts"].detail == "texts until 6 Jun; later ones pending until 22 Jun"


def test_before_the_first_mature_day_the_head_says_until_when() -> None:
    shown = {one.label: one for one in tiles([kpi(AS_OF, revenue_usd=0.0)], None, None, LABEL, AS_OF)}
    assert shown["Bids of applies after texts"].value is None
    assert shown["Bids of applies after texts"].detail == "pending until 22 Jun"
    nothing = {one.label: one.value for one in tiles([], None, None, LABEL, AS_OF)}
    assert nothing["Click-through rate"] is nothing["Opt-outs"] is None


def test_a_day_without_texts_earned_not_nothing_but_has_no_figure() -> None:
    found = production([kpi(FIRST, messages_submitted=0, revenue_usd=0.0)], [], LABEL, AS_OF)
    assert found.revenue_usd[0].value is None
    assert found.revenue_usd[0].pending_until is None


def test_a_week_that_runs_or_is_not_read_to_its_end_is_pending() -> None:
    weeks = [
        readout("treated", "week", FIRST, date(2026, 6, 7)),
        readout("treated", "week", date(2026, 6, 8), AS_OF, users_with_apply=0, apply_rate=0.0),
        readout("treated", "week", date(2026, 6, 15), date(2026, 6, 21), users_with_apply=0, is_closed=False),
    ]
    first, second, third = arm(weeks, "treated", AS_OF)
    rate = wilson_interval(200, 1000)
    assert (first.value, first.lower, first.upper) == (rate.estimate, rate.lower, rate.upper)
    assert (second.value, second.pending_until) == (None, date(2026, 6, 15))
    assert (third.value, third.day, third.pending_until) == (None, AS_OF, date(2026, 6, 22))
    assert arm(weeks, "holdout", AS_OF) == ()


def test_texting_is_compared_by_arm_over_the_whole_experiment() -> None:
    found = texting(rows(), TOTAL, AS_OF)
    assert found.lift.estimate == pytest.approx(0.1)
    assert found.lift.lower > 0
    assert (found.texts, found.opt_outs) == (1_300, 13), "what came of today's texts is not known"
    assert found.earned_usd.estimate == pytest.approx(1000 * (3.0 - 1.5))
    spread = np.sqrt((40_000 - 9_000) / 999 / 1000 + (1_500 - 225) / 99 / 100)
    assert found.earned_usd.upper - found.earned_usd.estimate == pytest.approx(1000 * 1.98 * spread, rel=0.01)
    assert texting(rows(), TOTAL[:1], AS_OF) is None


def test_on_the_first_day_nothing_is_known_of_texting() -> None:
    assert texting(rows(), TOTAL, FIRST) is None
    assert texting(rows(), TOTAL, FIRST - timedelta(days=1)) is None
    assert texting(rows(), TOTAL, FIRST + timedelta(days=1)).texts == 100


def test_marts_of_an_earlier_release_say_nothing_about_money() -> None:
    old = [{name: value for name, value in row.items() if not name.startswith("bids")} for row in TOTAL]
    assert texting(rows(), old, AS_OF).earned_usd is None


def test_while_nobody_applied_nothing_is_said_about_money() -> None:
    nothing = [row | {"bids_usd": 0.0, "bids_usd_squared": 0.0} for row in TOTAL]
    assert texting(rows(), nothing, AS_OF).earned_usd is None
    one_arm = [row | ({"bids_usd": 0.0, "bids_usd_squared": 0.0} if row["arm"] == "holdout" else {}) for row in TOTAL]
    assert texting(rows(), one_arm, AS_OF).earned_usd.lower > 0


def test_the_mean_of_daily_differences_has_an_interval_from_five_days_on() -> None:
    found = paired_gain([0.1, 0.2, 0.3, 0.4, 0.5])
    half = 2.776 * np.std([0.1, 0.2, 0.3, 0.4, 0.5], ddof=1) / np.sqrt(5)
    assert (found.estimate, found.n) == (pytest.approx(0.3), 5)
    assert (found.lower, found.upper) == (pytest.approx(0.3 - half, abs=1e-4), pytest.approx(0.3 + half, abs=1e-4))
    assert paired_gain([0.1, 0.2, 0.3, 0.4]) is None


def test_the_head_shows_differences_as_points_and_their_tone() -> None:
    first, second, *_ = tiles(rows(), texting(rows(), TOTAL, AS_OF), Ranking(FIRST, FIRST, 1, 0.4, 0.3), LABEL, AS_OF)
    assert (first.unit, first.tone) == ("points", "good")
    assert "points" in first.detail
    assert "%" not in first.detail
    assert (second.value, second.detail) == (0.4, "recruiters 0.300, mean of 1 mature days")


def day(days_ago: int, application: str = "mails", **counts: Any) -> dict[str, Any]:
    values = {"messages_delivered": 100, "messages_clicked": 10, "messages_applied": 2, "revenue_usd": 5.0}
    return {"application": application, "kpi_date": READ_ON - timedelta(days=days_ago), **values, **counts}


def arms(experiment: str, treated: int, holdout: int, start: date = date(2026, 6, 2)) -> list[dict[str, Any]]:
    return [
        {"experiment": experiment, "arm": arm, "period_kind": kind, "period_start_date": start,
         "users_with_apply": applied, "eligible_users": 1_000}
        for arm, applied in (("treated", treated), ("holdout", holdout))
        for kind in ("total", "week")
    ]  # fmt: skip


def test_only_its_own_days_count_and_shares_take_mature_ones() -> None:
    rows = [
        day(10), day(9), day(4, messages_clicked=40), day(0, messages_clicked=0),
        day(10, "job_of_the_day", messages_delivered=7),
    ]  # fmt: skip
    found = application_figures(MAILS, rows, [], LABEL, READ_ON)
    assert (found.title, found.channel, found.reached) == ("Mails", "email", 400)
    assert found.clicked == pytest.approx(60 / 300)
    assert found.applied == pytest.approx(4 / 200)
    assert found.earned_usd == 10.0
    assert found.pending_until is None
    assert found.lift is None


def test_before_the_first_day_is_mature_nothing_is_zero_but_pending() -> None:
    found = application_figures(MAILS, [day(3)], [], LABEL, READ_ON)
    assert (found.applied, found.earned_usd) == (None, None)
    assert found.clicked == pytest.approx(0.1)
    assert found.pending_until == READ_ON - timedelta(days=3) + timedelta(days=8)
    nothing = application_figures(MAILS, [], [], LABEL, READ_ON)
    assert (nothing.reached, nothing.clicked, nothing.pending_until) == (0, None, None)
    assert application_figures(MAILS, [day(-1)], [], LABEL, READ_ON).reached == 0, "a day after the page's"


def test_calls_are_people_on_lists() -> None:
    calls = replace(TEXTS, name="calls", channel=Channel.CALL)
    assert application_figures(calls, [], [], LABEL, READ_ON, called=75).reached == 75


def test_the_difference_is_that_of_its_own_arms_over_the_whole_time() -> None:
    readout = [*arms("mails", 60, 40), *arms("job_of_the_day", 10, 90)]
    lift = application_figures(MAILS, [], readout, LABEL, READ_ON).lift
    assert lift is not None
    assert lift.estimate == pytest.approx(0.02)
    assert lift.lower < 0.02 < lift.upper
    assert application_figures(MAILS, [], readout[:2], LABEL, READ_ON).lift is None, "one arm"
    assert application_figures(MAILS, [], arms("mails", 1, 1, READ_ON), LABEL, READ_ON).lift is None, "its first day"


def decision(place: int, verdict: str, *codes: str, sentences: tuple[str, ...] = ("Why.",)) -> Decision:
    return Decision(DAY + timedelta(days=place), verdict, sentences, codes)  # type: ignore[arg-type]


def test_markers_come_from_decisions_models_and_extras(example_data: DashboardData) -> None:
    rollback = Marker(date(2026, 6, 20), "rollback", "by hand")
    markers = lifecycle_markers(replace(example_data, extra_markers=(rollback,)))
    assert [m.kind for m in markers] == ["promoted", "refused", "retrain", "block", "rollback"]
    assert "wait" not in {m.kind for m in markers}


def test_lanes_count_verdicts_and_show_each_act(example_data: DashboardData) -> None:
    drawn = lanes(example_data, lifecycle_markers(example_data))
    assert "19 wait, 1 retrain, 1 block" in drawn
    assert "1 promoted, 1 not promoted" in drawn
    for kind in ("retrain", "block", "promoted", "refused"):
        assert drawn.count(f'class="sign m-{kind}"') == 1


def test_alarms_that_count_and_that_do_not_look_different() -> None:
    decisions = (
        decision(0, "wait", "drift_breached", "concept_alarm"),
        decision(1, "wait", "fit_too_soon", "concept_alarm", "data_alarm_unimportant"),
        decision(3, "wait", "no_drift"),
        decision(4, "wait", "fit_too_soon", "concept_alarm"),
    )
    drawn = lanes(DashboardData(DAY + timedelta(days=4), DAY, decisions=decisions), ())
    assert re.findall(r'm-alarm" style="left:([\d.]+)%;width:([\d.]+)%', drawn) == [("0", "40"), ("80", "20")]
    assert drawn.count('class="run m-unimportant"') == 1
    assert "alarm on 3 of 4 days" in drawn
    assert "no alarm that counts, 1 unimportant" in drawn


def test_what_came_before_the_axis_stands_at_its_beginning(example_data: DashboardData) -> None:
    early = replace(example_data.models[0], registered_on=example_data.first_date - timedelta(days=1))
    data = replace(example_data, models=(early,), decisions=())
    assert 'class="sign m-promoted" style="left:1.47%"' in lanes(data, lifecycle_markers(data))


def test_days_in_a_row_for_one_reason_are_one_run_with_all_its_reasons() -> None:
    runs = verdict_runs(
        [
            decision(1, "wait", "no_drift", sentences=("Quiet.", "Second.", "Third of day 2.")),
            decision(0, "wait", "no_drift", sentences=("Quiet.",)),
            decision(2, "wait", "fit_too_soon", "data_alarm", sentences=("Has to wait.",)),
            decision(3, "block", "quality_fault", sentences=("Blocked.",)),
            decision(5, "block", "quality_fault", sentences=("Blocked again.",)),
        ]
    )
    assert [(run.span, run.verdict, run.days) for run in runs] == [
        ("6 Jun", "block", 1), ("4 Jun", "block", 1), ("3 Jun", "wait", 1), ("1 to 2 Jun", "wait", 2),
    ]  # fmt: skip
    quiet = runs[-1]
    assert quiet.sentences == ("Quiet.", "Second.")
    assert quiet.each == (("2 Jun", ("Quiet.", "Second.", "Third of day 2.")), ("1 Jun", ("Quiet.",)))
    assert runs[0].each == (), "one day whose sentences are all shown has nothing to unfold"
    assert runs[2].codes == ("fit_too_soon", "data_alarm")
