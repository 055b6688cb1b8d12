"""Connections: places, deadlines, and that a connection in use is left alone. Floods are in `attacks`."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.serving.connections import ConnectionLimits, bounded_protocol

GET = b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"


async def hello(scope: Any, receive: Any, send: Any) -> None:
    """Answer a GET at once, and a POST when its body is complete."""
    more = scope["method"] == "POST"
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        more = message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})


def connect(url: str, start: bytes = b"") -> socket.socket:
    address = urlsplit(url)
    opened = socket.create_connection((address.hostname, address.port), timeout=10)
    opened.sendall(start)
    return opened


def rest(opened: socket.socket) -> bytes:
    """Return what comes until the other side ends the connection."""
    got = b""
    try:
        while part := opened.recv(65_536):
            got += part
    except ConnectionResetError:
        pass
    return got


def test_the_longest_waiting_connection_makes_room(serve: Callable[..., Any]) -> None:
    with serve(hello, ConnectionLimits(connections=2)) as url:
        first, second = connect(url), connect(url, GET)
        assert b"hello" in second.recv(65_536)
        with connect(url, GET) as third:
            assert b"hello" in third.recv(65_536)
            assert rest(first) == b""
            second.sendall(GET)
            assert b"hello" in second.recv(65_536), "it asked later than the first"
        first.close()
        second.close()


def test_when_every_place_is_taken_by_a_request_the_next_gets_an_answer(serve: Callable[..., Any]) -> None:
    post = b"POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 2\r\n\r\n1"
    with serve(hello, ConnectionLimits(connections=2)) as url:
        busy = [connect(url, post) for _ in range(2)]
        answers = []
        deadline = time.monotonic() + 10
        while not any(b"503" in answer for answer in answers) and time.monotonic() < deadline:
            with connect(url) as late:
                late.settimeout(0.2)
                try:
                    answers.append(rest(late))
                except TimeoutError:
                    continue
        assert answers[-1].startswith(b"HTTP/1.1 503")
        assert b"try again" in answers[-1]
        for one in busy:
            one.sendall(b"2")
            assert b"hello" in one.recv(65_536)
            one.close()


def test_a_request_has_a_time_and_an_answer_too(serve: Callable[..., Any]) -> None:
    limits = ConnectionLimits(header_seconds=0.2, request_seconds=0.5)
    with serve(hello, limits) as url:
        started = time.monotonic()
        with connect(url, b"POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 2\r\n\r\n1") as held:
            assert rest(held) == b""
        assert 0.4 < time.monotonic() - started < 5
    with serve(hello, ConnectionLimits(header_seconds=0.2)) as url:
        started = time.monotonic()
        with connect(url, GET) as idle:
            assert b"hello" in rest(idle)
        assert time.monotonic() - started < 4, "uvicorn's own limit is 5 seconds"
        with connect(url, GET * 3) as many:
            assert rest(many).count(b"hello") == 3


@pytest.mark.parametrize("name", list(vars(ConnectionLimits())))
def test_limits_that_let_nothing_through_are_refused(name: str) -> None:
    with pytest.raises(InvalidInputError, match=f"{name} is 0"):
        ConnectionLimits(**{name: 0})


def test_servers_do_not_share_their_places() -> None:
    first, second = bounded_protocol(ConnectionLimits()), bounded_protocol(ConnectionLimits(connections=1))
    assert first.waiting is not second.waiting
    assert (first.limits.connections, second.limits.connections) == (256, 1)
