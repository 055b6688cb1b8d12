"""What the governor's recorded decisions say: what opens the gate, and when the drift at hand began. Pure.

Concept: without a reason the gate asks for a win. The reason is fixed before a challenger is seen: it is a code that
the governor recorded, on a day and under a policy that are known. A confirmed drift lasts from its last confirmation
for a number of days, across promotions: the first model that answers it has seen little of the new world, and those of
the next weeks more. What the promotions of that time may lose together is bounded by the gate. Each opening is an
event of the log, so on histories without drift the false ones can be counted.

What a new champion is watched against has to be the world that it serves in. A reference that reaches back behind the
drift holds two worlds; limits learned from it are wide, and what it calls normal is neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from mlife_assets.core.monitoring.reference import DAYS_MINIMUM
from mlife_assets.core.monitoring.retrain_decisions import CONFIRMED_SUFFIX, MODEL_TOO_OLD, RetrainDecision
from mlife_assets.core.policies import RetrainPolicy
from mlife_assets.core.windows import add_days

OUTCOME_DAYS = 7
"""A week of outcomes at least, so that each weekday is among them."""


@dataclass(frozen=True)
class Opening:
    """Why a challenger need not win.

    Attributes:
        code: of the decision that opened the gate, such as `concept_drift_confirmed`.
        day: of that decision.
    """

    code: str
    day: date

    @property
    def clause(self) -> str:
        """Finish "since", in words."""
        if self.code == MODEL_TOO_OLD:
            return "the model in use is too old"
        return f"{self.code.removesuffix(CONFIRMED_SUFFIX)} drift was confirmed on {self.day}"


def opening(decisions: Iterable[RetrainDecision], as_of: date, policy: RetrainPolicy) -> Opening | None:
    """Return what opens the gate on a day; None where a challenger has to win.

    Args:
        decisions: one per day, that of `as_of` included where there is one, in any order; later ones do not count.
        as_of: the day of the challenger.
        policy: which kinds of drift open the gate, and for how many days any reason lasts.
    """
    known = sorted((one for one in decisions if one.as_of_date <= as_of), key=lambda one: one.as_of_date, reverse=True)
    codes = {kind + CONFIRMED_SUFFIX for kind in policy.opening_kinds}
    for one in known:
        if (as_of - one.as_of_date).days >= policy.drift_open_days:
            break
        if confirmed := [code for code in one.codes if code in codes]:
            return Opening(confirmed[0], one.as_of_date)
    is_recent = bool(known) and (as_of - known[0].as_of_date).days < policy.drift_open_days
    if is_recent and MODEL_TOO_OLD in known[0].codes:
        return Opening(MODEL_TOO_OLD, known[0].as_of_date)
    return None


def drift_openings(decisions: Sequence[RetrainDecision], policy: RetrainPolicy) -> list[Opening]:
    """Return the first day of every run of days on which drift held the gate open, oldest first.

    On a history without drift these are the false ones.
    """
    codes = {kind + CONFIRMED_SUFFIX for kind in policy.opening_kinds}
    found: list[Opening] = []
    last: date | None = None
    for one in sorted(decisions, key=lambda one: one.as_of_date):
        confirmed = [code for code in one.codes if code in codes]
        if not confirmed:
            continue
        if last is None or (one.as_of_date - last).days > policy.drift_open_days:
            found.append(Opening(confirmed[0], one.as_of_date))
        last = one.as_of_date
    return found


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
