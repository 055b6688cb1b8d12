"""Event types and their schemas: the contract between everything that writes and everything that reads the log.

Belongs here: which events exist, their columns, ranges and allowed values. Does not belong here: reading files,
validating tables (`core.validation`), storage layout (`adapters.event_log`).

Concept: every event carries two times. `occurred_at` says when it happened, `observed_at` when we knew. Partitions,
features and maturity follow `observed_at`; behaviour follows `occurred_at`.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

TIMESTAMP = pa.timestamp("us", tz="UTC")
EMBEDDING_SIZE = 8
EMBEDDING = pa.list_(pa.float64())

OCCUPATION_GROUPS = ("11", "21", "25", "29", "31", "33", "35", "37", "41", "43", "47", "49", "51", "53")
"""SOC major groups of the simulated catalogue; `occupation_group` holds one of them."""

SHIFTS = ("day", "evening", "night")


@dataclass(frozen=True)
class Column:
    """One column of an event: its Arrow type and what a valid value is."""

    name: str
    type: pa.DataType
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    allowed: tuple[str, ...] | None = None
    list_size: int | None = None


@dataclass(frozen=True)
class EventType:
    """A named event with its payload columns and the exporter that owns it (`source`: market or platform)."""

    name: str
    source: str
    columns: tuple[Column, ...]

    @property
    def all_columns(self) -> tuple[Column, ...]:
        """Envelope columns first, then the payload."""
        return ENVELOPE + self.columns

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema of the stored table."""
        return pa.schema([pa.field(c.name, c.type, nullable=c.nullable) for c in self.all_columns])


ENVELOPE = (
    Column("event_id", pa.string()),
    Column("occurred_at", TIMESTAMP),
    Column("observed_at", TIMESTAMP),
)


def _id(name: str, *, nullable: bool = False) -> Column:
    return Column(name, pa.string(), nullable=nullable)


def _text(name: str, *, nullable: bool = False) -> Column:
    return Column(name, pa.string(), nullable=nullable)


def _number(name: str, minimum: float | None = None, maximum: float | None = None, *, nullable: bool = False) -> Column:
    return Column(name, pa.float64(), nullable=nullable, minimum=minimum, maximum=maximum)


def _integer(name: str, minimum: float | None = None, maximum: float | None = None) -> Column:
    return Column(name, pa.int64(), minimum=minimum, maximum=maximum)


def _choice(name: str, *allowed: str) -> Column:
    return Column(name, pa.string(), allowed=allowed)


def _flag(name: str) -> Column:
    return Column(name, pa.bool_())


def _texts(name: str) -> Column:
    return Column(name, pa.list_(pa.string()))


def _date(name: str) -> Column:
    return Column(name, pa.date32())


_PROFILE = (
    Column("occupation_group", pa.string(), allowed=OCCUPATION_GROUPS),
    _integer("seniority", 0, 3),
    _choice("shift", *SHIFTS),
)
_PAIR = (_id("user_id"), _id("job_id"))
_CAUSE = (_choice("source", "organic", "message"), _id("exposure_id"))

