"""What attacks share: small homes that send for real."""

from __future__ import annotations

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
    return open_home()


@pytest.fixture(scope="session")
def backed_up_home(loaded_module: Callable[[str, str], ModuleType]) -> ModuleType:
    return loaded_module("mlife_backed_up_home", "attacks/backed_up_home.py")
