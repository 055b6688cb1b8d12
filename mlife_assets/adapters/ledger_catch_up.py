"""Bringing a lost or older ledger forward from the event log.

Concept: everything that the ledger published can be read from the log, so after it nobody who was texted is texted
again and every STOP holds. Only the provider knows unpublished sends, so the provider is asked about each
text that may have been on its way. Added rows have the ids that they had before, so the log counts nothing twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mlife_assets.adapters.ledger_cross_check import take_over_files
from mlife_assets.adapters.ledger_outbox import LedgerOutbox
from mlife_assets.adapters.send_ledger import Move, RestoredSend, SqlLedger, accepted_moves
from mlife_assets.adapters.send_ledger.records import REJECTED
from mlife_assets.core.errors import IntegrityError
from mlife_assets.core.ids import event_id
from mlife_assets.core.windows import add_days
from mlife_assets.recruiting.application import EVERYTHING, Channel
from mlife_assets.recruiting.messaging.approve import Approval, Rejection
from mlife_assets.recruiting.messaging.states import BEFORE_SUBMITTING, SendState
from mlife_assets.recruiting.ports import Accepted

ASKED_DAYS = 8
"""Approved days back from the newest whose texts the provider is asked about: the window of the caps."""

SWITCHES_MAXIMUM = 100_000
"""More pauses than any deployment has; bounds a search."""

_S = SendState
_ORDER = {_S.SUBMITTING: 0, _S.THROTTLED: 1, _S.REJECTED: 1, _S.AMBIGUOUS: 1, _S.ACCEPTED: 2, _S.UNKNOWN: 3}
_LAST = 4
_PLANNED = ("message_id", "user_id", "job_id", "campaign", "as_of_date", "body", "channel")
_MAY_HAVE_GONE_ON = BEFORE_SUBMITTING | {_S.THROTTLED}
"""States after which the provider may have taken a text unheard: a throttled one may have been tried again."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class CaughtUp:
    """Counts of rows that the ledger lacked: sends, those only the provider knew, approvals or rejections, the rest."""

    sends: int
    found_at_provider: int
    inbound: int
    switches: int
    approvals: int


def catch_up(
    ledger: SqlLedger,
    outbox: LedgerOutbox,
    *,
    find: Callable[[str, str], Accepted | None],
    signed: Mapping[str, int],
    now: datetime,
    vouches: bool = False,
) -> CaughtUp:
    """Add to the ledger what only the log and the provider, which `find` asks, know; safe to repeat after a crash.

    Numbering goes on after `signed`, the positions of the newest head. The log's consents and reviews are believed if
    somebody `vouches` for them, or the ledger was lost. Raises IntegrityError if they are of different deployments.
    """
    planned = _planned(outbox)
    foreign = [row.message_id for row in ledger.sends.rows() if row.attempts and row.message_id not in planned]
    if foreign:
        raise IntegrityError(
            f"the ledger holds {len(foreign)} texts that this event log never planned (such as {foreign[0]}): it is "
            "another deployment's; restore a backup of this one"
        )
    switches = _switches(ledger, outbox)  # before numbering moves on: a switch is known by its number
    is_behind = any(ledger.positions().get(name, 0) < last for name, last in signed.items())
    if vouches or is_behind or not ledger.log_files.recorded():
        take_over_files(ledger, outbox.event_log)
    ledger.restoring.continue_after(signed)
    approvals = _approvals(ledger, outbox) + _rejections(ledger, outbox)
    logged = _sends(outbox, planned)
    sends = ledger.restoring.restore_sends(logged)
    inbound = _inbound(ledger, outbox)
    asked = _asked(ledger, outbox, planned)
    known = ledger.sends.attempts([row["message_id"] for row in asked])
    found = ledger.restoring.restore_sends(
        [
            _restored(
                row, accepted_moves(accepted.provider_message_id, attempt=known.get(key, ("", 0))[1] + 1, now=now)
            )
            for row in asked
            if (accepted := find(row["channel"], key := row["message_id"])) is not None
        ]
    )
    ledger.restoring.mark_caught_up(signed.get("transitions", 0), now=now)
    outbox.publish(is_position_trusted=False)
    return CaughtUp(sends, found, inbound, switches, approvals)


def _planned(outbox: LedgerOutbox) -> dict[str, Row]:
    """Return the planned row of each message; of several plans of a day the approved one's."""
    columns = [*_PLANNED, "plan_id", "observed_at"]
    log = outbox.event_log
    approved = set(log.read("plan_approved", columns=["plan_id"])["plan_id"].to_pylist())
    found: dict[str, Row] = {}
    for file in log.files("message_planned"):
        for row in log.read_file(file, columns).to_pylist():
            known = found.get(row["message_id"])
            if known is None or (row["plan_id"] in approved and known["plan_id"] not in approved):
                found[row["message_id"]] = row
    return found


