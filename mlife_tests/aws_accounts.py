"""What answers as AWS on this machine: accounts told apart by the key that a client has (ministack, on a free port)."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

REGION = "us-east-1"
START_SECONDS = 60.0


def add_aws_packages(repository: Path) -> None:
    """Make packages of `.venv-aws` importable, behind those of the laptop."""
    packages = repository / ".venv-aws" / "lib" / "python3.11" / "site-packages"
    assert packages.exists(), "`make aws` makes the environment"
    if str(packages) not in sys.path:
        sys.path.append(str(packages))


@contextmanager
def running_emulator(repository: Path, folder: Path, *, account: str = "000000000000") -> Iterator[str]:
    """Run an emulator that keeps nothing, yield its address, and end it; `account` is that of a key that names none."""
    add_aws_packages(repository)
    program = repository / ".venv-emulator" / "bin" / "ministack"
    assert program.exists(), "`make aws` makes the environment"
    folder.mkdir(parents=True, exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    variables = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "TMPDIR": str(folder), "HOME": str(folder)}
    variables["MINISTACK_ACCOUNT_ID"] = account
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [program], stdout=log, stderr=subprocess.STDOUT, cwd=folder, env=os.environ | variables
        )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(address, process, folder / "log")
        yield address
    finally:
        process.kill()
        process.wait()


def accounts(address: str) -> Callable[[str], Callable[[str], Any]]:
    """Return what gives the clients of an account: its number -> the name of a service -> its client."""
    import boto3

    def of_account(number: str) -> Callable[[str], Any]:
        session = boto3.Session(aws_access_key_id=number, aws_secret_access_key="none", region_name=REGION)
        return cache(lambda service: session.client(service, endpoint_url=address))

    return of_account


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            with urlopen(f"{address}/_ministack/health", timeout=2):
                return
        except (URLError, OSError) as error:
            if process.poll() is not None or time.monotonic() > until:
                said = log.read_text(encoding="utf-8", errors="replace")[-2000:]
                raise RuntimeError(f"the emulator did not start:\n{said}") from error
            time.sleep(0.2)
