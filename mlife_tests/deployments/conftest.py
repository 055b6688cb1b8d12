"""The home of the attacks, which sends, and the ports of a new home."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlife_assets.deployments.board_ports import BoardPorts, board_ports
from mlife_assets.recruiting.policies import Policies
from mlife_assets.settings import Settings
from mlife_tests.attacks.conftest import open_home as open_home


@pytest.fixture
def platform(tmp_path: Path) -> BoardPorts:
    """The ports of a new home in the embedded world."""
    return board_ports(Settings(home=tmp_path), policies=Policies())
