"""Two models in one home: whatever one does changes no byte of the other's."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg
import pytest

from mlife_assets.adapters.feedback_arrivals import ARRIVALS_REPORT
from mlife_assets.components.graph import keys
from mlife_assets.components.graph.run_requests import DECISION_TAG, is_retraining
from mlife_assets.components.metrics.dashboard import collect, other_models
from mlife_assets.components.model.challengers import challenger_version
from mlife_assets.components.monitoring.inputs import rows_to_score
from mlife_assets.components.predictions.entity_scores import SCORES_TABLE, why_unscored
from mlife_assets.components.running.demo_summary import models_beside
from mlife_assets.core.monitoring import quality
from mlife_assets.core.monitoring.reports import Finding, MonitoringReport
from mlife_assets.core.scoring.feature_spec import examples_matrix
from mlife_assets.core.windows import add_days, run_time
from mlife_assets.deployments.board_ports import BoardPorts
from mlife_assets.recruiting.dashboard.page import render_dashboard

FIRST, SECOND = "job_applications", "activity"
MODEL_EVENTS = ("model_registered", "promotion_decided", "model_promoted", "model_rolled_back", "retrain_decided")
PREDICTIONS = {FIRST: "events/event_type=prediction", SECOND: "events/event_type=entity_scored"}
SCORED = "champion_scored_the_day"
OF_A_DAY = (
    "data_quality_report", "data_drift_report", "latent_drift_report", "concept_drift_report", "retrain_decision",
    "scores",
)  # fmt: skip
RETRAINING = {FIRST: "retraining_job", SECOND: f"{SECOND}_retraining_job"}


def traces(platform: BoardPorts, name: str) -> dict[str, str]:
    """Return a hash of everything that a model has: its events, tables, reports and artifacts.

    What arrived when (`feedback_arrivals`) is counted in the log once, by whoever asks first, and is no model's.
    """
    view, lake = platform.of_model(name), platform.settings.places.lake
    found = {kind: json.dumps(view.registry.events(kind), default=str) for kind in MODEL_EVENTS}
    versions = {row["model_version"] for row in view.registry.events("model_registered")}
    folders = ["reports", "tables", PREDICTIONS[FIRST]] if name == FIRST else [f"of_models/{name}", PREDICTIONS[SECOND]]
    files = [
        path for folder in (*folders, *(f"models/{one}" for one in versions)) for path in (lake / folder).rglob("*")
    ]
    return found | {
        str(path.relative_to(lake)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.is_file() and ARRIVALS_REPORT not in path.parts
    }


def copied(home: Any, folder: Path, world: ModuleType, models: ModuleType) -> Any:
    return models.both_models(world, home.folder, folder)


@pytest.fixture(scope="module")
def trained(lived, lived_world, activity_model, tmp_path_factory) -> tuple[Any, dict[str, str], dict[str, str]]:
    """A home in which the second model was trained a day before the newest; what the first had before and after."""
    folder = tmp_path_factory.mktemp("two_models") / "home"
    home = activity_model.both_models(lived_world, lived.home.folder, folder)
    before = traces(home.platform, FIRST)
    with home.driver() as driver:
        driver.run_day(RETRAINING[SECOND], home.day(lived_world.DAYS - 1)).require_success()
    return home, before, traces(home.platform, FIRST)


@pytest.fixture
def home(trained, lived_world, activity_model, tmp_path) -> Any:
    """A copy of it that may be changed."""
    return copied(trained[0], tmp_path / "home", lived_world, activity_model)


@pytest.fixture(scope="module")
def served(trained, lived_world, activity_model, tmp_path_factory) -> Any:
    """That home after the second model's part of the newest day. Read only."""
    home = copied(trained[0], tmp_path_factory.mktemp("served") / "home", lived_world, activity_model)
    assert home.run_assets(home.day(lived_world.DAYS), *(dg.AssetKey([SECOND, name]) for name in OF_A_DAY)).success
    return home


@pytest.fixture
def later(served, lived_world, activity_model, tmp_path) -> Any:
    """A copy of it that may be changed."""
    return copied(served, tmp_path / "later", lived_world, activity_model)


