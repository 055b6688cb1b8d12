"""Events of a model's life: registered, judged, promoted, rolled back, due for retraining.

Belongs here: event types that every model has. Does not belong here: what happens to those whom a model is about
(`recruiting.events`), the form of an event type (`event_columns`).
"""

from __future__ import annotations

from mlife_assets.core.event_columns import EventType, choice, day, identifier, integer, note, number, text, texts

WHY = (text("actor"), note("reason"))
"""Who did something, and why."""

MODEL_EVENT_TYPES = (
    EventType(
        "retrain_decided",
        "platform",
        (
            identifier("decision_id"),
            day("as_of_date"),
            choice("verdict", "retrain", "wait", "block"),
            texts("codes"),
            texts("sentences"),
            identifier("model_version", nullable=True),
            identifier("policy_version"),
        ),
    ),
    EventType(
        "model_registered",
        "platform",
        (
            identifier("model_version"),
            day("as_of_date"),
            day("training_start_date"),
            day("training_end_date"),
            identifier("training_data_hash"),
            integer("examples", 0),
            integer("positives", 0),
        ),
    ),
    EventType(
        "promotion_decided",
        "platform",
        (
            identifier("model_version"),
            identifier("champion_version", nullable=True),
            day("as_of_date"),
            choice("outcome", "promoted", "refused", "not_enough_evidence"),
            number("delta_map", nullable=True),
            number("delta_map_lower", nullable=True),
            number("delta_map_upper", nullable=True),
            integer("users_with_positives", 0),
            texts("sentences"),
            identifier("policy_version"),
        ),
    ),
    EventType(
        "model_promoted",
        "platform",
        (identifier("model_version"), identifier("previous_version", nullable=True), *WHY),
    ),
    EventType(
        "model_rolled_back",
        "platform",
        (identifier("model_version"), identifier("previous_version"), *WHY),
    ),
)
