"""Which events exist."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest

from mlife_assets.recruiting.applications import job_of_the_day
from mlife_assets.recruiting.events import EVENT_TYPES, MARKET_EVENT_TYPES, TIMESTAMP, EventType
from mlife_assets.recruiting.messaging_policy import JOB_OF_THE_DAY
from mlife_assets.recruiting.policies import Policies

PERSONAL = re.compile(r"phone|e_?mail|zip|street|gender|race|age_years|birth", re.IGNORECASE)


@pytest.mark.parametrize("event_type", EVENT_TYPES.values(), ids=lambda one: one.name)
def test_every_event_carries_two_times_and_an_id(event_type: EventType) -> None:
    for name in ("occurred_at", "observed_at"):
        assert event_type.schema.field(name) == pa.field(name, TIMESTAMP, nullable=False)
    assert not event_type.schema.field("event_id").nullable


@pytest.mark.parametrize("event_type", EVENT_TYPES.values(), ids=lambda one: one.name)
def test_no_event_has_room_for_personal_or_protected_data(event_type: EventType) -> None:
    """Invariant 11: what has no column cannot leak into the log."""
    assert [column.name for column in event_type.columns if PERSONAL.search(column.name)] == []


@pytest.mark.parametrize("event_type", EVENT_TYPES.values(), ids=lambda one: one.name)
def test_columns_are_named_once_and_in_snake_case(event_type: EventType) -> None:
    names = event_type.schema.names
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in names)


def test_exporters_may_deliver_market_events_and_the_history_of_texts_only() -> None:
    market = {name for name, one in EVENT_TYPES.items() if one.source == "market"}
    assert set(MARKET_EVENT_TYPES) - market == {"message_planned", "message_submitted", "message_status"}


def test_a_prediction_has_room_for_a_click_and_for_reasons_in_words() -> None:
    schema = EVENT_TYPES["prediction"].schema
    assert schema.field("click_probability") == pa.field("click_probability", pa.float64(), nullable=True)
    assert schema.field("reasons") == pa.field("reasons", pa.list_(pa.string()), nullable=False)


def test_a_prediction_says_which_application_logged_it_and_those_that_do_not_are_of_the_first() -> None:
    kind = EVENT_TYPES["prediction"]
    assert kind.schema.field("application") == pa.field("application", pa.string(), nullable=False)
    assert kind.schema.field("slice").nullable
    assert [(one.version, one.constants) for one in kind.upcasters] == [(1, {"application": JOB_OF_THE_DAY})]
    assert job_of_the_day(Policies()).name == JOB_OF_THE_DAY


def test_what_the_design_promises_exists() -> None:
    promised = """job_posted job_closed user_snapshot impression click apply hire consent inbound_message prediction
    plan_approved message_planned message_suppressed message_submitted message_status sending_paused sending_resumed
    experiment_exposed retrain_decided model_registered promotion_decided model_promoted model_rolled_back
    panel_recorded reply_reviewed employer_reviewed plan_rejected entity_scored call_planned
    model_imported"""
    assert set(EVENT_TYPES) == set(promised.split())
