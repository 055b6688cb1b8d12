"""The definitions as a deployment loads them, for tests that only look, and the platform of a new home."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import dagster as dg
import pytest

from mlife_assets.definitions import build_definitions
from mlife_assets.deployments.board_ports import BoardPorts, board_ports
from mlife_assets.recruiting.policies import Policies
from mlife_assets.settings import Settings


@pytest.fixture(scope="session")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    return build_definitions(Settings(home=tmp_path_factory.mktemp("no_home")))


@pytest.fixture
def platform(tmp_path: Path) -> BoardPorts:
    """The platform of a new home in the embedded world."""
    return board_ports(Settings(home=tmp_path), policies=Policies())


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """An instance of its own, in memory."""
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def _fixtures(folder: str) -> ModuleType:
    """Return the fixtures of another folder, whose home serves here, too."""
    name = f"mlife_{folder}_fixtures"
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent.parent / folder / "conftest.py")
    sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


_CLI, _ATTACKS = _fixtures("cli"), _fixtures("attacks")
lived_home, home = _CLI.lived_home, _CLI.home
open_home = _ATTACKS.open_home
