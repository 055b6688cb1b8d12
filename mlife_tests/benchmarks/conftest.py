"""Benchmarks are scripts outside the package: they are loaded from their files."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def _loading(path: Path) -> Callable[[], Iterator[ModuleType]]:
    """Return the fixture `x_bench` that loads the benchmark `x` without running it."""

    @pytest.fixture(scope="module", name=f"{path.stem}_bench")
    def loaded() -> Iterator[ModuleType]:
        specification = importlib.util.spec_from_file_location(f"{path.stem}_benchmark", path)
        assert specification is not None
        assert specification.loader is not None
        module, known = importlib.util.module_from_spec(specification), list(sys.path)
        sys.modules[specification.name] = module
        specification.loader.exec_module(module)
        yield module
        sys.path[:] = known

    return loaded


for _path in BENCHMARKS.glob("*.py"):
    globals()[f"{_path.stem}_bench"] = _loading(_path)
