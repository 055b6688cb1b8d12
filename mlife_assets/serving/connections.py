"""Connections within bounds: how many there are, how long each may take, and who may ask.

Concept: every connection has a deadline at every moment. uvicorn has one for idle connections alone, which a single
byte lifts, so half a request keeps a connection for ever. Here a connection has a few seconds until its next request is
complete up to the body, and then the time of one request. When all places are taken, the connection that has been
waiting for a request the longest makes room, so that a flood of half-open connections keeps nobody out.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import uvicorn
from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.config import LOGGING_CONFIG
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.pages import reading_script
from mlife_assets.core.quoting import quoted

if TYPE_CHECKING:
    from socket import socket


OPEN_PATHS = frozenset({"/health"})
"""What load balancers ask, which have no token; it says nothing but whether there is an answer."""
LOCAL_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
Refusal = Callable[[int, str, str], Response]
"""Makes the answer of a refusal from its status, message and remedy."""
BACKLOG = 128
_TOO_LONG, _TOO_MANY = "The headers are too long.", "Too many requests at once."
_NO_REQUEST, _NO_TUNNEL = "Invalid HTTP request received.", "This is no proxy."
CHUNK_BYTES = 8
"""Bytes around a chunk, for each byte in it."""
QUEUED_REQUESTS = 32
"""Requests of one connection that wait for the answer to an earlier one."""
SHUTDOWN_SECONDS = 10
_FULL_BODY = (
    b'{"error":{"message":"the endpoint has as many requests as it can take",'
    b'"remedy":"try again in a second","row":null,"field":null}}'
)
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\n"
    b"connection: close\r\ncontent-length: %d\r\n\r\n%s" % (len(_FULL_BODY), _FULL_BODY)
)


@dataclass(frozen=True)
class ConnectionLimits:
    """What connections may take.

    Attributes:
        connections: open at a time; below the 1,024 files that a process may usually open.
        header_bytes: of a request line and its headers.
        header_seconds: from the opening, or from the last answer, until the next request is complete up to its body.
        request_seconds: from then until the answer is handed to the network: body, waiting, score.
        answer_bytes_per_second: how fast a client has to take the answer.
    """

    connections: int = 256
    header_bytes: int = 16 * 1024
    header_seconds: float = 10.0
    request_seconds: float = 120.0
    answer_bytes_per_second: int = 16 * 1024

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value <= 0:
                raise InvalidInputError(f"ConnectionLimits.{name} is {value}; allow more than 0")


class RefusedRequestError(InvalidInputError):
    """A request that is not taken; its text is the answer."""


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol with a deadline at every moment; `bounded_protocol` gives it limits."""

    limits: ConnectionLimits
    waiting: dict[BoundedProtocol, None]
    """Connections without a request, the longest waiting first."""

    _deadline: asyncio.TimerHandle | None = None
    _refusal: str | None = None
    _received = _body = 0
    """Bytes of the request that is being read, and those of its body."""
    _plain = b""
    """Head of a request that asks for another protocol, without that wish."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, if need be in the place of one that waits."""
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections and not self._make_room():
            transport.write(_FULL)
            transport.close()
        self._wait(self.limits.header_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, unless the connection was given up or its last request refused."""
        if self.transport.is_closing() or self._refusal is not None:
            return
        self._unset_keepalive_if_required()
        self._received += len(data)
        while data:
            data = self._read(data)
        # Of a body in chunks, each has a line; what follows the last chunk is headers again.
        if self._received - self._body > self.limits.header_bytes + CHUNK_BYTES * self._body:
            self.send_400_response(_TOO_LONG)

    def _read(self, data: bytes) -> bytes:
        """Read bytes, and return those that have to be read by another parser.

        httptools leaves out the body of a request that asks for another protocol, which a client may do with any
        request (Java's does with its first). Nothing else is spoken here, so the request is read without the wish.
        """
        try:
            self.parser.feed_data(data)
        except HttpParserUpgrade as wish:
            self.parser = HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as in uvicorn
            return self._plain + data[wish.args[0] :]
        except HttpParserError as error:
            why = error.__context__
            self.send_400_response(str(why) if isinstance(why, RefusedRequestError) else _NO_REQUEST)
        return b""

    def on_body(self, body: bytes) -> None:
        self._body += len(body)
        super().on_body(body)

    def on_headers_complete(self) -> None:
        """Take the request, unless its headers are too long, or too many requests wait."""
        size = len(self.url) + sum(len(name) + len(value) + len(": \r\n") for name, value in self.headers)
        method = self.parser.get_method()
        if size > self.limits.header_bytes:
            raise RefusedRequestError(_TOO_LONG)  # the parser hands it on
        if len(self.pipeline) >= QUEUED_REQUESTS:
            raise RefusedRequestError(_TOO_MANY)
        if method == b"CONNECT":
            raise RefusedRequestError(_NO_TUNNEL)
        if self.parser.should_upgrade():
            lines = [b"%s %s HTTP/%s" % (method, self.url, self.parser.get_http_version().encode())]
            lines += [b"%s: %s" % (name, value) for name, value in self.headers if name != b"upgrade"]
            self._plain = b"\r\n".join([*lines, b"", b""])
            return
        super().on_headers_complete()
        self.headers = []  # trailers are no headers of a request that is under way

    def on_message_complete(self) -> None:
        """Count anew, unless the request has to be read again."""
        if not self.parser.should_upgrade():
            self._received = self._body = 0
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request after what came before it is answered, and end the connection."""
        under_way: RequestResponseCycle | None = self.cycle
        if under_way is not None and not under_way.response_complete:
            self._refusal = msg
            self.flow.pause_reading()
        elif not self.transport.is_closing():
            super().send_400_response(msg)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._stop_waiting()
        self._deadline = self.loop.call_later(self.limits.request_seconds, self._expire)
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """Wait for the next request, and for the client to take this answer."""
        unsent = self.transport.get_write_buffer_size()
        self._wait(self.limits.header_seconds + unsent / self.limits.answer_bytes_per_second)
        super().on_response_complete()
        if self._refusal is not None:
            self.send_400_response(self._refusal)

    def _make_room(self) -> bool:
        for longest in self.waiting:
            longest._expire()
            self.connections.discard(longest)
            return True
        return False

    def _wait(self, seconds: float) -> None:
        self._stop_waiting()
        self.waiting[self] = None
        self._deadline = self.loop.call_later(seconds, self._expire)

    def _stop_waiting(self) -> None:
        self.waiting.pop(self, None)
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expire(self) -> None:
        self._stop_waiting()
        self.transport.abort()


def bounded_protocol(limits: ConnectionLimits) -> type[BoundedProtocol]:
    return type("ServerProtocol", (BoundedProtocol,), {"limits": limits, "waiting": {}})


class AnnouncedServer(uvicorn.Server):
    """A server that says that it serves once it does, and from then on ends at Ctrl-C."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._announce()


def server_config(app: ASGIApp, limits: ConnectionLimits | None = None, **options: Any) -> uvicorn.Config:
    """Return uvicorn's configuration for `app` within `limits`; its warnings go where all others go."""
    allowed = limits or ConnectionLimits()
    log_config = None if logging.getLogger().handlers else LOGGING_CONFIG
    return uvicorn.Config(
        app,
        http=bounded_protocol(allowed),
        ws="none",
        lifespan="off",
        backlog=BACKLOG,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        **{"log_config": log_config, "log_level": "warning", "access_log": False, **options},
    )


class PageHeaders:
    """ASGI middleware that adds headers to every answer."""

    def __init__(self, app: ASGIApp, more: Mapping[str, str]) -> None:
        digest = base64.b64encode(hashlib.sha256(reading_script().encode()).digest()).decode()
        self._app = app
        self._headers = {
            # A page has a policy of its own, too. This one also binds a page that somebody else put into the lake.
            "content-security-policy": (
                f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'; "
                "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
            ),
            "x-content-type-options": "nosniff",
            "cross-origin-resource-policy": "same-origin",
            "cross-origin-opener-policy": "same-origin",
            "referrer-policy": "no-referrer",
            "cache-control": "no-store",
            **more,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self._headers)
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


class Access:
    """ASGI middleware that lets through who has the token, or without one, who uses a local name."""

    def __init__(self, app: ASGIApp, token: str | None, refusal: Refusal) -> None:
        self._app, self._refusal = app, refusal
        self._token = None if token is None else token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or let the application do it."""
        refused = self._refused(scope) if scope["type"] == "http" else None
        answer: Callable[[Scope, Receive, Send], Awaitable[None]] = self._app if refused is None else refused
        await answer(scope, receive, send)

    def _refused(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if self._token is None:
            name = _host_name(headers.get("host", ""))
            if name in LOCAL_NAMES:
                return None
            return self._refusal(
                421,
                f"this endpoint is not called {quoted(name)}",
                "call it 127.0.0.1 or localhost; behind a proxy, give it a token (MLIFE_ENDPOINT_TOKEN)",
            )
        if scope["path"] in OPEN_PATHS or self._is_known(headers.get("authorization", "")):
            return None
        refused = self._refusal(401, "the token is missing or wrong", "send the header Authorization: Bearer <token>")
        refused.headers["www-authenticate"] = 'Bearer realm="mlife"'
        return refused

    def _is_known(self, authorization: str) -> bool:
        scheme, _, given = authorization.partition(" ")
        # Compared even if the scheme is wrong, in a time that does not reveal how much of the token is right.
        is_equal = hmac.compare_digest(given.strip().encode("latin-1"), self._token or b"")
        return is_equal and scheme.lower() == "bearer" and self._token is not None


def _host_name(host: str) -> str:
    name, colon, port = host.strip().lower().rpartition(":")
    return name if colon and port.isdecimal() else host.strip().lower()
