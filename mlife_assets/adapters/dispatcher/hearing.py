"""Hearing: reading what people replied, also while others are being texted.

Concept: a STOP counts from the moment at which the provider has it, not from the next time that somebody looks. So
replies are read before every chunk of a dispatch and every few seconds within one; the submit statement then refuses
whoever stopped. Replies that cannot be read forbid sending. Bodies are classified and forgotten.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from mlife_assets.adapters.dispatcher.reports import InboundReport
from mlife_assets.adapters.people_register import PeopleRegister
from mlife_assets.core.errors import GateClosedError
from mlife_assets.core.ports import Clock
from mlife_assets.recruiting.messaging.effects import effect_of_reply
from mlife_assets.recruiting.messaging.keywords import OTHER, START, STOP, STOP_ALL, classify
from mlife_assets.recruiting.messaging.people import is_stranger
from mlife_assets.recruiting.messaging_policy import MessagingPolicy
from mlife_assets.recruiting.ports import Inbound, MessageGateway

if TYPE_CHECKING:
    from mlife_assets.adapters.send_ledger import SqlLedger

READ_AGAIN = timedelta(hours=1)
"""How far back replies are read again within a dispatch: providers list some of them late."""


class Hearing:
    """Reads the replies of one dispatcher; remembers when it did."""

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
        """Classify and record the inbound texts up to `now`, with their effects. Safe to call again.

        Args:
            now: the present.
            since: leaves out what was received before it; None reads everything that there is.

        Raises:
            GateClosedError: nobody knows whose a text is, since the contact book cannot be read; others are recorded.
        """
        known = self._ledger.known_inbound(since=since)
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
            if self._ledger.record_inbound(
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
        """Return what is asked for. Of a mail that only its address says is theirs, START is left to a person, and so
        is whatever a stranger writes: somebody may know under which address they get our mails.
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
        """Read new replies unless they were read less than so long ago.

        Raises:
            GateClosedError: they cannot be read.
        """
        now, last = self._clock.now(), self._read_at
        if last is not None and timedelta() <= now - last < timedelta(seconds=after_seconds):
            return
        try:
            self.read(now, since=None if last is None else min(last, now) - READ_AGAIN)
            return
        except GateClosedError:  # nobody knows whose one of them is, and it says why
            raise
        except Exception as error:  # noqa: BLE001  any failure to read means no send; its text may hold personal data
            kind = type(error).__name__
        raise GateClosedError(
            f"replies could not be read ({kind}), so sending stopped: a STOP may be among them; repair the connection "
            "to the provider and dispatch again"
        )
