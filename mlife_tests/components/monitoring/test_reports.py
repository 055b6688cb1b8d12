"""Reports of a day, and the window of matured outcomes: which days, and when feedback was late."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import dagster as dg
import pyarrow as pa
import pytest

from mlife_assets.adapters.model_registry import ModelRegistry
from mlife_assets.adapters.nannyml_calculators import engine
from mlife_assets.components.graph.model_graph import ModelGraph
from mlife_assets.components.monitoring import reports
from mlife_assets.components.monitoring.computed import badges, computed_by_entry
from mlife_assets.components.monitoring.special import Special
from mlife_assets.components.platform.model_platform import INGEST_REPORT
from mlife_assets.components.platform.resources import Platform
from mlife_assets.core.monitoring.columns import LABEL, MonitoringColumns
from mlife_assets.core.monitoring.lateness import LateFeedback
from mlife_assets.core.monitoring.reference import MonitoringReference
from mlife_assets.core.policies import MonitoringPolicy
from mlife_assets.recruiting.job_applications import PAIR_COLUMNS, job_applications
from mlife_assets.recruiting.policies import Policies

DAY = date(2026, 6, 30)
SCHEMA = pa.schema(
    [
        ("exposure_date", pa.date32()),
        ("label_mature_date", pa.date32()),
        ("probability", pa.float64()),
        ("is_positive", pa.bool_()),
    ]
)


def scored(*days: date, positives: int = 0) -> pa.Table:
    """Return one mature example per day, the first of them positive."""
    rows = [
        {"exposure_date": day, "label_mature_date": day, "probability": 0.5, "is_positive": place < positives}
        for place, day in enumerate(days)
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def assets_by_name() -> dict[str, dg.AssetsDefinition]:
    """Return the reports of job applications by name."""
    graph = ModelGraph(job_applications(Policies()))
    return {asset.key.path[-1]: asset for asset in reports.build_assets(graph, Special())}


def test_what_never_alarmed_when_limits_were_learned_is_what_the_model_does_not_see(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The columns of the reference count, and not those that mlife would watch today."""
    columns = MonitoringColumns(unalarmed=("openings",))
    known = MonitoringReference("m", DAY, columns, ("user_id",), pa.table({}), scored(), {}, ())
    monkeypatch.setattr(reports, "known_reference", lambda *_: known)
    monkeypatch.setattr(MonitoringReference, "why_incomparable", lambda *_: None)
    platform.tables.write(reports.SAMPLE_TABLE, DAY, pa.table({"user_id": ["u"]}))
    platform.tables.write_report(INGEST_REPORT, DAY, {"types": []})
    seen = []

    def explained(_: Platform, __: str, pairs: pa.Table, of: MonitoringColumns) -> pa.Table:
        seen.append(of)
        raise StopIteration

    monkeypatch.setattr(reports, "explained_pairs", explained)
    with pytest.raises(StopIteration):
        assets_by_name()["latent_drift_report"](
            dg.build_asset_context(partition_key=DAY.isoformat()), platform=platform
        )
    assert seen == [columns]


def test_the_badge_of_nannyml_stands_where_its_calculators_decide() -> None:
    """Quality has rules of its own."""
    badged = {name for name, report in assets_by_name().items() for spec in report.specs if "nannyml" in spec.kinds}
    assert badged == {"data_drift_report", "latent_drift_report", "concept_drift_report"}


@pytest.fixture(autouse=True)
def unlearned(monkeypatch: pytest.MonkeyPatch) -> dict[str, date]:
    """Return the first day that each model did not learn from, to be changed; at first none learned from any."""
    held: dict[str, date] = {}
    monkeypatch.setattr(ModelRegistry, "load", lambda _, version: version)
    monkeypatch.setattr(reports, "first_unlearned_day", lambda version: held.get(version, date(2026, 6, 1)))
    return held


def reference(examples: pa.Table) -> MonitoringReference:
    return MonitoringReference("m", DAY, PAIR_COLUMNS, ("user_id", "job_id"), pa.table({}), examples, {}, ())


@pytest.mark.parametrize(
    ("known", "first"),
    [((), date(2026, 6, 16)), ((date(2026, 6, 10),), date(2026, 6, 16)), ((date(2026, 6, 18),), date(2026, 6, 19))],
)
def test_outcomes_are_read_since_the_reference_and_of_a_week_where_it_has_none(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, known: tuple[date, ...], first: date
) -> None:
    """Late feedback can leave a reference without one example; the day then needs a report all the same."""
    asked = []

    def sampled(_: Platform, __: str, start: date, end: date, *, outcome: str) -> pa.Table:
        asked.append((start, end, outcome))
        return scored(date(2026, 6, 20))

    monkeypatch.setattr(reports, "sampled_examples", sampled)
    window, late = reports.outcome_window(platform, reference(scored(*known)), DAY, LABEL)
    assert late is None
    assert asked == [(first, date(2026, 6, 22), LABEL)]
    assert window.num_rows == bool(known), "without a reference there is nothing to hold them against"


