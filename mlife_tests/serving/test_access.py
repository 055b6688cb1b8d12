"""Who is let through: the token to the letter, this machine's own names to the letter."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.responses import PlainTextResponse

from mlife_assets.serving.access import Access, PageHeaders

TOKEN = "s3cret" * 6


def ask(token: str | None, path: str = "/v1/model", **headers: str) -> tuple[int, dict[str, str]]:
    """Return the status and headers that a GET is answered with."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": raw}
    guarded = Access(PlainTextResponse("hello"), token, lambda status, *_: PlainTextResponse("no", status))
    asyncio.run(guarded(scope, receive, send))
    return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}


def test_the_token_opens_every_path_and_any_host() -> None:
    assert ask(TOKEN, authorization=f"Bearer {TOKEN}", host="scores.example")[0] == 200
    assert ask(TOKEN, authorization=f"bearer  {TOKEN} ")[0] == 200


@pytest.mark.parametrize("given", [TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "", "\xff", "s"])
@pytest.mark.parametrize("scheme", ["Bearer", "Basic", ""])
def test_anything_else_is_401(given: str, scheme: str) -> None:
    status, headers = ask(TOKEN, authorization=f"{scheme} {given}")
    assert (status, headers["www-authenticate"]) == (401, 'Bearer realm="mlife"')


def test_another_scheme_with_the_right_token_is_401() -> None:
    assert ask(TOKEN, authorization=f"Basic {TOKEN}")[0] == 401


@pytest.mark.parametrize("path", ["/health/", "/health/../v1/model", "//health", "/HEALTH", "/v1/model#/health"])
def test_health_alone_is_open(path: str) -> None:
    assert ask(TOKEN, "/health")[0] == 200
    assert ask(TOKEN, path)[0] == 401


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:80", "localhost", " LocalHost:8000 ", "[::1]", "[::1]:443"])
def test_without_a_token_this_machine_s_names_are_answered(host: str) -> None:
    assert ask(None, host=host)[0] == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1:80:80", "", "[::1", "::1", "evil.example#localhost"]
)
def test_without_a_token_no_other_name_is(host: str) -> None:
    assert ask(None, host=host)[0] == 421
    assert ask(None, "/health", host=host)[0] == 421


def test_without_a_host_nothing_is() -> None:
    assert ask(None)[0] == 421


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
