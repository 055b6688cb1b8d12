"""A real mail server on this machine that can be made to misbehave at each point of the dialogue, for tests."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session


@dataclass
class Relay:
    """What the server does and what it saw.

    Attributes:
        drop_at: where it cuts the connection: `EHLO`, `MAIL`, `RCPT`, `DATA` or `DOT`.
        answers: reply to the same points, in place of the usual one.
        mails: what it accepted.
        seen: what it was given up to the final dot, accepted or not.
        has_reports: whether it offers reports of deliveries.
    """

    port: int = 0
    drop_at: str | None = None
    answers: dict[str, str] = field(default_factory=dict)
    mails: list[Envelope] = field(default_factory=list)
    seen: list[Envelope] = field(default_factory=list)
    connections: int = 0
    logins: list[tuple[str, str]] = field(default_factory=list)
    has_reports: bool = True

    async def act(self, server: SMTP, point: str, usual: str) -> str:
        if self.drop_at == point:
            server.transport.abort()
            await asyncio.Event().wait()  # cancelled when the connection is gone
        return self.answers.get(point, usual)

    async def handle_EHLO(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, name: str, responses: list[str]
    ) -> list[str]:
        session.host_name = name
        self.connections += 1
        answer = await self.act(server, "EHLO", "")
        if answer:
            return [answer]
        return [*responses[:-1], "250-DSN", responses[-1]] if self.has_reports else responses

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = await self.act(server, "MAIL", "250 OK")
        if answer.startswith("250"):
            envelope.mail_from, envelope.mail_options = address, options
        return answer

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = await self.act(server, "RCPT", "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
            envelope.rcpt_options = options
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.seen.append(envelope)
        answer = await self.act(server, "DOT", "250 2.0.0 queued as 4711")
        if answer.startswith("250"):
            self.mails.append(envelope)
        return answer


class _Server(SMTP):
    """aiosmtpd with options of RFC 3461, and a point at the command DATA, for which it has no hook."""

    async def smtp_MAIL(self, arg: str) -> None:  # noqa: N802
        if arg and ("RET=" in arg or "ENVID=" in arg):
            head, _, options = arg.partition("> ")
            kept = [one for one in options.split() if not one.startswith(("RET=", "ENVID="))]
            self.event_handler.mail_options = options
            arg = " ".join([f"{head}>", *kept])
        await super().smtp_MAIL(arg)

    async def smtp_RCPT(self, arg: str) -> None:  # noqa: N802
        self.event_handler.rcpt_options = arg
        await super().smtp_RCPT(arg.split(" NOTIFY=")[0])

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        answer = await self.event_handler.act(self, "DATA", "")
        if answer:
            await self.push(answer)
            return
        await super().smtp_DATA(arg)


class _Controller(Controller):
    def factory(self) -> SMTP:
        return _Server(self.handler, **self.SMTP_kwargs)


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Write certificate and key of 127.0.0.1, signed by itself, and return where they are."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "public.pem", folder / "private.pem"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return public, private


@contextmanager
def started_relays(certificate: tuple[Path, Path]) -> Iterator[Callable[..., Relay]]:
    """Yield what starts a relay: `security` as in `SmtpServer`, `password` for a login; all end with the block."""
    running: list[Controller] = []

    def run(security: str = "plain", *, password: str | None = None) -> Relay:
        relay = Relay()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        options: dict[str, Any] = {"starttls": {"tls_context": context, "require_starttls": True}}.get(security, {})
        if password is not None:

            def login(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
                relay.logins.append((data.login.decode(), data.password.decode()))
                return AuthResult(success=data.password == password.encode(), handled=False)

            options |= {"authenticator": login, "auth_required": True, "auth_require_tls": False}
        if security == "tls":
            options["ssl_context"] = context
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            relay.port = probe.getsockname()[1]
        controller = _Controller(relay, hostname="127.0.0.1", port=relay.port, **options)
        controller.start()
        relay.connections = 0
        running.append(controller)
        return relay

    try:
        yield run
    finally:
        for controller in running:
            controller.stop(no_assert=True)
