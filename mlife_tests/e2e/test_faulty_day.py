"""Invariant 6 against a person: on the day of the fault nothing is trained or sent, not even by hand."""

from __future__ import annotations

import pytest

from mlife_assets.components.graph import keys
from mlife_assets.components.messages import planning
from mlife_assets.components.model.retrain_decision import decision_rows
from mlife_assets.components.monitoring.inputs import SAMPLE_TABLE


@pytest.fixture(scope="module")
def unchanged(lived, tmp_path_factory):
    """Return a copy of the lived home for what leaves it as it was."""
    return lived.home.copy_to(tmp_path_factory.mktemp("faulty_day") / "home")


def files(home) -> list[str]:
    """Return what the lake holds."""
    return sorted(str(path) for path in home.settings.places.lake.rglob("*"))


def test_retraining_on_a_faulty_day_stops_before_a_model_is_made(unchanged, lived_world) -> None:
    day = unchanged.day(lived_world.FAULT_DAY)
    versions = unchanged.platform.of_model().registry.versions()
    with unchanged.driver() as driver:
        run = driver.run_day("retraining_job", day)
    assert not run.is_success
    assert run.failed_steps == ("model__training_set_training_set_comes_from_a_sound_day",)
    assert unchanged.platform.of_model().registry.versions() == versions
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
        report = copied.platform.of_model().reports.read(name, day)
        assert (report.status, report.sample_rows) == ("not_enough_evidence", 0)
        assert "0 pairs were sampled" in report.sentence
    decided = {row["as_of_date"]: row for row in decision_rows(copied.platform.of_model())}[day]
    assert decided["verdict"] == "block"
