"""The benchmark of early labels: fits of one morning that differ in what teaches them, compared within a market."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from mlife_assets.recruiting.policies import Policies


@pytest.fixture(scope="module")
def rows(bench: ModuleType) -> list[dict[str, Any]]:
    """Return what a small market with a short history says five days after a drift."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench, "FITTED_AFTER", (5,))
        patch.setattr(bench, "KINDS", bench.KINDS[2:])
        patch.setattr(bench, "HISTORY_DAYS", 25)
        found, seconds = bench.run_market(1, 1_500)
    assert seconds > 0
    return found


def test_three_fits_of_a_morning_are_asked_about_it(bench: ModuleType, rows: list[dict[str, Any]]) -> None:
    (row,) = rows
    assert (row["seed"], row["kind"], row["after"]) == (1, "pay 5", 5)
    assert 0.9 < row["known_sooner"] < 1
    maps = [row[name] for name in (bench.COMPLETE, bench.EARLY, bench.SHORTER)]
    assert len(set(maps)) == 3, "each learned from something else"
    assert all(row["random"] < value < row["oracle"] for value in maps)


def test_a_drift_is_fitted_with_the_half_life_of_its_age(bench: ModuleType) -> None:
    policies = Policies()
    none, _, drift = bench.KINDS
    assert bench.training_policy(policies, none, 20) == policies.training
    found = [bench.training_policy(policies, drift, after).half_life_days for after in (5, 11, 12, 20, 90)]
    assert found == [3.5, 3.5, 4.0, 8.0, policies.training.half_life_days]


def test_gains_are_taken_within_markets_and_their_interval_over_markets(bench: ModuleType) -> None:
    def row(seed: int, after: int, complete: float, early: float) -> dict[str, Any]:
        maps = {bench.COMPLETE: complete, bench.EARLY: early, bench.SHORTER: complete}
        return {"seed": seed, "kind": "pay 5", "after": after, **maps}

    kinds = [(after, seed) for after in bench.FITTED_AFTER for seed in (1, 2)]
    told = [row(seed, after, 0.3 + seed / 100, 0.3 + seed / 100 + (0.02 if after == 5 else 0)) for after, seed in kinds]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench, "KINDS", bench.KINDS[2:])
        found = {one["after"]: one for one in bench.compared(told)}
    assert found[5][bench.EARLY] == pytest.approx(0.02)
    assert found[5]["early_bounds"] == pytest.approx([0.02, 0.02])
    assert found[8][bench.EARLY] == 0
    assert found[None][bench.EARLY] == pytest.approx(0.02 / 5)
    assert found[None]["markets"] == 2
    assert found[5][bench.COMPLETE] == pytest.approx(0.315)
