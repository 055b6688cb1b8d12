"""Ledger and event log hold each other to account, before anything is sent.

Belongs here: what the log knows and the ledger does not, and the other way round. Does not belong here: publishing
(`ledger_outbox`), mending (`ledger_catch_up`).

Concept: the ledger decides who was texted, so a lost or an older one would text people again; but everything it did is
also in the log. Sends and approvals are compared for the days that the caps look at, texts from people and the switch
for ever, old texts that were found before by a digest (`inbound_mark`). The remembered position is only one of the
witnesses: deleting it hides nothing. Rows that the log does not have yet are no disagreement; they are published first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from mlife_assets.adapters.inbound_mark import move_mark, not_compared
from mlife_assets.adapters.ledger_outbox import STREAMS, LedgerOutbox
from mlife_assets.core.errors import IntegrityError
from mlife_assets.recruiting.messaging.states import BEFORE_SUBMITTING, SendState

if TYPE_CHECKING:
    from mlife_assets.adapters.send_ledger import SqlLedger

REMEDY = (
    "restore it with `mlife backup restore --from DIR`, or without a backup bring it forward with "
    "`mlife backup catch-up` (docs/runbooks/lost_ledger.md)"
)
SWITCHED = {True: "sending_paused", False: "sending_resumed"}
APPROVED = ("campaign", "as_of_date", "plan_id", "plan_digest")


def require_agreement(
    ledger: SqlLedger,
    outbox: LedgerOutbox,
    *,
    signed: Mapping[str, int],
    mark: Path,
    since: date,
    until: date,
) -> None:
    """Raise IntegrityError unless the ledger knows whatever the log says of it, and the log what was published.

    Args:
        ledger: of which one is about to send.
        outbox: from this ledger to the log.
        signed: how far each stream of the ledger had come by the newest signed head; empty when nothing was signed.
        mark: the private file that says how far texts from people were compared.
        since: first day whose sends the caps look at; they look at later days than `until`, too.
        until: the day that is about to be sent.
    """
    found = [
        *_behind_its_position(outbox),
        *_behind_its_head(ledger, signed),
        *_sends(ledger, outbox, since),
        *_inbound(ledger, outbox, mark, until),
        *_switches(ledger, outbox),
        *_approvals(ledger, outbox, since),
    ]
    if found:
        raise IntegrityError(
            f"the ledger is not the one that the event log knows, so nothing is sent: {'; '.join(found)}. It was lost, "
            f"is an older copy or another's: {REMEDY}"
        )


def _behind_its_position(outbox: LedgerOutbox) -> list[str]:
    position = outbox.position() or dict.fromkeys(STREAMS, 0)
    return [
        f"{last} of its {name} were published and it lacks the last"
        for name, last in position.items()
        if not outbox.holds(name, last)
    ]


def _behind_its_head(ledger: SqlLedger, signed: Mapping[str, int]) -> list[str]:
    reached = ledger.positions()
    return [
        f"the newest signed head knows {last} of its {name} and it has {reached.get(name, 0)}"
        for name, last in sorted(signed.items())
        if reached.get(name, 0) < last
    ]


def _sends(ledger: SqlLedger, outbox: LedgerOutbox, since: date) -> list[str]:
    logged: defaultdict[str, int] = defaultdict(int)
    events = outbox.logged("message_submitted", ["message_id", "attempt"], start=since)
    pairs = set(zip(events["message_id"].to_pylist(), events["attempt"].to_pylist(), strict=True))
    for message, attempt in pairs:
        logged[message] = max(logged[message], attempt)
    known = ledger.attempts(sorted(logged))
    lost = [message for message, attempt in logged.items() if known.get(message, ("", 0))[1] < attempt]
    waiting = [message for message in logged if known.get(message, ("", 0))[0] in BEFORE_SUBMITTING]
    if waiting:
        throttled = outbox.logged("message_status", ["message_id", "status"], start=since)
        states = zip(throttled["message_id"].to_pylist(), throttled["status"].to_pylist(), strict=True)
        retried = {message for message, status in states if status == SendState.THROTTLED}
        lost += [message for message in waiting if message not in retried and message not in lost]
    found = _counted(lost, "texts were handed to the provider and are unknown to it or still wait in it")
    unpublished = set(outbox.unpublished_messages())
    unlogged = [
        message
        for message, attempts in ledger.submitted(since).items()
        if attempts > logged[message] and message not in unpublished
    ]
    return [*found, *_counted(unlogged, "texts that it published are not in the log")]


def _inbound(ledger: SqlLedger, outbox: LedgerOutbox, mark: Path, day: date) -> list[str]:
    files, texts = outbox.files("inbound_message"), ledger.inbound_ids()
    logged = outbox.rows_of("inbound_message", not_compared(mark, files, texts), ["inbound_id"])
    unknown = set(logged["inbound_id"].to_pylist()) - set(texts)
    if unknown:
        return _counted(sorted(unknown), "texts from people, STOPs perhaps, are unknown to it")
    move_mark(mark, files, texts, day=day)
    return _counted(ledger.unlisted_stops(), "people are not listed although they said STOP")


def _switches(ledger: SqlLedger, outbox: LedgerOutbox) -> list[str]:
    known = {(row["is_paused"], row["actor"], row["at"]) for row in ledger.switches().to_pylist()}
    lost = [
        row["actor"]
        for is_paused, event_type in SWITCHED.items()
        for row in outbox.logged(event_type, ["actor", "occurred_at"]).to_pylist()
        if (is_paused, row["actor"], row["occurred_at"]) not in known
    ]
    return [f"{len(lost)} switches of sending (by {', '.join(sorted(set(lost)))}) are unknown to it"] if lost else []


def _approvals(ledger: SqlLedger, outbox: LedgerOutbox, since: date) -> list[str]:
    found, approved = [], set()
    for row in outbox.event_log.read("plan_approved", start=since, columns=APPROVED).to_pylist():
        approved.add(row["plan_digest"])
        if row["plan_digest"] is None:  # of release 0.1.0, whose ledger kept no approvals
            continue
        approval = ledger.approval(row["campaign"], row["as_of_date"])
        if approval is None or approval.plan_digest != row["plan_digest"]:
            found.append(f"the approval of {row['plan_id']} for {row['campaign']} {row['as_of_date']} is unknown to it")
    rejected = outbox.event_log.read("plan_rejected", start=since, columns=["plan_id", "plan_digest"])
    found += [
        f"the rejection of {row['plan_id']} is unknown to it"
        for row in rejected.to_pylist()
        if row["plan_digest"] not in approved and ledger.rejection(row["plan_digest"]) is None
    ]
    return found


def _counted(messages: Sequence[str], what: str) -> list[str]:
    return [f"{len(messages)} {what} (such as {messages[0]})"] if messages else []