def _sends(outbox: LedgerOutbox, planned: Mapping[str, Row]) -> list[RestoredSend]:
    moves: defaultdict[str, list[Move]] = defaultdict(list)
    common = ["event_id", "message_id", "occurred_at", "observed_at"]
    for row in outbox.logged("message_submitted", [*common, "attempt"]).to_pylist():
        moves[row["message_id"]].append(
            Move(_S.SUBMITTING, row["attempt"], None, None, row["occurred_at"], row["observed_at"])
        )
    attempts = {message: max(move.attempt for move in known) for message, known in moves.items()}
    for row in outbox.logged("message_status", [*common, "status", "provider_message_id", "detail"]).to_pylist():
        attempt = _attempt_of(row, attempts.get(row["message_id"], 0))
        said = (row["provider_message_id"], row["detail"], row["occurred_at"], row["observed_at"])
        moves[row["message_id"]].append(Move(SendState(row["status"]), attempt, *said))
    for row in outbox.logged("message_suppressed", [*common, "reason", "stage"]).to_pylist():
        if row["stage"] == "send":
            attempt = attempts.get(row["message_id"], 0)
            moves[row["message_id"]].append(
                Move(_S.SUPPRESSED, attempt, None, row["reason"], row["occurred_at"], row["observed_at"])
            )
    lost = [message for message in moves if message not in planned]
    if lost:
        raise IntegrityError(
            f"the event log lacks the plan of {len(lost)} texts that were sent (such as {lost[0]}); "
            "run `mlife log verify` and restore the files that it names"
        )
    return [
        _restored(planned[message], sorted(set(known), key=lambda move: (move.attempt, _ORDER.get(move.state, _LAST))))
        for message, known in sorted(moves.items())
    ]


def _attempt_of(row: Row, attempts: int) -> int:
    """Return the attempt that a status belongs to: it is part of the event's id and of nothing else."""
    for attempt in range(attempts, 0, -1):
        if event_id("message_status", row["message_id"], attempt, row["status"]) == row["event_id"]:
            return attempt
    raise IntegrityError(
        f"status {row['status']} of {row['message_id']} belongs to none of its {attempts} attempts in the event log; "
        "run `mlife log verify` and restore the files that it names"
    )


def _restored(planned: Row, moves: Sequence[Move]) -> RestoredSend:
    return RestoredSend(**{name: planned[name] for name in _PLANNED}, moves=tuple(moves))


def _inbound(ledger: SqlLedger, outbox: LedgerOutbox) -> int:
    columns = ["inbound_id", "user_id", "keyword", "channel", "occurred_at", "observed_at"]
    rows = outbox.logged("inbound_message", columns).to_pylist()
    count = 0
    for row in sorted(rows, key=lambda row: (row["observed_at"], row["occurred_at"], row["inbound_id"])):
        at = {"received_at": row["occurred_at"], "now": row["observed_at"]}
        said = (row["inbound_id"], row["user_id"], row["keyword"])
        count += ledger.replies.record(*said, **at, channel=row["channel"] or Channel.SMS)
    return count


def _switches(ledger: SqlLedger, outbox: LedgerOutbox) -> int:
    known = {(row["is_paused"], row["at"]) for row in ledger.switches.rows().to_pylist()}
    found: dict[int, dict[str, Any]] = {}
    for event_type, is_paused in (("sending_paused", True), ("sending_resumed", False)):
        for row in outbox.logged(event_type, ["event_id", "actor", "reason", "campaign", "occurred_at"]).to_pylist():
            if (is_paused, row["occurred_at"]) not in known:
                facts = {"actor": row["actor"], "reason": row["reason"], "campaign": row["campaign"] or EVERYTHING}
                found[_sequence_of(event_type, row)] = {"is_paused": is_paused, "at": row["occurred_at"], **facts}
    for sequence, switch in sorted(found.items()):
        ledger.restoring.restore_switch(sequence, **switch)
    return len(found)


def _sequence_of(event_type: str, row: Row) -> int:
    """Return the number of a switch: it is part of the event's id and of nothing else."""
    for sequence in range(1, SWITCHES_MAXIMUM):
        if event_id(event_type, sequence, row["actor"], row["occurred_at"].isoformat()) == row["event_id"]:
            return sequence
    raise IntegrityError(
        f"{event_type} by {row['actor']} in the event log is none that a ledger wrote; run `mlife log verify`"
    )


def _approvals(ledger: SqlLedger, outbox: LedgerOutbox) -> int:
    count = 0
    for row in outbox.event_log.read("plan_approved").to_pylist():
        if row["plan_digest"] is None or ledger.approvals.of_day(row["campaign"], row["as_of_date"]) is not None:
            continue
        names = ("plan_id", "campaign", "as_of_date", "planned_count", "approved_by", "policy_version", "plan_digest")
        approval = Approval(**{name: row[name] for name in names}, reason=row["reason"] or "from the event log")
        count += ledger.approvals.record(approval, now=row["observed_at"])
    return count


def _rejections(ledger: SqlLedger, outbox: LedgerOutbox) -> int:
    columns = ["plan_digest"]
    approved = set(outbox.event_log.read("plan_approved", columns=columns)["plan_digest"].to_pylist())
    rows = outbox.event_log.read("plan_rejected").to_pylist()
    return sum(
        ledger.approvals.record_rejection(Rejection(**{name: row[name] for name in REJECTED}), now=row["observed_at"])
        for row in rows
        if row["plan_digest"] not in approved  # texts of an approved plan may have been sent, which no rejection undoes
    )


def _asked(ledger: SqlLedger, outbox: LedgerOutbox, planned: Mapping[str, Row]) -> list[Row]:
    """Return the planned rows of the newest approved days that, as far as is known, were not handed over."""
    columns = ["campaign", "as_of_date"]
    approved = outbox.event_log.read("plan_approved", columns=columns).to_pylist()
    newest = max((row["as_of_date"] for row in approved), default=None)
    if newest is None:
        return []
    days = {
        (row["campaign"], row["as_of_date"]) for row in approved if row["as_of_date"] > add_days(newest, -ASKED_DAYS)
    }
    rows = [row for row in planned.values() if (row["campaign"], row["as_of_date"]) in days]
    states = ledger.sends.attempts([row["message_id"] for row in rows])
    return [row for row in rows if states.get(row["message_id"], (_S.PLANNED, 0))[0] in _MAY_HAVE_GONE_ON]
