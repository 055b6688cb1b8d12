"""The code location that the tests of the UI load, by the path of this file: a home of small policies.

Belongs here: what Dagster loads. Does not belong here: asking it for something (`ui_client`).

Concept: the environment names the home, as it does for `dagster dev`; policies have no variables, so they are those of
`golden/small_home.py`, under which a market of some hundred people trains in seconds.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import dagster as dg

from mlife_assets.definitions import build_location
from mlife_assets.settings import Settings


@dg.definitions
def location() -> dg.Definitions:
    """Return what the UI loads."""
    path = Path(__file__).parent / "golden" / "small_home.py"
    spec = importlib.util.spec_from_file_location("mlife_small_home", path)
    small_home = sys.modules.setdefault(spec.name, importlib.util.module_from_spec(spec))
    if not hasattr(small_home, "POLICIES"):
        spec.loader.exec_module(small_home)
    settings = Settings()
    automatic = settings.approve_console_sends
    return build_location(settings, policies=small_home.POLICIES if automatic else small_home.UNAPPROVED)
