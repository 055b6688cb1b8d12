"""Mails through a relay, over SMTP.

Concept: until the final dot of a mail nothing was sent, so a lost connection before it is a mail to send later. After
it only a reply says what happened; without one the mail is ambiguous and never handed over again, which the journal
sees to: a file per mail is made before the last byte goes out and taken back only when the relay refused. It holds no
address. Replies may quote one, so only their codes are passed on.

Nothing is said in the clear to another machine: the relay's certificate is checked, and a relay without STARTTLS gets
no mail. A connection that idled is renewed before a mail begins, never within one.
"""

from __future__ import annotations

import json
import logging
import os
import re
import smtplib
import socket
import ssl
from collections.abc import Collection
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NoReturn

from mlife_assets.adapters.mailboxes.folder import ReturnedFolder
from mlife_assets.adapters.private_files import private_folder, write_private
from mlife_assets.core.checkup import Finding
from mlife_assets.core.disk_faults import disk_errors_explained
from mlife_assets.core.errors import (
    AmbiguousSendError,
    IntegrityError,
    InvalidInputError,
    MlifeError,
    ProviderRejectedError,
    ProviderThrottledError,
)
from mlife_assets.recruiting.application import Channel
from mlife_assets.recruiting.mail.addresses import LOCAL_HOSTS, PLAIN, STARTTLS, TLS
from mlife_assets.recruiting.mail.mime import Envelope, Stationery
from mlife_assets.recruiting.ports import Accepted, Inbound, OutboundMessage, Receipt

SECURITIES = (STARTTLS, TLS, PLAIN)
SETTING = "MLIFE_MAIL_RELAY"
LOOK_SECONDS = 10.0
_SECURED = {STARTTLS: "by STARTTLS", TLS: "by TLS", PLAIN: "in the clear, on this machine"}
ENTRY = ".json"
_LOGGER = logging.getLogger(__name__)
_GO_AHEAD, _CLOSING = 354, 421
_ABOUT_US = {530, 534, 535, 538}
"""Replies about our login: no mail is to blame, so none is refused for good."""
_DETAIL = re.compile(rb"\b[245]\.\d{1,3}\.\d{1,3}\b")
_EVER = datetime.max.replace(tzinfo=UTC)
_LEADING_DOT = re.compile(rb"(?m)^\.")


@dataclass(frozen=True)
class HandedOver:
    """A mail that was handed over; `is_accepted` is False as long as the relay's answer is unknown."""

    user_id: str
    at: str
    is_accepted: bool


def has_entries(folder: Path) -> bool:
    """Return whether a folder's journal has an entry; creates no journal."""
    with disk_errors_explained(folder):
        if not folder.is_dir():
            return False
        with os.scandir(folder) as entries:
            return any(entry.name.endswith(ENTRY) for entry in entries)


class SendJournal:
    """A private folder with a file for each mail that was handed over."""

    def __init__(self, folder: Path) -> None:
        self._folder = private_folder(folder)

    def is_older_than(self, day: date) -> bool:
        """Return whether it holds a mail from before a day; one that was lost, or begun later, holds none."""
        with disk_errors_explained(self._folder), os.scandir(self._folder) as entries:
            known = (self.look_up(one.name.removesuffix(ENTRY)) for one in entries if one.name.endswith(ENTRY))
            return any(one is not None and one.at < day.isoformat() for one in known)

    def begin(self, message_id: str, user_id: str, now: datetime) -> bool:
        """Note that a mail is about to be handed over; False if it was noted before: do not send it again."""
        return self._write(message_id, HandedOver(user_id, now.isoformat(), False), replaces=False)

    def accept(self, message_id: str, user_id: str, now: datetime) -> None:
        self._write(message_id, HandedOver(user_id, now.isoformat(), True), replaces=True)

    def take_back(self, message_id: str) -> None:
        """Forget a mail that the relay refused: it may be handed over again."""
        path = self._path(message_id)
        with disk_errors_explained(path):
            path.unlink(missing_ok=True)

    def look_up(self, message_id: str) -> HandedOver | None:
        """Return the journal's entry of a mail, None if never handed over. Raises IntegrityError on a bad file."""
        path = self._path(message_id)
        try:
            with disk_errors_explained(path):
                content = path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            return HandedOver(**json.loads(content))
        except (ValueError, TypeError) as error:
            raise IntegrityError(f"the journal of {message_id} is damaged; look the mail up at the relay") from error

    def _write(self, message_id: str, entry: HandedOver, *, replaces: bool) -> bool:
        return write_private(self._path(message_id), json.dumps(asdict(entry)).encode(), replaces=replaces)

    def _path(self, message_id: str) -> Path:
        return self._folder / f"{message_id}{ENTRY}"


