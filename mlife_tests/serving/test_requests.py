"""Connections and requests: places, deadlines, limits for bodies, and what a refused client reads.

Time is that of the event loop, so the times are short. Floods are in `attacks`.
"""

from __future__ import annotations

import asyncio
import math
import socket
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.features import FeatureSpec
from mlife_assets.serving import requests
from mlife_assets.serving.connections import ConnectionLimits, bounded_protocol
from mlife_assets.serving.requests import BodyReader, BusyError, RequestLimits, parse_rows, rows_matrix
from mlife_tests.tiny_models import row_record

SPEC = FeatureSpec(("distance_km", "metro_code"), (("metro_code", ("10", "20")),))
LIMITS = RequestLimits(body_bytes=1_000, rows=3)
BODY_LIMITS = RequestLimits(body_bytes=1_000, held_bytes=1_500, free_bytes=100)
GET = b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"


def refusal(call: Any, *arguments: Any) -> requests.RowError:
    with pytest.raises(requests.RowError) as caught:
        call(*arguments)
    assert caught.value.remedy
    return caught.value


@given(st.floats(width=64), st.sampled_from(["10", "20", "unseen", "", None]))
def test_a_row_survives_json_to_the_bit(number: float, metro: str | None) -> None:
    code = {"10": 0.0, "20": 1.0}.get(metro, math.nan)
    row = np.array([number, code])
    body = orjson.dumps({"rows": [row_record(SPEC, row), {**row_record(SPEC, row), "metro_code": metro}]})
    matrix = rows_matrix(parse_rows(body, LIMITS), SPEC)
    for line in matrix:
        np.testing.assert_array_equal(line, row)
        assert math.isnan(number) or math.copysign(1, line[0]) == math.copysign(1, number)


def test_columns_come_in_the_order_of_the_spec_whatever_the_order_of_the_row() -> None:
    assert rows_matrix([{"metro_code": "20", "distance_km": 3}], SPEC).tolist() == [[3.0, 1.0]]


def test_null_is_missing_and_an_unseen_category_too() -> None:
    matrix = rows_matrix([{"metro_code": "99", "distance_km": None}, {"metro_code": None, "distance_km": "NaN"}], SPEC)
    assert np.isnan(matrix).all()


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"{}", b'{"rows": 3}', b'{"rows": [NaN]}', b"\xff", b"1e999"])
def test_a_body_that_is_no_list_of_rows_is_refused(body: bytes) -> None:
    assert "rows" in refusal(parse_rows, body, LIMITS).remedy


def test_an_unknown_key_and_too_many_rows_are_refused() -> None:
    assert refusal(parse_rows, b'{"rows": [], "model": "x"}', LIMITS).field == "model"
    assert "at most 3 rows" in refusal(parse_rows, b'{"rows": [1,2,3,4]}', LIMITS).remedy


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"metro_code": "10"}, "distance_km"), ({"metro_code": "10", "distance_km": 1, "pay": 2}, "pay"),
        ({"metro_code": "10", "distance_km": True}, "distance_km"),
        ({"metro_code": "10", "distance_km": "12"}, "distance_km"),
        ({"metro_code": "10", "distance_km": [1]}, "distance_km"),
        ({"metro_code": 10, "distance_km": 1}, "metro_code"), ([1, 2], None), (None, None),
    ],
)  # fmt: skip
def test_a_bad_row_is_named_with_its_field(row: Any, field: str | None) -> None:
    good = {"metro_code": "10", "distance_km": 1}
    error = refusal(rows_matrix, [good, row], SPEC)
    assert (error.row, error.field) == (1, field)
    assert "row 1" in error.message


def test_limits_that_let_nothing_through_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="rows is 0"):
        RequestLimits(rows=0)


class Sent:
    """Stands for a request whose body arrives in parts; `None` is a part that never comes."""

    def __init__(self, *parts: bytes | None, seconds: float = 0.0) -> None:
        self.parts, self.seconds = parts, seconds

    async def stream(self) -> AsyncIterator[bytes]:
        for part in self.parts:
            await asyncio.sleep(self.seconds)
            if part is None:
                await asyncio.Event().wait()
            yield part or b""


async def read(reader: BodyReader, sent: Any) -> bytes:
    async with reader.body(sent) as parts:
        return b"".join(parts)


def test_what_is_held_has_a_budget_that_is_free_again_afterwards() -> None:
    async def attack() -> None:
        reader = BodyReader(BODY_LIMITS)
        for _ in range(3):
            async with reader.body(Sent(b"x" * 900)), reader.body(Sent(b"x" * 800)):  # type: ignore[arg-type]
                with pytest.raises(BusyError):
                    await read(reader, Sent(b"x" * 101))
                assert await read(reader, Sent(b"x" * 100)) == b"x" * 100, "the first bytes are free"
            with pytest.raises(requests.BodyTooLargeError):
                await read(reader, Sent(b"x" * 900, b"x" * 900))
            with pytest.raises(BusyError):
                async with reader.body(Sent(b"x" * 1_000)):  # type: ignore[arg-type]
                    await read(reader, Sent(b"x" * 800))

    asyncio.run(attack())


@pytest.mark.parametrize("sent", [Sent(None), Sent(b"x" * 100, None), Sent(*[b"x"] * 1_000, seconds=0.01)])
def test_a_body_that_falls_behind_the_pace_is_given_up(sent: Sent) -> None:
    limits = replace(BODY_LIMITS, body_grace_seconds=0.05, bytes_per_second=1_000)
    reader = BodyReader(limits)
    with pytest.raises(requests.BodyTooSlowError, match="1000 bytes per second"):
        asyncio.run(asyncio.wait_for(read(reader, sent), 10))


def test_a_body_that_keeps_the_pace_has_an_end_all_the_same() -> None:
    limits = replace(BODY_LIMITS, body_grace_seconds=0.05, bytes_per_second=1, body_seconds=0.2)
    with pytest.raises(requests.BodyTooSlowError, match=r"within 0 seconds"):
        asyncio.run(asyncio.wait_for(read(BodyReader(limits), Sent(*[b"x"] * 900, seconds=0.01)), 10))


def test_a_body_that_keeps_the_pace_is_read() -> None:
    limits = replace(BODY_LIMITS, body_grace_seconds=0.2, bytes_per_second=100)
    assert asyncio.run(read(BodyReader(limits), Sent(*[b"x" * 50] * 10, seconds=0.05))) == b"x" * 500


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
def test_limits_of_connections_that_let_nothing_through_are_refused(name: str) -> None:
    with pytest.raises(InvalidInputError, match=f"{name} is 0"):
        ConnectionLimits(**{name: 0})


def test_servers_do_not_share_their_places() -> None:
    first, second = bounded_protocol(ConnectionLimits()), bounded_protocol(ConnectionLimits(connections=1))
    assert first.waiting is not second.waiting
    assert (first.limits.connections, second.limits.connections) == (256, 1)
