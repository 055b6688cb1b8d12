"""The synthetic pairs world of the monitoring tests, at full size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mlife_assets.adapters.nannyml_calculators import learn_thresholds, with_learned_thresholds
from mlife_assets.core.monitoring.contributions import with_contributions
from mlife_assets.core.monitoring.reference import MonitoringReference, build_reference
from mlife_assets.core.policies import MonitoringPolicy
from mlife_assets.recruiting.job_applications import PAIR_COLUMNS

CONTRIBUTING = ("distance_km", "log_pay_ratio", "taste_match", "job_age_days")


@pytest.fixture(scope="session")
def policy() -> MonitoringPolicy:
    return MonitoringPolicy()


@pytest.fixture(scope="session")
def world(pairs_world):
    return pairs_world.PairsWorld(1)


@pytest.fixture(scope="session")
def explained():
    """Return a day with contributions of a small model: pay counts within the occupation, job age hardly at all."""

    def of(day: pa.Table, rows: int | None = None) -> pa.Table:
        column = {name: day[name].to_numpy() for name in (*CONTRIBUTING, "same_occupation_group")}
        values = np.column_stack(
            [
                -0.05 * np.clip(column["distance_km"], 0, 40),
                0.8 * column["log_pay_ratio"] * (1 + column["same_occupation_group"]),
                0.6 * column["taste_match"],
                0.001 * column["job_age_days"],
                np.zeros(day.num_rows),
            ]
        )
        return with_contributions(day, values[:rows], CONTRIBUTING)

    return of


@pytest.fixture(scope="session")
def explained_reference(pairs_world, world, policy, explained, made_once) -> MonitoringReference:
    def learned(_: Path) -> MonitoringReference:
        plain = build_reference(
            columns=PAIR_COLUMNS,
            ids=("user_id", "job_id"),
            model_version="mdl_explained",
            as_of=pairs_world.START + pairs_world.timedelta(days=30),
            sample=pairs_world.pa.concat_tables([explained(world.day(offset), 1_500) for offset in range(14)]),
            pair_rows=pairs_world.pair_rows(),
            examples=pairs_world.scored_examples(1, first=pairs_world.START, days=14, per_day=200),
        )
        return plain.with_thresholds(learn_thresholds(plain, policy))

    return made_once("explained_reference", learned).result


@pytest.fixture(scope="session")
def reference(pairs_world, world, policy, made_once) -> MonitoringReference:
    def learned(_: Path) -> MonitoringReference:
        plain = build_reference(
            columns=PAIR_COLUMNS, ids=("user_id", "job_id"), model_version="mdl_test",
            as_of=pairs_world.START + pairs_world.timedelta(days=30), sample=world.sample(),
            pair_rows=pairs_world.pair_rows(),
            examples=pairs_world.scored_examples(1, first=pairs_world.START, days=14, per_day=1_000),
        )  # fmt: skip
        return with_learned_thresholds(plain, policy)

    return made_once("pairs_reference", learned).result
