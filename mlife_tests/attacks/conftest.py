"""What attacks share: small homes that send for real."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from mlife_assets.components.messages import planning


@pytest.fixture
def open_home(
    sending_home: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Any]]:
    """Return a function that opens a home by name; no model serves in it, so no prediction is logged."""
    monkeypatch.setattr(planning, "log_predictions", lambda *_, **__: 0)
    opened: list[Any] = []

    def open_one(name: str = "home", **options: Any) -> Any:
        opened.append(sending_home.SendingHome(tmp_path / name, **options))
        return opened[-1]

    yield open_one
    for home in opened:
        home.platform.ledger.close()


@pytest.fixture
def home(open_home: Callable[..., Any]) -> Any:
    """Return an empty home."""
    return open_home()


@pytest.fixture(scope="session")
def backed_up_home() -> ModuleType:
    """Return the module `backed_up_home`."""
    name = "mlife_backed_up_home"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / "backed_up_home.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]
