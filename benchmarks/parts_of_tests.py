"""Parts of the tests that benchmarks use, too: servers, and a market whose files somebody else delivers."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

FOLDER = Path(__file__).resolve().parent.parent / "mlife_tests"


def of_tests(name: str) -> ModuleType:
    """Return the module `name` of the tests."""
    known = f"mlife_{name}"
    if known not in sys.modules:
        spec = importlib.util.spec_from_file_location(known, FOLDER / f"{name}.py")
        if spec is None or spec.loader is None:
            raise ImportError(f"{name} is no module of {FOLDER}")
        sys.modules[known] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[known])
    return sys.modules[known]
