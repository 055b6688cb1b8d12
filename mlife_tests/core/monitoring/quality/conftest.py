"""The exported market of the quality tests, loaded by path: tests are no package."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from mlife_assets.core.monitoring.reference import MonitoringReference


@pytest.fixture(scope="session")
def exported_market() -> ModuleType:
    name = "mlife_exported_market"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("exported_market.py"))
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def warm(exported_market):
    """A market after nine drift-free days. Read only: branch it to go on."""
    return exported_market.warm_market(3)


@pytest.fixture(scope="session")
def market_reference(warm) -> MonitoringReference:
    return warm.reference()
