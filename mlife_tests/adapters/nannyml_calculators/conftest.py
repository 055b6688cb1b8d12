"""The synthetic pairs world of the monitoring tests, at full size."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from mlife_assets.adapters.nannyml_calculators import with_learned_thresholds
from mlife_assets.core.monitoring.reference import MonitoringReference, build_reference
from mlife_assets.core.policies import MonitoringPolicy


@pytest.fixture(scope="session")
def pairs_world() -> ModuleType:
    path = Path(__file__).parents[2] / "core" / "monitoring" / "pairs_world.py"
    spec = importlib.util.spec_from_file_location("mlife_pairs_world", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def policy() -> MonitoringPolicy:
    return MonitoringPolicy()


@pytest.fixture(scope="session")
def world(pairs_world):
    return pairs_world.PairsWorld(1)


@pytest.fixture(scope="session")
def reference(pairs_world, world, policy) -> MonitoringReference:
    plain = build_reference(
        model_version="mdl_test",
        as_of=pairs_world.START + pairs_world.timedelta(days=30),
        sample=world.sample(),
        pair_rows=pairs_world.pair_rows(),
        examples=pairs_world.scored_examples(1, first=pairs_world.START, days=14, per_day=1_000),
    )
    return with_learned_thresholds(plain, policy)