_TYPES = (
    EventType(
        "job_posted",
        "market",
        (
            _id("job_id"),
            _id("employer_id"),
            _text("employer_name"),
            _text("title"),
            _text("occupation_code"),
            *_PROFILE,
            _text("metro_code"),
            _number("latitude", -90, 90),
            _number("longitude", -180, 180),
            _number("pay_usd_per_hour", 5, 10_000),
            _integer("openings", 1, 10_000),
            Column("expires_at", TIMESTAMP),
            _number("bid_usd_per_apply", 0, 1_000),
            Column("text_embedding", EMBEDDING, list_size=EMBEDDING_SIZE),
        ),
    ),
    EventType("job_closed", "market", (_id("job_id"), _choice("reason", "filled", "expired", "withdrawn"))),
    EventType(
        "user_snapshot",
        "market",
        (
            _id("user_id"),
            *_PROFILE,
            _text("metro_code"),
            _text("state_code", nullable=True),
            _text("time_zone", nullable=True),
            _number("latitude", -90, 90),
            _number("longitude", -180, 180),
            _number("reservation_pay_usd_per_hour", 5, 10_000),
            Column("taste_embedding", EMBEDDING, list_size=EMBEDDING_SIZE),
            Column("signed_up_at", TIMESTAMP),
        ),
    ),
    EventType(
        "consent",
        "market",
        (
            _id("user_id"),
            _choice("channel", "sms"),
            _flag("is_granted"),
            _choice("source", "signup", "inbound_stop", "inbound_start", "preference_page"),
        ),
    ),
    EventType("impression", "market", (*_PAIR, _choice("surface", "search", "feed"), _integer("position", 1, 1_000))),
    EventType("click", "market", (*_PAIR, *_CAUSE)),
    EventType("apply", "market", (*_PAIR, *_CAUSE)),
    EventType("hire", "market", (*_PAIR, *_CAUSE, _id("apply_event_id"))),
    EventType(
        "inbound_message",
        "platform",
        (_id("inbound_id"), _id("user_id"), _choice("keyword", "STOP", "START", "HELP", "OTHER")),
    ),
    EventType(
        "prediction",
        "platform",
        (
            _id("prediction_id"),
            *_PAIR,
            _date("as_of_date"),
            _id("model_version"),
            _id("feature_hash"),
            Column("features", pa.list_(pa.float64())),
            _number("raw_score"),
            _number("probability", 0, 1),
            _integer("rank", 1),
            _number("propensity", 0, 1),
            _id("candidate_set_hash"),
            _id("policy_version"),
        ),
    ),
    EventType(
        "plan_approved",
        "platform",
        (
            _id("plan_id"),
            _text("campaign"),
            _date("as_of_date"),
            _integer("planned_count", 0),
            _text("approved_by"),
            _id("policy_version"),
        ),
    ),
    EventType(
        "message_planned",
        "platform",
        (
            _id("message_id"),
            *_PAIR,
            _text("campaign"),
            _date("as_of_date"),
            _id("prediction_id", nullable=True),
            _choice("slice", "exploit", "explore", "recruiter_rule"),
            _number("propensity", 0, 1),
            _id("plan_id"),
            _text("cohort"),
            _text("body"),
            _integer("segments", 1, 10),
            _id("policy_version"),
        ),
    ),
    EventType(
        "message_suppressed",
        "platform",
        (
            _id("message_id"),
            _id("user_id"),
            _text("campaign"),
            _date("as_of_date"),
            _text("reason"),
            _choice("stage", "plan", "send"),
        ),
    ),
    EventType(
        "message_submitted",
        "platform",
        (_id("message_id"), _id("user_id"), _integer("attempt", 1), _text("provider")),
    ),
    EventType(
        "message_status",
        "platform",
        (
            _id("message_id"),
            _id("user_id"),
            _choice("status", "accepted", "rejected", "throttled", "ambiguous", "delivered", "undelivered", "unknown"),
            _id("provider_message_id", nullable=True),
            _text("detail", nullable=True),
        ),
    ),
    EventType("sending_paused", "platform", (_text("actor"), _text("reason"))),
    EventType("sending_resumed", "platform", (_text("actor"), _text("reason"))),
    EventType(
        "experiment_exposed",
        "platform",
        (_id("user_id"), _text("experiment"), _choice("arm", "treated", "holdout"), _date("as_of_date")),
    ),
    EventType(
        "retrain_decided",
        "platform",
        (
            _id("decision_id"),
            _date("as_of_date"),
            _choice("verdict", "retrain", "wait", "block"),
            _texts("codes"),
            _texts("sentences"),
            _id("model_version", nullable=True),
            _id("policy_version"),
        ),
    ),
    EventType(
        "model_registered",
        "platform",
        (
            _id("model_version"),
            _date("as_of_date"),
            _date("training_start_date"),
            _date("training_end_date"),
            _id("training_data_hash"),
            _integer("examples", 0),
            _integer("positives", 0),
        ),
    ),
    EventType(
        "promotion_decided",
        "platform",
        (
            _id("model_version"),
            _id("champion_version", nullable=True),
            _date("as_of_date"),
            _choice("outcome", "promoted", "refused", "not_enough_evidence"),
            _number("delta_map", nullable=True),
            _number("delta_map_lower", nullable=True),
            _number("delta_map_upper", nullable=True),
            _integer("users_with_positives", 0),
            _texts("sentences"),
            _id("policy_version"),
        ),
    ),
    EventType(
        "model_promoted",
        "platform",
        (_id("model_version"), _id("previous_version", nullable=True), _text("actor"), _text("reason")),
    ),
    EventType(
        "model_rolled_back",
        "platform",
        (_id("model_version"), _id("previous_version"), _text("actor"), _text("reason")),
    ),
)

EVENT_TYPES: dict[str, EventType] = {event_type.name: event_type for event_type in _TYPES}
MARKET_EVENT_TYPES: tuple[str, ...] = (
    *(t.name for t in _TYPES if t.source == "market"),
    "message_planned",
    "message_submitted",
    "message_status",
)
"""What a landing exporter may deliver. The message types are in it because history before mlife was texted by the
recruiters' own tool, whose export is landed like any other source."""
