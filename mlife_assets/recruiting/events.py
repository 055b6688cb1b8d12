"""Event types and their schemas: the contract between everything that writes and everything that reads the log.

Concept: every event carries two times. `occurred_at` says when it happened, `observed_at` when we knew. Partitions,
features and maturity follow `observed_at`; behaviour follows `occurred_at`. A release that changes a type
gives it a new version; `mlife_tests/golden` holds files of earlier releases and says which steps a change needs.
"""

from __future__ import annotations

import pyarrow as pa

from mlife_assets.core.event_columns import (
    BODY_LENGTH,
    ENVELOPE,
    TIMESTAMP,
    Column,
    EventType,
    Upcaster,
    added,
    choice,
    day,
    flag,
    identifier,
    integer,
    note,
    number,
    text,
    text_list,
)
from mlife_assets.core.model_events import WHY, model_event_types
from mlife_assets.recruiting.event_types import with_added
from mlife_assets.recruiting.messaging_policy import JOB_OF_THE_DAY

__all__ = [
    "EMBEDDING",
    "EMBEDDING_SIZE",
    "ENVELOPE",
    "EVENT_TYPES",
    "JOB_APPLICATIONS",
    "LABEL_EVENT_TYPES",
    "MARKET_EVENT_TYPES",
    "OCCUPATION_GROUPS",
    "ON_RECORD",
    "OWN_EVENT_TYPES",
    "SHIFTS",
    "STRANGERS_WORDS",
    "TIMESTAMP",
    "Column",
    "EventType",
    "Upcaster",
]

EMBEDDING_SIZE = 8
EMBEDDING = pa.list_(pa.float64())

OCCUPATION_GROUPS = ("11", "21", "25", "29", "31", "33", "35", "37", "41", "43", "47", "49", "51", "53")
"""SOC major groups of the simulated catalogue; `occupation_group` holds one of them."""
SHIFTS = ("day", "evening", "night")

CONSENT_CHANNELS = ("sms", "email")
"""Channels by which something is sent, so that people agree to each and end each by themselves."""

ITEMS = pa.list_(pa.struct([("position", pa.int64()), ("job_id", pa.string()), ("prediction_id", pa.string())]))
"""The jobs of one message, best first; positions begin at 1."""

JOB_APPLICATIONS = "job_applications"
"""The model that was there when there was one: events that name none are about it."""

_PROFILE = (
    Column("occupation_group", pa.string(), allowed=OCCUPATION_GROUPS),
    integer("seniority", 0, 3),
    choice("shift", *SHIFTS),
)
_PAIR = (identifier("user_id"), identifier("job_id"))
_CAUSE = (choice("source", "organic", "message"), identifier("exposure_id"))

_SCORED_PAIR = (
    identifier("prediction_id"),
    *_PAIR,
    day("as_of_date"),
    identifier("model_version"),
    identifier("feature_hash"),
    Column("features", pa.list_(pa.float64())),
    number("raw_score"),
    number("probability", 0, 1),
    number("click_probability", 0, 1, nullable=True),
    integer("rank", 1),
    number("propensity", 0, 1),
    number("exploration_propensity", 0, 1),
    identifier("exploration_salt"),
    identifier("candidate_set_hash"),
    identifier("policy_version"),
    # Only planned candidates have reasons: those of the others can be computed from the logged features at any time.
    text_list("reasons"),
)

_PLANNED = (
    identifier("message_id"),
    *_PAIR,
    text("campaign"),
    day("as_of_date"),
    identifier("prediction_id", nullable=True),
    choice("slice", "exploit", "explore", "recruiter_rule"),
    number("propensity", 0, 1),
    identifier("plan_id"),
    text("cohort"),
    note("body", longest=BODY_LENGTH),
    integer("segments", 1, 10),
    identifier("policy_version"),
    added(2, identifier("person_id")),
)
_ONE_ITEM = "array[cast(row(1, job_id, prediction_id) as row(position bigint, job_id varchar, prediction_id varchar))]"