def test_a_second_model_is_trained_judged_promoted_and_referred_to(trained, lived_world) -> None:
    home, *_ = trained
    view, day = home.platform.of_model(SECOND), home.day(lived_world.DAYS - 1)
    report = view.model_tables.read_report("promotion", day)
    assert report["outcome"] == "promoted"
    assert report["objective"] == "average precision"
    version = challenger_version(view, day)
    assert view.registry.champion() == version
    manifest = view.registry.load(version).manifest
    assert manifest["model_name"] == manifest["declaration"]["name"] == SECOND
    assert manifest["declaration_hash"] == view.model.content_hash
    assert view.model_tables.report_days("monitoring_reference") == [day]
    card = home.settings.places.lake / "models" / version / "card.html"
    assert "Who clicks within a week" in card.read_text(encoding="utf-8")


def test_training_and_promoting_one_changes_nothing_of_the_other(trained) -> None:
    home, before, after = trained
    assert after == before
    assert len(before) > 100
    assert home.platform.of_model().registry.champion() != home.platform.of_model(SECOND).registry.champion()


@pytest.mark.proof
def test_a_day_of_both_is_the_day_of_the_first_alone_and_one_of_the_second(home, lived, lived_world, tmp_path) -> None:
    """Scores, reports, decisions and texts of the first are the same bytes whether or not there is another."""
    day, alone = home.day(lived_world.DAYS + 1), lived.home.copy_to(tmp_path / "alone", home.platform.policies)
    for one in (home, alone):
        with one.driver() as driver:
            driver.run_day("daily_lifecycle_job", day).require_success()
    assert traces(home.platform, FIRST) == traces(alone.platform, FIRST)
    view = home.platform.of_model(SECOND)
    (decision,) = view.registry.events("retrain_decided")
    assert decision["as_of_date"] == day
    assert decision["verdict"] in ("wait", "retrain")
    scores = view.model_tables.read(SCORES_TABLE, day)
    assert scores.column_names[0] == "person_id"
    assert scores.num_rows == home.platform.warehouse.read("user_features", as_of=day).num_rows
    assert set(scores["model_version"].to_pylist()) == {view.registry.champion()}
    for name in OF_A_DAY[:4]:
        assert view.reports.read(name, day).model_version == view.registry.champion()


@pytest.mark.proof
def test_every_score_is_an_event_once_and_the_most_likely_come_first(later, lived_world) -> None:
    """Scored again by the same champion a day adds nothing; by another, its scores stand beside the first ones."""
    home, day = later, later.day(lived_world.DAYS)
    view = home.platform.of_model(SECOND)

    def scored_again() -> tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, str]]:
        run = home.run_assets(day, dg.AssetKey([SECOND, "scores"]))
        assert [(check.check_name, check.passed) for check in run.get_asset_check_evaluations()] == [(SCORED, True)]
        rows = view.model_tables.read(SCORES_TABLE, day).to_pylist()
        return rows, view.registry.events("entity_scored", start=day, end=day), traces(home.platform, SECOND)

    before = traces(home.platform, SECOND)
    rows, events, after = scored_again()
    assert after == before
    for name in ("probability", "raw_score"):
        assert [row[name] for row in rows] == sorted((row[name] for row in rows), reverse=True)
    assert rows[0]["probability"] > rows[-1]["probability"]
    facts = ("prediction_id", "model_version", "feature_hash", "raw_score", "probability")
    known = {event["entity_id"]: event for event in events}
    assert len(known) == len(events) == len(rows) > 100
    for row in rows:
        event = known[row["person_id"]]
        assert {name: event[name] for name in facts} == {name: row[name] for name in facts}
        assert (event["model_name"], event["as_of_date"]) == (SECOND, day)
        assert event["observed_at"] == event["occurred_at"] == run_time(day)
    champion, now = view.registry.load(view.registry.champion()), run_time(day)
    other = replace(champion, training_data_hash="0" * 64)
    view.registry.register(other, as_of=day, now=now - timedelta(hours=2))
    view.registry.promote(other.model_version, actor="ann", reason="a test", now=now - timedelta(hours=1))
    stale = f"{other.model_version} serves and scored 0 of {len(rows):,} rows of {day}. Materialize the scores"
    assert why_unscored(view, day).startswith(stale)
    others, both, _ = scored_again()
    assert {row["model_version"] for row in others} == {other.model_version}
    assert len({event["prediction_id"] for event in both}) == len(both) == 2 * len(rows)
    view.registry.rollback(actor="ann", reason="worse than the one before", now=now - timedelta(minutes=1))
    again, all_events, _ = scored_again()
    assert again == rows
    assert all_events == both


