"""Approval: whether a plan may be sent, because the policy or a person says so.

Concept: closed by default. Only what a gateway takes that reaches nobody can be approved by policy, and only when the
policy says so. Limits hold whoever approves: a person decides whether a sound plan is sent, never that an unsound one
is. Anything unknown refuses. Who approves or rejects names the plan by the digest of its texts, so they decide about
what they saw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow.compute as pc

from mlife_assets.core.errors import GateClosedError, InvalidInputError
from mlife_assets.core.quoting import quoted
from mlife_assets.recruiting.application import Application, Channel
from mlife_assets.recruiting.messaging.binding import plan_digest
from mlife_assets.recruiting.messaging.plan import MessagePlan, plan_policy_version
from mlife_assets.recruiting.messaging.templates import segments
from mlife_assets.recruiting.messaging_policy import ContactPolicy
from mlife_assets.recruiting.ports import MessageGateway

POLICY_PREFIX = "policy:"
APPROVED_BY_POLICY = f"{POLICY_PREFIX}auto_approve_within_limits"
DIGEST_CHARACTERS_MINIMUM = 12
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


@dataclass(frozen=True)
class Rejection:
    """A person's refusal of one plan: it is never sent."""

    plan_id: str
    campaign: str
    as_of_date: date
    plan_digest: str
    actor: str
    reason: str


def require_not_rejected(rejection: Rejection | None) -> None:
    """Raise GateClosedError when there is a rejection."""
    if rejection is not None:
        raise GateClosedError(
            f"plan {rejection.plan_id} was rejected by {rejection.actor}: {rejection.reason}. It is never sent"
        )


def refusals(
    plan: MessagePlan,
    application: Application,
    contact: ContactPolicy,
    gateway: MessageGateway,
    *,
    is_quality_ok: bool | None,
) -> tuple[str, ...]:
    """Return every reason, as a sentence, why `plan` must not be approved automatically; empty when there is none."""
    found: list[str] = []
    if not application.policy.auto_approve_within_limits:
        found.append(
            "auto_approve_within_limits is off, so a person decides: `mlife plan show`, or approve_plan_job in the UI"
        )
    if vars(type(gateway)).get("reaches_nobody") is not True:
        found.append(f"the gateway is {gateway.name!r}, and only what reaches nobody is approved automatically")
    return (*found, *broken_limits(plan, application, contact, is_quality_ok=is_quality_ok))


def broken_limits(
    plan: MessagePlan, application: Application, contact: ContactPolicy, *, is_quality_ok: bool | None
) -> tuple[str, ...]:
    """Return every reason, as a sentence, why nobody may approve `plan`; empty when there is none."""
    planned, policy = plan.planned, application.policy
    present = plan_policy_version(application, contact)
    found: list[str] = []
    if is_quality_ok is not True:
        found.append("data quality failed" if is_quality_ok is False else "data quality is unknown")
    if plan.policy_version != present:
        found.append(f"the plan was made under {plan.policy_version}, not the present {present}; plan again")
    if planned.num_rows > policy.maximum_messages_per_day:
        found.append(f"{planned.num_rows} texts exceed the daily budget of {policy.maximum_messages_per_day}")
    if len(pc.unique(planned["user_id"])) != planned.num_rows:
        found.append("a user is planned twice")
    if application.channel is Channel.SMS and any(segments(body) != 1 for body in planned["body"].to_pylist()):
        found.append("a text needs more than one segment")
    holdout = plan.exposed.filter(pc.equal(plan.exposed["arm"], "holdout"))["user_id"].combine_chunks()
    if pc.any(pc.is_in(planned["user_id"], value_set=holdout)).as_py():
        found.append("a user of the holdout is planned")
    return tuple(found)


def approve(
    plan: MessagePlan,
    application: Application,
    contact: ContactPolicy,
    gateway: MessageGateway,
    *,
    is_quality_ok: bool | None,
) -> Approval:
    """Approve `plan` automatically.

    Args:
        plan: what would be sent.
        application, contact: as they are now; must be those that the plan was made under.
        gateway: what would send.
        is_quality_ok: whether today's data-quality report passed; None when unknown, which refuses.

    Raises:
        GateClosedError: names every rule that forbids it.
    """
    found = refusals(plan, application, contact, gateway, is_quality_ok=is_quality_ok)
    return _approval(plan, found, APPROVED_BY_POLICY, WITHIN_LIMITS)


def approve_by_person(
    plan: MessagePlan,
    application: Application,
    contact: ContactPolicy,
    *,
    actor: str,
    reason: str,
    is_quality_ok: bool | None,
) -> Approval:
    """Approve `plan` because a person says so.

    Args:
        plan: what would be sent, found by the digest that the person named.
        application, contact: as they are now; must be those that the plan was made under.
        actor: who says so.
        reason: why.
        is_quality_ok: whether today's data-quality report passed; None when unknown, which refuses.

    Raises:
        GateClosedError: names every limit that forbids it.
        InvalidInputError: the actor takes the policy's name.
    """
    if actor.startswith(POLICY_PREFIX):
        raise InvalidInputError(f"actor {quoted(actor)} begins with {POLICY_PREFIX!r}; only the policy is called so")
    return _approval(plan, broken_limits(plan, application, contact, is_quality_ok=is_quality_ok), actor, reason)


def require_digest(plan: MessagePlan, named: str) -> str:
    """Return the digest of `plan`, which somebody named by it or by its first characters.

    Raises:
        InvalidInputError: too few characters to identify one plan.
        GateClosedError: another plan was named.
    """
    digest = plan_digest(plan.planned)
    if len(named) < DIGEST_CHARACTERS_MINIMUM:
        raise InvalidInputError(
            f"plan digest {quoted(named)} is too short; give {DIGEST_CHARACTERS_MINIMUM} characters or more"
        )
    if not digest.startswith(named):
        raise GateClosedError(
            f"the plan of {plan.as_of_date} has the digest {digest[:DIGEST_CHARACTERS_MINIMUM]}..., not "
            f"{quoted(named)}; look at it again (`mlife plan show`) before you decide"
        )
    return digest


def _approval(plan: MessagePlan, found: Sequence[str], approved_by: str, reason: str) -> Approval:
    if found:
        raise GateClosedError(f"plan {plan.plan_id} is not approved: {'; '.join(found)}")
    return Approval(
        plan.plan_id,
        plan.campaign,
        plan.as_of_date,
        plan.planned.num_rows,
        approved_by,
        plan.policy_version,
        plan_digest(plan.planned),
        reason,
    )
