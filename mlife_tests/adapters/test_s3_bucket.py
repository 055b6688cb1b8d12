"""What a store answers, as errors that say what to do; conflicts and passing faults are gone through."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from mlife_assets.adapters import object_store
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.core.errors import ContentConflictError, MlifeError, PermanentError, TransientError
from mlife_assets.core.storage_places import Bucket, Credentials

Answer = tuple[int, str]
"""Status and code."""
TOKEN = "a-hidden-token"
FOUND = (200, "")


def body_of(code: str) -> bytes:
    said = f"<Code>{code}</Code><CanonicalRequest>GET x-amz-security-token:{TOKEN}</CanonicalRequest>" if code else ""
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{said}</Error>'.encode()


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., tuple[ObstoreObjectStore, list[str]]]]:
    """Return a function that opens a bucket whose server gives answers by method, the last of them again and again."""
    servers: list[ThreadingHTTPServer] = []
    monkeypatch.setattr(object_store, "CONFLICT_PAUSE_SECONDS", 0.001)

    def open_one(retries: int = 0, **by_method: list[Answer]) -> tuple[ObstoreObjectStore, list[str]]:
        asked: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                answers = by_method[self.command]
                status, code = answers[min(asked.count(self.command), len(answers) - 1)]
                asked.append(self.command)
                data = b"x" if status == 200 else body_of(code)
                self.send_response(status)
                self.send_header("ETag", '"e"')
                self.send_header("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data)

            do_GET = do_PUT = do_HEAD = _answer  # noqa: N815  names of the base class

            def log_message(self, *_: Any) -> None: ...

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        place = Bucket("lake", "p", Credentials("K", "a-hidden-secret", TOKEN), endpoint=endpoint)
        return ObstoreObjectStore.in_bucket(place, retries=retries), asked

    yield open_one
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        ((301, "PermanentRedirect"), PermanentError, "set AWS_REGION"),
        ((400, "AuthorizationHeaderMalformed"), PermanentError, "set AWS_REGION"),
        ((400, "ExpiredToken"), PermanentError, "AWS_SESSION_TOKEN"),
        ((403, "InvalidAccessKeyId"), PermanentError, "correct AWS_ACCESS_KEY_ID"),
        ((403, "SignatureDoesNotMatch"), PermanentError, "AWS_SECRET_ACCESS_KEY"),
        ((403, "RequestTimeTooSkewed"), PermanentError, "by NTP"),
        ((403, "AccessDenied"), PermanentError, "(403 AccessDenied); grant read and write on the store"),
        ((404, "NoSuchBucket"), PermanentError, "make it, or correct MLIFE_LAKE"),
        ((400, "KMS.DisabledException"), PermanentError, "its key of KMS cannot be used; enable it"),
        ((403, "InvalidObjectState"), PermanentError, "it lies in an archive; restore it"),
        ((400, "InvalidRequest"), PermanentError, "(400 InvalidRequest); check AWS_REGION and the key"),
        ((501, "NotImplemented"), PermanentError, "honours If-None-Match"),
        ((429, "TooManyRequests"), TransientError, "(429 TooManyRequests); try again"),
        ((503, "SlowDown"), TransientError, "(503 SlowDown); try again"),
    ],
)
@pytest.mark.parametrize("call", ["get", "list", "put_if_absent", "replace"])
def test_an_answer_says_what_to_do(answering, answer: Answer, kind: type[MlifeError], said: str, call: str) -> None:
    store, _ = answering(GET=[answer], PUT=[answer])
    arguments = (b"x",) if call in {"put_if_absent", "replace"} else ()
    with pytest.raises(kind) as caught:
        getattr(store, call)("a/k", *arguments)
    assert said in str(caught.value)
    shown = "".join(traceback.format_exception(caught.value))
    assert TOKEN not in shown
    assert "hidden" not in shown


def test_a_put_that_overlaps_another_is_made_again(answering) -> None:
    conflict = (409, "ConditionalRequestConflict")
    store, asked = answering(PUT=[conflict, conflict, FOUND], GET=[(404, "NoSuchKey")])
    assert store.put_if_absent("a/k", b"x") is True
    assert asked.count("PUT") == 3


def test_a_put_that_overlaps_one_that_wins_finds_what_that_wrote(answering) -> None:
    store, _ = answering(PUT=[(409, "ConditionalRequestConflict")], GET=[FOUND])
    assert store.put_if_absent("a/k", b"x") is False
    with pytest.raises(ContentConflictError, match="already holds other bytes"):
        store.put_if_absent("a/k", b"y")


def test_a_conflict_that_does_not_end_may_end_later(answering) -> None:
    store, asked = answering(PUT=[(409, "ConditionalRequestConflict")], GET=[(404, "NoSuchKey")])
    with pytest.raises(TransientError, match="is being written by others; try again"):
        store.put_if_absent("a/k", b"x")
    assert asked.count("PUT") == object_store.CONFLICT_TRIES


def test_a_put_whose_answer_was_lost_finds_its_own_bytes(answering, monkeypatch) -> None:
    store, asked = answering(retries=1, PUT=[(500, "InternalError"), (412, "PreconditionFailed")], GET=[FOUND])
    assert store.put_if_absent("a/k", b"x") is False
    assert asked == ["PUT", "PUT", "GET"]


def test_what_passes_is_waited_for(answering) -> None:
    store, asked = answering(retries=3, GET=[(503, "SlowDown"), (503, "SlowDown"), FOUND])
    assert store.get("a/k") == b"x"
    assert len(asked) == 3


@pytest.mark.parametrize("call", ["exists", "written_at"])
def test_where_an_object_is_not_there_the_bucket_may_be_gone(answering, call: str) -> None:
    store, _ = answering(HEAD=[(404, "")], GET=[(404, "NoSuchBucket")])
    with pytest.raises(PermanentError, match="make it, or correct MLIFE_LAKE"):
        getattr(store, call)("a/k")


def test_a_bucket_is_in_the_path_where_no_host_is_its_own() -> None:
    key = Credentials("K", "S")
    assert not Bucket("lake", "", key).is_in_path
    assert Bucket("my.lake", "", key).is_in_path
    assert Bucket("lake", "", key, endpoint="http://127.0.0.1:1").is_in_path


@pytest.mark.parametrize("kind", [PermanentError, TransientError])
def test_a_role_that_gives_no_key_is_no_refusal_of_the_store(
    monkeypatch: pytest.MonkeyPatch, kind: type[MlifeError]
) -> None:
    from mlife_assets.adapters import aws_clients as clients

    def gives_none() -> Any:
        raise kind("the task has no role; start it with one")

    monkeypatch.setattr(clients, "renewed_role_key", gives_none)
    store = ObstoreObjectStore.in_bucket(Bucket("lake", "", None, endpoint="http://127.0.0.1:9"), retries=0)
    for ask in (lambda: store.get("a"), lambda: store.put_if_absent("a", b"1"), lambda: store.list("")):
        with pytest.raises(kind, match=r"^the task has no role; start it with one$"):
            ask()
