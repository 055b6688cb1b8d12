"""The endpoint under attack: open to the network, half-open connections, held bodies, large wrong values.

The server is a process of its own, so that its memory and its connections are its own, too. Its times are short, so
that the tests are; the defaults are looked at apart.
"""

from __future__ import annotations

import contextlib
import http.client
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson
import psutil
import pytest
from typer.testing import CliRunner

from mlife_assets.cli import app
from mlife_assets.core.scoring.scorer import LightGBMScorer
from mlife_assets.serving.app import create_app
from mlife_assets.serving.connections import QUEUED_REQUESTS, ConnectionLimits
from mlife_assets.serving.requests import RequestLimits

TOKEN = "t0ken-" * 8
HEADER_SECONDS, BODY_SECONDS = 1.5, 3.0
MEGABYTE = 1024 * 1024
SERVER = """
import socket, sys, uvicorn
from mlife_assets.core.scoring.scorer import LightGBMScorer
from mlife_assets.serving.app import create_app
from mlife_assets.serving.connections import ConnectionLimits, server_config
from mlife_assets.serving.requests import RequestLimits
from mlife_tests.tiny_models import tiny_artifact
header_seconds, body_seconds = sys.argv[1:]
scorer = LightGBMScorer(tiny_artifact(1), threads=1)
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen(128)
print(listener.getsockname()[1], flush=True)
app = create_app({"m": lambda: scorer}, RequestLimits(body_seconds=float(body_seconds)))
limits = ConnectionLimits(connections=100, header_seconds=float(header_seconds))
uvicorn.Server(server_config(app, limits, log_level="critical")).run(sockets=[listener])
"""


