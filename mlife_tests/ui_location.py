"""The code location that the tests of the UI load, by the path of this file.

Concept: the environment names the home, as it does for `dagster dev`. Policies have no variables, so `UI_WORLD` names
the file of tests whose small policies they are, which fit some hundred people, and whose story it is.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import dagster as dg

from mlife_assets.definitions import build_location
from mlife_assets.deployments.board_ports import board_ports
from mlife_assets.settings import Settings

WORLD = "UI_WORLD"
MODULES = {"lived_world.py": "mlife_lived_world", "golden/small_home.py": "mlife_small_home"}
"""Under the names that the fixtures give them, so that each is loaded once."""


def _world() -> ModuleType:
    file = os.environ[WORLD]
    name = MODULES[file]
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / file)
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@dg.definitions
def location() -> dg.Definitions:
    """Return what the UI loads."""
    settings, world = Settings(), _world()
    policies = world.POLICIES if settings.messages.approve_console_sends else world.UNAPPROVED
    platform = board_ports(settings, policies=policies, story=getattr(world, "STORY", None))
    return build_location(settings, platform=platform)
