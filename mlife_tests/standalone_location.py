"""The code location of a standalone deployment whose policies fit a small market; the environment names the home."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import dagster as dg

NAME = "mlife_standalone_world"


@dg.definitions
def location() -> dg.Definitions:
    """Return what the daemon runs."""
    if NAME not in sys.modules:
        spec = importlib.util.spec_from_file_location(NAME, Path(__file__).with_name("standalone_world.py"))
        sys.modules[NAME] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[NAME])
    return sys.modules[NAME].open_location()
