"""Each section shows what it was given, in words a person understands."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from mlife_assets.core.dashboard.data import DailyValue, DashboardData, Marker, lifecycle_markers
from mlife_assets.core.dashboard.sections import model_section, production_section
from mlife_assets.core.dashboard.tables import decisions_section, header, models_section, timeline


def test_markers_come_from_decisions_models_and_extras(example_data: DashboardData) -> None:
    rollback = Marker(date(2026, 6, 20), "rollback", "by hand")
    markers = lifecycle_markers(replace(example_data, extra_markers=(rollback,)))
    assert [m.kind for m in markers] == ["promoted", "refused", "retrain", "block", "rollback"]
    assert "wait" not in {m.kind for m in markers}


def test_drift_panels_are_grouped_by_kind_and_count_alarms(example_data: DashboardData) -> None:
    page = model_section(example_data)
    places = [page.index(f">{kind} drift<") for kind in ("data", "latent", "concept")]
    assert places == sorted(places)
    assert "no alarm" in page
    series = next(d for d in example_data.model.drift if d.kind == "data")
    assert f"alarm on {sum(v.is_alarm for v in series.values)} of 34 days" in page


def test_clicks_are_drawn_beside_applies(example_data: DashboardData) -> None:
    clicks = tuple(DailyValue(value.day, 0.871) for value in example_data.model.auc_realised)
    with_clicks = replace(example_data, model=replace(example_data.model, click_auc_realised=clicks))
    assert "0.871" in model_section(with_clicks)
    assert "0.871" not in model_section(example_data)


def test_suppressions_are_ordered_and_sum_to_all(example_data: DashboardData) -> None:
    page = production_section(example_data)
    assert page.rindex("frequency cap") < page.rindex("holdout</th>") < page.rindex("unknown time zone")
    assert "59,847 in all" in page


def test_tables_are_newest_first_and_complete(example_data: DashboardData) -> None:
    decisions = decisions_section(example_data)
    assert decisions.index("22 Jun 2026") < decisions.index("2 Jun 2026</td>")
    assert "2,140 new mature positives since the last training" in decisions
    models = models_section(example_data)
    assert models.index("mdl_a81b3770") < models.index("mdl_4f0ce2a9")
    assert "410 users with positives, 1,000 needed" in models
    assert "+0.149" in models
    assert "-0.004 to 0.017" in models


def test_header_names_the_champion_and_timeline_counts_verdicts(example_data: DashboardData) -> None:
    assert 'title="mdl_4f0ce2a9b1d77c21aa90"' in header(example_data)
    page = timeline(example_data)
    assert page.count('class="cell v-wait"') == 19
    assert page.count('class="cell v-block"') == 1