@dataclass(frozen=True)
class SmtpServer:
    """A relay.

    Attributes:
        host, port: where it listens.
        security: `starttls`, `tls` from the first byte, or `plain`, which is for a relay on this machine.
        user_name, password: of the login; None logs in nowhere.
        certificates: file of the authorities that are trusted; None is those of the system.
        own_name: by which this machine greets.
        timeout_seconds: of each answer.
        acceptance_seconds: of the answer to a whole mail, for which relays take their time.
        mails_per_connection: after so many the connection is renewed.

    Raises InvalidInputError naming the field and the remedy.
    """

    host: str
    port: int = 587
    security: str = STARTTLS
    user_name: str | None = None
    password: str | None = field(default=None, repr=False)
    certificates: Path | None = None
    own_name: str | None = None
    timeout_seconds: float = 30.0
    acceptance_seconds: float = 240.0
    mails_per_connection: int = 100

    def __post_init__(self) -> None:
        if self.security not in SECURITIES:
            raise InvalidInputError(f"SmtpServer.security is {self.security!r}; use one of {', '.join(SECURITIES)}")
        if self.security == PLAIN and self.host not in LOCAL_HOSTS:
            raise InvalidInputError(
                f"SmtpServer.security is plain and the host {self.host}: addresses would cross the network in the "
                "clear; use starttls or tls"
            )
        if (self.user_name is None) != (self.password is None):
            raise InvalidInputError("SmtpServer has a user name or a password alone; set both or none")
        for name in ("port", "timeout_seconds", "acceptance_seconds", "mails_per_connection"):
            if getattr(self, name) <= 0:
                raise InvalidInputError(f"SmtpServer.{name} is {getattr(self, name)}; set it above 0")


class SmtpSession:
    """The connection to a relay; opened when a mail needs it."""

    def __init__(self, server: SmtpServer | None) -> None:
        self._server = server
        self._smtp: smtplib.SMTP | None = None
        self._mails = 0

    def ready(self, *, is_within_mail: bool = False) -> smtplib.SMTP:
        """Return the connection, perhaps renewed between mails. Raises smtplib.SMTPException or OSError without one."""
        server = self._server
        if server is None:
            raise ConnectionError("no relay is named")
        if self._smtp is not None and not is_within_mail:
            if self._mails >= server.mails_per_connection:
                self.close()
            elif not self._is_alive(self._smtp):
                self.drop()
        if self._smtp is None:
            self._smtp, self._mails = _opened(server), 0
        if self._smtp.sock is not None:
            self._smtp.sock.settimeout(server.timeout_seconds)
        return self._smtp

    def wait_for_acceptance(self) -> None:
        if self._server is not None and self._smtp is not None and self._smtp.sock is not None:
            self._smtp.sock.settimeout(self._server.acceptance_seconds)

    def count(self) -> None:
        self._mails += 1

    def reset(self) -> bool:
        """Leave the mail at hand; returns whether the connection can be used on."""
        try:
            return self._smtp is not None and self._smtp.rset()[0] == 250
        except (smtplib.SMTPException, OSError):
            return False

    def drop(self) -> None:
        """Cut the connection."""
        if self._smtp is not None:
            with suppress(OSError):
                self._smtp.close()
        self._smtp = None

    def close(self) -> None:
        """Say goodbye, if anybody listens."""
        if self._smtp is not None:
            with suppress(smtplib.SMTPException, OSError):
                self._smtp.quit()
        self.drop()

    def _is_alive(self, smtp: smtplib.SMTP) -> bool:
        try:
            return smtp.noop()[0] == 250
        except (smtplib.SMTPException, OSError):
            return False


def _opened(server: SmtpServer) -> smtplib.SMTP:
    context = None if server.security == PLAIN else ssl.create_default_context(cafile=server.certificates)
    if server.security == TLS:
        smtp: smtplib.SMTP = smtplib.SMTP_SSL(
            server.host, server.port, server.own_name, timeout=server.timeout_seconds, context=context
        )
    else:
        smtp = smtplib.SMTP(server.host, server.port, server.own_name, timeout=server.timeout_seconds)
    try:
        if smtp.sock is not None:  # else each final dot waits for the other side's delayed ACK
            smtp.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if server.security == STARTTLS:
            smtp.starttls(context=context)  # raises when the relay does not offer it
        smtp.ehlo_or_helo_if_needed()
        if server.user_name is not None and server.password is not None:
            smtp.login(server.user_name, server.password)
    except (smtplib.SMTPException, OSError):
        smtp.close()
        raise
    return smtp


