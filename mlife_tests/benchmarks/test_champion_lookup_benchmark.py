"""The benchmark of who is champion wants one answer of both, and knows what it claims; no test judges by the clock."""

from __future__ import annotations

from types import ModuleType

import pytest


def test_both_sides_are_asked_after_each_number_of_promotions(bench: ModuleType) -> None:
    lookups = bench.measured([3, 1], 2)
    assert [one.promotions for one in lookups] == [1, 3]
    assert all(min(one.fold, one.again, one.watch, one.watch_after_a_promotion) > 0 for one in lookups)


def test_a_wrong_answer_stops_the_benchmark(bench: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.ChampionWatch, "champion", lambda watch: "m_old")
    with pytest.raises(SystemExit, match="is champion, the answer was m_old"):
        bench.measured([1], 1)


@pytest.mark.parametrize(
    ("again", "looks", "after", "broken"),
    [
        ((1.0, 2.0), (1.0, 2.0), 15.0, []),
        ((1.0, 1.0), (1.0, 2.1), 15.0, ["a look grew 2.10 times, at most 2 claimed"]),
        ((1.0, 2.2), (1.0, 1.0), 15.0, ["a look grew 2.20 times, at most 2 claimed"]),
        ((1.0, 1.0), (1.0, 1.0), 16.0, ["a call after a promotion costs 1.60 folds, at most 1.5 claimed"]),
    ],
)
def test_looks_may_not_grow_and_a_promotion_costs_one_fold(
    bench: ModuleType, again: tuple[float, float], looks: tuple[float, float], after: float, broken: list[str]
) -> None:
    lookups = [bench.Lookup(1, 10.0, again[0], looks[0], 1.0), bench.Lookup(512, 10.0, again[1], looks[1], after)]
    assert bench.broken_claims(lookups) == broken
    assert bench.broken_claims(lookups[1:]) == []
