"""One connection to a relay, for many mails.

Belongs here: where the relay is, opening, securing and renewing the connection. Does not belong here: mails (`smtp`).

Concept: nothing is said in the clear to another machine: the relay's certificate is checked and a relay without
STARTTLS gets no mail. A connection that idled is renewed before a mail begins, never within one.
"""

from __future__ import annotations

import smtplib
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.mail.relay_address import LOCAL_HOSTS, PLAIN, STARTTLS, TLS

SECURITIES = (STARTTLS, TLS, PLAIN)


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

    Raises:
        InvalidInputError: naming the field and the remedy.
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
        """Remember the relay; without one no mail finds a way."""
        self._server = server
        self._smtp: smtplib.SMTP | None = None
        self._mails = 0

    def ready(self, *, is_within_mail: bool = False) -> smtplib.SMTP:
        """Return the connection, opened or renewed if need be, but never within a mail.

        Raises:
            smtplib.SMTPException, OSError: the relay cannot be reached or does not let us in.
        """
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
        """Be patient with the next answer."""
        if self._server is not None and self._smtp is not None and self._smtp.sock is not None:
            self._smtp.sock.settimeout(self._server.acceptance_seconds)

    def count(self) -> None:
        """Count a mail of this connection."""
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
        if server.security == STARTTLS:
            smtp.starttls(context=context)  # raises when the relay does not offer it
        smtp.ehlo_or_helo_if_needed()
        if server.user_name is not None and server.password is not None:
            smtp.login(server.user_name, server.password)
    except (smtplib.SMTPException, OSError):
        smtp.close()
        raise
    return smtp
