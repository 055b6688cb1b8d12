"""What happened when, on one axis; days in a row for one reason are one line that loses nothing."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta

from mlife_assets.core.pages.charts.values import Marker
from mlife_assets.recruiting.dashboard.data import DashboardData, Decision, lifecycle_markers
from mlife_assets.recruiting.dashboard.overview import lanes, verdict_runs

DAY = date(2026, 6, 1)


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
        decision(0, "wait", "alarm_not_confirmed", "concept_alarm"),
        decision(1, "wait", "cooldown", "concept_alarm", "data_alarm_unimportant"),
        decision(3, "wait", "no_drift"),
        decision(4, "wait", "cooldown", "concept_alarm"),
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
            decision(2, "wait", "cooldown", "data_alarm", sentences=("Has to wait.",)),
            decision(3, "block", "quality_fault", sentences=("Blocked.",)),
            decision(5, "block", "quality_fault", sentences=("Blocked again.",)),
        ]
    )
    assert [(run.span, run.verdict, run.days) for run in runs] == [
        ("6 Jun", "block", 1),
        ("4 Jun", "block", 1),
        ("3 Jun", "wait", 1),
        ("1 to 2 Jun", "wait", 2),
    ]
    quiet = runs[-1]
    assert quiet.sentences == ("Quiet.", "Second.")
    assert quiet.each == (("2 Jun", ("Quiet.", "Second.", "Third of day 2.")), ("1 Jun", ("Quiet.",)))
    assert runs[0].each == (), "one day whose sentences are all shown has nothing to unfold"
    assert runs[2].codes == ("cooldown", "data_alarm")
