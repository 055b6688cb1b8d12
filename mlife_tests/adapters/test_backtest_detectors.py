"""The detectors of a replay give the numbers of every monitoring day, which are NannyML's, without importing it."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from mlife_assets.adapters import nannyml_calculators
from mlife_assets.adapters.backtest_detectors import ReplayDetectors
from mlife_assets.core.monitoring.columns import MonitoringColumns
from mlife_assets.core.monitoring.reference import MonitoringReference, build_reference
from mlife_assets.core.policies import MonitoringPolicy

POLICY = MonitoringPolicy(sample_rows_per_day=200, domain_classifier_sample_rows=200, minimum_mature_positives=50)
COLUMNS = MonitoringColumns(
    numeric=("strength",), categorical=("kind",), embedding=(), unalarmed=(), closed={}, ranged=(), residual=(),
    never_zero=(),
)  # fmt: skip


def rows(day: int, *, shift: float = 0.0) -> pa.Table:
    rng = np.random.default_rng(day)
    ids = [f"u{day}_{row}" for row in range(200)]
    return pa.table(
        {
            "as_of_date": pa.array([date(2026, 1, day)] * 200),
            "user_id": ids,
            "strength": rng.normal(size=200) + shift,
            "kind": np.array(["a", "b"])[rng.integers(0, 2, 200)].tolist(),
        }
    )


def outcomes(day: int) -> pa.Table:
    rng = np.random.default_rng(100 + day)
    probability = rng.uniform(0.1, 0.9, 600)
    return pa.table(
        {
            "exposure_date": pa.array([date(2026, 1, day)] * 600),
            "label_mature_date": pa.array([date(2026, 1, day + 1)] * 600),
            "probability": probability,
            "is_positive": rng.random(600) < probability,
        }
    )


@pytest.fixture(scope="module")
def reference() -> MonitoringReference:
    return build_reference(
        model_version="mdl_replayed",
        as_of=date(2026, 1, 12),
        sample=pa.concat_tables([rows(day) for day in range(2, 10)]),
        pair_rows={date(2026, 1, day): 200 for day in range(2, 10)},
        examples=outcomes(10),
        columns=COLUMNS,
        ids=("user_id",),
    )


def test_numbers_and_limits_are_those_of_monitoring(reference) -> None:
    detectors = ReplayDetectors()
    limits = detectors.limits(reference, POLICY)
    assert limits == nannyml_calculators.with_learned_thresholds(reference, POLICY).thresholds
    watched = reference.with_thresholds(limits)
    today = rows(20, shift=1.0)
    assert detectors.drift(watched, today) == nannyml_calculators.drift_statistics(watched, today)
    assert detectors.latent(watched, today, POLICY) == nannyml_calculators.latent_statistics(watched, today, POLICY)
    found = detectors.performance(watched, outcomes(14))
    assert found == nannyml_calculators.performance_statistics(watched, outcomes(14))
    by_name = {(limit.method, limit.column): limit.upper for limit in limits}
    moved = {one.column: one.value for one in detectors.drift(watched, today)}
    assert moved["strength"] > by_name["kolmogorov_smirnov", "strength"]
    assert moved["kind"] < by_name["jensen_shannon", "kind"]
