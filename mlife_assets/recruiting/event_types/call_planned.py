"""A call that recruiters are asked to make: whom they call about which job."""

from __future__ import annotations

from mlife_assets.core.event_columns import EventType, day, identifier, integer, text

EVENT_TYPE = EventType(
    "call_planned",
    "platform",
    (
        identifier("list_id"),
        identifier("user_id"),
        identifier("person_id"),
        identifier("job_id"),
        text("campaign"),
        day("as_of_date"),
        text("recruiter"),
        integer("position", 1),
        identifier("prediction_id"),
    ),
)