_FIXED = (
    EventType(
        "job_posted",
        "market",
        (
            identifier("job_id"),
            identifier("employer_id"),
            text("employer_name"),
            text("title"),
            text("occupation_code"),
            *_PROFILE,
            text("metro_code"),
            number("latitude", -90, 90),
            number("longitude", -180, 180),
            number("pay_usd_per_hour", 5, 10_000),
            integer("openings", 1, 10_000),
            Column("expires_at", TIMESTAMP),
            number("bid_usd_per_apply", 0, 1_000),
            Column("text_embedding", EMBEDDING, list_size=EMBEDDING_SIZE),
        ),
    ),
    EventType("job_closed", "market", (identifier("job_id"), choice("reason", "filled", "expired", "withdrawn"))),
    EventType(
        "user_snapshot",
        "market",
        (
            identifier("user_id"),
            *_PROFILE,
            text("metro_code"),
            text("state_code", nullable=True),
            text("time_zone", nullable=True),
            number("latitude", -90, 90),
            number("longitude", -180, 180),
            number("reservation_pay_usd_per_hour", 5, 10_000),
            Column("taste_embedding", EMBEDDING, list_size=EMBEDDING_SIZE),
            Column("signed_up_at", TIMESTAMP),
        ),
    ),
    EventType(
        "consent",
        "market",
        (
            identifier("user_id"),
            choice("channel", *CONSENT_CHANNELS),
            flag("is_granted"),
            choice("source", "signup", "inbound_stop", "inbound_start", "preference_page"),
        ),
        version=2,
    ),
    EventType("impression", "market", (*_PAIR, choice("surface", "search", "feed"), integer("position", 1, 1_000))),
    EventType("click", "market", (*_PAIR, *_CAUSE)),
    EventType("apply", "market", (*_PAIR, *_CAUSE)),
    EventType("hire", "market", (*_PAIR, *_CAUSE, identifier("apply_event_id"))),
    EventType(
        "inbound_message",
        "platform",
        (
            identifier("inbound_id"),
            identifier("user_id"),
            choice("keyword", "STOP", "START", "HELP", "OTHER", "STOP_ALL"),
            added(2, choice("channel", *CONSENT_CHANNELS)),
        ),
        version=2,
    ),
    EventType(
        "prediction",
        "platform",
        (
            *_SCORED_PAIR,
            # Which application logged it, and how it would have sent it: each that plans on a scored pair has its row.
            identifier("application"),
            added(2, choice("slice", "exploit", "explore")),
        ),
        version=2,
        upcasters=(Upcaster.adding(1, _SCORED_PAIR, application=f"'{JOB_OF_THE_DAY}'"),),
    ),
    EventType(
        "plan_approved",
        "platform",
        (
            identifier("plan_id"),
            text("campaign"),
            day("as_of_date"),
            integer("planned_count", 0),
            text("approved_by"),
            identifier("policy_version"),
            added(2, identifier("plan_digest")),
            added(3, note("reason")),
        ),
        version=3,
    ),
    EventType(
        "plan_rejected",
        "platform",
        (identifier("plan_id"), text("campaign"), day("as_of_date"), identifier("plan_digest"), *WHY),
    ),
    EventType(
        "message_planned",
        "platform",
        (
            *_PLANNED,
            choice("channel", *CONSENT_CHANNELS, "call"),
            # Its jobs, best first; `job_id` and `prediction_id` are those of the first.
            Column("items", ITEMS),
        ),
        version=3,
        upcasters=(Upcaster.adding(2, _PLANNED, channel="'sms'", items=_ONE_ITEM),),
    ),
    EventType(
        "message_suppressed",
        "platform",
        (
            identifier("message_id"),
            identifier("user_id"),
            text("campaign"),
            day("as_of_date"),
            note("reason"),
            choice("stage", "plan", "send"),
            added(2, choice("channel", *CONSENT_CHANNELS, "call")),
        ),
        version=2,
    ),
    EventType(
        "message_submitted",
        "platform",
        (identifier("message_id"), identifier("user_id"), integer("attempt", 1), text("provider")),
    ),
    EventType(
        "message_status",
        "platform",
        (
            identifier("message_id"),
            identifier("user_id"),
            choice("status", "accepted", "rejected", "throttled", "ambiguous", "delivered", "undelivered", "unknown"),
            identifier("provider_message_id", nullable=True),
            note("detail", nullable=True),
        ),
    ),
    EventType(
        "reply_reviewed",
        "platform",
        (identifier("inbound_id"), identifier("user_id"), choice("verdict", "harmless", "opt_out"), *WHY),
    ),
    EventType(
        "employer_reviewed",
        "platform",
        # A null matches no name: verdicts from before names were recorded approve nobody.
        (identifier("employer_id"), choice("verdict", "approved", "refused"), *WHY, added(2, text("employer_name"))),
        version=2,
    ),
    # Of one application; null is all of them.
    EventType("sending_paused", "platform", (*WHY, added(2, text("campaign"))), version=2),
    EventType("sending_resumed", "platform", (*WHY, added(2, text("campaign"))), version=2),
    EventType(
        "experiment_exposed",
        "platform",
        (identifier("user_id"), text("experiment"), choice("arm", "treated", "holdout"), day("as_of_date")),
    ),
    *model_event_types(JOB_APPLICATIONS),
    EventType(
        "panel_recorded",
        "platform",
        (
            identifier("panel_id"),
            day("as_of_date"),
            integer("recruiters", 1),
            integer("users", 1),
            integer("pairs", 1),
            identifier("sha256"),
            text("actor"),
        ),
    ),
)

_TYPES = with_added(_FIXED)
EVENT_TYPES: dict[str, EventType] = {event_type.name: event_type for event_type in _TYPES}
OWN_EVENT_TYPES: tuple[str, ...] = tuple(t.name for t in _TYPES if t.source == "platform")
"""Types that the platform writes itself."""
STRANGERS_WORDS = frozenset({("job_posted", "title"), ("job_posted", "employer_name")})
"""Columns, by event type, that strangers who post a job write."""
LABEL_EVENT_TYPES = ("click", "apply", "hire")
"""Outcomes of an exposure; they may arrive late."""
ON_RECORD = ("consent", "employer_reviewed")
"""Types that permit sending: the ledger lists each of their files, since a writer to the lake could add one."""
EARLIER, TAKEN_OVER = "*", "taken_over"
"""The ledger's names for files of an earlier release: before they are listed one by one, and after."""
MARKET_EVENT_TYPES: tuple[str, ...] = (
    *(t.name for t in _TYPES if t.source == "market"),
    "message_planned",
    "message_submitted",
    "message_status",
)
"""Types that a landing exporter may deliver. Message types are among them because the recruiters' own tool sent texts
before mlife, and its export is landed like any other source."""
