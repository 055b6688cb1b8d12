"""What attacks share: small homes that send for real."""

from __future__ import annotations

import shutil
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
def folders(sending_home: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return two homes to copy: one that planned its day, and the same after it sent and lived the evening."""
    folder = tmp_path_factory.mktemp("homes")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planning, "log_predictions", lambda *_, **__: 0)
        home = sending_home.SendingHome(folder / "sent")
        home.prepare(sending_home.DAY)
        home.plan()
        home.reopen()
        shutil.copytree(folder / "sent", folder / "planned")
        home.send()
        home.evening()
    home.platform.ledger.close()
    home.platform.home.messengers.texts.close()
    return {name: folder / name for name in ("planned", "sent")}


@pytest.fixture
def planned_home(folders: dict[str, Path], open_home: Callable[..., Any], tmp_path: Path) -> Any:
    shutil.copytree(folders["planned"], tmp_path / "home")
    return open_home()


@pytest.fixture
def sent_home(folders: dict[str, Path], open_home: Callable[..., Any], tmp_path: Path) -> Any:
    shutil.copytree(folders["sent"], tmp_path / "home")
    return open_home()


@pytest.fixture(scope="session")
def backed_up_home(loaded_module: Callable[[str, str], ModuleType]) -> ModuleType:
    return loaded_module("mlife_backed_up_home", "attacks/backed_up_home.py")
