"""Mails through a relay, over SMTP.

Belongs here: handing a mail over and what the relay's answers mean. Does not belong here: opening connections
(`smtp_session`), the mail's bytes (`mail.mime`), retries, DKIM (the relay signs).

Concept: until the final dot of a mail nothing was sent, so a lost connection before it is a mail to send later. After
it only a reply says what happened; without one the mail is ambiguous and never handed over again, which the journal
sees to. Replies may quote an address, so only their codes are passed on.
"""

from __future__ import annotations

import logging
import re
import smtplib
from collections.abc import Collection
from datetime import UTC, datetime
from typing import NoReturn

from mlife_assets.adapters.mailboxes.journal import SendJournal
from mlife_assets.adapters.mailboxes.returned_folder import ReturnedFolder
from mlife_assets.adapters.mailboxes.smtp_session import SmtpServer, SmtpSession
from mlife_assets.core.errors import (
    AmbiguousSendError,
    InvalidInputError,
    MlifeError,
    ProviderRejectedError,
    ProviderThrottledError,
)
from mlife_assets.recruiting.application import Channel
from mlife_assets.recruiting.mail.mime import Envelope, Stationery
from mlife_assets.recruiting.ports import Accepted, Inbound, OutboundMessage, Receipt

__all__ = ["SmtpMailbox", "SmtpServer"]

_LOGGER = logging.getLogger(__name__)
_GO_AHEAD, _CLOSING = 354, 421
_ABOUT_US = {530, 534, 535, 538}
"""Replies about our login: no mail is to blame, so none is refused for good."""
_DETAIL = re.compile(rb"\b[245]\.\d{1,3}\.\d{1,3}\b")
_EVER = datetime.max.replace(tzinfo=UTC)
_LEADING_DOT = re.compile(rb"(?m)^\.")


