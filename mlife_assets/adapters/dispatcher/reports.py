"""Inputs of a dispatch, its reports, and its pace.

Concept: results are frozen and hold counts and reasons only: no person, no phone number.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from mlife_assets.core.errors import GateClosedError
from mlife_assets.core.ports import Clock
from mlife_assets.core.windows import add_days, day_start
from mlife_assets.recruiting.ids import message_id
from mlife_assets.recruiting.messaging.approve import nothing_approved
from mlife_assets.recruiting.messaging.eligibility import FREQUENCY_7_DAYS
from mlife_assets.recruiting.messaging.states import SendState
from mlife_assets.recruiting.messaging_policy import MessagingPolicy
from mlife_assets.recruiting.ports import LedgerRow, MessageGateway, Receipt

if TYPE_CHECKING:
    from mlife_assets.adapters.send_ledger import SqlLedger, Transition


_LOGGER = logging.getLogger(__name__)
AWAITED_DAYS = 31
"""Age of sends up to which all receipts are searched: an ambiguous send is closed after 30 days at the latest
(`ambiguous_close_hours`), unless the provider cannot be asked; a relay gives a mail up within days, or never reports on
it."""
CLOSED_AFTER = timedelta(days=1)
"""Time after its end at which a day's plan is closed for good. Nothing is sent meanwhile, but a clock that was hours
ahead can be corrected and the rest sent."""


@dataclass(frozen=True)
class Recipient:
    """The facts of a person at send time."""

    is_consented: bool
    state_code: str | None
    time_zone: str | None


class Recheck(Protocol):
    """Reads the present facts of recipients just before sending."""

    def __call__(self, user_ids: Sequence[str]) -> Mapping[str, Recipient]:
        """Return the facts of each user; missing ones get no message. Any error stops the dispatch: raise
        GateClosedError when sending as a whole is forbidden (quality block, unreadable list).
        """


class Verify(Protocol):
    """Compares rows with the approved plan, just before they are sent."""

    def __call__(self, rows: Sequence[LedgerRow]) -> None:
        """Raise GateClosedError unless every row equals an approved message, to the letter."""


@dataclass(frozen=True)
class Checks:
    """Checks before a send: present facts, approval of each row, texts a day of all applications, external stop."""

    recheck: Recheck
    verify: Verify = nothing_approved
    texts_per_day: int | None = None
    is_stopped: Callable[[], bool] = lambda: False


@dataclass(frozen=True)
class DispatchReport:
    """Results of one dispatch: answers, rows `recovered` or `expired`, refusals by reason, and why it stopped."""

    accepted: int
    rejected: int
    throttled: int
    ambiguous: int
    recovered: int
    expired: int
    suppressed: tuple[tuple[str, int], ...]
    stopped_by: str | None


@dataclass(frozen=True)
class ReconcileReport:
    """Results for ambiguous sends; `unreadable` ones stay open because the provider could not be asked."""

    accepted: int
    unknown: int
    still_ambiguous: int
    unreadable: int


@dataclass(frozen=True)
class InboundReport:
    """New inbound texts by keyword, and the number of STOPs."""

    new: int
    stops: int
    keywords: tuple[tuple[str, int], ...]


class Run:
    """Counts of one dispatch while it runs."""

    def __init__(self, began: datetime) -> None:
        """Start at zero; `newest` is the latest time of its clock."""
        self.newest = began
        self.outcomes: Counter[str] = Counter()
        self.suppressed: Counter[str] = Counter()
        self.ambiguous_in_a_row = 0
        self.stopped_by: str | None = None

    @property
    def is_stopped(self) -> bool:
        return self.stopped_by is not None

    def report(self, recovered: int, expired: int) -> DispatchReport:
        """Return the frozen report."""
        return DispatchReport(
            accepted=self.outcomes[SendState.ACCEPTED],
            rejected=self.outcomes[SendState.REJECTED],
            throttled=self.outcomes[SendState.THROTTLED],
            ambiguous=self.outcomes[SendState.AMBIGUOUS],
            recovered=recovered,
            expired=expired,
            suppressed=tuple(sorted((+self.suppressed).items())),
            stopped_by=self.stopped_by,
        )


class TokenBucket:
    """Paces calls to a rate, without a burst beyond `burst` calls. Clock and sleep are injected.

    Time slept counts even if the clock stands still, so a simulated clock cannot make it wait for ever.
    """

    def __init__(self, per_second: float, *, clock: Clock, sleep: Callable[[float], None], burst: float = 1.0) -> None:
        self._per_second, self._burst, self._tokens = per_second, burst, burst
        self._clock, self._sleep = clock, sleep
        self._last = clock.now()

    def take(self) -> None:
        """Wait until one call is allowed."""
        now = max(self._clock.now(), self._last)
        refilled = (now - self._last).total_seconds() * self._per_second
        self._tokens, self._last = min(self._burst, self._tokens + refilled), now
        if self._tokens < 1.0:
            seconds = (1.0 - self._tokens) / self._per_second
            self._sleep(seconds)
            self._tokens, self._last = 1.0, now + timedelta(seconds=seconds)
        self._tokens -= 1.0

    def back_off(self, seconds: float) -> None:
        self._sleep(seconds)
        self._tokens, self._last = 0.0, max(self._clock.now(), self._last)


def reconcile(ledger: SqlLedger, gateway: MessageGateway, policy: MessagingPolicy, now: datetime) -> ReconcileReport:
    """Ask the provider about ambiguous sends; close those unknown to it after `ambiguous_close_hours`."""
    from mlife_assets.adapters.send_ledger import Transition

    moves: list[Transition] = []
    unreadable = 0
    rows = ledger.sends.rows(channel=gateway.channel, state=SendState.AMBIGUOUS)
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
    """Ask the provider about a day's waiting messages; returns the number that it had accepted.

    A ledger copied during a dispatch calls later sends unsent, and the log lacks them. People who got a message unknown
    to the ledger on one of the `earlier` days are suppressed. Raises GateClosedError if the provider cannot be asked.
    """
    from mlife_assets.adapters.send_ledger import RestoredSend, accepted_moves

    waiting = [
        row
        for state in (SendState.APPROVED, SendState.LEASED)
        for row in ledger.sends.rows(campaign=campaign, as_of_date=as_of, state=state)
    ]
    accounts = ledger.people.accounts_of(row.user_id for row in waiting)
    before = {
        row.message_id: [
            message_id(user_id, campaign, day)
            for day in earlier
            for user_id in accounts.get(row.user_id, (row.user_id,))
        ]
        for row in waiting
    }
    known = ledger.sends.attempts([message for messages in before.values() for message in messages])
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
            f"{campaign} {as_of} may have been dispatched before and the provider could not be asked about its sends "
            f"({kind}), so nothing more was sent; repair the connection to the provider and dispatch again"
        )
    return ledger.restoring.restore_sends(forgotten, only_waiting=True)


def collect_receipts(ledger: SqlLedger, gateway: MessageGateway, now: datetime) -> int:
    """Record the delivery receipts up to `now`; returns how many sends they closed. Safe to call again.

    A receipt of an ambiguous send also proves that it was accepted; one for a send closed as unknown still closes it.
    """
    from mlife_assets.adapters.send_ledger import Transition

    unsettled = ledger.sends.unsettled(gateway.channel)
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
    """Return the receipts of open sends (message id -> day), and maybe of others.

    Nearly all come within the day, so the few older sends are asked for by id and not all receipts are read.
    """
    if not days:
        return ()
    limit = add_days(now.date(), -AWAITED_DAYS)
    older = [message for message, day in days.items() if day < limit]
    since = min((day for day in days.values() if day >= limit), default=limit)
    return gateway.receipts(until=now, since=day_start(since), of=frozenset(older))
