"""Ledger and event log hold each other to account, before anything is sent.

Concept: the ledger decides who was texted, so a lost or an older one would text people again; but everything it did is
also in the log. Sends and approvals are compared for the days that the caps look at, texts from people and the switch
for ever. The remembered position is only one of the witnesses: deleting it hides nothing. Rows that the log does not
have yet are no disagreement; they are published first.

Consents and reviews come from others. A writer to the lake could add some, so the ledger lists each of their files.

Old texts from people are compared once. A mark beside the keys, where nobody can write who can write the lake, has
digests of the files up to a day and of the ledger's first texts. It holds while both give the same digests: not for
another or older ledger, nor once a file came to an old day, as by a clock that was off. Then all files are read again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from mlife_assets.adapters.ledger_outbox import STREAMS, LedgerOutbox
from mlife_assets.adapters.private_files import write_private
from mlife_assets.core.errors import IntegrityError
from mlife_assets.core.ids import digest
from mlife_assets.core.windows import add_days
from mlife_assets.recruiting.events import EARLIER, ON_RECORD, TAKEN_OVER
from mlife_assets.recruiting.messaging.states import BEFORE_SUBMITTING, SendState

if TYPE_CHECKING:
    from mlife_assets.adapters.event_log import LogFile, ParquetEventLog
    from mlife_assets.adapters.send_ledger import SqlLedger

REMEDY = (
    "restore it with `mlife backup restore --from DIR`, or without a backup bring it forward with "
    "`mlife backup catch-up` (docs/runbooks/lost_ledger.md)"
)
SWITCHED = {True: "sending_paused", False: "sending_resumed"}
UNKNOWN_FILES = "files of consents or reviews that it never wrote are in the log: forged, unless it was lost"
MARK_FILE = "inbound_compared.json"
UNSETTLED_DAYS = 7
"""Newest days whose texts from people are always compared."""
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
    """Raise IntegrityError unless the ledger knows its rows in the log, and the log every published row.

    `signed` are the positions of the newest head, `mark` says how far texts from people were compared, and sends are
    compared from `since` on, also after `until`.
    """
    log = outbox.event_log
    if EARLIER in ledger.log_files.recorded():
        take_over_files(ledger, log)
    found = [
        *_behind_its_position(outbox),
        *_behind_its_head(ledger, signed),
        *_sends(ledger, outbox, since),
        *_inbound(ledger, outbox, mark, until),
        *_switches(ledger, outbox),
        *_approvals(ledger, outbox, since),
        *_counted(unknown_files(ledger, log), UNKNOWN_FILES),
    ]
    recent = (file for event_type in ON_RECORD for file in log.files(event_type, start=since))
    if altered := [file.key for file in recent if not log.is_whole(file)]:
        raise IntegrityError(f"{altered[0]} is not what its name says, so nothing is sent; run `mlife log verify`")
    if found:
        raise IntegrityError(
            f"the ledger is not the one that the event log knows, so nothing is sent: {'; '.join(found)}. It was lost, "
            f"is an older copy or another's: {REMEDY}"
        )


def unknown_files(ledger: SqlLedger, log: ParquetEventLog) -> list[str]:
    """Return the files of consents and reviews that nobody wrote who has the ledger; a key names its content."""
    keys = _files_on_record(log)
    known = ledger.log_files.recorded()  # after the listing: others record a file before it is there
    return [] if EARLIER in known else [key for key in keys if key not in known]


def require_known_files(ledger: SqlLedger, log: ParquetEventLog) -> None:
    if unknown := unknown_files(ledger, log):
        raise IntegrityError(f"{len(unknown)} {UNKNOWN_FILES} (such as {unknown[0]}); look at them, then say --vouch")


def take_over_files(ledger: SqlLedger, log: ParquetEventLog) -> None:
    """Let a lost or earlier ledger know all files of consents and reviews in the log, as taken over."""
    ledger.log_files.record(_files_on_record(log), origin=TAKEN_OVER)


def _files_on_record(log: ParquetEventLog) -> list[str]:
    return [file.key for event_type in ON_RECORD for file in log.files(event_type)]


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
    known = ledger.sends.attempts(sorted(logged))
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
        for message, attempts in ledger.sends.submitted(since).items()
        if attempts > logged[message] and message not in unpublished
    ]
    return [*found, *_counted(unlogged, "texts that it published are not in the log")]


def _inbound(ledger: SqlLedger, outbox: LedgerOutbox, mark: Path, day: date) -> list[str]:
    files, texts = outbox.files("inbound_message"), ledger.replies.ids()
    left = not_compared(mark, files, texts)
    logged = outbox.rows_of("inbound_message", left, ["inbound_id"])
    unknown = set(logged["inbound_id"].to_pylist()) - set(texts)
    if unknown:
        return _counted(sorted(unknown), "texts from people, STOPs perhaps, are unknown to it")
    move_mark(mark, files, texts, left, day=day)
    return _counted(ledger.people.unlisted_stops(), "people are not listed although they said STOP")


def not_compared(place: Path, files: Sequence[LogFile], texts: Sequence[str]) -> list[LogFile]:
    """Return the files of texts to find among the ledger's, `texts`: all, unless the mark in `place` holds."""
    try:
        kept = orjson.loads(place.read_bytes())
        until = date.fromisoformat(kept["until"])
        holds = kept == _mark(files, texts[: kept["count"]], until)
    except (FileNotFoundError, KeyError, TypeError, ValueError):
        holds, until = False, date.min
    return [file for file in files if not holds or file.day > until]


def move_mark(
    place: Path, files: Sequence[LogFile], texts: Sequence[str], compared: Sequence[LogFile], *, day: date
) -> None:
    """Move the mark to a week before `day`, if a file of before was just `compared`."""
    until = add_days(day, -UNSETTLED_DAYS)
    if any(file.day <= until for file in compared):
        write_private(place, orjson.dumps(_mark(files, texts, until), option=orjson.OPT_SORT_KEYS))


def _mark(files: Sequence[LogFile], texts: Sequence[str], until: date) -> dict[str, Any]:
    keys = sorted(file.key for file in files if file.day <= until)
    return {"until": until.isoformat(), "files": digest(keys), "count": len(texts), "texts": digest(texts)}


def _switches(ledger: SqlLedger, outbox: LedgerOutbox) -> list[str]:
    known = {(row["is_paused"], row["actor"], row["at"]) for row in ledger.switches.rows().to_pylist()}
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
        approval = ledger.approvals.of_day(row["campaign"], row["as_of_date"])
        if approval is None or approval.plan_digest != row["plan_digest"]:
            found.append(f"the approval of {row['plan_id']} for {row['campaign']} {row['as_of_date']} is unknown to it")
    rejected = outbox.event_log.read("plan_rejected", start=since, columns=["plan_id", "plan_digest"])
    found += [
        f"the rejection of {row['plan_id']} is unknown to it"
        for row in rejected.to_pylist()
        if row["plan_digest"] not in approved and ledger.approvals.rejection(row["plan_digest"]) is None
    ]
    return found


def _counted(messages: Sequence[str], what: str) -> list[str]:
    return [f"{len(messages)} {what} (such as {messages[0]})"] if messages else []