class SmtpMailbox:
    """Implements `ports.MessageGateway` for mails through a relay. For one thread.

    Args:
        server: the relay; None where none is named, so that what came back is read and nothing sent.
        stationery: makes the mails.
        journal: of what was handed over.
        returned: mails that came back.
    """

    name, channel = "smtp", Channel.EMAIL

    def __init__(
        self, server: SmtpServer | None, stationery: Stationery, journal: SendJournal, returned: ReturnedFolder
    ) -> None:
        """Wire the mailbox; no connection is opened."""
        self._stationery, self._journal, self._returned = stationery, journal, returned
        self._session = SmtpSession(server)

    def close(self) -> None:
        """Say goodbye to the relay."""
        self._session.close()

    def send(self, message: OutboundMessage, *, now: datetime) -> Accepted:
        """Hand a mail over once.

        Raises:
            ProviderThrottledError: the relay deferred it or could not be reached; it has nothing.
            ProviderRejectedError: the relay refused it for good, or it is no mail that may be sent.
            AmbiguousSendError: the relay's answer was lost, now or at an earlier attempt.
        """
        key = message.message_id
        try:
            envelope = self._stationery.envelope(
                message_id=key, user_id=message.user_id, address=message.address, body=message.body, now=now
            )
        except InvalidInputError as error:
            raise ProviderRejectedError(str(error)) from None
        earlier = self._journal.look_up(key)
        if earlier is not None and earlier.is_accepted:
            return Accepted(self._stationery.wire_id(key))
        if earlier is not None:
            raise AmbiguousSendError(
                f"{key} was handed over before and the answer was lost; it is not handed over again"
            )
        try:
            self._address(envelope, key)
        except (smtplib.SMTPException, OSError) as error:
            self._session.drop()
            self._throttled(key, type(error).__name__)
        self._hand_over(envelope, message, now)
        return Accepted(self._stationery.wire_id(key))

    def _address(self, envelope: Envelope, key: str) -> None:
        """Have sender and recipient accepted, and the relay wait for the mail."""
        smtp = self._session.ready()
        has_reports = smtp.has_extn("dsn")
        wire_id = self._stationery.wire_id(key)
        sender = [f"SIZE={len(envelope.mime)}"] if smtp.has_extn("size") else []
        sender += ["RET=HDRS", f"ENVID={wire_id}"] if has_reports else []
        self._require(smtp.mail(envelope.return_path, sender), key)
        self._require(smtp.rcpt(envelope.recipient, ["NOTIFY=SUCCESS,FAILURE"] if has_reports else []), key)
        code, reply = smtp.docmd("DATA")
        if code != _GO_AHEAD:
            # Whatever this is, the relay waits for no mail: 2xx would be a relay that lost count.
            self._require((code, reply) if code >= 400 else (_CLOSING, b""), key)

    def _hand_over(self, envelope: Envelope, message: OutboundMessage, now: datetime) -> None:
        """Send the mail, and the final dot once the journal has it."""
        key, smtp = message.message_id, self._session.ready(is_within_mail=True)
        content = _LEADING_DOT.sub(b"..", envelope.mime)
        try:
            smtp.send(content if content.endswith(b"\r\n") else content + b"\r\n")
            is_first = self._journal.begin(key, message.user_id, now)
        except (smtplib.SMTPException, OSError, MlifeError) as error:
            self._session.drop()
            self._throttled(key, type(error).__name__)
        if not is_first:
            self._session.drop()
            raise AmbiguousSendError(f"{key} is being handed over by another process; reconcile it, do not resend it")
        try:
            smtp.send(b".\r\n")
            self._session.wait_for_acceptance()
            code, reply = smtp.getreply()
        except (smtplib.SMTPException, OSError):
            code, reply = -1, b""
        if 200 <= code < 300:
            self._note_acceptance(message, now)
            self._session.count()
        elif code >= 400:
            self._journal.take_back(key)
            self._require((code, reply), key)
        else:
            self._session.drop()
            raise AmbiguousSendError(
                f"the relay's answer to {key} was lost after the mail was complete; reconcile it, do not resend it"
            )

    def _note_acceptance(self, message: OutboundMessage, now: datetime) -> None:
        try:
            self._journal.accept(message.message_id, message.user_id, now)
        except MlifeError as error:  # the mail is out: its file stays as it is, so it will not go out again
            _LOGGER.warning("the journal could not note that %s was accepted: %s", message.message_id, error)

    def _require(self, answer: tuple[int, bytes], key: str) -> None:
        """Go on after a reply 2xx; after any other leave the mail and raise what it means."""
        code, reply = answer
        if 200 <= code < 300:
            return
        detail = _DETAIL.search(reply)
        words = f"{code}{'' if detail is None else ' ' + detail[0].decode()}"
        if code == _CLOSING or not self._session.reset():
            self._session.drop()
        if 500 <= code < 600 and code not in _ABOUT_US:
            raise ProviderRejectedError(f"the relay refused {key} with {words}")
        self._throttled(key, words)

    def _throttled(self, key: str, why: str) -> NoReturn:
        raise ProviderThrottledError(f"the relay did not take {key} ({why}) and has nothing of it; try again later")

    def find(self, message_id: str) -> Accepted | None:
        """Return the acceptance of a mail, of which the journal knows or a report that came back; else None."""
        wire_id, known = self._stationery.wire_id(message_id), self._journal.look_up(message_id)
        if known is not None and not known.is_accepted:
            reports = self._returned.receipts(until=_EVER)
            is_known = any(one.message_id == message_id for one in reports)
        else:
            is_known = known is not None
        return Accepted(wire_id) if is_known else None

    def receipts(self, *, until: datetime, since: datetime | None = None, of: Collection[str] = ()) -> list[Receipt]:
        """Return what reports say became of mails up to `until`, oldest first; safe to read again.

        Reports before `since` are left out, unless they are of the mails `of`.
        """
        return self._returned.receipts(until=until, since=since, of=of)

    def inbound(self, *, until: datetime, since: datetime | None = None) -> list[Inbound]:
        """Return what people wrote, and complaints, from `since` up to `until`, oldest first; safe to read again."""
        return self._returned.inbound(until=until, since=since, user_of=self._user_of)

    def _user_of(self, message_id: str) -> str | None:
        known = self._journal.look_up(message_id)
        return None if known is None else known.user_id
