"""The reference that monitoring is tested against, of the synthetic pairs world."""

from __future__ import annotations

import pytest

from mlife_assets.core.monitoring.reference import MonitoringReference, build_reference
from mlife_assets.recruiting.job_applications import PAIR_COLUMNS


@pytest.fixture(scope="session")
def world(pairs_world):
    return pairs_world.PairsWorld(3, users=1_500, jobs=200, days=60)


@pytest.fixture(scope="session")
def reference(pairs_world, world) -> MonitoringReference:
    return build_reference(
        columns=PAIR_COLUMNS, ids=("user_id", "job_id"), model_version="mdl_test",
        as_of=pairs_world.START + pairs_world.timedelta(days=30), sample=world.sample(days=10, rows=600),
        pair_rows=pairs_world.pair_rows(days=10),
        examples=pairs_world.scored_examples(1, first=pairs_world.START, days=14, per_day=800),
    )  # fmt: skip
