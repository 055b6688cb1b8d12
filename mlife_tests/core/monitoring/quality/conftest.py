"""The exported market of the quality tests, loaded by path: tests are no package."""

from __future__ import annotations

from types import ModuleType

import pytest

from mlife_assets.core.monitoring.reference import MonitoringReference


@pytest.fixture(scope="session")
def exported_market(loaded_module) -> ModuleType:
    return loaded_module("mlife_exported_market", "core/monitoring/quality/exported_market.py")


@pytest.fixture(scope="session")
def warm(exported_market):
    """A market after nine drift-free days. Read only: branch it to go on."""
    return exported_market.warm_market(3)


@pytest.fixture(scope="session")
def market_reference(warm) -> MonitoringReference:
    return warm.reference()
