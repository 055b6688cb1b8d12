"""The endpoint as `mlife serve` starts it: a real process on a free port that follows a rollback."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from stat import S_IMODE

import orjson
import pytest
import requests
from pydantic import SecretStr

from mlife_assets.cli.serve import champion_providers, endpoint_token, serving_versions
from mlife_assets.components.platform.resources import Platform
from mlife_assets.core.errors import IntegrityError, NotFoundError, PermanentError
from mlife_assets.recruiting.application import Channel
from mlife_assets.recruiting.mail.unsubscribe import unsubscribe_token
from mlife_assets.settings import Settings

USER = "usr_0000001"
PROGRAM = "from mlife_assets.cli import main; main()"


def start_of(process):
    """Return the document that the command prints when it listens."""
    lines = []
    while not lines or lines[-1] not in ("", "}\n"):
        lines.append(process.stdout.readline())
    return orjson.loads("".join(lines))


def test_the_endpoint_follows_a_rollback_and_stops_with_0(run, home):
    command = [sys.executable, "-c", PROGRAM, "serve", "--port", "0", "--home", str(home.path), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            started = start_of(process)
            with requests.Session() as session:
                session.trust_env = False
                versions = [session.get(f"{started['url']}/v1/model", timeout=20).json()["model_version"]]
                run("models", "rollback", "--reason", "worse", "--home", home.path)
                versions.append(session.get(f"{started['url']}/v1/model", timeout=20).json()["model_version"])
        finally:
            process.send_signal(signal.SIGINT)
            rest, errors = process.communicate(timeout=20)
    assert versions == [home.champions[1], home.champions[0]]
    assert started["model_version"] == home.champions[1]
    assert started["models"] == {"job_applications": home.champions[1], "churn_risk": None}
    assert started["token"] is None
    assert (process.returncode, rest, errors) == (0, "", "")


def test_beyond_this_machine_the_token_that_was_made_is_needed(home):
    command = [sys.executable, "-c", PROGRAM, "serve", "--host", "0.0.0.0", "--port", "0", "--make-token"]
    command += ["--home", str(home.path), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            started = start_of(process)
            path = Path(started["token"])
            token = path.read_text(encoding="ascii").strip()
            url = started["url"].replace("0.0.0.0", "127.0.0.1") + "/v1/model"
            with requests.Session() as session:
                session.trust_env = False
                given = {"Authorization": f"Bearer {token}"}
                answers = [session.get(url, timeout=20), session.get(url, headers=given, timeout=20)]
        finally:
            process.send_signal(signal.SIGINT)
            rest, errors = process.communicate(timeout=20)
    assert [answer.status_code for answer in answers] == [401, 200]
    assert path.is_relative_to(home.path / "private")
    assert (S_IMODE(path.stat().st_mode), S_IMODE(path.parent.stat().st_mode)) == (0o600, 0o700)
    assert (process.returncode, rest, errors) == (0, "", "")
    assert token not in orjson.dumps(started).decode()


def test_where_the_token_comes_from(tmp_path):
    settings = Settings(home=tmp_path)
    assert endpoint_token(settings, makes_token=False) == (None, None)
    made, path = endpoint_token(settings, makes_token=True)
    assert endpoint_token(settings, makes_token=False) == endpoint_token(settings, makes_token=True) == (made, path)
    assert len(made) == 64
    other, _ = endpoint_token(Settings(home=tmp_path / "other"), makes_token=True)
    assert other != made, "random in the embedded world, too: its seed is known to everybody"
    given = Settings(home=tmp_path, endpoint_token=SecretStr("0123456789abcdeffedcba9876543210"))
    assert endpoint_token(given, makes_token=True) == ("0123456789abcdeffedcba9876543210", "MLIFE_ENDPOINT_TOKEN")


def test_a_taken_port_is_reported(run, lived_home):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        result = run("serve", "--port", taken.getsockname()[1], "--home", lived_home.path)
    assert result.exit_code == 1
    assert "choose another --port" in result.stderr


def test_without_a_champion_nothing_is_served(run, home):
    shutil.rmtree(home.path / "lake" / "events" / "event_type=model_promoted")
    with pytest.raises(NotFoundError, match="no model was promoted yet as job_applications"):
        next(iter(champion_providers(home.platform).values()))()
    result = run("serve", "--port", "0", "--home", home.path)
    assert result.exit_code == 1
    assert "no model was promoted yet" in result.stderr


def test_what_another_model_lacks_keeps_nobody_from_serving(home):
    def damaged():
        raise IntegrityError("a file was changed; restore it")

    def nobody():
        raise NotFoundError("no model was promoted yet")

    def unreadable():
        raise PermanentError("LightGBM cannot score: it reads no trees")

    first = champion_providers(home.platform)["job_applications"]
    found = serving_versions({"young": nobody, "hurt": damaged, "odd": unreadable, "first": first})
    assert found == {"young": None, "hurt": None, "odd": None, "first": home.champions[1]}
    with pytest.raises(IntegrityError, match="restore it"):
        serving_versions({"hurt": damaged, "young": nobody})


def test_people_read_who_answers_where(home):
    command = [sys.executable, "-c", PROGRAM, "serve", "--port", "0", "--home", str(home.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            lines = [process.stderr.readline() for _ in range(3)]
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
        finally:
            process.kill()
    url = lines[2].removeprefix("Serving at ").split(";")[0]
    assert lines == [
        f"job_applications: {home.champions[1]} answers at {url}/v1/models/job_applications/score\n",
        "churn_risk: no champion can be loaded\n",
        f"Serving at {url}; stop with Ctrl-C\n",
    ]


def test_a_click_is_in_the_ledger_when_the_page_says_so_and_ends_mails_alone(home):
    settings = Settings(home=home.path)
    platform = Platform(settings=settings, policies=settings.policies())
    before = platform.ledger.inbound().num_rows
    known = platform.ledger.known_inbound()
    token = unsubscribe_token(USER, "email_digest", platform.mail_key)
    command = [
        sys.executable, "-c", PROGRAM, "messages", "one-click", "--port", "0", "--home", str(home.path), "--json",
    ]  # fmt: skip
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
