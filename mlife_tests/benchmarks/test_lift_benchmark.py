"""The benchmark of lift: people are of the market's shape, sums are the mart's, claims are rare where nothing is."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest


def test_people_are_as_in_the_simulated_market(lift_bench: ModuleType) -> None:
    people = lift_bench.draw_people(np.random.default_rng(1), has_spells=False)
    nobody = np.zeros(len(people.entered), bool)
    applies = lift_bench.draw_applies(np.random.default_rng(2), people, nobody, np.zeros(lift_bench.DAYS))
    first = people.entered == 0
    for day, mean, factor, explained in ((21, 0.2324, 2.03, 0.43), (63, 0.7245, 4.1, 0.66)):
        counts = np.bincount(applies.person[applies.day < day], minlength=len(first))[first]
        assert counts.mean() == pytest.approx(mean, rel=0.12)
        assert counts.var() / counts.mean() == pytest.approx(factor, rel=0.25)
        assert np.corrcoef(counts, people.before[first])[0, 1] ** 2 == pytest.approx(explained, abs=0.1)


def test_sums_of_a_day_are_those_of_its_people(lift_bench: ModuleType) -> None:
    rng = np.random.default_rng(3)
    people = lift_bench.draw_people(rng, has_spells=True)
    treated = lift_bench.drawn_arms(rng, len(people.entered), 0.2)
    applies = lift_bench.draw_applies(rng, people, treated, np.full(lift_bench.DAYS, 0.4))
    day = 50
    found = lift_bench.counted(people, applies, treated)[day]
    did = np.bincount(applies.person[applies.day <= day], minlength=len(treated))
    bid = np.bincount(applies.person[applies.day <= day], applies.bid[applies.day <= day], len(treated))
    for arm, sums, money in ((True, found.treated, found.money[0]), (False, found.holdout, found.money[1])):
        who = (treated == arm) & (people.entered <= day)
        assert sums.people == who.sum()
        assert (sums.total, sums.squares) == (did[who].sum(), (did[who] ** 2).sum())
        assert sums.products == pytest.approx((did * people.before)[who].sum())
        assert money.squares == pytest.approx((bid[who] ** 2).sum())


def test_a_short_run_meets_what_the_long_one_has_to(lift_bench: ModuleType) -> None:
    """40 experiments where nothing is, 12 planted, 12 of power: limits that chance breaks once in thousands of runs."""
    parts = dict(lift_bench.measured(0.04))
    assert parts["nothing"]["any claim where nothing is there"] <= 0.1
    assert parts["nothing"]["before, one application"]["either until day 180"] >= 0.3, "the interval of before"
    assert parts["planted"]["covered on all days"] >= 0.75
    assert parts["power"]["+40 %, holdout 20 %, day 21"] >= 0.9
    assert parts["power"]["+40 %, holdout 5 %, day 63"] >= 0.6
    assert parts["ratio"] == {
        "a holdout of .055 for .050 is found": pytest.approx(1, abs=0.1),
        "a sound holdout is blanked": 0,
    }