def test_pages_and_summary_speak_of_the_second_model_in_its_own_figures(served, lived_world) -> None:
    view, day = served.platform.of_model(SECOND), served.day(lived_world.DAYS)
    champion = view.registry.champion()
    report = view.model_tables.read_report("promotion", served.day(lived_world.DAYS - 1))
    (against,) = (one for one in report["comparisons"] if one["against"] == "human")
    (decision,) = view.registry.events("retrain_decided")
    (other,) = other_models(served.platform)
    assert (other.name, other.title, other.model_version) == (SECOND, "Who clicks within a week", champion)
    assert (other.outcome, other.since) == ("promoted", served.day(lived_world.DAYS - 1))
    assert (other.gain.objective, other.gain.rule) == ("average precision", "newest_first")
    delta, bounds = against["delta"], other.gain.delta
    assert (bounds.value, bounds.lower, bounds.upper) == (delta["estimate"], delta["lower"], delta["upper"])
    assert (other.decision.day, other.decision.sentences) == (day, tuple(decision["sentences"]))
    told = models_beside(served.platform, day)[SECOND]
    scored = view.model_tables.read(SCORES_TABLE, day).num_rows
    assert (told["champion_version"], told["scored"], told["delta"]) == (champion, scored, delta["estimate"])
    page = render_dashboard(collect(served.platform))
    section = page[page.index('<section aria-label="Other models"') :]
    assert f'title="{champion}"' in section
    assert f"{delta['lower']:.3f} to {delta['upper']:.3f}" in section
    assert f"+{delta['estimate']:.3f}" in section
    (card,) = re.findall(r'href="\.\./([^"]*card\.html)"', section)
    assert (served.settings.places.lake / card).exists()


def test_a_damaged_report_of_one_model_is_said_on_the_page_of_the_other(home, lived_world) -> None:
    day = home.day(lived_world.DAYS - 1)
    (report,) = (home.settings.places.lake / "of_models" / SECOND / "reports" / "promotion").rglob(f"*{day}*")
    file = report if report.is_file() else next(path for path in report.rglob("*") if path.is_file())
    file.write_text("{")
    (other,) = other_models(home.platform)
    assert "is not JSON" in other.fault
    assert "is not JSON" in render_dashboard(collect(home.platform))


@pytest.mark.proof
def test_a_day_scored_again_keeps_the_champion_of_its_day(later, lived_world) -> None:
    """Invariant 1: whoever was promoted since changes no score of the day."""
    home, day = later, later.day(lived_world.DAYS)
    view, now = home.platform.of_model(SECOND), run_time(day)
    scored, logged = view.model_tables.read(SCORES_TABLE, day), view.registry.events("entity_scored")
    other = replace(view.registry.load(view.registry.champion()), training_data_hash="0" * 64)
    view.registry.register(other, as_of=day, now=now + timedelta(hours=1))
    view.registry.promote(other.model_version, actor="ann", reason="a test", now=now + timedelta(hours=2))
    assert home.run_assets(day, dg.AssetKey([SECOND, "scores"])).success
    assert view.model_tables.read(SCORES_TABLE, day).equals(scored)
    assert view.registry.events("entity_scored") == logged


def test_stored_scores_are_those_of_the_scorer_to_the_bit(served, lived_world) -> None:
    """Invariant 2."""
    view, day = served.platform.of_model(SECOND), served.day(lived_world.DAYS)
    scored, scorer = view.model_tables.read(SCORES_TABLE, day), view.scorers.of(view.registry.champion())
    rows = view.model.derive(rows_to_score(view, day).rows())
    batch = scorer.score(examples_matrix(rows, scorer.feature_spec))
    expected = dict(zip(rows["person_id"].to_pylist(), zip(batch.raw, batch.probability, strict=True), strict=True))
    found = zip(scored["raw_score"].to_pylist(), scored["probability"].to_pylist(), strict=True)
    assert dict(zip(scored["person_id"].to_pylist(), found, strict=True)) == expected


@pytest.mark.proof
def test_both_retrain_on_the_same_day_in_any_order(lived, lived_world, activity_model, tmp_path) -> None:
    found = []
    for order in ((FIRST, SECOND), (SECOND, FIRST)):
        home = activity_model.both_models(lived_world, lived.home.folder, tmp_path / order[0])
        with home.driver() as driver:
            for name in order:
                driver.run_day(RETRAINING[name], home.day(lived_world.DAYS)).require_success()
        found.append({name: traces(home.platform, name) for name in (FIRST, SECOND)})
    assert found[0] == found[1]


