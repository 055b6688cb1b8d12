"""One click ends mails: the command, over real HTTP, on a real home."""

from __future__ import annotations

import signal
import subprocess
import sys

import orjson
import requests

from mlife_assets.components.platform.resources import Platform
from mlife_assets.recruiting.application import Channel
from mlife_assets.recruiting.mail.unsubscribe import unsubscribe_token
from mlife_assets.settings import Settings

PROGRAM = "from mlife_assets.cli import main; main()"
USER = "usr_0000001"


def test_a_click_is_in_the_ledger_when_the_page_says_so_and_ends_mails_alone(home):
    settings = Settings(home=home.path)
    platform = Platform(settings=settings, policies=settings.policies())
    before = platform.ledger.inbound().num_rows
    known = platform.ledger.known_inbound()
    token = unsubscribe_token(USER, "email_digest", platform.mail_key)
    command = [
        sys.executable,
        "-c",
        PROGRAM,
        "messages",
        "one-click",
        "--port",
        "0",
        "--home",
        str(home.path),
        "--json",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            lines = []
            while not lines or lines[-1] not in ("", "}\n"):
                lines.append(process.stdout.readline())
            url = orjson.loads("".join(lines))["url"]
            with requests.Session() as session:
                session.trust_env = False
                shown = session.get(url + token, timeout=20)
                assert platform.ledger.known_inbound() == known, "looking changes nothing"
                strange = session.post(url + "a" * len(token), timeout=20)
                done = [session.post(url + token, data={"List-Unsubscribe": "One-Click"}, timeout=20) for _ in range(2)]
        finally:
            process.send_signal(signal.SIGINT)
            rest, errors = process.communicate(timeout=20)
    assert [answer.status_code for answer in (shown, strange, *done)] == [200, 404, 200, 200]
    assert "You get no more mails from Northstar Jobs." in done[0].text
    assert (process.returncode, rest, errors) == (0, "", ""), "no path of a request is written anywhere"
    (row,) = platform.ledger.inbound().to_pylist()[before:]
    assert (row["user_id"], row["keyword"], row["channel"]) == (USER, "STOP", "email")
    at = row["received_at"]
    ends = {one: platform.ledger.suppressed_people(at=at, channel=one) for one in (Channel.EMAIL, Channel.SMS)}
    assert (USER in ends[Channel.EMAIL], USER in ends[Channel.SMS]) == (True, False)
    platform.ledger.close()