__all__ = ["SmtpMailbox", "SmtpServer"]


class SmtpMailbox:
    """Implements `ports.MessageGateway` for mails by a relay, for one thread; without `server` it sends nothing."""

    name, channel = "smtp", Channel.EMAIL

    def __init__(
        self, server: SmtpServer | None, stationery: Stationery, journal: SendJournal, returned: ReturnedFolder
    ) -> None:
        self._stationery, self._journal, self._returned = stationery, journal, returned
        self._session = SmtpSession(server)

    def has_record_from(self, day: date) -> bool:
        """Return whether the journal covers sends from a day on; it may have been lost, and a relay keeps no record."""
        return self._journal.is_older_than(day)

    def close(self) -> None:
        self._session.close()

    def send(self, message: OutboundMessage, *, now: datetime) -> Accepted:
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
        """Go on after a reply 2xx; after any other abort the mail and raise the error that it means."""
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
        wire_id, known = self._stationery.wire_id(message_id), self._journal.look_up(message_id)
        if known is not None and not known.is_accepted:
            reports = self._returned.receipts(until=_EVER)
            is_known = any(one.message_id == message_id for one in reports)
        else:
            is_known = known is not None
        return Accepted(wire_id) if is_known else None

    def receipts(self, *, until: datetime, since: datetime | None = None, of: Collection[str] = ()) -> list[Receipt]:
        return self._returned.receipts(until=until, since=since, of=of)

    def inbound(self, *, until: datetime, since: datetime | None = None) -> list[Inbound]:
        return self._returned.inbound(until=until, since=since, user_of=self._user_of)

    def _user_of(self, message_id: str) -> str | None:
        known = self._journal.look_up(message_id)
        return None if known is None else known.user_id


def look_at_relay(server: SmtpServer) -> list[Finding]:
    """Return findings on a relay; no mail is sent."""
    secured = _SECURED[server.security]
    found = [Finding(SETTING, f"approved mails go out to people through {server.host}:{server.port}, {secured}")]
    session = SmtpSession(replace(server, timeout_seconds=LOOK_SECONDS))
    try:
        reports = session.ready().has_extn("dsn")
    except OSError as error:  # of which all errors of smtplib are
        return [*found, Finding(SETTING, *_fault(error))]
    finally:
        session.close()
    let_in = "it greets" if server.user_name is None else "it takes our login"
    says = "reports deliveries" if reports else "offers no report of deliveries (DSN): only what comes back is known"
    return [*found, Finding(SETTING, f"{let_in} and {says}; no mail was sent")]


def _fault(error: OSError) -> tuple[str, str]:
    """Return fault and remedy."""
    if isinstance(error, socket.gaierror):
        return "nobody knows its host", "correct the host in MLIFE_MAIL_RELAY, or the DNS of this machine"
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"its certificate is not trusted ({error.verify_message})",
            "name it as its certificate does, or trust who signed it: SSL_CERT_FILE names a file of authorities",
        )
    if isinstance(error, ssl.SSLError):
        return "it speaks no TLS at this port", "write smtp:// where it offers STARTTLS, or correct the port"
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return (
            f"it refuses the login with {error.smtp_code}",
            "correct user and password in MLIFE_MAIL_RELAY, with @ as %40, / as %2F, : as %3A and % as %25",
        )
    if isinstance(error, smtplib.SMTPNotSupportedError) and "STARTTLS" in str(error):
        return "it offers no STARTTLS", "write smtps:// where it listens for TLS, or have it offer STARTTLS"
    if isinstance(error, smtplib.SMTPNotSupportedError) or type(error) is smtplib.SMTPException:
        return (
            "it offers no login that is known here",
            "leave user and password out, or have it offer AUTH PLAIN or LOGIN",
        )
    if isinstance(error, smtplib.SMTPResponseException):
        return f"it answers {error.smtp_code}", "ask who runs it why this machine is refused"
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens there", "start it, or correct host and port in MLIFE_MAIL_RELAY"
    if isinstance(error, TimeoutError | smtplib.SMTPServerDisconnected | ConnectionResetError):
        return (
            "it gives no answer, or hangs up",
            "correct host and port in MLIFE_MAIL_RELAY, write smtps:// where it listens for TLS, or open the firewall",
        )
    return f"it cannot be reached ({type(error).__name__})", "correct host and port in MLIFE_MAIL_RELAY"