def test_promoting_and_rolling_back_one_changes_nothing_of_the_other(home, lived_world) -> None:
    view, platform = home.platform.of_model(SECOND), home.platform
    now = run_time(home.day(lived_world.DAYS)) + timedelta(hours=4)
    before = {name: traces(platform, name) for name in (FIRST, SECOND)}
    registry = platform.of_model().registry
    idle = next(row["model_version"] for row in registry.versions() if row["model_version"] != registry.champion())
    registry.promote(idle, actor="ann", reason="a test", now=now)
    platform.of_model().registry.rollback(
        actor="ann", reason="worse than the one before", now=now + timedelta(seconds=1)
    )
    assert traces(platform, SECOND) == before[SECOND]
    assert traces(platform, FIRST) != before[FIRST]
    between = traces(platform, FIRST)
    artifact = view.registry.load(view.registry.champion())
    other = replace(artifact, training_data_hash="0" * 64)
    version = view.registry.register(other, as_of=home.day(lived_world.DAYS), now=now)
    view.registry.promote(version, actor="ann", reason="a test", now=now + timedelta(seconds=1))
    view.registry.rollback(actor="ann", reason="a test", now=now + timedelta(seconds=2))
    assert view.registry.champion() == artifact.model_version
    assert traces(platform, FIRST) == between


def faulty(name: str, day: Any, version: str | None) -> MonitoringReport:
    finding = Finding("quality", "tenure_days", "range", 1.0, 0.5, True, "tenure_days: beyond what it may be.")
    return MonitoringReport(name, day, version, 1, "alarm", (finding,), "tenure_days: beyond what it may be.")


@pytest.mark.proof
def test_a_block_of_one_is_none_of_the_other(later, lived_world) -> None:
    home, day = later, later.day(lived_world.DAYS)
    platform, view = home.platform, home.platform.of_model(SECOND)
    before = traces(platform, FIRST)
    view.reports.write(quality.REPORT, day, faulty(quality.REPORT, day, view.registry.champion()))
    logged = view.registry.events("entity_scored")
    own = [dg.AssetKey([SECOND, name]) for name in ("retrain_decision", "scores")]
    run = home.run_assets(day, *own)
    assert run.success
    (scored,) = (check for check in run.get_asset_check_evaluations() if check.check_name == SCORED)
    assert (scored.passed, scored.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert f"scored 0 of {len(logged):,} rows of {day}. data quality of {day} is not sound" in scored.description
    decision = view.registry.events("retrain_decided")[-1]
    assert decision["verdict"] == "block"
    assert view.model_tables.read(SCORES_TABLE, day).num_rows == 0, "nobody is scored on a faulty day"
    assert view.registry.events("entity_scored") == logged
    refused = home.run_assets(day, dg.AssetKey([SECOND, "training_set"]), raise_on_error=False)
    assert not refused.success, "and nothing is trained"
    assert traces(platform, FIRST) == before
    assert home.run_assets(day, keys.TRAINING_SET).success, "the other goes on"


@pytest.mark.proof
def test_without_a_champion_the_governor_asks_for_one_and_the_day_goes_on(
    lived, lived_world, activity_model, tmp_path
) -> None:
    """The gate may refuse the first challenger: then the model waits as any other after a retraining."""
    home = activity_model.both_models(lived_world, lived.home.folder, tmp_path / "home")
    day = home.day(lived_world.DAYS + 1)
    view = home.platform.of_model(SECOND)
    with home.driver() as driver:
        driver.run_day("daily_lifecycle_job", day).require_success()
        (decision,) = view.registry.events("retrain_decided")
        assert (decision["verdict"], decision["codes"]) == ("retrain", ["no_champion"])
        assert view.model_tables.read(SCORES_TABLE, day).num_rows == 0
        assert why_unscored(view, day) == ""
        first = driver.tick_sensors(["retrain_on_drift_sensor"])
        runs = driver.tick_sensors([f"{SECOND}_retrain_on_drift_sensor"])
    assert [run.run.job_name for run in first] == []
    (run,) = runs
    assert (run.run.job_name, run.run_key) == (RETRAINING[SECOND], f"{SECOND}_retrain-{day}-attempt-1")
    run.run.require_success()
    assert view.registry.champion() == challenger_version(view, day)
    with home.instance() as instance:
        (launched,) = instance.get_runs(filters=dg.RunsFilter(job_name=RETRAINING[SECOND]))
        assert launched.tags[DECISION_TAG] == decision["decision_id"]
        assert not is_retraining(instance)
    assert add_days(day, -1) not in view.model_tables.report_days("challenger")
