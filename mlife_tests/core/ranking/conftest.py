"""Random rows to rank: users of many sizes, one row in ten relevant, distinct scores."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

RandomRows = Callable[..., tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]


@pytest.fixture(scope="session")
def random_rows() -> RandomRows:
    def make(seed: int, users: int = 300, largest: int = 90) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        rng = np.random.default_rng(seed)
        sizes = rng.integers(1, largest, users)
        owners = np.repeat([f"user_{i:04d}" for i in range(users)], sizes).astype(object)
        items = np.array([f"job_{i}" for size in sizes for i in range(size)], dtype=object)
        return owners, items, rng.random(len(owners)) < 0.1, rng.permutation(len(owners)).astype(float)

    return make
