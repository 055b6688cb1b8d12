"""The home of the attacks, which sends, and the ports of a new home."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from mlife_assets.deployments.board_ports import BoardPorts, board_ports
from mlife_assets.recruiting.policies import Policies
from mlife_assets.settings import Settings

_SPEC = importlib.util.spec_from_file_location("sending_fixtures", Path(__file__).parent.parent / "attacks/conftest.py")
_ATTACKS = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_ATTACKS)
open_home = _ATTACKS.open_home


@pytest.fixture
def platform(tmp_path: Path) -> BoardPorts:
    """The ports of a new home in the embedded world."""
    return board_ports(Settings(home=tmp_path), policies=Policies())
