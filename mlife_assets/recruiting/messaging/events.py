"""Events of messaging: the plan, the approval and the ledger, as rows of the event log.

Concept: ids come from what happened, never from when it was written, so emitting the same transitions again adds
nothing. Like the ledger, which keeps the first row of a message, the log keeps the first `message_planned` of a message
id. The ledger's transitions are an outbox: read those after the last emitted sequence, append, remember the sequence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import pyarrow as pa

from mlife_assets.core.ids import event_id
from mlife_assets.recruiting.events import CONSENT_CHANNELS, EVENT_TYPES
from mlife_assets.recruiting.ids import message_id
from mlife_assets.recruiting.messaging.approve import Approval, Rejection
from mlife_assets.recruiting.messaging.plan import MessagePlan
from mlife_assets.recruiting.messaging.replies import START, STOP, STOP_ALL
from mlife_assets.recruiting.messaging.states import SendState

STATUS_STATES = frozenset(
    {
        SendState.ACCEPTED,
        SendState.REJECTED,
        SendState.THROTTLED,
        SendState.AMBIGUOUS,
        SendState.DELIVERED,
        SendState.UNDELIVERED,
        SendState.UNKNOWN,
    }
)
"""States that become `message_status` events."""

Row = Mapping[str, Any]


def _table(event_type: str, rows: Sequence[Row]) -> pa.Table:
    return pa.Table.from_pylist([dict(row) for row in rows], schema=EVENT_TYPES[event_type].schema)


def _planned_events(plan: MessagePlan, now: datetime) -> pa.Table:
    schema, planned = EVENT_TYPES["message_planned"].schema, plan.planned
    envelope = {
        "event_id": [event_id("message_planned", m) for m in planned["message_id"].to_pylist()],
        "occurred_at": [now] * planned.num_rows,
        "observed_at": [now] * planned.num_rows,
    }
    columns = [pa.array(envelope[f.name], f.type) if f.name in envelope else planned[f.name] for f in schema]
    return pa.Table.from_arrays(columns, schema=schema)


def plan_events(plan: MessagePlan, *, experiment: str, now: datetime) -> dict[str, pa.Table]:
    """Return `message_planned`, `message_suppressed` (stage `plan`) and `experiment_exposed` of a plan."""
    day, campaign = plan.as_of_date, plan.campaign
    times = {"occurred_at": now, "observed_at": now}
    suppressed = [
        {
            "event_id": event_id("message_suppressed", "plan", campaign, day.isoformat(), row["user_id"]),
            **times,
            "message_id": message_id(row["user_id"], campaign, day),
            "user_id": row["user_id"],
            "campaign": campaign,
            "as_of_date": day,
            "reason": row["reason"],
            "stage": "plan",
            "channel": plan.channel,
        }
        for row in plan.suppressed.to_pylist()
    ]
    exposed = [
        {
            "event_id": event_id("experiment_exposed", experiment, day.isoformat(), row["user_id"]),
            **times,
            "user_id": row["user_id"],
            "experiment": experiment,
            "arm": row["arm"],
            "as_of_date": day,
        }
        for row in plan.exposed.to_pylist()
        if row["is_compared"]
    ]
    return {
        "message_planned": _planned_events(plan, now),
        "message_suppressed": _table("message_suppressed", suppressed),
        "experiment_exposed": _table("experiment_exposed", exposed),
    }


def approval_events(approval: Approval, *, now: datetime) -> pa.Table:
    """Return the `plan_approved` event."""
    row = {
        "event_id": event_id("plan_approved", approval.plan_id),
        "occurred_at": now,
        "observed_at": now,
        "plan_id": approval.plan_id,
        "campaign": approval.campaign,
        "as_of_date": approval.as_of_date,
        "planned_count": approval.planned_count,
        "approved_by": approval.approved_by,
        "policy_version": approval.policy_version,
        "plan_digest": approval.plan_digest,
        "reason": approval.reason,
    }
    return _table("plan_approved", [row])


def rejection_events(rejection: Rejection, *, now: datetime) -> pa.Table:
    """Return the `plan_rejected` event."""
    key = event_id("plan_rejected", rejection.plan_id, rejection.plan_digest)
    return _table("plan_rejected", [{"event_id": key, "occurred_at": now, "observed_at": now, **asdict(rejection)}])


def transition_events(transitions: pa.Table, *, providers: Mapping[str, str]) -> dict[str, pa.Table]:
    """Return `message_submitted`, `message_status` and `message_suppressed` (stage `send`) of ledger transitions.

    Args:
        transitions: rows of `SqlLedger.transitions`; other transitions (approved, leased) make no event.
        providers: channel -> `MessageGateway.name`.
    """
    found: dict[str, list[Row]] = {"message_submitted": [], "message_status": [], "message_suppressed": []}
    for row in transitions.to_pylist():
        state = row["to_state"]
        common = {
            "occurred_at": row["occurred_at"],
            "observed_at": row["at"],
            "message_id": row["message_id"],
            "user_id": row["user_id"],
        }
        if state == SendState.SUBMITTING:
            key = event_id("message_submitted", row["message_id"], row["attempt"])
            found["message_submitted"].append(
                {"event_id": key, **common, "attempt": row["attempt"], "provider": providers[row["channel"]]}
            )
        elif state in STATUS_STATES:
            key = event_id("message_status", row["message_id"], row["attempt"], state)
            found["message_status"].append(
                {
                    "event_id": key,
                    **common,
                    "status": state,
                    "provider_message_id": row["provider_message_id"],
                    "detail": row["detail"],
                }
            )
        elif state == SendState.SUPPRESSED:
            key = event_id("message_suppressed", "send", row["message_id"])
            found["message_suppressed"].append(
                {
                    "event_id": key,
                    **common,
                    "campaign": row["campaign"],
                    "as_of_date": row["as_of_date"],
                    "reason": row["detail"],
                    "stage": "send",
                    "channel": row["channel"],
                }
            )
    return {event_type: _table(event_type, rows) for event_type, rows in found.items()}


def _consent_channels(keyword: str, channel: str) -> list[tuple[str, ...]]:
    """Return the channels whose consent a reply changes, each with what else its event's id is made of."""
    others = [(one, one) for one in CONSENT_CHANNELS if one != channel] if keyword == STOP_ALL else []
    return [(channel,), *others]


