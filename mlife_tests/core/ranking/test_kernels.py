"""Compiled loops: the bits of the same loops in Python, loaded on first use, with or without a cache folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mlife_assets.core.ranking import kernels

FIRST_USE = """
import sys, numpy as np
from mlife_assets.core.ranking.metrics import rank_rows
from mlife_assets.core.ranking.rows import prepare_ranking_rows
assert "numba" not in sys.modules, "numba was imported before it was needed"
rows = prepare_ranking_rows([3, 1, 3, 1], [1, 1, 2, 2], np.array([1, 0, 0, 1]), 1)
print(rank_rows(rows, np.array([1.0, 2, 3, 4]), 10).average_precision.tolist())
"""


def test_numba_is_imported_on_first_use_and_keeps_its_code(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", FIRST_USE],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)},
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.strip() == "[1.0, 0.5]"
    assert len(list(tmp_path.rglob("*.nbi"))) == 4


def test_a_kernel_without_a_cache_folder_is_compiled_all_the_same() -> None:
    names: dict[str, object] = {}
    exec(compile("def twice(number):\n    return 2 * number\n", "<nowhere>", "exec"), names)
    assert kernels.compiled(names["twice"])(21) == 42  # type: ignore[arg-type]


def test_metrics_are_compiled_to_the_bits_of_python() -> None:
    rng = np.random.default_rng(6)
    sizes = rng.integers(1, 30, 40)
    starts = np.cumsum(sizes) - sizes
    rows = int(sizes.sum())
    arrangement = rng.permutation(rows)
    relevant = rng.random(rows) < 0.4
    positive_rows = np.flatnonzero(relevant)
    positives = np.add.reduceat(relevant.astype(np.int64), starts)
    keys = rng.permutation(rows).astype(np.uint64)
    scores = rng.integers(0, 3, rows).astype(float)
    discounts = 1 / np.log2(np.arange(2, 12))
    made = []
    for kernel in (kernels.group_metrics, kernels.compiled(kernels.group_metrics)):
        metrics = np.zeros((3, np.count_nonzero(positives)))
        kernel(
            arrangement, starts, sizes, positives, positive_rows, keys, kernels.read_only(scores), 10, discounts,
            np.concatenate([[0], np.cumsum(discounts)]), np.empty(30), np.empty(30, dtype=np.uint64),
            np.empty(31, dtype=np.int64), metrics,
        )  # fmt: skip
        made.append(metrics)
    assert made[0].min() >= 0
    assert made[0].tobytes() == made[1].tobytes()


def test_counting_is_a_stable_sort() -> None:
    codes = np.random.default_rng(1).integers(0, 7, 500)
    heads = np.searchsorted(np.sort(codes), np.arange(7))
    order, positions = np.empty(500, dtype=np.int64), np.empty(500, dtype=np.int64)
    kernels.compiled(kernels.counting_order)(codes, heads.copy(), order)
    kernels.compiled(kernels.counting_positions)(codes, heads.copy(), positions)
    assert order.tolist() == np.argsort(codes, kind="stable").tolist()
    assert positions[order].tolist() == list(range(500))


def test_a_read_only_view_leaves_its_array_writeable() -> None:
    array = np.zeros(3)
    view = kernels.read_only(array)
    assert array.flags.writeable
    assert np.shares_memory(array, view)
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 1
