"""The endpoint as `mlife serve` starts it: a real process on a free port that follows a rollback."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys

import orjson
import pytest
import requests

from mlife_assets.cli.serve import champion_provider
from mlife_assets.core.errors import NotFoundError

PROGRAM = "from mlife_assets.cli import main; main()"


def test_the_endpoint_follows_a_rollback_and_stops_with_0(run, home):
    command = [sys.executable, "-c", PROGRAM, "serve", "--port", "0", "--home", str(home.path), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            lines = []
            while not lines or lines[-1] not in ("", "}\n"):
                lines.append(process.stdout.readline())
            started = orjson.loads("".join(lines))
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
    assert (process.returncode, rest, errors) == (0, "", "")


def test_a_taken_port_is_told(run, lived_home):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        result = run("serve", "--port", taken.getsockname()[1], "--home", lived_home.path)
    assert result.exit_code == 1
    assert "choose another --port" in result.stderr


def test_without_a_champion_nothing_is_served(run, home):
    shutil.rmtree(home.path / "lake" / "events" / "event_type=model_promoted")
    with pytest.raises(NotFoundError, match="no model was promoted yet"):
        champion_provider(home.platform)()
    result = run("serve", "--port", "0", "--home", home.path)
    assert result.exit_code == 1
    assert "no model was promoted yet" in result.stderr
