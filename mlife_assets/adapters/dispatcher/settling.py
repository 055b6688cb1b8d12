"""What became of sends: asking the provider, taking its receipts.

Concept: only an answer closes a send. A question that fails is no answer, so the send stays as it is and the next one
is asked about. Closing a send as unknown ends the asking, not the listening: a receipt that comes later still counts.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from mlife_assets.adapters.dispatcher.reports import ReconcileReport
from mlife_assets.core.errors import GateClosedError
from mlife_assets.core.windows import add_days, day_start
from mlife_assets.recruiting.ids import message_id
from mlife_assets.recruiting.messaging.eligibility import FREQUENCY_7_DAYS
from mlife_assets.recruiting.messaging.states import SendState
from mlife_assets.recruiting.messaging_policy import MessagingPolicy
from mlife_assets.recruiting.ports import MessageGateway, Receipt

if TYPE_CHECKING:
    from mlife_assets.adapters.send_ledger import SqlLedger, Transition

_LOGGER = logging.getLogger(__name__)
AWAITED_DAYS = 31
"""How old a send is whose receipts are looked for among all: an ambiguous send is closed after 30 days at the latest
(`ambiguous_close_hours`), unless nobody can be asked; a relay gives a mail up within days, and one that never reports
leaves it accepted for ever."""


def reconcile(ledger: SqlLedger, gateway: MessageGateway, policy: MessagingPolicy, now: datetime) -> ReconcileReport:
    """Ask the provider about ambiguous sends of its channel; what it does not know in `ambiguous_close_hours` is
    unknown.

    A send that the provider could not be asked about stays ambiguous, however old it is.
    """
    from mlife_assets.adapters.send_ledger import Transition

    moves: list[Transition] = []
    unreadable = 0
    rows = ledger.rows(channel=gateway.channel, state=SendState.AMBIGUOUS)
    for row in rows:
        try:
            found = gateway.find(row.message_id)
        except Exception as error:  # noqa: BLE001  whatever went wrong, it is not the answer "never accepted"
            _LOGGER.warning("%s could not be looked up at the provider (%s)", row.message_id, type(error).__name__)
            unreadable += 1
            continue
        if found is not None:
            moves.append(Transition(row.message_id, SendState.ACCEPTED, found.provider_message_id, detail="reconciled"))
        elif now - row.updated_at >= timedelta(hours=policy.ambiguous_close_hours):
            moves.append(Transition(row.message_id, SendState.UNKNOWN, detail="not found at the provider"))
    ledger.transition_many(moves, now=now)
    states = Counter(move.to_state for move in moves)
    return ReconcileReport(states[SendState.ACCEPTED], states[SendState.UNKNOWN], len(rows) - len(moves), unreadable)


def find_forgotten(
    ledger: SqlLedger,
    gateway: MessageGateway,
    campaign: str,
    as_of: date,
    now: datetime,
    earlier: Sequence[date] = (),
) -> int:
    """Ask the provider about what waits of a day; returns how many texts it had taken.

    A ledger that was copied in the middle of a dispatch holds the approval and takes the rest for unsent, and what was
    sent then is not in the log: only the provider can tell. Who waits and got a message on one of the `earlier` days,
    of which the ledger knows nothing, is suppressed: the caps would have counted it.

    Raises:
        GateClosedError: the provider cannot be asked.
    """
    from mlife_assets.adapters.send_ledger import RestoredSend, accepted_moves

    waiting = [
        row
        for state in (SendState.APPROVED, SendState.LEASED)
        for row in ledger.rows(campaign=campaign, as_of_date=as_of, state=state)
    ]
    accounts = ledger.accounts_of(row.user_id for row in waiting)
    before = {
        row.message_id: [
            message_id(user_id, campaign, day)
            for day in earlier
            for user_id in accounts.get(row.user_id, (row.user_id,))
        ]
        for row in waiting
    }
    known = ledger.attempts([message for messages in before.values() for message in messages])
    forgotten = []
    for row in waiting:
        try:
            accepted = gateway.find(row.message_id)
            is_near = accepted is None and any(
                gateway.find(message) is not None for message in before[row.message_id] if message not in known
            )
        except Exception as error:  # noqa: BLE001  whatever went wrong, it is not the answer "never accepted"
            kind = type(error).__name__
        else:
            if accepted is not None:
                moves = accepted_moves(accepted.provider_message_id, attempt=row.attempts + 1, now=now)
                forgotten.append(
                    RestoredSend(row.message_id, row.user_id, row.job_id, campaign, as_of, row.body, moves, row.channel)
                )
            elif is_near:
                ledger.suppress_send(row.message_id, now=now, reason=FREQUENCY_7_DAYS)
            continue
        raise GateClosedError(
            f"{campaign} {as_of} may have been dispatched before and the provider could not be asked what it took "
            f"({kind}), so nothing more was sent; repair the connection to the provider and dispatch again"
        )
    return ledger.restore_sends(forgotten, only_waiting=True)


def collect_receipts(ledger: SqlLedger, gateway: MessageGateway, now: datetime) -> int:
    """Record the delivery receipts up to `now`; returns how many sends they closed. Safe to call again.

    A receipt of an ambiguous send also proves that it was accepted; one of a send closed as unknown closes it all the
    same.
    """
    from mlife_assets.adapters.send_ledger import Transition

    unsettled = ledger.unsettled(gateway.channel)
    open_rows = {message: state for message, (state, _) in unsettled.items()}
    moves: list[Transition] = []
    settled = 0
    for receipt in _receipts(gateway, {message: day for message, (_, day) in unsettled.items()}, now):
        state = open_rows.pop(receipt.message_id, None)
        if state is None:
            continue
        if state == SendState.AMBIGUOUS:
            moves.append(
                Transition(receipt.message_id, SendState.ACCEPTED, receipt.provider_message_id, detail="receipt")
            )
        final = SendState.DELIVERED if receipt.is_delivered else SendState.UNDELIVERED
        moves.append(
            Transition(receipt.message_id, final, receipt.provider_message_id, occurred_at=receipt.received_at)
        )
        settled += 1
    ledger.transition_many(moves, now=now)
    return settled


def _receipts(gateway: MessageGateway, days: Mapping[str, date], now: datetime) -> Sequence[Receipt]:
    """Return what the provider says up to `now` of open sends, by message id -> day; and of others, too.

    A receipt comes after its send, and no send is made before its day. Nearly all come within the day, so the few open
    sends that are older are asked about by their ids, however late their receipts come, and nobody reads all there are.
    """
    if not days:
        return ()
    limit = add_days(now.date(), -AWAITED_DAYS)
    older = [message for message, day in days.items() if day < limit]
    since = min((day for day in days.values() if day >= limit), default=limit)
    return gateway.receipts(until=now, since=day_start(since), of=frozenset(older))
