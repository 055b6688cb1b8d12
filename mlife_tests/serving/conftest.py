"""A real endpoint on a free port, and tiny real models (loaded by path: tests are no package)."""

from __future__ import annotations

import importlib.util
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import requests
import uvicorn

from mlife_assets.core.scoring.scorer import LightGBMScorer
from mlife_assets.serving.connections import ConnectionLimits, server_config

START_SECONDS = 20.0


@pytest.fixture(scope="session")
def models() -> ModuleType:
    path = Path(__file__).resolve().parent.parent / "tiny_models.py"
    spec = importlib.util.spec_from_file_location("mlife_tiny_models", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def scorer(models: ModuleType) -> LightGBMScorer:
    return LightGBMScorer(models.tiny_artifact(1), threads=1)


@contextmanager
def served(app: Any, limits: ConnectionLimits | None = None) -> Iterator[str]:
    """Serve `app` as `mlife serve` does on a free port of 127.0.0.1; yield its URL."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        server = uvicorn.Server(server_config(app, limits, log_level="critical"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            deadline = time.monotonic() + START_SECONDS
            while not server.started and time.monotonic() < deadline:
                time.sleep(0.01)
            assert server.started, "uvicorn did not start"
            yield url
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="session")
def serve() -> Callable[[Any], Any]:
    """Return the context manager that serves an application."""
    return served


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as opened:
        opened.trust_env = False
        yield opened
