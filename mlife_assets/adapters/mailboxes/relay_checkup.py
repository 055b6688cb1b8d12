"""Whether a relay would take our mails.

Belongs here: greeting it, and what its refusals mean for whoever named it. Does not belong here: sending (`smtp`),
opening the connection (`smtp_session`).

Concept: it is asked as far as the login and no further, so nobody gets a mail. What a server says may hold anything, so
its codes alone are repeated.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
from dataclasses import replace

from mlife_assets.adapters.mailboxes.smtp_session import SmtpServer, SmtpSession
from mlife_assets.core.checkup import Finding
from mlife_assets.recruiting.mail.relay_address import PLAIN, STARTTLS, TLS

SETTING = "MLIFE_MAIL_RELAY"
LOOK_SECONDS = 10.0
_SECURED = {STARTTLS: "by STARTTLS", TLS: "by TLS", PLAIN: "in the clear, on this machine"}


def look_at_relay(server: SmtpServer) -> list[Finding]:
    """Return what was found of a relay; no mail is sent."""
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
    """Return what is wrong and what to do about it."""
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
