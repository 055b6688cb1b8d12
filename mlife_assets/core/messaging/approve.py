"""Approval: whether a plan may be sent without a person looking at it.

Belongs here: the automatic approval and its limits. Does not belong here: moving rows (`adapters.send_ledger`).

Concept: closed by default. Only the embedded console gateway can be approved automatically, only when the policy says
so, and only when everything about the plan is known to be within limits; anything unknown refuses.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import pyarrow.compute as pc

from mlife_assets.core.errors import GateClosedError
from mlife_assets.core.messaging.binding import plan_digest
from mlife_assets.core.messaging.plan import MessagePlan, plan_policy_version
from mlife_assets.core.messaging.segments import segments
from mlife_assets.core.policies import MessagingPolicy

CONSOLE = "console"
APPROVED_BY_POLICY = "policy:auto_approve_within_limits"
WITHIN_LIMITS = "within all limits"


@dataclass(frozen=True)
class Approval:
    """Permission to send one plan, bound to its texts by their digest."""

    plan_id: str
    campaign: str
    as_of_date: date
    planned_count: int
    approved_by: str
    policy_version: str
    plan_digest: str
    reason: str


def refusals(
    plan: MessagePlan, policy: MessagingPolicy, gateway_name: str, *, is_quality_ok: bool | None
) -> tuple[str, ...]:
    """Return every reason, as a sentence, why `plan` must not be approved automatically; empty when there is none."""
    planned = plan.planned
    found: list[str] = []
    if not policy.auto_approve_within_limits:
        found.append("auto_approve_within_limits is off; a person approves")
    if gateway_name != CONSOLE:
        found.append(f"the gateway is {gateway_name!r}, and only {CONSOLE!r} is approved automatically")
    if is_quality_ok is not True:
        found.append("data quality failed" if is_quality_ok is False else "data quality is unknown")
    if plan.policy_version != plan_policy_version(policy):
        found.append(
            f"the plan was made under {plan.policy_version}, not the present {plan_policy_version(policy)}; plan again"
        )
    if planned.num_rows > policy.maximum_messages_per_day:
        found.append(f"{planned.num_rows} texts exceed the daily budget of {policy.maximum_messages_per_day}")
    if len(pc.unique(planned["user_id"])) != planned.num_rows:
        found.append("a user is planned twice")
    if any(segments(body) != 1 for body in planned["body"].to_pylist()):
        found.append("a text needs more than one segment")
    holdout = plan.exposed.filter(pc.equal(plan.exposed["arm"], "holdout"))["user_id"].combine_chunks()
    if pc.any(pc.is_in(planned["user_id"], value_set=holdout)).as_py():
        found.append("a user of the holdout is planned")
    return tuple(found)


def approve(plan: MessagePlan, policy: MessagingPolicy, gateway_name: str, *, is_quality_ok: bool | None) -> Approval:
    """Approve `plan` automatically.

    Args:
        plan: what would be sent.
        policy: the present policy; must be the one that the plan was made under.
        gateway_name: `SmsGateway.name` of the gateway that would send.
        is_quality_ok: whether today's data-quality report passed; None when unknown, which refuses.

    Raises:
        GateClosedError: names every rule that forbids it.
    """
    found = refusals(plan, policy, gateway_name, is_quality_ok=is_quality_ok)
    if found:
        raise GateClosedError(f"plan {plan.plan_id} is not approved: {'; '.join(found)}")
    return Approval(
        plan.plan_id,
        plan.campaign,
        plan.as_of_date,
        plan.planned.num_rows,
        APPROVED_BY_POLICY,
        plan.policy_version,
        plan_digest(plan.planned),
        WITHIN_LIMITS,
    )
