"""The cost benchmark judges its claims by the numbers that it prints."""

from __future__ import annotations

from types import ModuleType

import pytest


def test_the_claim_is_on_the_median_ratio(bench: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    fits = ({"columns": 10.0, "domain classifier": 20.0},) * 3
    held = bench.Cost(25, 20_000, 280_000, (1.0, 1.1, 9.0), (2.0, 2.0, 2.0), fits, 0.1, {"columns": 0.5})
    assert bench.report_cost(held) == []
    out = capsys.readouterr().out
    assert "a day / refit: 0.0367 (0.0333-0.3), at most 0.05 claimed" in out
    assert "without the domain classifier: 0.11 (0.1-0.9)" in out
    broken = bench.Cost(25, 20_000, 280_000, (2.0, 2.0, 2.0), (2.0, 2.0, 2.0), fits, 0.1, {})
    assert bench.report_cost(broken) == ["a day costs 0.067 of a refit"]


def test_memory_may_not_grow(bench: ModuleType) -> None:
    assert bench.report_memory({5: 500.0, 50: 510.0}) == []
    assert bench.report_memory({5: 500.0, 50: 600.0}) == ["memory grew by 20%"]


def test_power_is_pooled_over_markets(bench: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    found = dict.fromkeys(bench.CURVE_DRIFTS, 0) | {"new city, 8 %": 5}
    missed = dict.fromkeys(bench.CURVE_DRIFTS, 0)
    bench.report_curve(
        [bench.CurvePoint(rows, 0.2, {}, one, 5) for rows in bench.CURVE_ROWS for one in (found, missed)]
    )
    out = capsys.readouterr().out
    assert "50% [24%, 76%]" in out
    assert out.count("(default)") == 1
