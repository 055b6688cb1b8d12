"""Binding: what was approved is what is sent.

Concept: a stored plan is only a copy. Its id is computed again, the decision that the event log holds must be the same,
and every body must come out of the facts of its job once more. The digest covers who gets which words; it is kept with
the approval, outside the lake, so that whoever can write the lake cannot exchange a text. One difference closes the
gate for all texts: who changed one may have changed others.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import GateClosedError
from mlife_assets.recruiting.ids import message_id, plan_id_of
from mlife_assets.recruiting.messaging.bodies import Message, OfferedJobs, bodies_of
from mlife_assets.recruiting.ports import LedgerRow

if TYPE_CHECKING:
    from mlife_assets.recruiting.messaging.plan import MessagePlan

DIGESTED = ("message_id", "user_id", "job_id", "campaign", "as_of_date", "body")
NAMED_MAXIMUM = 3


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
        offered: what the jobs' facts say today.
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
    """Raise GateClosedError when there is a row: what a dispatcher holds against that was given no approved plan."""
    ApprovedTexts("(none was given)", {}).require(rows)
