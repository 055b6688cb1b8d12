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
from mlife_assets.recruiting.dashboard import data
from mlife_assets.recruiting.dashboard.data import (
    DashboardData,
    Decision,
    Lift,
    Ranking,
    application_figures,
    arm,
    lifecycle_markers,
    lift_of,
    paired_gain,
    production,
    texting,
    tiles,
)
from mlife_assets.recruiting.dashboard.overview import lanes, verdict_runs
from mlife_assets.recruiting.instances import job_of_the_day
from mlife_assets.recruiting.messaging_policy import ContactPolicy
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
        "is_closed": True,
    }  # fmt: skip
    return row | changes


def sums_of(day: date, arm_name: str, rate: float = 0.011, experiment: str = "job_of_the_day") -> dict[str, Any]:
    """Return a row of `lift_daily`: people who apply at a rate, scattered as counts are."""
    users, n = 8_000 if arm_name == "treated" else 420, (day - FIRST).days + 1
    applies = round(users * rate * n)
    return {
        "experiment": experiment, "lift_date": day, "arm": arm_name, "users": users, "applies": applies,
        "applies_squared": round(applies * (1 + rate * n)), "applies_times_clicks": 0, "clicks_before": 0,
        "clicks_before_squared": 0, "applies_before": users // 3, "applies_before_squared": users,
        "applies_before_times_clicks": users, "bids_usd": applies / 2, "bids_usd_squared": applies / 3,
        "bids_usd_times_clicks": 0.0, "is_closed": True,
    }  # fmt: skip


def sums_by_day(days: int, lifted: float, experiment: str = "job_of_the_day") -> list[dict[str, Any]]:
    dates = [FIRST + timedelta(days=n) for n in range(days)]
    rates = {"treated": 0.011 * lifted, "holdout": 0.011}
    return [sums_of(one, name, rate, experiment) for one in dates for name, rate in rates.items()]


def lifted(days: int, by: float, as_of: date = READ_ON + timedelta(days=90)) -> Lift:
    found = lift_of(TEXTS, sums_by_day(days, by), Policies(), as_of, among=(TEXTS,))
    assert found is not None
    return found


def test_a_figure_is_pending_until_all_that_it_counts_was_observed() -> None:
    values = data.maturing(rows(), "ctr", LABEL.click_window_days, AS_OF)
    assert [v.value for v in values] == [0.1] * 11 + [None] * 3
    assert values[-1].pending_until == date(2026, 6, 17)
    assert values[10].pending_until is None
    assert [v.day for v in data.pending_days([FIRST, AS_OF], 7, AS_OF)] == [AS_OF]


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
    (untexted,) = production([kpi(FIRST, messages_submitted=0, revenue_usd=0.0)], [], LABEL, AS_OF).revenue_usd
    assert (untexted.value, untexted.pending_until) == (None, None), "a day without texts earned not nothing"


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


def test_lift_is_read_from_days_that_are_closed_and_over() -> None:
    rows = sums_by_day(40, 1.6)
    as_of = FIRST + timedelta(days=39)
    found = lift_of(TEXTS, rows, Policies(), as_of, among=(TEXTS,))
    assert found is not None
    assert found.newest.day == FIRST + timedelta(days=38), "the applies of the newest day are not known"
    assert found.open_until == as_of + timedelta(days=1)
    assert (found.newest.claim, found.share, len(found.looks)) == ("shown", 0.05, 39)
    late = [row | {"is_closed": row["lift_date"] < AS_OF} for row in rows]
    assert lift_of(TEXTS, late, Policies(), as_of, among=(TEXTS,)).newest.day == AS_OF - timedelta(days=1)
    assert lift_of(TEXTS, rows, Policies(), FIRST, among=(TEXTS,)) is None, "on the first day nothing is known"
    assert lift_of(TEXTS, rows[::2], Policies(), as_of, among=(TEXTS,)) is None, "one arm"
    assert lift_of(MAILS, rows, Policies(), as_of, among=(TEXTS,)) is None, "another experiment"
    nobody = Policies(contact=ContactPolicy(holdout_share=0.0))
    assert lift_of(TEXTS, rows, nobody, as_of, among=(TEXTS,)) is None


def test_an_application_with_a_holdout_of_its_own_is_held_against_that() -> None:
    own = replace(TEXTS, holdout_share=0.2)
    found = lift_of(own, sums_by_day(40, 1.6), Policies(), READ_ON, among=(TEXTS,))
    assert found is not None
    assert (found.share, found.newest.claim) == (0.2, "blanked")
    assert data.lift_words(found) == "not shown: 5.0 % of 8,420 people are in the holdout and 20.0 % should be"


