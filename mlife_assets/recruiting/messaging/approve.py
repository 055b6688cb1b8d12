"""Approval: whether a plan may be sent, because the policy or a person says so.

Concept: closed by default. A policy can approve only sends through a gateway that reaches nobody, and only if it is set
to. Limits hold for every approver: a person decides whether a sound plan is sent, never that an unsound one
is. Anything unknown refuses. An approver names the plan by the digest of its texts, so they decide about the texts
that they saw.

The dispatcher sends approved texts only: digests bind a plan and its texts.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import GateClosedError, InvalidInputError
from mlife_assets.core.quoting import quoted
from mlife_assets.recruiting.application import Application, Channel
from mlife_assets.recruiting.ids import message_id, plan_id_of
from mlife_assets.recruiting.messaging.bodies import Message, OfferedJobs, bodies_of
from mlife_assets.recruiting.messaging.plan import MessagePlan, plan_policy_version
from mlife_assets.recruiting.messaging.templates import segments
from mlife_assets.recruiting.messaging_policy import ContactPolicy
from mlife_assets.recruiting.ports import LedgerRow, MessageGateway

DIGESTED = ("message_id", "user_id", "job_id", "campaign", "as_of_date", "body")
NAMED_MAXIMUM = 3
POLICY_PREFIX = "policy:"
APPROVED_BY_POLICY = f"{POLICY_PREFIX}auto_approve_within_limits"
DIGEST_CHARACTERS_MINIMUM = 12
WITHIN_LIMITS = "within all limits"


def plan_digest(planned: pa.Table) -> str:
    """Return the SHA-256 over all rows of `plan.PLANNED_SCHEMA` in their order, 64 hex digits."""
    rows = planned.select(DIGESTED).to_pylist()
    texts = [[row[name] if name != "as_of_date" else row[name].isoformat() for name in DIGESTED] for row in rows]
    return hashlib.sha256(json.dumps(texts, separators=(",", ":")).encode()).hexdigest()


def plan_differences(
    plan: MessagePlan,
    logged: pa.Table,
    offered: OfferedJobs,
    *,
    settled: Container[str] = (),
) -> tuple[str, ...]:
    """Return every kind of difference between a stored plan and its proofs, as sentences; empty when there is none.

    Args:
        plan: as stored.
        logged: all `message_planned` rows of its day, also several of one message: it may have been planned before.
        offered: today's wordings of the jobs.
        settled: ids of messages that will not be sent any more; their bodies need no proof.
    """
    rows = plan.planned.to_pylist()
    found = _inner_differences(plan, rows)
    in_log: defaultdict[str, set[tuple[Any, ...]]] = defaultdict(set)
    for row in logged.filter(pc.equal(logged["plan_id"], plan.plan_id)).select(DIGESTED).to_pylist():
        in_log[row["message_id"]].add(_text(row))
    differs = [row["message_id"] for row in rows if in_log.pop(row["message_id"], None) != {_text(row)}]
    found += _faults(differs, "not what the event log says was planned")
    found += _faults(sorted(in_log), "in this plan by the event log and not in the stored one")
    reworded = _reworded([row for row in rows if row["message_id"] not in settled], offered)
    return (*found, *_faults(reworded, "worded otherwise than the facts of their jobs give"))


def _reworded(rows: Sequence[Mapping[str, Any]], offered: OfferedJobs) -> list[str]:
    """Return the ids of messages whose jobs, the first of which they name, do not give their bodies once more."""
    messages = [
        Message(row["message_id"], row["user_id"], tuple(item["job_id"] for item in row["items"])) for row in rows
    ]
    sound = [
        message
        for message, row in zip(messages, rows, strict=True)
        if message.job_ids[:1] == (row["job_id"],) and all(job in offered.offers for job in message.job_ids)
    ]
    bodies = dict(zip((message.message_id for message in sound), bodies_of(offered)(sound), strict=True))
    return [row["message_id"] for row in rows if bodies.get(row["message_id"]) != row["body"]]


def _text(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in DIGESTED)


def _inner_differences(plan: MessagePlan, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    found = []
    expected = plan_id_of(
        plan.campaign,
        plan.as_of_date,
        plan.policy_version,
        messages=[row["message_id"] for row in rows],
        job_ids=[row["job_id"] for row in rows],
        bodies=[row["body"] for row in rows],
    )
    if expected != plan.plan_id:
        found.append(f"the stored texts make the plan {expected}, not {plan.plan_id}")
    shared = {
        "plan_id": plan.plan_id,
        "campaign": plan.campaign,
        "as_of_date": plan.as_of_date,
        "policy_version": plan.policy_version,
        "channel": plan.channel,
    }
    foreign = [row["message_id"] for row in rows if any(row[name] != value for name, value in shared.items())]
    found += _faults(foreign, "of another plan, campaign, day, policy or channel")
    misnamed = [
        row["message_id"]
        for row in rows
        if row["message_id"] != message_id(row["user_id"], plan.campaign, plan.as_of_date)
    ]
    return [*found, *_faults(misnamed, "not those of their user")]


def _faults(messages: Sequence[str], what: str) -> list[str]:
    named = ", ".join(messages[:NAMED_MAXIMUM])
    more = ", ..." if len(messages) > NAMED_MAXIMUM else ""
    return [f"{len(messages)} texts are {what}: {named}{more}"] if messages else []


@dataclass(frozen=True)
class ApprovedTexts:
    """The texts of one approved plan, against which rows of the ledger are held before each call.

    Attributes:
        plan_id: of the plan.
        texts: message id -> (user, job, body).
    """

    plan_id: str
    texts: Mapping[str, tuple[str, str, str]] = field(repr=False)

    @classmethod
    def of(cls, plan: MessagePlan) -> ApprovedTexts:
        """Return the texts of a plan whose digest was found to be the approved one."""
        rows = plan.planned.to_pylist()
        return cls(plan.plan_id, {row["message_id"]: (row["user_id"], row["job_id"], row["body"]) for row in rows})

    def require(self, rows: Sequence[LedgerRow]) -> None:
        """Raise GateClosedError unless every row is a text of the plan, to the letter."""
        other = [
            row.message_id for row in rows if self.texts.get(row.message_id) != (row.user_id, row.job_id, row.body)
        ]
        if other:
            raise GateClosedError(
                f"{'; '.join(_faults(other, f'in the ledger and not in the approved plan {self.plan_id}'))}; nothing "
                "is sent. Find out who changed them (docs/runbooks/failed_send.md)"
            )


def nothing_approved(rows: Sequence[LedgerRow]) -> None:
    """Raise GateClosedError when there is a row: the check of a dispatcher without an approved plan."""
    ApprovedTexts("(none was given)", {}).require(rows)


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
