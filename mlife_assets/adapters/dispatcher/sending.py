"""The dispatcher: sends the approved messages of one application, each at most once.

Concept: commit `submitting`, then call, then commit the outcome. After a crash a row in `submitting` may have been
sent, so it becomes ambiguous and is never sent again. A check that cannot be made forbids the send. Addresses exist
only between the contact book and the call: no error, log or report of this module holds one. Arm and consent are those
of the person, over all of their accounts.

Replies are read before every chunk of a dispatch and every few seconds within one: a STOP counts as soon as the
provider has it. Unreadable replies forbid sending. Bodies are classified and not stored.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from mlife_assets.adapters.dispatcher.reports import (
    CLOSED_AFTER,
    Checks,
    DispatchReport,
    InboundReport,
    Recipient,
    ReconcileReport,
    Run,
    TokenBucket,
    collect_receipts,
    find_forgotten,
    reconcile,
)
from mlife_assets.adapters.people_register import Contact, PeopleRegister
from mlife_assets.adapters.send_ledger import SqlLedger, Transition
from mlife_assets.adapters.send_ledger.ledger import EXPIRED
from mlife_assets.adapters.send_ledger.schema import NOT_LEASED, PAUSED
from mlife_assets.core.checkup import SKEW_WHILE_SENDING
from mlife_assets.core.errors import (
    AmbiguousSendError,
    GateClosedError,
    InvalidInputError,
    ProviderRejectedError,
    ProviderThrottledError,
)
from mlife_assets.core.ports import Clock
from mlife_assets.core.windows import add_days, day_start
from mlife_assets.recruiting.application import Application, Channel
from mlife_assets.recruiting.messaging.eligibility import (
    ALLOWED,
    HOLDOUT_REASON,
    NO_CONSENT,
    is_held_out,
    window_verdict,
)
from mlife_assets.recruiting.messaging.people import is_stranger
from mlife_assets.recruiting.messaging.replies import OTHER, START, STOP, STOP_ALL, classify, effect_of_reply
from mlife_assets.recruiting.messaging.states import SendState
from mlife_assets.recruiting.messaging_policy import ContactPolicy, MessagingPolicy
from mlife_assets.recruiting.ports import Inbound, LedgerRow, MessageGateway, OutboundMessage

READ_AGAIN = timedelta(hours=1)
"""Overlap of repeated readings within a dispatch: providers list some replies late."""
_LOGGER = logging.getLogger(__name__)

CHUNK = 200
UNHEALTHY_AFTER = 20
MISSING = {Channel.SMS: "no_phone_number", Channel.EMAIL: "no_mail_address"}
INVALID = {Channel.SMS: "invalid_phone_number", Channel.EMAIL: "invalid_mail_address"}
UNKNOWN_RECIPIENT = "unknown_recipient"
DAILY_BUDGET = "daily_budget"
PROVIDER_UNHEALTHY = "provider_unhealthy"
STOPPED = "stopped_outside"
CLOCK_SET_BACK = "clock_set_back"


class Dispatcher:
    """Sends one application's approved rows through its channel's gateway, which must not retry by itself."""

    def __init__(
        self,
        ledger: SqlLedger,
        gateway: MessageGateway,
        people: PeopleRegister,
        application: Application,
        contact: ContactPolicy,
        checks: Checks,
        *,
        clock: Clock,
        sleep: Callable[[float], None],
    ) -> None:
        """Wire the dispatcher; sends nothing. Raises InvalidInputError when the gateway is of another channel."""
        if gateway.channel != application.channel:
            raise InvalidInputError(
                f"{application.name} goes by {application.channel} and gateway {gateway.name} sends by "
                f"{gateway.channel}; pass the gateway of its channel"
            )
        self._ledger, self._gateway, self._people = ledger, gateway, people
        self._application, self._policy, self._contact = application, application.policy, contact
        self._checks, self._clock, self._sleep = checks, clock, sleep
        self._hearing = Hearing(ledger, gateway, people, application.policy, clock)

    def dispatch(self, as_of: date, *, worker: str) -> DispatchReport:
        """Send the approved rows of a day, until that UTC day ends. Safe to call again after any crash.

        A restart under the same `worker` cleans up after its predecessor. Raises GateClosedError, and sends no more, if
        something cannot be read, `recheck` forbids sending or a waiting row is not in the approved plan.
        """
        ledger, campaign, now = self._ledger, self._application.name, self._clock.now()
        recovered = ledger.recover(worker=worker, now=now)
        expired = ledger.expire(campaign, max(as_of, (now - CLOSED_AFTER).date()), now=now)
        for state in (SendState.APPROVED, SendState.LEASED):
            self._checks.verify(ledger.sends.rows(campaign=campaign, as_of_date=as_of, state=state))
        self._register(ledger.people.user_ids())  # the present owner of a recipient's number may be in none of the rows
        run = Run(now)
        bucket = TokenBucket(self._policy.provider_messages_per_second, clock=self._clock, sleep=self._sleep)
        while not run.is_stopped:
            room = self._policy.maximum_messages_per_day - ledger.sends.count_submitted(campaign, as_of)
            if ledger.switches.is_paused(campaign) or room <= 0:
                waiting = ledger.sends.has_approved(campaign, as_of)
                run.stopped_by = (PAUSED if room > 0 else DAILY_BUDGET) if waiting else None
                break
            self._hearing.keep_up(after_seconds=0)
            now = self._clock.now()
            most = self._checks.texts_per_day if self._application.channel is Channel.SMS else None
            until, limit = now + timedelta(seconds=self._policy.lease_seconds), min(CHUNK, room)
            rows = ledger.lease(campaign, as_of, worker=worker, limit=limit, now=now, until=until, texts_per_day=most)
            if not rows:
                is_full = most is not None and ledger.sends.count_texts(as_of) >= most
                run.stopped_by = DAILY_BUDGET if is_full and ledger.sends.has_approved(campaign, as_of) else None
                break
            self._send_chunk(rows, worker, bucket, run)
        ledger.checkpoint()
        report = run.report(recovered, expired)
        _LOGGER.info("dispatched %s %s: %s", campaign, as_of.isoformat(), report)
        return report

    def _send_chunk(self, rows: Sequence[LedgerRow], worker: str, bucket: TokenBucket, run: Run) -> None:
        self._checks.verify(rows)
        contacts = self._register([row.user_id for row in rows])
        recipients = self._read_recipients(rows)
        with self._ledger.on_one_connection():
            for row in rows:
                self._hearing.keep_up(after_seconds=self._policy.inbound_read_seconds)
                self._send_one(row, contacts[row.user_id], recipients.get(row.user_id), worker, bucket, run)
                if run.is_stopped:
                    return

    def _register(self, user_ids: Sequence[str]) -> Mapping[str, Contact]:
        return self._people.register(user_ids, now=self._clock.now(), channel=self._gateway.channel)

    def _read_recipients(self, rows: Sequence[LedgerRow]) -> Mapping[str, Recipient]:
        """Return the facts of each row's account; consent is required from all accounts of the person with facts."""
        accounts = self._ledger.people.accounts_of(row.user_id for row in rows)
        everybody = sorted({one for same in accounts.values() for one in same})
        known = self._read_facts(everybody)
        return {
            user_id: replace(known[user_id], is_consented=all(known[one].is_consented for one in same if one in known))
            for user_id, same in accounts.items()
            if user_id in known
        }

    def _read_facts(self, user_ids: Sequence[str]) -> Mapping[str, Recipient]:
        try:
            return self._checks.recheck(user_ids)
        except GateClosedError:
            raise
        except Exception as error:  # noqa: BLE001  any failure to read means no send; its text may hold personal data
            kind = type(error).__name__
        raise GateClosedError(
            f"recipients could not be re-checked ({kind}), so nothing was sent to them; "
            "repair the source and dispatch again"
        )

    def _refusal(self, row: LedgerRow, contact: Contact, recipient: Recipient | None, now: datetime) -> str | None:
        if now >= day_start(add_days(row.as_of_date, 1)):
            return EXPIRED
        if is_held_out(contact.person_id, self._application, self._contact):
            return HOLDOUT_REASON
        if recipient is None:
            return UNKNOWN_RECIPIENT
        if not recipient.is_consented:
            return NO_CONSENT
        verdict = window_verdict(recipient.state_code, recipient.time_zone, now, self._policy)
        return None if verdict == ALLOWED else verdict

    def _send_one(
        self,
        row: LedgerRow,
        contact: Contact,
        recipient: Recipient | None,
        worker: str,
        bucket: TokenBucket,
        run: Run,
    ) -> None:
        reason, address = self._refusal(row, contact, recipient, self._clock.now()), contact.address
        if reason is None and address is None:
            reason = (INVALID if contact.has_address else MISSING)[self._gateway.channel]
        if reason is None:
            bucket.take()
            if self._checks.is_stopped():
                run.stopped_by = STOPPED
                return
            now = self._clock.now()  # the external switch may have answered slowly
            if now < run.newest - SKEW_WHILE_SENDING:
                run.stopped_by = CLOCK_SET_BACK
                return
            run.newest = max(run.newest, now)
            reason = self._refusal(row, contact, recipient, now) or self._ledger.begin_submit(
                row.message_id,
                worker=worker,
                now=now,
                policy=self._policy,
                contact=self._contact,
                day=row.as_of_date,
            )
        if reason in {PAUSED, EXPIRED}:
            run.stopped_by = reason
        elif reason == NOT_LEASED:
            run.suppressed[NOT_LEASED] += 1
        elif reason is not None:
            run.suppressed[reason] += self._ledger.suppress_send(row.message_id, now=self._clock.now(), reason=reason)
        elif address is not None:
            message = OutboundMessage(row.message_id, row.user_id, address, row.body)
            self._call(row, message, bucket, run)

    def _call(self, row: LedgerRow, message: OutboundMessage, bucket: TokenBucket, run: Run) -> None:
        """Call the provider once and commit the outcome; `submitting` is committed already."""
        moves: list[Transition]
        key = row.message_id
        try:
            accepted = self._gateway.send(message, now=self._clock.now())
        except ProviderThrottledError:
            moves = [Transition(key, SendState.THROTTLED, detail="throttled")]
            if row.attempts + 1 < self._policy.throttle_attempts_maximum:
                moves.append(Transition(key, SendState.APPROVED, detail="retry"))
        except ProviderRejectedError:
            moves = [Transition(key, SendState.REJECTED, detail="rejected")]
        except AmbiguousSendError:
            moves = [Transition(key, SendState.AMBIGUOUS, detail="timeout")]
        except Exception as error:  # noqa: BLE001  whatever went wrong, it may have been sent
            moves = [Transition(key, SendState.AMBIGUOUS, detail=type(error).__name__)]
        else:
            moves = [Transition(key, SendState.ACCEPTED, accepted.provider_message_id)]
        self._ledger.transition_many(moves, now=self._clock.now())
        outcome = moves[0].to_state
        run.outcomes[outcome] += 1
        run.ambiguous_in_a_row = run.ambiguous_in_a_row + 1 if outcome == SendState.AMBIGUOUS else 0
        if run.ambiguous_in_a_row >= UNHEALTHY_AFTER:
            run.stopped_by = PROVIDER_UNHEALTHY
        if outcome == SendState.THROTTLED:
            bucket.back_off(float(2**row.attempts))

    def reconcile(self, now: datetime | None = None) -> ReconcileReport:
        return reconcile(self._ledger, self._gateway, self._policy, now or self._clock.now())

    def find_forgotten(self, campaign: str, as_of: date, now: datetime, earlier: Sequence[date] = ()) -> int:
        return find_forgotten(self._ledger, self._gateway, campaign, as_of, now, earlier)

    def collect_receipts(self, now: datetime) -> int:
        return collect_receipts(self._ledger, self._gateway, now)

    def process_inbound(self, now: datetime) -> InboundReport:
        return self._hearing.read(now)


