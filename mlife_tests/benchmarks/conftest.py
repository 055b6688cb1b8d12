"""Benchmarks are scripts outside the package: they are loaded from their files."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def bench(request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    """Load the benchmark `x` that `test_x_benchmark.py` is about, without running it."""
    name = request.path.stem.removeprefix("test_")
    specification = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name.removesuffix('_benchmark')}.py")
    assert specification is not None
    assert specification.loader is not None
    module, known = importlib.util.module_from_spec(specification), list(sys.path)
    sys.modules[specification.name] = module
    specification.loader.exec_module(module)
    yield module
    sys.path[:] = known
