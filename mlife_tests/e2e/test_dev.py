"""`make dev`: the UI and the pages start together on an empty home, and one Ctrl-C ends everything."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import psutil
import pytest
import requests

PROGRAM = "from mlife_assets.cli import main; main()"
START_SECONDS, STOP_SECONDS = 180.0, 60.0


def family(session: int) -> list[psutil.Process]:
    """Return the processes of a session that still run."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


def is_open(url: str) -> bool:
    place = urlsplit(url)
    with socket.socket() as probe:
        return probe.connect_ex((place.hostname, place.port)) == 0


@pytest.mark.proof
def test_ui_and_pages_start_together_and_end_together(tmp_path: Path) -> None:
    home, log = tmp_path / "home", tmp_path / "dev.log"
    ports = ["--port", "0", "--pages-port", "0"]
    command = [sys.executable, "-c", PROGRAM, "dev", *ports, "--home", str(home), "--json"]
    with log.open("w") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True)
        try:
            lines: list[str] = []
            while not lines or lines[-1] not in ("", "}\n"):
                lines.append(process.stdout.readline())
            addresses = orjson.loads("".join(lines))
            deadline = time.monotonic() + START_SECONDS
            while not is_open(addresses["ui"]):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.3)
            with requests.Session() as session:
                session.trust_env = False
                ui = session.get(f"{addresses['ui']}/server_info", timeout=60)
                pages = session.get(f"{addresses['pages']}/runbooks/", timeout=60)
                root = session.get(addresses["pages"], timeout=60)
            assert (ui.status_code, pages.status_code, root.status_code) == (200, 200, 404)
            assert f'href="{addresses["ui"]}/asset-groups"' in pages.text
            assert "mlife demo" in root.text
            assert len(family(process.pid)) > 2, "the daemon and the webserver are processes of their own"
            os.killpg(process.pid, signal.SIGINT)
            assert process.wait(STOP_SECONDS) == 0, log.read_text()
            # A code server that was just starting notices last that its parent is gone.
            deadline = time.monotonic() + STOP_SECONDS
            while time.monotonic() < deadline and family(process.pid):
                time.sleep(0.3)
            assert [member.cmdline() for member in family(process.pid)] == []
            assert not is_open(addresses["ui"])
            assert not is_open(addresses["pages"])
        finally:
            for member in family(process.pid):
                member.kill()
            process.wait()
            process.stdout.close()
