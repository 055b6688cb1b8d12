"""Lift that may be looked at every day: the effect of an application, with an interval valid on all days together.

Concept: the lift is the outcomes of a treated person over those of a holdout person since the first day, minus 1.
People who do more stay as they are, so days are not independent and counts up to one day hang together with those up to
the next. But counts over their own mean have independent increments in their information (Scharfstein, Tsiatis and
Robins, JASA 1997): a ratio with relative variance 1 / I is a Brownian motion seen at I. So the interval of a day is
the delayed-start confidence sequence of Robbins and Siegmund (Annals of Mathematical Statistics 1970; asymptotic for
means: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, Annals of Statistics 2024). Outcomes are adjusted by what people
did before (CUPED: Deng, Xu, Kohavi and Walker, WSDM 2013). An arm's variance is in proportion to its mean, as for
counts, with one factor for both arms: a small holdout has too few outcomes for a variance of its own.

Whether people fell into the arms as they should is a betting process of its own (Lindon and Malek, NeurIPS 2022).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from math import inf, lgamma, log, sqrt
from typing import Literal

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.statistics import Interval
from mlife_assets.core.windows import add_days
from mlife_assets.recruiting.policies import LiftPolicy

Claim = Literal["not_known", "shown", "contrary", "blanked"]
POWER_Z = 0.8416
"""Normal quantile of the 80 % with which a plan shows its lift."""
RATIO_SPREAD = 0.2
"""How far the share of a broken holdout is expected to lie from the planned one, as a part of it."""
SHARES = (0.05, 0.1, 0.2)
"""Holdouts that a plan compares."""
YEAR = 366


@dataclass(frozen=True)
class ArmSums:
    """Sums over the people of an arm.

    Attributes:
        people: how many.
        total, squares: sums over people of outcomes since their first exposure.
        before, before_squares: of what each did in the 28 days before it.
        products: of both.
    """

    people: int
    total: float
    squares: float
    before: float = 0.0
    before_squares: float = 0.0
    products: float = 0.0


@dataclass(frozen=True)
class ArmsOfDay:
    """Both arms at the end of a day. `money` is None where the outcomes have no price."""

    day: date
    treated: ArmSums
    holdout: ArmSums
    money: tuple[ArmSums, ArmSums] | None = None


@dataclass(frozen=True)
class Look:
    """What may be said at the end of a day.

    Attributes:
        day: which.
        claim: shown: the treated do more; contrary: they do less; blanked: the arms differ from their planned shares.
        lift: relative, with its bounds; None before the declared minimum.
        earned: income from the treated beyond that at the holdout's mean, with bounds; None while the
            lift in outcomes is not shown.
        reaches: of the newest day: when the interval reaches to `LiftPolicy.smallest_lift` on each side if people go on
            as now, or a year later if it does not by then; None where it does.
        half_width: how far the interval will reach then.
    """

    day: date
    claim: Claim
    lift: Interval | None = None
    earned: Interval | None = None
    reaches: date | None = None
    half_width: float | None = None


@dataclass(frozen=True)
class PlannedShare:
    """A holdout share and its power (80 %): the lift detectable after six weeks, the days to detect the smallest."""

    share: float
    lift_in_six_weeks: float
    days_to_smallest: int | None


@dataclass(frozen=True)
class _Compared:
    """Adjusted means of treated and holdout, the variance of a person over the mean, information on the lift."""

    treated: float
    holdout: float
    people: tuple[int, int]
    mean: float
    factor: float

    @property
    def spread(self) -> float:
        return 1 / self.people[0] + 1 / self.people[1]

    @property
    def information(self) -> float:
        return self.mean / self.factor / self.spread


def looks(days: Sequence[ArmsOfDay], policy: LiftPolicy, *, share: float, applications: int = 1) -> tuple[Look, ...]:
    """Return the claim about one application that holds at the end of each day.

    The error is the policy's for all claims of all days and applications. Money has the same one, since it is asked
    only while outcomes are shown (a fixed sequence).

    Args:
        days: consecutive days from the first of the experiment, each with everything that happened until its end.
        policy: error, minimum, and the smallest lift that matters.
        share: of people who should be in the holdout.
        applications: that share the error.

    Raises:
        InvalidInputError: `share` is not above 0 and below 1, or there is no application.
    """
    if not 0 < share < 1 or applications < 1:
        raise InvalidInputError(f"share is {share} of {applications} applications; use a share in (0, 1) and 1 or more")
    limit, bound = log(applications / policy.ratio_error), _bound(policy.error / applications)
    found: list[Look] = []
    start, is_blanked = 0.0, False
    for place, one in enumerate(days, 1):
        people, held = one.treated.people + one.holdout.people, one.holdout.people
        is_blanked = is_blanked or ratio_evidence(people, held, share) >= limit
        now = None if is_blanked else _compared(one.treated, one.holdout)
        if now is None:
            found.append(Look(one.day, "blanked" if is_blanked else "not_known"))
            continue
        if not start and place >= policy.minimum_days and held * now.mean >= policy.minimum_outcomes:
            start = now.information
        later = _reaches(now, one.day, place, start, bound, policy) if place == len(days) else (None, None)
        if not start:
            found.append(Look(one.day, "not_known", None, None, *later))
            continue
        square = bound + log(max(1.0, now.information / start))
        middle, low, high = _ratio(now, square)
        lift = Interval(middle - 1, low - 1, high - 1, 1 - policy.error, people)
        claim: Claim = "shown" if low > 1 else "contrary" if high < 1 else "not_known"
        earned = _earned(one, square, lift.level) if claim != "not_known" else None
        found.append(Look(one.day, claim, lift, earned, *later))
    return tuple(found)


def _earned(arms: ArmsOfDay, square: float, level: float) -> Interval | None:
    money = _compared(*arms.money) if arms.money else None
    if money is None:
        return None
    total = arms.treated.people * money.treated  # prices arrive with outcomes, so information on both grows alike
    middle, low, high = (total * (1 - 1 / one) if one else -inf for one in _ratio(money, square))
    return Interval(middle, low, high, level, sum(money.people))


def ratio_evidence(people: int, held: int, share: float) -> float:
    """Return the log of the e-value against a holdout of `share`, given how many of the people are in it.

    The bet is a beta mixture around the share, so this is a likelihood ratio whose inverse bounds the chance that it is
    ever reached (Ville; Lindon and Malek 2022).
    """
    weight = (1 - share) / share / RATIO_SPREAD**2
    a, b = weight * share, weight * (1 - share)
    mixed = _log_beta(a + held, b + people - held) - _log_beta(a, b)
    return mixed - held * log(share) - (people - held) * log(1 - share)


def planned_shares(
    arms: tuple[ArmSums, ArmSums], of_days: int, policy: LiftPolicy, *, applications: int
) -> tuple[PlannedShare, ...]:
    """Return the power of holdouts of `SHARES`; empty if nobody did anything.

    Args:
        arms: outcomes of both arms, before there was an experiment or since.
        of_days: number of days of `arms`.
        policy: error, minimum, and the smallest lift that matters.
        applications: that share the error.
    """
    rate = _compared(*arms)
    if rate is None:
        return ()
    bound, people = _bound(policy.error / applications), sum(rate.people)

    def least(day: int, share: float) -> float:
        variance = _variance(rate, of_days, day)
        grown = max(1.0, _variance(rate, of_days, policy.minimum_days) / variance)
        return (sqrt(bound + log(grown)) + POWER_Z) * sqrt(variance / people / share / (1 - share))

    days = range(policy.minimum_days, YEAR)
    return tuple(
        PlannedShare(
            share,
            least(max(42, policy.minimum_days), share),
            next((day for day in days if least(day, share) <= policy.smallest_lift), None),
        )
        for share in SHARES
    )


def recommended(plan: Sequence[PlannedShare], policy: LiftPolicy) -> PlannedShare | None:
    """Return the smallest share that shows the smallest lift in time, else the largest; None of an empty plan."""
    in_time = [one for one in plan if one.days_to_smallest and one.days_to_smallest <= policy.within_days]
    return min(in_time, key=lambda one: one.share) if in_time else max(plan, key=lambda one: one.share, default=None)


@lru_cache(maxsize=64)
def _bound(error: float) -> float:
    """Return a squared such that P(|W(t)| >= sqrt(t (a^2 + log(t / m))) for any t >= m) = error.

    The probability is 2 (1 - Phi(a) + a phi(a)), which is the tail of a chi square with 3 degrees of freedom at a^2.
    """
    from scipy.stats import chi2

    return float(chi2.isf(error, 3))


def _compared(treated: ArmSums, holdout: ArmSums) -> _Compared | None:
    arms = (treated, holdout)
    people = treated.people + holdout.people
    if min(arm.people for arm in arms) < 2 or treated.total + holdout.total <= 0:
        return None

    def within(first: str, second: str, products: str) -> float:
        parts = [getattr(a, products) - getattr(a, first) * getattr(a, second) / a.people for a in arms]
        return max(0.0, sum(parts)) if first == second else float(sum(parts))

    varied = within("before", "before", "before_squares")
    slope = within("before", "total", "products") / varied if varied > 0 else 0.0
    left = within("total", "total", "squares") - slope * within("before", "total", "products")
    before = (treated.before + holdout.before) / people
    means = [a.total / a.people - slope * (a.before / a.people - before) for a in arms]
    mean = (treated.total + holdout.total) / people
    if left <= 0 or means[0] <= 0:
        return None
    return _Compared(
        means[0], max(0.0, means[1]), (treated.people, holdout.people), mean, left / max(1, people - 3) / mean
    )


def _ratio(one: _Compared, square: float) -> tuple[float, float, float]:
    """Return treated over holdout and its bounds: all r with (m1 - r m0)^2 <= square * var(m1 - r m0).

    The variance is that under the hypothesis r: factor * m1 / n1 for the treated, r * factor * m1 / n0 for r times the
    holdout (Fieller's set with the variance of the hypothesis, as in a score interval). The treated are the larger arm.
    """
    scale = square * one.factor * one.treated
    a, c = one.holdout**2, one.treated**2 - scale / one.people[0]
    half = one.treated * one.holdout + scale / one.people[1] / 2
    root = half + sqrt(max(0.0, half * half - a * c))
    estimate = one.treated / one.holdout if one.holdout else inf
    return estimate, max(0.0, c / root), root / a if a else inf


def _variance(one: _Compared, of_days: int, day: int) -> float:
    """Return the variance of a person over the squared mean on another day: counts grow, differences of people stay."""
    mean = one.mean * day / of_days
    return 1 / mean + max(0.0, (one.factor - 1) / one.mean)


def _reaches(
    now: _Compared, today: date, days: int, start: float, bound: float, policy: LiftPolicy
) -> tuple[date | None, float | None]:
    """Return when the interval will be narrow enough, at most in a year, and its half width then; None where it is."""
    least = start or 1 / _variance(now, days, policy.minimum_days) / now.spread

    def half_width(day: int) -> float:
        information = 1 / _variance(now, days, day) / now.spread
        return sqrt((bound + log(max(1.0, information / least))) / information)

    asked = range(max(days, policy.minimum_days), days + YEAR)
    day = next((one for one in asked if half_width(one) <= policy.smallest_lift), days + YEAR)
    return (None, None) if day == days else (add_days(today, day - days), half_width(day))


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)
