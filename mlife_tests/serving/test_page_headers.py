from __future__ import annotations

import asyncio
from typing import Any

from mlife_assets.serving.page_headers import PageHeaders


def test_every_answer_says_what_a_browser_may_do() -> None:
    sent: list[dict[str, Any]] = []

    async def app(_: Any, __: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"cache-control", b"public")]})
        await send({"type": "http.response.body", "body": b""})

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(PageHeaders(app, {"x-own": "1"})({"type": "http"}, None, send))  # type: ignore[arg-type]
    headers = dict(sent[0]["headers"])
    assert headers[b"x-own"] == b"1"
    assert headers[b"cache-control"] == b"no-store"
    assert headers[b"content-security-policy"].startswith(b"default-src 'none'")
    assert sent[1] == {"type": "http.response.body", "body": b""}
