"""An open drift, from the governor's recorded decisions: its first day, and the reference days meanwhile. Pure.

Concept: a champion is monitored against the world that it serves. A reference from before and after the drift mixes two
worlds, and its limits are too wide for either.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from mlife_assets.core.monitoring.reference import DAYS_MINIMUM
from mlife_assets.core.monitoring.retrain_decisions import CONFIRMED_SUFFIX, KINDS, RetrainDecision
from mlife_assets.core.policies import RetrainPolicy
from mlife_assets.core.windows import add_days

OUTCOME_DAYS = 7
"""At least a week of outcomes, so that each weekday is among them."""


def drift_start(
    decisions: Iterable[RetrainDecision], as_of: date, policy: RetrainPolicy, kinds: Iterable[str] = KINDS
) -> date | None:
    """Return the day of the first alarm of the newest confirmed run; None if none is open as of a day.

    A run lasts while gaps between alarms are shorter than the governor's window, across champions. It is open for
    `drift_open_days` from its last confirmation.

    Args:
        decisions: one per day, in any order; those later than `as_of` do not count.
        as_of: the day.
        policy: the window of alarms, and how long a confirmed drift stays open.
        kinds: kinds of drift; one must be confirmed.
    """
    codes = {kind + CONFIRMED_SUFFIX for kind in kinds}
    began: date | None = None
    is_confirmed = False
    for one in sorted((one for one in decisions if one.as_of_date <= as_of), key=lambda one: one.as_of_date)[::-1]:
        if began is not None and (began - one.as_of_date).days > policy.alarm_days_window:
            if is_confirmed:
                break
            began = None
        if (as_of - one.as_of_date).days < policy.drift_open_days:
            is_confirmed |= not codes.isdisjoint(one.codes)
        elif not is_confirmed:
            return None
        if one.alarms:
            began = one.as_of_date
    return began if is_confirmed else None


def days_of_normality(began: date | None, as_of: date, usual: int) -> int:
    """Return the number of reference days as of a day: while a drift is open, those since it began.

    At least as many as a reference needs, and never more than usual.
    """
    return usual if began is None else min(usual, max(DAYS_MINIMUM, (as_of - began).days + 1))


def first_normal_outcome(began: date | None, first: date, last: date) -> date:
    """Return the first exposure day of [first, last] after the start of the drift, at least a week before `last`."""
    return first if began is None else max(first, min(began, add_days(last, 1 - OUTCOME_DAYS)))
