"""The benchmark of made-up histories replays one; what it measures is in its own output."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest


@pytest.fixture(scope="module")
def bench(load_benchmark: Callable[[str], ModuleType]) -> ModuleType:
    return load_benchmark("lifecycle_backtest")


def agreement(rows, name: str, first: int, last: int, per_day: int) -> float:
    """Return the correlation of a column with the outcome from one day to another."""
    part = slice(first * per_day, last * per_day)
    return float(np.corrcoef(rows[name].to_numpy()[part], rows["won"].to_numpy(zero_copy_only=False)[part])[0, 1])


@pytest.mark.parametrize(
    ("kind", "changed", "after"), [("calm", 0.0, 0.0), ("abrupt", 1.0, 1.0), ("there and back", 1.0, 0.0)]
)
def test_a_history_follows_the_law_that_its_kind_says(
    bench: ModuleType, kind: str, changed: float, after: float
) -> None:
    rows = bench.history_rows(bench.KINDS[kind], 5)
    for first, last, other in ((0, 150, 0.0), (150, 220, changed), (220, 330, after)):
        decides, is_noise = ("noise", "strength") if other else ("strength", "noise")
        assert agreement(rows, decides, first, last, bench.ROWS_PER_DAY) > 0.4
        assert abs(agreement(rows, is_noise, first, last, bench.ROWS_PER_DAY)) < 0.05


def test_a_short_history_is_replayed_whole(bench: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "DAYS", 130)
    one = bench.compared(("calm", 5))
    assert (one.kind, one.is_met) == ("calm", True)
    assert 1 <= one.trainings < one.naive_trainings
    assert one.naive_fits == one.naive_trainings


def test_a_broken_claim_is_reported(bench: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    def found(is_met: bool, trainings: int) -> list[object]:
        return [
            bench.Compared(kind, -0.01, is_met or bench.KINDS[kind].is_drift, trainings, 40, 20, 40)
            for kind in bench.KINDS
        ]

    assert bench.report(found(True, 20)) == []
    assert "calm                    -0.0100" in capsys.readouterr().out
    assert bench.report(found(True, 21)) == ["governed trains more than half as often as naive"]
    assert [told.rpartition("(")[2] for told in bench.report(found(False, 20))] == ["calm)", "inputs shift)"]
