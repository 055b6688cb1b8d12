"""Lift that may be looked at: formulas by other routes, states of a claim, blanked arms, plans.

How often it is wrong is asked of many experiments in `mlife_tests/benchmarks/test_lift_benchmark.py`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from math import inf, log, sqrt

import numpy as np
import pytest
from scipy.stats import betabinom, binom, norm

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting import lift
from mlife_assets.recruiting.lift import (
    ArmsOfDay,
    ArmSums,
    Look,
    PlannedShare,
    looks,
    planned_shares,
    ratio_evidence,
    recommended,
)
from mlife_assets.recruiting.policies import LiftPolicy

FIRST = date(2026, 6, 1)
POLICY = LiftPolicy()


def sums(values: np.ndarray, before: np.ndarray | None = None) -> ArmSums:
    known = np.zeros(len(values)) if before is None else before
    products = (known.sum(), (known**2).sum(), (known * values).sum())
    return ArmSums(len(values), float(values.sum()), float((values**2).sum()), *map(float, products))


def steady(
    days: int, rate: float = 0.011, lifted: float = 1.0, people: int = 8_000, held: int = 400
) -> list[ArmsOfDay]:
    """Return days on which people do what they do on average, scattered as counts are."""
    found = []
    for day in range(1, days + 1):
        sides = []
        for n, mean in ((people, rate * lifted * day), (held, rate * day)):
            sides.append(ArmSums(n, n * mean, n * (mean + mean * mean)))
        money = tuple(ArmSums(s.people, s.total / 2, s.squares / 4) for s in sides)
        found.append(ArmsOfDay(FIRST + timedelta(days=day - 1), *sides, money=money))  # type: ignore[arg-type]
    return found


def seen(days: list[ArmsOfDay], share: float = 400 / 8_400, **changes: float) -> tuple[Look, ...]:
    return looks(days, replace(POLICY, **changes), share=share)  # type: ignore[arg-type]


def test_the_bound_is_that_of_robbins_and_siegmund() -> None:
    for error in (0.05, 0.05 / 3, 1e-4):
        a = sqrt(lift._bound(error))
        assert 2 * (norm.sf(a) + a * norm.pdf(a)) == pytest.approx(error)


def test_evidence_against_a_ratio_is_a_likelihood_ratio_of_a_beta_mixture() -> None:
    weight = 0.95 / 0.05 / lift.RATIO_SPREAD**2
    for people, held in ((0, 0), (200, 10), (200, 30), (10_000, 480)):
        mixed = betabinom.logpmf(held, people, weight * 0.05, weight * 0.95)
        assert ratio_evidence(people, held, 0.05) == pytest.approx(mixed - binom.logpmf(held, people, 0.05), abs=1e-8)


def test_the_mean_of_what_it_would_be_paid_for_a_bet_on_a_sound_ratio_is_one() -> None:
    held = np.arange(301)
    paid = np.exp([ratio_evidence(300, int(one), 0.1) for one in held])
    assert float((binom.pmf(held, 300, 0.1) * paid).sum()) == pytest.approx(1.0)


def test_adjusting_by_sums_is_a_regression_on_what_people_did_before() -> None:
    rng = np.random.default_rng(5)
    before = rng.poisson(3.0, 900).astype(float)
    treated = np.arange(900) >= 100
    did = rng.poisson(0.2 * before + 0.5 * treated).astype(float)
    found = lift._compared(sums(did[treated], before[treated]), sums(did[~treated], before[~treated]))
    assert found is not None
    design = np.column_stack([np.ones(900), treated, before])
    coefficients, (left,), *_ = np.linalg.lstsq(design, did, rcond=None)
    assert found.treated - found.holdout == pytest.approx(coefficients[1])
    assert found.factor * found.mean == pytest.approx(left / 897)
    known_nothing = lift._compared(sums(did[treated]), sums(did[~treated]))
    assert known_nothing is not None
    assert found.information > 1.05 * known_nothing.information


@pytest.mark.parametrize(("treated", "holdout"), [(0.3, 0.2), (0.1, 0.25), (0.2, 0.2)])
def test_bounds_are_the_ratios_that_would_just_not_be_refused(treated: float, holdout: float) -> None:
    one = lift._Compared(treated, holdout, (900, 100), 0.2, 1.5)
    estimate, low, high = lift._ratio(one, 7.0)
    assert estimate == pytest.approx(treated / holdout)
    assert low < estimate < high
    for ratio in (low, high):
        variance = 1.5 * treated * (1 / 900 + ratio / 100)
        assert (treated - ratio * holdout) ** 2 == pytest.approx(7.0 * variance)
    assert lift._ratio(replace(one, holdout=0.0), 7.0)[2] == inf


def test_nothing_is_claimed_before_the_declared_minimum() -> None:
    found = seen(steady(30, lifted=3.0))
    assert [one.lift is None for one in found] == [True] * 13 + [False] * 17
    assert found[12].claim == "not_known"
    assert found[13].claim == "shown"
    few = seen(steady(30, lifted=3.0), minimum_outcomes=300)
    mean = 0.011 * (8_000 * 3 + 400) / 8_400
    start = next(day for day in range(1, 31) if day * mean * 400 >= 300)
    assert [one.lift is None for one in few] == [True] * (start - 1) + [False] * (31 - start)


@pytest.mark.parametrize(("lifted", "claim"), [(1.0, "not_known"), (1.6, "shown"), (0.5, "contrary")])
def test_a_claim_has_three_states(lifted: float, claim: str) -> None:
    newest = seen(steady(60, lifted=lifted))[-1]
    assert newest.claim == claim
    assert newest.lift is not None
    assert newest.lift.estimate == pytest.approx(lifted - 1)
    assert newest.lift.lower < lifted - 1 < newest.lift.upper


def test_money_is_said_after_outcomes_are_shown_only() -> None:
    unknown, shown = seen(steady(60)), seen(steady(60, lifted=1.6))
    assert all(one.earned is None for one in unknown)
    first = next(place for place, one in enumerate(shown) if one.claim == "shown")
    assert [one.earned is None for one in shown] == [place < first for place in range(60)]
    earned = shown[-1].earned
    assert earned is not None
    assert earned.estimate == pytest.approx(8_000 * 60 * 0.011 * 0.6 / 2)
    assert 0 < earned.lower < earned.estimate < earned.upper
    free = [replace(one, money=None) for one in steady(60, lifted=1.6)]
    assert seen(free)[-1].earned is None


def test_applications_share_the_error_and_looks_cost_width() -> None:
    days = steady(60)
    alone, shared = (looks(days, POLICY, share=0.05, applications=n)[-1].lift for n in (1, 3))
    assert alone is not None
    assert shared is not None
    assert shared.lower < alone.lower < 0 < alone.upper < shared.upper
    compared = lift._compared(days[-1].treated, days[-1].holdout)
    assert compared is not None
    fixed = 1.96 / sqrt(compared.information)
    assert 1.3 * fixed < alone.upper < 2 * fixed


def test_a_holdout_that_is_not_what_it_should_be_blanks_all_days_from_then_on() -> None:
    days = steady(40, lifted=1.6)
    broken = [
        replace(one, holdout=replace(one.holdout, people=650)) if place == 20 else one for place, one in enumerate(days)
    ]
    found = seen(broken)
    assert {one.claim for one in found[20:]} == {"blanked"}
    assert {one.lift for one in found[20:]} == {None}
    assert found[19].claim == "shown"
    assert {one.claim for one in seen(days)[13:]} == {"shown"}


def test_what_is_not_known_says_when_it_will_be_narrow() -> None:
    days = steady(200)
    early = seen(days[:10])[-1]
    assert early.reaches is not None
    assert early.half_width is not None
    assert early.half_width <= POLICY.smallest_lift
    then = seen(days[: (early.reaches - FIRST).days + 1])[-1]
    assert then.lift is not None
    assert (then.lift.upper - then.lift.lower) / 2 == pytest.approx(early.half_width, rel=0.1)
    never = seen(steady(10, rate=0.0005))[-1]
    assert never.reaches == FIRST + timedelta(days=9 + lift.YEAR)
    assert never.half_width is not None
    assert never.half_width > POLICY.smallest_lift
    assert seen(steady(200, rate=0.1))[-1].reaches is None


def test_nobody_and_nothing_is_no_lift() -> None:
    nobody = ArmsOfDay(FIRST, ArmSums(10, 1, 1), ArmSums(0, 0, 0))
    assert seen([nobody])[-1].claim == "not_known"
    silent = ArmsOfDay(FIRST, ArmSums(100, 0, 0), ArmSums(100, 0, 0))
    assert looks([silent], POLICY, share=0.5)[-1] == Look(FIRST, "not_known")
    assert planned_shares((silent.treated, silent.holdout), 28, POLICY, applications=1) == ()
    assert recommended((), POLICY) is None
    for share, applications in ((0.0, 1), (1.0, 1), (0.1, 0)):
        with pytest.raises(InvalidInputError, match="use a share in"):
            looks([], POLICY, share=share, applications=applications)


def test_a_plan_says_what_each_holdout_shows_and_takes_the_smallest_in_time() -> None:
    (now,) = steady(28)[-1:]
    plan = planned_shares((now.treated, now.holdout), 28, POLICY, applications=1)
    assert [one.share for one in plan] == list(lift.SHARES)
    assert plan[0].lift_in_six_weeks > plan[1].lift_in_six_weeks > plan[2].lift_in_six_weeks
    days = [one.days_to_smallest for one in plan]
    assert None not in days
    assert days == sorted(days, reverse=True)  # type: ignore[type-var]
    in_time = replace(POLICY, within_days=days[1])
    assert recommended(plan, in_time) == plan[1]
    assert recommended([PlannedShare(0.05, 0.5, None), PlannedShare(0.2, 0.3, 200)], POLICY) == PlannedShare(
        0.2, 0.3, 200
    )
    expected = 42 * 0.011
    variance = 1 / expected / 8_400 / 0.05 / 0.95
    by_hand = (sqrt(lift._bound(0.05) + log(42 / 14)) + lift.POWER_Z) * sqrt(variance)
    assert plan[0].lift_in_six_weeks == pytest.approx(by_hand, rel=0.01)
