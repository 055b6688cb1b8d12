"""What every page that is served says to the browser besides itself.

Belongs here: headers of safety. Does not belong here: addresses, status codes, pages.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mlife_assets.core.pages import reading_script


class PageHeaders:
    """ASGI middleware that adds headers to every answer.

    Args:
        app: what answers.
        more: further headers of this application.
    """

    def __init__(self, app: ASGIApp, more: Mapping[str, str]) -> None:
        """Compute the headers once."""
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
