"""Invariant 6 against a person: on the day of the fault nothing is trained or sent, not even by hand."""

from __future__ import annotations

from mlife_assets.defs import keys


def test_retraining_on_a_faulty_day_stops_before_a_model_is_made(copied, lived_world) -> None:
    day = copied.day(lived_world.FAULT_DAY)
    versions = copied.platform.registry.versions()
    with copied.driver() as driver:
        run = driver.run_day("retraining_job", day)
    assert not run.is_success
    assert run.failed_steps == ("model__training_set_training_set_comes_from_a_sound_day",)
    assert copied.platform.registry.versions() == versions
    assert copied.platform.event_log.read("promotion_decided", start=day, end=day).num_rows == 0


def test_sending_verifies_its_own_gate_when_the_check_was_stepped_over(copied, lived_world) -> None:
    """A blocking check gates only its own run. Somebody who materializes the rest by hand meets the second gate."""
    day = copied.day(lived_world.FAULT_DAY)
    before = copied.platform.gateway.request_counts().num_rows
    result = copied.run_assets(day, keys.USER_JOB_SCORES, keys.MESSAGE_PLAN, keys.MESSAGE_DELIVERIES)
    assert result.success
    (delivered,) = result.asset_materializations_for_node("messages__message_deliveries")
    assert delivered.metadata["approved"].value is False
    assert "data quality failed" in delivered.metadata["why_not"].value
    assert copied.platform.gateway.request_counts().num_rows == before
    assert copied.platform.ledger.rows(as_of_date=day) == []


def test_a_range_of_decisions_is_refused(copied, lived_world) -> None:
    """Backfilling what decides would decide days in one breath; raw events and features are what a range is for."""
    with copied.driver() as driver:
        run = driver.run_range("retraining_job", copied.day(1), copied.day(2))
    assert not run.is_success
    assert "decides for one day" in run.errors[0]


def test_a_day_that_was_sent_is_not_sent_again(copied, lived_world) -> None:
    day = copied.day(1)
    before = copied.platform.gateway.request_counts()
    plan = copied.platform.tables.read("message_plan", day)
    result = copied.run_assets(day, keys.MESSAGE_PLAN, keys.MESSAGE_DELIVERIES)
    (delivered,) = result.asset_materializations_for_node("messages__message_deliveries")
    assert delivered.metadata["approved"].value is True
    assert delivered.metadata["dagster/row_count"].value == 0
    assert copied.platform.gateway.request_counts().equals(before)
    assert copied.platform.tables.read("message_plan", day).equals(plan)
