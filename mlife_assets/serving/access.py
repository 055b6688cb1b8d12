"""Who may ask the endpoint, or the site, and the headers of safety that every page has.

Concept: with a token, every route but `/health` wants it. Without one, the endpoint listens on this machine alone, and
then a web page could still reach it through the browser of somebody who works here, by a name of its own that leads to
127.0.0.1 (DNS rebinding). The browser then sends that name as the host, so only this machine's own names are answered.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Awaitable, Callable, Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mlife_assets.core.pages import reading_script
from mlife_assets.core.quoting import quoted

OPEN_PATHS = frozenset({"/health"})
"""What load balancers ask, which have no token; it says nothing but whether there is an answer."""
LOCAL_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
Refusal = Callable[[int, str, str], Response]
"""Makes the answer of a refusal from its status, message and remedy."""


class PageHeaders:
    """ASGI middleware that adds headers to every answer.

    Args:
        app: what answers.
        more: further headers of this application.
    """

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
    """ASGI middleware that lets through who may ask.

    Args:
        app: what is asked.
        token: the bearer token; None lets everybody through who calls the endpoint by a local name.
        refusal: makes the answer of who is turned away.
    """

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
        if HTTPConnection(scope).url.path in OPEN_PATHS or self._is_known(headers.get("authorization", "")):
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