def test_on_day_one_the_plan_says_what_a_holdout_can_show() -> None:
    found = lifted(1, 1.0)
    assert [one.share for one in found.plan] == [0.05, 0.1, 0.2]
    assert found.recommended in found.plan
    before = data._before(sums_of(FIRST, "holdout"))
    assert (before.total, before.products) == (140, 420 - 140), "each apply is a click that is no sign of others"
    later = lifted(60, 1.0)
    assert later.plan != found.plan, "what people do since is known by then"


@pytest.mark.parametrize(
    ("days", "by", "words"),
    [
        (60, 1.6, r"shown: \+60 % \(\+3\d to \+9\d %\)"),
        (60, 0.5, r"shown the contrary: -50 % \(-59 to -39 %\)"),
        (50, 1.0, r"not known yet: [+-]\d % \(-\d\d to \+2\d %\); by \d+ \w+ it reaches ±20 %"),
        (5, 1.0, r"not known yet; by \d+ \w+ it reaches ±20 %"),
    ],
)
def test_a_claim_is_told_with_its_state(days: int, by: float, words: str) -> None:
    assert re.fullmatch(words, data.lift_words(lifted(days, by)))


def test_texting_takes_texts_and_opt_outs_of_days_that_are_known() -> None:
    found = texting(rows(), lifted(60, 1.6), AS_OF)
    assert found is not None
    assert (found.texts, found.opt_outs) == (1_300, 13), "what came of today's texts is not known"
    assert texting(rows(), None, AS_OF) is None


def test_the_mean_of_daily_differences_has_an_interval_from_five_days_on() -> None:
    found = paired_gain([0.1, 0.2, 0.3, 0.4, 0.5])
    half = 2.776 * np.std([0.1, 0.2, 0.3, 0.4, 0.5], ddof=1) / np.sqrt(5)
    assert (found.estimate, found.n) == (pytest.approx(0.3), 5)
    assert (found.lower, found.upper) == (pytest.approx(0.3 - half, abs=1e-4), pytest.approx(0.3 + half, abs=1e-4))
    assert paired_gain([0.1, 0.2, 0.3, 0.4]) is None


@pytest.mark.parametrize(("by", "tone"), [(1.6, "good"), (0.5, "bad"), (1.0, "neutral")])
def test_the_head_shows_a_lift_only_where_it_is_shown(by: float, tone: str) -> None:
    texted = texting(rows(), lifted(60, by), AS_OF)
    first, second, *_ = tiles(rows(), texted, Ranking(FIRST, FIRST, 1, 0.4, 0.3), LABEL, AS_OF)
    assert (first.label, first.unit, first.tone) == ("Applies, texted over not", "share", tone)
    assert (first.value is None) == (tone == "neutral")
    assert first.detail.endswith("; 420 in the holdout")
    assert (second.value, second.detail) == (0.4, "recruiters 0.300, mean of 1 mature days")


def day(days_ago: int, application: str = "mails", **counts: Any) -> dict[str, Any]:
    values = {"messages_delivered": 100, "messages_clicked": 10, "messages_applied": 2, "revenue_usd": 5.0}
    return {"application": application, "kpi_date": READ_ON - timedelta(days=days_ago), **values, **counts}


def test_only_its_own_days_count_and_shares_take_mature_ones() -> None:
    rows = [
        day(10), day(9), day(4, messages_clicked=40), day(0, messages_clicked=0),
        day(10, "job_of_the_day", messages_delivered=7),
    ]  # fmt: skip
    found = application_figures(MAILS, rows, None, LABEL, READ_ON)
    assert (found.title, found.channel, found.reached) == ("Mails", "email", 400)
    assert found.clicked == pytest.approx(60 / 300)
    assert found.applied == pytest.approx(4 / 200)
    assert found.earned_usd == 10.0
    assert found.pending_until is None
    assert found.lift is None


def test_before_the_first_day_is_mature_nothing_is_zero_but_pending() -> None:
    found = application_figures(MAILS, [day(3)], None, LABEL, READ_ON)
    assert (found.applied, found.earned_usd) == (None, None)
    assert found.clicked == pytest.approx(0.1)
    assert found.pending_until == READ_ON - timedelta(days=3) + timedelta(days=8)
    nothing = application_figures(MAILS, [], None, LABEL, READ_ON)
    assert (nothing.reached, nothing.clicked, nothing.pending_until) == (0, None, None)
    assert application_figures(MAILS, [day(-1)], None, LABEL, READ_ON).reached == 0, "a day after the page's"
    calls = replace(TEXTS, name="calls", channel=Channel.CALL)
    assert application_figures(calls, [], None, LABEL, READ_ON, called=75).reached == 75, "people on lists"


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
