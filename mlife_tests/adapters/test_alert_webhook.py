"""Alerts over real HTTP: what is posted, and what each answer means."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pydantic import HttpUrl, Secret

from mlife_assets.adapters.alert_webhook import AlertWebhook, look_at_webhook
from mlife_assets.core.alerts import Alert
from mlife_assets.core.errors import InvalidInputError, PermanentError, TransientError

ALERTS = [Alert("run-1", "metrics_job failed: no dbt", {"job": "metrics_job", "partition": None, "message": "no dbt"})]
SECRET = "T0/B0/secret"


@dataclass
class Chat:
    """A webhook on this machine that gives the answers it is told to."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    posted: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def webhook(self, timeout_seconds: float = 5.0) -> AlertWebhook:
        return AlertWebhook(Secret(HttpUrl(self.url)), timeout_seconds=timeout_seconds)


@pytest.fixture
def chat() -> Iterator[Chat]:
    chat = Chat()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.headers["Content-Type"] == "application/json"
            chat.posted.append((self.path, json.loads(body)))
            self.send_response(chat.statuses.pop(0))
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        chat.url = f"http://127.0.0.1:{server.server_address[1]}/{SECRET}"
        yield chat
        server.shutdown()
        thread.join()


def test_the_doctor_sees_whether_somebody_answers_and_posts_nothing(chat, monkeypatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    (found,) = look_at_webhook(Secret(HttpUrl(chat.url)))
    assert (found.says, found.is_fault) == ("its host answers; nothing was posted", False)
    assert chat.posted == []
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        (dead,) = look_at_webhook(Secret(HttpUrl(f"http://127.0.0.1:{taken.getsockname()[1]}/{SECRET}")))
    assert dead.is_fault
    assert dead.says == "its host does not answer (ConnectionRefusedError)"
    for nobody in ("http://[::1]:1/x", "https://a..b/x"):
        (dead,) = look_at_webhook(Secret(HttpUrl(nobody)))
        assert dead.says.startswith("its host does not answer (")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    (behind,) = look_at_webhook(Secret(HttpUrl("https://example.com/x")))
    assert (behind.says, behind.is_fault) == ("alerts go through a proxy, which was not tried", False)
    (named,) = look_at_webhook(Secret(HttpUrl("https://me:pw@example.com/x")))
    assert named.is_fault


@pytest.mark.parametrize("status", [200, 202, 204])
def test_alerts_are_posted_for_people_and_for_machines(chat, status: int) -> None:
    chat.statuses = [status]
    chat.webhook().deliver(ALERTS)
    ((path, body),) = chat.posted
    assert path == f"/{SECRET}"
    assert body == {
        "text": "mlife: 1 alert\n```\nmetrics_job failed: no dbt\n```",
        "alerts": [{"name": "run-1", "job": "metrics_job", "partition": None, "message": "no dbt"}],
    }


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
def test_an_answer_that_asks_for_another_try_is_transient(chat, status: int) -> None:
    chat.statuses = [status]
    with pytest.raises(TransientError, match=f"answered {status}") as caught:
        chat.webhook().deliver(ALERTS)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 401, 404, 410])
def test_a_refusal_is_permanent_and_nothing_is_followed_elsewhere(chat, status: int) -> None:
    chat.statuses = [status, 200]
    with pytest.raises(PermanentError, match=f"answered {status}; correct MLIFE_ALERT_WEBHOOK") as caught:
        chat.webhook().deliver(ALERTS)
    assert "secret" not in str(caught.value)
    assert len(chat.posted) == 1


def test_nobody_there_is_transient_and_the_address_stays_secret(chat) -> None:
    webhook = AlertWebhook(Secret(HttpUrl(f"http://127.0.0.1:1/{SECRET}")), timeout_seconds=1)
    with pytest.raises(TransientError, match="did not answer") as caught:
        webhook.deliver(ALERTS)
    assert "secret" not in f"{caught.value}{caught.value.__cause__}{webhook!r}"


@pytest.mark.parametrize("url", ["http://user:secret@127.0.0.1/x", "http://user@127.0.0.1/x"])
def test_an_address_with_a_name_in_it_is_refused_and_not_looked_up(url: str) -> None:
    with pytest.raises(InvalidInputError, match="MLIFE_ALERT_WEBHOOK has a name before its host") as caught:
        AlertWebhook(Secret(HttpUrl(url)))
    assert "secret" not in str(caught.value)
