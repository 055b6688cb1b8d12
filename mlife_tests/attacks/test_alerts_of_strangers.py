"""Alerts whose words a stranger wrote, files of alerts that are none, and a webhook that answers for ever."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pydantic import HttpUrl, Secret

from mlife_assets.adapters.alert_webhook import AlertWebhook
from mlife_assets.components.graph.alerts import alert, deliver_alerts, undelivered
from mlife_assets.core.alerts import Alert
from mlife_assets.core.errors import TransientError

WORDS = "<!channel> <https://evil.example|Log in> @here ```[us](https://evil.example)\x1b[2J\u202e"
SHOWN = "(!channel) (https://evil.example|Log in) @here '''[us](https://evil.example)?[2J?"


class Hook(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.server.posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))  # type: ignore[attr-defined]
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while self.path == "/slow" and time.monotonic() < self.server.until:  # type: ignore[attr-defined]
            self.wfile.write(b"A: b\r\n")
            time.sleep(0.05)
        self.wfile.write(b"\r\n")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def hook() -> Iterator[Any]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
        server.posted, server.until = [], time.monotonic() + 4  # type: ignore[attr-defined]
        server.url = f"http://127.0.0.1:{server.server_address[1]}"  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, args=(0.02,)).start()
        yield server
        server.shutdown()


def test_an_answer_that_never_ends_is_not_waited_for(hook):
    with pytest.raises(TransientError, match="did not answer"):
        AlertWebhook(Secret(HttpUrl(f"{hook.url}/slow")), timeout_seconds=0.3).deliver([Alert("one", WORDS, {})])
    assert hook.posted[0]["text"] == f"mlife: 1 alert\n```\n{SHOWN}\n```", "no link, nobody is called"


def test_planted_files_hold_up_no_alert(open_home, sending_home, hook):
    home = open_home(stated={**sending_home.MARKET, "alert_webhook": hook.url})
    alert(home.platform, "honest", {"job": "day_job", "message": WORDS})
    planted = [b"{", b"[]", b'{"raised_at": 5}', b'{"message": {"a": []}}', b'{"message": "' + b"x" * 9_000 + b'"}']
    for number, body in enumerate(planted):
        home.platform.lake.replace(f"alerts/planted_{number}.json", body)
    assert [one.name for one in deliver_alerts(home.platform)] == ["honest", *(f"planted_{n}" for n in range(5))]
    assert undelivered(home.platform) == []
    assert len(json.dumps(hook.posted)) < 4_000