def inbound_events(inbound: pa.Table) -> dict[str, pa.Table]:
    """Return `inbound_message` events of rows of `SqlLedger.inbound`, and `consent` events of STOP, STOP_ALL, START."""
    messages: list[Row] = []
    consents: list[Row] = []
    for row in inbound.to_pylist():
        common = {"occurred_at": row["received_at"], "observed_at": row["at"], "user_id": row["user_id"]}
        key, keyword = event_id("inbound_message", row["inbound_id"]), row["keyword"]
        said = {"inbound_id": row["inbound_id"], "keyword": keyword, "channel": row["channel"]}
        messages.append({"event_id": key, **common, **said})
        if keyword in {STOP, STOP_ALL, START}:
            consents += [
                {
                    "event_id": event_id("consent", "inbound", row["inbound_id"], *other),
                    **common,
                    "channel": channel,
                    "is_granted": keyword == START,
                    "source": "inbound_start" if keyword == START else "inbound_stop",
                }
                for channel, *other in _consent_channels(keyword, row["channel"])
            ]
    return {"inbound_message": _table("inbound_message", messages), "consent": _table("consent", consents)}


def reply_review_event(
    inbound_id: str, user_id: str, verdict: str, *, actor: str, reason: str, now: datetime
) -> pa.Table:
    """Return the `reply_reviewed` event: what somebody thought of an unclear reply."""
    row = {"inbound_id": inbound_id, "user_id": user_id, "verdict": verdict, "actor": actor, "reason": reason}
    key = event_id("reply_reviewed", inbound_id)
    return _table("reply_reviewed", [{"event_id": key, "occurred_at": now, "observed_at": now, **row}])


def employer_review_events(
    names: Mapping[str, str], verdict: str, *, actor: str, reason: str, now: datetime
) -> pa.Table:
    """Return `employer_reviewed` events: whether words of employers may be sent, by employer id, under their names."""
    shared = {"occurred_at": now, "observed_at": now, "verdict": verdict, "actor": actor, "reason": reason}
    rows = [
        {
            "event_id": event_id("employer_reviewed", employer_id, name, verdict, now.isoformat()),
            "employer_id": employer_id,
            "employer_name": name,
            **shared,
        }
        for employer_id, name in names.items()
    ]
    return _table("employer_reviewed", rows)


def switch_events(switches: pa.Table) -> dict[str, pa.Table]:
    """Return `sending_paused` and `sending_resumed` events of rows of `SqlLedger.switches`."""
    found: dict[str, list[Row]] = {"sending_paused": [], "sending_resumed": []}
    for row in switches.to_pylist():
        event_type = "sending_paused" if row["is_paused"] else "sending_resumed"
        key = event_id(event_type, row["sequence"], row["actor"], row["at"].isoformat())
        found[event_type].append(
            {
                "event_id": key,
                "occurred_at": row["at"],
                "observed_at": row["at"],
                "actor": row["actor"],
                "reason": row["reason"],
                "campaign": row["campaign"] or None,
            }
        )
    return {event_type: _table(event_type, rows) for event_type, rows in found.items()}
