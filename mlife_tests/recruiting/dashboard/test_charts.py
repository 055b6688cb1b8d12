"""Each chart shows what it was given; of the detectors, those that alarm are drawn and all are in the table."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from mlife_assets.core.pages.charts.values import DailyValue
from mlife_assets.recruiting.dashboard.charts import detectors, drift_panels, model_charts, production_charts
from mlife_assets.recruiting.dashboard.data import DashboardData, DriftSeries, DriftValue, lifecycle_markers


def series(data: DashboardData, name: str, kind: str, ratio: float, days_ago: int) -> DriftSeries:
    last = data.as_of_date
    values = (
        DriftValue(last - timedelta(days=days_ago), ratio, 1.0, ratio > 1),
        DriftValue(last, 0.5, 1.0, False),
    )
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


def test_nothing_is_drawn_where_nothing_alarms(example_data: DashboardData) -> None:
    quiet = (series(example_data, "A", "data", 0.3, 0),)
    assert drift_panels(replace(example_data, model=replace(example_data.model, drift=quiet)), ()) == ""


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
