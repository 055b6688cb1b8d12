"""The ranking benchmark gives the same MAP on both sides, and knows what it claims; no test judges by the clock."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest


@pytest.mark.parametrize("kind", ["integers", "categories", "strings"])
@pytest.mark.parametrize("is_shuffled", [False, True])
def test_both_sides_rank_the_same_rows_to_the_same_value(bench: ModuleType, kind: str, is_shuffled: bool) -> None:
    frame = bench.with_ids(bench.make_rows(5_000, is_shuffled), kind)
    found = bench.mlife_result(frame).mean
    assert bench.pandas_by_user_and_score(frame) == pytest.approx(found, abs=1e-12)
    assert bench.pandas_by_score(frame) == pytest.approx(found, abs=1e-12)


def test_a_value_that_differs_stops_the_benchmark(bench: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = bench.make_rows(2_000, True)
    assert np.isfinite(bench.compare(frame, "rows", 1))
    monkeypatch.setattr(bench, "pandas_by_score", lambda frame: 0.5)
    with pytest.raises(SystemExit, match=r"pandas by score gives 0\.5"):
        bench.compare(frame, "rows", 1)


@pytest.mark.parametrize(
    ("kind", "order", "rows", "ratio", "is_broken"),
    [
        ("integers", "grouped", 10_000_000, 19.9, True), ("integers", "grouped", 10_000_000, 20.0, False),
        ("integers", "shuffled", 10_000_000, 5.9, True), ("integers", "shuffled", 10_000_000, 6.0, False),
        ("integers", "grouped", 9_999_999, 1.0, False), ("strings", "grouped", 10_000_000, 1.0, False),
    ],
)  # fmt: skip
def test_a_claim_is_made_for_many_rows_of_integer_ids(
    bench: ModuleType, kind: str, order: str, rows: int, ratio: float, is_broken: bool
) -> None:
    assert bench.is_claim_broken(kind, order, rows, ratio) is is_broken