@pytest.mark.parametrize(
    ("scored_by", "asked"),
    [
        ({LABEL: {"fold_1": 30, "fold_2": 10}, "click": {"fold_2": 5}}, {"fold_1": 30, "fold_2": 10}),
        ({"click": {"fold_2": 5}}, {"m": 1}),
        ({LABEL: {}}, {"m": 1}),
        ({}, {"m": 1}),
    ],
)
def test_who_scored_the_outcomes_of_the_reference_is_asked_in_the_same_shares(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, scored_by: dict[str, dict[str, int]], asked: dict[str, int]
) -> None:
    """References of 0.1.0 name nobody: the model that serves scored them."""
    found = []

    def sampled(_: Platform, who: object, *__: date, outcome: str) -> pa.Table:
        found.append(who)
        return scored(date(2026, 6, 20))

    monkeypatch.setattr(reports, "sampled_examples", sampled)
    known = replace(reference(scored(date(2026, 6, 10))), scored_by=scored_by)
    reports.outcome_window(platform, known, DAY, LABEL)
    assert found == [asked]


def test_no_day_that_a_step_of_the_model_learned_from_is_judged(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, unlearned: dict[str, date]
) -> None:
    """Labels of the reference end 5 days before the clicks that the model learned: it would look better than it is."""
    asked = []
    unlearned |= {"fold_1": date(2026, 6, 18), "fold_2": date(2026, 6, 20), "m": date(2026, 6, 22)}

    def sampled(_: Platform, __: str, start: date, end: date, *, outcome: str) -> pa.Table:
        asked.append((start, end))
        return scored(date(2026, 6, 20))

    monkeypatch.setattr(reports, "sampled_examples", sampled)
    by_itself = reference(scored(date(2026, 6, 14)))
    by_folds = replace(by_itself, scored_by={LABEL: {"fold_1": 3, "fold_2": 1}})
    for known in (by_itself, by_folds):
        reports.outcome_window(platform, known, DAY, LABEL)
    assert [start for start, _ in asked] == [date(2026, 6, 22), date(2026, 6, 20)], "who scores, not who serves"


@pytest.mark.parametrize(("late", "is_judged"), [(15, True), (16, False), (29, False)])
def test_a_week_of_which_some_feedback_came_late_is_not_judged_at_all(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, late: int, is_judged: bool
) -> None:
    """Once the days that were left of it were: few outcomes on some weekdays, which alarmed in one market of twenty."""
    asked = []

    def late_days(_: Platform, first: date, last: date) -> frozenset[date]:
        asked.append((first, last))
        return frozenset({date(2026, 6, late)})

    monkeypatch.setattr(Platform, "late_feedback_days", late_days)
    monkeypatch.setattr(reports, "sampled_examples", lambda *_, **__: scored(date(2026, 6, 20)))
    known = reference(scored(date(2026, 6, 16)))
    window, days = reports.outcome_window(platform, known, DAY, LABEL)
    assert asked == [(date(2026, 6, 16), date(2026, 6, 29))]
    again = date(2026, 6, late) + timedelta(days=16)
    why = LateFeedback(frozenset({date(2026, 6, late)}), again, "clicks")
    assert (window.num_rows, days) == ((1, None) if is_judged else (0, why))
    assert set(window.column_names) == set(SCHEMA.names)


def test_performance_is_not_estimated_from_a_reference_without_outcomes() -> None:
    window = scored(*[date(2026, 6, 20)] * 30, positives=10)
    policy = MonitoringPolicy(minimum_mature_positives=10)
    assert reports.outcome_performance(reference(scored(date(2026, 6, 10))), window, LABEL, policy) == ()
    known = reference(scored(*[date(2026, 6, 10)] * 30, positives=10))
    assert {one.method for one in reports.outcome_performance(known, window, LABEL, policy)} == {
        "estimated",
        "realised",
    }


def test_with_nannyml_it_has_the_badge_and_is_named() -> None:
    assert badges() == {"nannyml"}
    assert computed_by_entry("data_drift_report") == {"computed_by": "NannyML 0.13.1"}
    assert computed_by_entry("data_quality_report") == {}


def test_without_nannyml_no_badge_says_so_and_the_report_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setattr(engine, "find_spec", lambda _: None)
    assert badges() == {"scikitlearn"}
    assert "pip install 'mlife[nannyml]'" in computed_by_entry("concept_drift_report")["computed_by"]
