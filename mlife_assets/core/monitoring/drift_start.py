"""When the drift at hand began, read from the governor's recorded decisions. Pure.

Belongs here: the first day of a run of alarms that was confirmed, and how far back what is normal reaches then. Does
not belong here: when drift is confirmed (`governor`), whether it opens the gate (`opening`), what a reference is made
of (`components`).

Concept: what a new champion is watched against has to be the world that it serves in. A reference that reaches back
behind the drift holds two worlds; limits learned from it are wide, and what it calls normal is neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from mlife_assets.core.monitoring.opening import opening
from mlife_assets.core.monitoring.reference import DAYS_MINIMUM
from mlife_assets.core.monitoring.retrain_decisions import CONFIRMED_SUFFIX, MODEL_TOO_OLD, RetrainDecision
from mlife_assets.core.policies import RetrainPolicy
from mlife_assets.core.windows import add_days

OUTCOME_DAYS = 7
"""A week of outcomes at least, so that each weekday is among them."""


def drift_start(decisions: Iterable[RetrainDecision], as_of: date, policy: RetrainPolicy) -> date | None:
    """Return the day of the first alarm of the newest run that was confirmed; None where none is open as of a day.

    A run lasts while alarms come closer together than the governor's window of them, whoever was champion. It is open
    for `drift_open_days` from its last confirmation.

    Args:
        decisions: one per day, in any order; those later than `as_of` do not count.
        as_of: the day.
        policy: the window of alarms, and how long a confirmed drift stays open.
    """
    began: date | None = None
    is_confirmed = False
    for one in sorted((one for one in decisions if one.as_of_date <= as_of), key=lambda one: one.as_of_date)[::-1]:
        if began is not None and (began - one.as_of_date).days > policy.alarm_days_window:
            if is_confirmed:
                break
            began = None
        if (as_of - one.as_of_date).days < policy.drift_open_days:
            is_confirmed |= any(code.endswith(CONFIRMED_SUFFIX) for code in one.codes)
        elif not is_confirmed:
            return None
        if one.alarms:
            began = one.as_of_date
    return began if is_confirmed else None


def start_of_open_drift(decisions: Sequence[RetrainDecision], as_of: date, policy: RetrainPolicy) -> date | None:
    """Return the day of the first alarm of the drift that holds the gate open; None where none, or age alone, does.

    Arguments as of `drift_start`.
    """
    opened = opening(decisions, as_of, policy)
    return None if opened is None or opened.code == MODEL_TOO_OLD else drift_start(decisions, as_of, policy)


def days_of_normality(began: date | None, as_of: date, usual: int) -> int:
    """Return how many days stand for normality as of a day: while a drift is open those since it began.

    At least as many as a reference needs, and never more than usual.
    """
    return usual if began is None else min(usual, max(DAYS_MINIMUM, (as_of - began).days + 1))


def first_normal_outcome(began: date | None, first: date, last: date) -> date:
    """Return the first exposure day of [first, last] whose outcomes are normal: that of the drift, a week at least."""
    return first if began is None else max(first, min(began, add_days(last, 1 - OUTCOME_DAYS)))
