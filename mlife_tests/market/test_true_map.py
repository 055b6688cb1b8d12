"""Expected MAP: the oracle is the ceiling, a constant gets the random value, and luck of a draw is averaged away."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from mlife_assets.market.true_map import ORACLE, expected_maps

USERS, JOBS = 400, 20


@pytest.fixture(scope="module")
def pairs() -> pa.Table:
    users = [f"usr_{user:04d}" for user in range(USERS) for _ in range(JOBS)]
    return pa.table({"user_id": users, "job_id": [f"job_{job:04d}" for _ in range(USERS) for job in range(JOBS)]})


@pytest.fixture(scope="module")
def probability() -> np.ndarray:
    return 0.02 + 0.3 * np.random.default_rng(3).random(USERS * JOBS) ** 4


def test_no_ranking_beats_the_true_probabilities(pairs: pa.Table, probability: np.ndarray) -> None:
    rng = np.random.default_rng(4)
    noisy = {f"noise {size}": probability + size * rng.normal(size=len(probability)) for size in (0.05, 0.2)}
    found = expected_maps(pairs, probability, noisy, depth=10, seed=1)
    assert found[ORACLE] > found["noise 0.05"] > found["noise 0.2"] > found["random"]


def test_a_constant_gets_the_random_value_and_the_oracles_own_score_its_own(
    pairs: pa.Table, probability: np.ndarray
) -> None:
    scores = {"constant": np.ones(len(probability)), "same order": np.log(probability)}
    found = expected_maps(pairs, probability, scores, depth=10, seed=1)
    assert found["constant"] == pytest.approx(found["random"], abs=0.01)
    assert found["same order"] == found[ORACLE]


def test_another_seed_changes_little(pairs: pa.Table, probability: np.ndarray) -> None:
    first, second = (expected_maps(pairs, probability, {}, depth=10, seed=seed) for seed in (1, 2))
    assert first[ORACLE] != second[ORACLE]
    assert first[ORACLE] == pytest.approx(second[ORACLE], abs=0.01)