class Hearing:
    """Reads the replies of one dispatcher; remembers the time of reading."""

    def __init__(
        self,
        ledger: SqlLedger,
        gateway: MessageGateway,
        people: PeopleRegister,
        policy: MessagingPolicy,
        clock: Clock,
    ) -> None:
        self._ledger, self._gateway, self._people = ledger, gateway, people
        self._policy, self._clock = policy, clock
        self._read_at: datetime | None = None

    def read(self, now: datetime, *, since: datetime | None = None) -> InboundReport:
        """Record the inbound texts of `since` and later, with their effects. Safe to call again.

        Raises GateClosedError if a sender is unknown because the contact book cannot be read; others are recorded.
        """
        known = self._ledger.replies.known(since=since)
        keywords: Counter[str] = Counter()
        channel, unknown = self._gateway.channel, None
        for inbound in self._gateway.inbound(until=now, since=since):
            if inbound.inbound_id in known:
                continue
            try:
                user_id = self._sender(inbound, now)
            except GateClosedError as error:
                unknown = error
                continue
            keyword = self._keyword(inbound, user_id)
            if self._ledger.replies.record(
                inbound.inbound_id,
                user_id,
                keyword,
                received_at=inbound.received_at,
                now=now,
                effect=effect_of_reply(keyword, self._policy, channel),
                channel=channel,
            ):
                keywords[keyword] += 1
        if unknown is not None:
            raise unknown
        self._read_at = now
        return InboundReport(keywords.total(), keywords[STOP] + keywords[STOP_ALL], tuple(sorted(keywords.items())))

    def _keyword(self, inbound: Inbound, user_id: str) -> str:
        """Return the request. START in a mail identified only by its address is left to a person, and so is any mail of
        a stranger: somebody may know under which address a person gets our mails.
        """
        keyword = classify(inbound.body)
        if inbound.mail_address is not None and (keyword == START or is_stranger(user_id)):
            return OTHER
        return keyword

    def _sender(self, inbound: Inbound, now: datetime) -> str:
        if inbound.user_id is not None:
            return inbound.user_id
        address, channel = inbound.mail_address or inbound.phone_number or "", self._gateway.channel
        return self._people.account_behind(address, inbound.inbound_id, now=now, channel=channel)

    def keep_up(self, *, after_seconds: int) -> None:
        """Read new replies unless last read within `after_seconds`. Raises GateClosedError if they cannot be read."""
        now, last = self._clock.now(), self._read_at
        if last is not None and timedelta() <= now - last < timedelta(seconds=after_seconds):
            return
        try:
            self.read(now, since=None if last is None else min(last, now) - READ_AGAIN)
            return
        except GateClosedError:  # a reply's sender is unknown, and the error says why
            raise
        except Exception as error:  # noqa: BLE001  any failure to read means no send; its text may hold personal data
            kind = type(error).__name__
        raise GateClosedError(
            f"replies could not be read ({kind}), so sending stopped: a STOP may be among them; repair the connection "
            "to the provider and dispatch again"
        )
