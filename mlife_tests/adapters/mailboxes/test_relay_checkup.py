"""A relay is greeted and let go: what it says is a finding with a remedy, and nobody gets a mail."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import Any

import pytest

from mlife_assets.adapters.mailboxes import SmtpServer, relay_checkup
from mlife_assets.adapters.mailboxes.relay_checkup import look_at_relay
from mlife_assets.core.checkup import Finding

SECRET = "a-hidden-secret"
AUTH_IN_THE_CLEAR = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")


def fault(port: int, security: str = "plain", **other: Any) -> Finding:
    """Return what is wrong with a relay; it is the last thing that is said, and what was tried the first."""
    found = look_at_relay(SmtpServer("127.0.0.1", port, security, **other))
    first, last = found
    assert first.says.startswith(f"approved mails go out to people through 127.0.0.1:{port}, ")
    assert (first.is_fault, last.is_fault) == (False, True)
    assert SECRET not in f"{found}"
    return last


@pytest.fixture
def answering() -> Any:
    """Return what starts a server that says some bytes to whoever comes, and no more."""
    listeners = []

    def start(words: bytes) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def answer() -> None:
            with suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    connection.sendall(words)
                    connection.recv(100)

        Thread(target=answer, daemon=True).start()
        return int(listener.getsockname()[1])

    yield start
    for listener in listeners:
        listener.close()


@AUTH_IN_THE_CLEAR
@pytest.mark.parametrize(
    ("security", "secured"),
    [("starttls", "by STARTTLS"), ("tls", "by TLS"), ("plain", "in the clear, on this machine")],
)
@pytest.mark.parametrize("has_reports", [True, False])
def test_a_relay_that_takes_us_says_whether_it_reports(
    start_relay: Callable[..., Any], certificate: Any, security: str, secured: str, has_reports: bool
) -> None:
    relay = start_relay(security, password=SECRET)
    relay.has_reports = has_reports
    server = SmtpServer("127.0.0.1", relay.port, security, "mlife", SECRET, certificates=certificate[0])
    says = (
        "reports deliveries" if has_reports else "offers no report of deliveries (DSN): only what comes back is known"
    )
    assert look_at_relay(server) == [
        Finding("MLIFE_MAIL_RELAY", f"approved mails go out to people through 127.0.0.1:{relay.port}, {secured}"),
        Finding("MLIFE_MAIL_RELAY", f"it takes our login and {says}; no mail was sent"),
    ]
    assert (relay.logins, relay.seen) == ([("mlife", SECRET)], [])


def test_a_relay_without_a_login_is_greeted(start_relay: Callable[..., Any]) -> None:
    found = look_at_relay(SmtpServer("127.0.0.1", start_relay().port, "plain"))
    assert found[1].says == "it greets and reports deliveries; no mail was sent"


@AUTH_IN_THE_CLEAR
def test_what_it_refuses_is_said_with_the_remedy(start_relay: Callable[..., Any], certificate: Any) -> None:
    secured = start_relay("starttls", password=SECRET)
    wrong = fault(secured.port, "starttls", user_name="u", password=SECRET + "x", certificates=certificate[0])
    assert wrong.says == "it refuses the login with 535"
    assert wrong.remedy.startswith("correct user and password in MLIFE_MAIL_RELAY, with @ as %40")
    for security in ("starttls", "tls"):
        found = fault(start_relay(security).port, security)
        assert found.says.startswith("its certificate is not trusted (self-signed certificate")
        assert "SSL_CERT_FILE" in found.remedy
    found = fault(start_relay().port, "starttls")
    assert (found.says, "write smtps://" in found.remedy) == ("it offers no STARTTLS", True)
    assert fault(start_relay().port, "tls").says == "it speaks no TLS at this port"
    found = fault(start_relay().port, user_name="u", password=SECRET)
    assert (found.says, "leave user and password out" in found.remedy) == (
        "it offers no login that is known here",
        True,
    )


def test_who_does_not_answer_is_named_too(answering: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    found = fault(1)
    assert (found.says, found.remedy) == (
        "nobody listens there",
        "start it, or correct host and port in MLIFE_MAIL_RELAY",
    )
    found = fault(answering(b"554 5.7.1 <person1@home.example> no\r\n"))
    assert (found.says, found.remedy) == ("it answers 554", "ask who runs it why this machine is refused")
    found = fault(answering(b"220 elm\r\n250 elm AUTH\r\n"), user_name="u", password=SECRET)
    assert found.says == "it offers no login that is known here"
    monkeypatch.setattr(relay_checkup, "LOOK_SECONDS", 0.2)
    found = fault(answering(b""))
    assert (found.says, "write smtps://" in found.remedy) == ("it gives no answer, or hangs up", True)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (socket.gaierror(8, "nodename"), "nobody knows its host"),
        (OSError(101, "Network is unreachable"), "it cannot be reached (OSError)"),
        (ConnectionResetError(), "it gives no answer, or hangs up"),
        (ssl.SSLError(1, "handshake failure"), "it speaks no TLS at this port"),
    ],
)
def test_a_network_that_leads_nowhere_is_named(monkeypatch: pytest.MonkeyPatch, error: OSError, says: str) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(socket, "create_connection", fails)
    assert fault(25).says == says