@dataclass(frozen=True)
class Endpoint:
    """A served process; `get` and `post` ask it as a well-behaved client would, over a connection of their own."""

    port: int
    process: psutil.Process

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes, dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()}
        finally:
            connection.close()

    def connect(self, *parts: bytes) -> socket.socket:
        opened = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        for part in parts:
            opened.sendall(part)
        return opened

    @property
    def memory(self) -> int:
        return self.process.memory_info().rss


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    command = [sys.executable, "-c", SERVER, str(HEADER_SECONDS), str(BODY_SECONDS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            endpoint = Endpoint(int(process.stdout.readline()), psutil.Process(process.pid))
            assert endpoint.ask("GET", "/health")[0] == 200
            yield endpoint
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def guarded(serve: Callable[..., Any], tiny_models: ModuleType) -> Iterator[Endpoint]:
    """Return an endpoint of this process that asks for the token."""
    scorer = LightGBMScorer(tiny_models.tiny_artifact(1), threads=1)
    with serve(create_app({"m": lambda: scorer}, token=TOKEN)) as url:
        yield Endpoint(int(url.rpartition(":")[2]), psutil.Process())


def is_closed(opened: socket.socket, seconds: float) -> bool:
    """Return whether the other side ends the connection within a time, whatever it says before."""
    deadline = time.monotonic() + seconds
    try:
        while time.monotonic() < deadline:
            opened.settimeout(max(0.01, deadline - time.monotonic()))
            if not opened.recv(MEGABYTE):
                return True
    except TimeoutError:
        return False
    except OSError:
        return True
    return False


@pytest.mark.parametrize("host", ["0.0.0.0", "", "::"])
def test_beyond_this_machine_nothing_is_served_without_a_token(tmp_path: Path, host: str) -> None:
    (tmp_path / "lake" / "events").mkdir(parents=True)
    arguments = ["serve", "--host", host, "--port", "0", "--home", str(tmp_path)]
    result = CliRunner().invoke(app, arguments, env={"MLIFE_ENDPOINT_TOKEN": None})
    assert result.exit_code == 1
    assert "MLIFE_ENDPOINT_TOKEN" in result.stderr
    assert "--make-token" in result.stderr


@pytest.mark.parametrize(
    "token",
    [
        *("", "short", "x" * 31, "with a space, and long enough otherwise", "\u00e9" * 40),
        *("x" * 32, TOKEN, "change-me-change-me-change-me-ch", "Change_Me-0123456789abcdefghijklmnop"),
    ],
)
def test_a_token_that_is_weak_or_fits_no_header_is_refused_and_not_repeated(tmp_path: Path, token: str) -> None:
    (tmp_path / "lake" / "events").mkdir(parents=True)
    arguments = ["serve", "--host", "127.0.0.1", "--port", "0", "--home", str(tmp_path)]
    result = CliRunner().invoke(app, arguments, env={"MLIFE_ENDPOINT_TOKEN": token})
    assert result.exit_code == 1
    assert result.stderr.startswith("mlife: MLIFE_ENDPOINT_TOKEN")
    assert not token or token not in result.stderr


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/model"), ("POST", "/v1/score"), ("GET", "/nothing")])
def test_without_the_token_nothing_is_answered(guarded: Endpoint, method: str, path: str) -> None:
    status, body, told = guarded.ask(
        method, path, b'{"rows": []}' if method == "POST" else b"", Authorization="Bearer x"
    )
    assert status == 401
    assert told["www-authenticate"].startswith("Bearer")
    assert set(orjson.loads(body)["error"]) == {"message", "remedy", "row", "field"}
    assert TOKEN not in body.decode()


@pytest.mark.parametrize("path", ["/v1/model/", "/v1/models/m/", "/health/", "//evil.example/..//"])
def test_nobody_is_sent_to_a_host_that_they_named(guarded: Endpoint, path: str) -> None:
    status, _, told = guarded.ask("GET", path, Host="evil.example", Authorization=f"Bearer {TOKEN}")
    assert (status, told.get("location")) == (404, None)


def answered(endpoint: Endpoint, *parts: bytes) -> bytes:
    """Return all that is answered until the connection ends; each part is sent on its own."""
    opened = endpoint.connect()
    try:
        with contextlib.suppress(ConnectionError):  # it was answered and closed before all was sent
            for part in parts:
                opened.sendall(part)
        said = b""
        with contextlib.suppress(ConnectionError):
            while part := opened.recv(MEGABYTE):
                said += part
        return said
    finally:
        opened.close()


HEAD = b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n"
LIMIT = ConnectionLimits().header_bytes


@pytest.mark.parametrize("size", [LIMIT + 1, 70_000, 200_000])
@pytest.mark.parametrize("kind", ["header", "headers", "target"])
def test_headers_beyond_the_limit_are_refused_also_when_they_come_at_once(
    endpoint: Endpoint, size: int, kind: str
) -> None:
    long = {
        "header": HEAD + b"x-long: " + b"x" * size + b"\r\n\r\n",
        "headers": HEAD + b"x-many: xxxx\r\n" * (size // 14 + 1) + b"\r\n",
        "target": b"GET /health?" + b"x" * size + b" HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n",
    }[kind]
    said = answered(endpoint, long)
    assert b" 200 " not in said
    assert not said or said.endswith(b"The headers are too long.")


def test_headers_beyond_the_limit_behind_an_honest_request_are_refused_too(endpoint: Endpoint) -> None:
    """They lie in the buffer already when the first answer is complete."""
    said = answered(endpoint, HEAD + b"\r\n" + HEAD + b"x-long: " + b"x" * 40_000 + b"\r\n\r\n")
    assert said.count(b" 200 ") == 1
    assert b"HTTP/1.1 400" in said


def test_trailers_beyond_the_limit_are_not_collected(endpoint: Endpoint) -> None:
    post = b"POST /v1/score HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"
    assert b"HTTP/1.1 422" in answered(endpoint, post + b"x-late: 1\r\nconnection: close\r\n\r\n" + HEAD + b"\r\n")
    said = answered(endpoint, post + (b"x-late: " + b"x" * 1_000 + b"\r\n") * 40)
    assert b"HTTP/1.1 408" in said
    assert said.endswith(b"The headers are too long.")


def test_few_requests_of_a_connection_wait_for_the_first(endpoint: Endpoint) -> None:
    """Each that waits takes memory, and whoever sends on without reading needs no token."""
    said = answered(endpoint, (HEAD + b"\r\n") * 1_000)
    assert said.count(b"HTTP/1.1 200") == 1 + QUEUED_REQUESTS
    assert said.endswith(b"Too many requests at once.")


@pytest.mark.parametrize("length", [b"content-length: 12\r\n\r\n", b"transfer-encoding: chunked\r\n\r\nc\r\n"])
@pytest.mark.parametrize("sent", [0, 5])
def test_a_request_that_asks_for_another_protocol_keeps_its_body(endpoint: Endpoint, length: bytes, sent: int) -> None:
    """Java's client asks for HTTP/2 with its first request; a body must not be read as the next request, either."""
    rest = b'{"rows": []}' + (b"\r\n0\r\n\r\n" if b"chunked" in length else b"") + HEAD + b"connection: close\r\n\r\n"
    post = b"POST /v1/score HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\n"
    said = answered(endpoint, post + length + rest[:sent], rest[sent:])
    assert said.count(b"HTTP/1.1 200") == said.count(b"HTTP/1.1") == 2
    assert b'"scores":[]' in said


def test_a_trailer_is_no_header_and_nothing_is_a_proxy(endpoint: Endpoint) -> None:
    late = b"POST /v1/score HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nhost: 127.0.0.1\r\n\r\n"
    assert b"HTTP/1.1 421" in answered(endpoint, late)
    assert b"HTTP/1.1 400" in answered(endpoint, b"CONNECT evil.example:80 HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")


def test_headers_within_the_limit_are_answered(endpoint: Endpoint) -> None:
    padding = b"x-long: " + b"x" * (LIMIT - len(HEAD) - 100) + b"\r\nconnection: close\r\n\r\n"
    assert b" 200 " in answered(endpoint, HEAD + padding)
    body = b'{"rows": [], "note": "' + b"x" * 60_000 + b'"}'
    post = b"POST /v1/score HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
    assert b"HTTP/1.1 4" in answered(endpoint, post % len(body) + body), "a body is another matter: a field too many"


@pytest.mark.parametrize(
    "start", [b"", b"POST /v1/score HTTP/1.1\r\nhost: 127.0.0.1\r\nx-slow: "], ids=["silent", "half a header"]
)
def test_400_half_open_connections_end_and_others_are_answered_meanwhile(endpoint: Endpoint, start: bytes) -> None:
    started = time.monotonic()
    opened = [endpoint.connect(start) for _ in range(400)]
    try:
        asked = time.monotonic()
        assert [endpoint.ask("POST", "/v1/score", b'{"rows": []}')[0] for _ in range(5)] == [200] * 5
        assert time.monotonic() - asked < HEADER_SECONDS + 5
        limit = started + HEADER_SECONDS + 8
        assert all(is_closed(one, max(0.1, limit - time.monotonic())) for one in opened)
    finally:
        for one in opened:
            one.close()


@pytest.mark.parametrize(
    "start",
    [
        b"POST /v1/score HTTP/1.1\r\nhost: 127.0.0.1\r\nx-slow: ",
        b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\nGET /",
        b"POST /nothing HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 1000000\r\n\r\n",
    ],
    ids=["first request", "after an answer", "a body that nobody reads"],
)
def test_a_byte_now_and_then_keeps_no_connection(endpoint: Endpoint, start: bytes) -> None:
    with endpoint.connect(start) as opened:
        deadline = time.monotonic() + HEADER_SECONDS + 5
        while not is_closed(opened, 0.1):
            assert time.monotonic() < deadline, "dripping kept the connection"
            try:
                opened.sendall(b"x")
            except OSError:
                break


def test_a_connection_that_asks_again_and_again_is_kept(endpoint: Endpoint) -> None:
    """The deadline is for what does not come, not for the age of a connection."""
    connection = http.client.HTTPConnection("127.0.0.1", endpoint.port, timeout=20)
    try:
        connection.connect()
        local = connection.sock.getsockname()
        deadline = time.monotonic() + HEADER_SECONDS * 2
        while time.monotonic() < deadline:
            connection.request("GET", "/health")
            assert connection.getresponse().read() == b'{"status":"ok"}'
            assert connection.sock.getsockname() == local
    finally:
        connection.close()


def hold(endpoint: Endpoint, size: int) -> tuple[socket.socket, bytes]:
    """Send all but the end of a body, unless answered before; return the connection and what was answered."""
    head = b"POST /v1/score HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: %d\r\n\r\n" % (size + 1)
    opened, piece = endpoint.connect(head), b" " * (256 * 1024)
    with selectors.DefaultSelector() as selector:
        selector.register(opened, selectors.EVENT_READ)
        for _ in range(size // len(piece)):
            if selector.select(0):
                return opened, answer_of(opened)
            opened.sendall(piece)
        return opened, answer_of(opened) if selector.select(0.5) else b""


def answer_of(opened: socket.socket) -> bytes:
    answer = b""
    while not answer.endswith(b"}}"):
        answer += opened.recv(MEGABYTE)
    return answer


def test_40_held_bodies_stay_within_the_budget_and_small_requests_are_answered(endpoint: Endpoint) -> None:
    before = endpoint.memory
    started = time.monotonic()
    with ThreadPoolExecutor(40) as pool:
        held = list(pool.map(lambda _: hold(endpoint, 15 * MEGABYTE), range(40)))
    try:
        grown = endpoint.memory - before
        assert endpoint.ask("POST", "/v1/score", b'{"rows": []}')[0] == 200
        assert grown < RequestLimits().held_bytes + 60 * MEGABYTE, f"{grown / MEGABYTE:.0f} MB"
        refused = [answer for _, answer in held if answer.startswith(b"HTTP/1.1 503")]
        assert len(refused) >= 40 - RequestLimits().held_bytes // (15 * MEGABYTE) - 1
        assert all(b"try again" in answer for answer in refused)
        waiting = [opened for opened, answer in held if not answer]
        for opened in waiting:
            opened.settimeout(20)
            assert answer_of(opened).startswith(b"HTTP/1.1 408")
        assert time.monotonic() - started < BODY_SECONDS + 15
    finally:
        for opened, _ in held:
            opened.close()
    assert endpoint.ask("POST", "/v1/score", b'{"rows": []}' + b" " * 12 * MEGABYTE)[0] == 200, (
        "the budget is free again"
    )


LARGE = "w" * (15 * MEGABYTE)


def row(endpoint: Endpoint, **changed: Any) -> dict[str, Any]:
    features = orjson.loads(endpoint.ask("GET", "/v1/model")[1])["features"]
    return {feature["name"]: None for feature in features} | changed


@pytest.mark.parametrize(
    "value",
    [LARGE, [LARGE], {LARGE: 1}, [[1] * 5_000_000], "\x00" * (2 * MEGABYTE)],
    ids=["text", "list", "object", "many", "NUL"],
)
@pytest.mark.parametrize("name", ["distance_km", "metro_code"])
def test_a_large_wrong_value_is_not_echoed(endpoint: Endpoint, name: str, value: Any) -> None:
    status, body, _ = endpoint.ask("POST", "/v1/score", orjson.dumps({"rows": [row(endpoint, **{name: value})]}))
    if name == "metro_code" and isinstance(value, str):
        assert status == 200, "a category that the model has never seen is missing"
        return
    assert (status, orjson.loads(body)["error"]["field"]) == (422, name)
    assert len(body) < 1_000


def test_large_names_are_not_echoed(endpoint: Endpoint) -> None:
    for document in ({"rows": [], LARGE: 1}, {"rows": [row(endpoint) | {LARGE: 1}]}, {LARGE: []}):
        status, body, _ = endpoint.ask("POST", "/v1/score", orjson.dumps(document))
        assert status == 422
        assert len(body) < 1_000
    assert len(endpoint.ask("GET", "/" + "p" * 10_000)[1]) < 1_000


def test_the_defaults_hold_what_the_tests_show() -> None:
    connections, requests = ConnectionLimits(), RequestLimits()
    assert connections.connections < 1_000, "a process may usually open 1,024 files"
    assert connections.header_seconds <= 30
    assert connections.header_bytes <= 64 * 1024
    assert requests.body_seconds < connections.request_seconds <= 300
    assert requests.held_bytes + connections.connections * requests.free_bytes <= 100 * MEGABYTE
    assert requests.body_bytes / requests.body_seconds < 300_000, "a slow line can send the largest body"
