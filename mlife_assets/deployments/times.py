"""Times of a deployment: when what touches the world outside happens, and what people do.

Concept: a partition decides at its nominal time wherever it runs, so the same data give the same bytes. Sends and
people's acts follow it by a fixed delay in a simulated world, which stands still in the evening of its newest day, and
happen at the clock's present in a real one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol

from mlife_assets.adapters.clock import SimulatedClock
from mlife_assets.core.ports import Clock
from mlife_assets.core.windows import add_days, day_start, run_time

SEND_DELAY = timedelta(minutes=5)
RETRAIN_DELAY = timedelta(hours=1)
OUTCOMES_DELAY = timedelta(hours=3)
OPERATOR_DELAY = timedelta(hours=4)


@dataclass(frozen=True)
class Pace:
    """What paces sends: the present, and how to wait."""

    clock: Clock
    sleep: Callable[[float], None]


class Times(Protocol):
    """When things happen that no partition decides."""

    @property
    def clock(self) -> Clock | None:
        """Whose present counts; None where time is simulated."""

    def moment(self, day: date, delay: timedelta) -> datetime:
        """Return when something happens that follows the run of partition `day` by `delay` in a simulated world."""

    def pace(self, start: datetime) -> Pace:
        """Return what paces sends that begin at `start`."""

    def is_due(self, day: date) -> bool:
        """Return whether partition `day` may run."""

    def is_over(self, day: date) -> bool:
        """Return whether it is too late to send anything of partition `day`."""


@dataclass(frozen=True)
class DayTimes:
    """When what belongs to a day happens, in the time of a deployment."""

    times: Times

    def planning(self, day: date) -> datetime:
        """Return when the plan of partition `day` is decided: at its nominal time, so planning again gives the same."""
        return run_time(day) + SEND_DELAY

    def sending(self, day: date) -> datetime:
        """Return when partition `day` starts to send, if it does so now."""
        return self.times.moment(day, SEND_DELAY)

    def outcomes(self, day: date) -> datetime:
        """Return until when replies and receipts of partition `day` are read."""
        return self.times.moment(day, OUTCOMES_DELAY)

    def act(self, newest: date) -> datetime:
        """Return when a person's act happens, `newest` being the newest day that was decided."""
        return self.times.moment(newest, OPERATOR_DELAY)

    def sealing(self, newest: date) -> datetime:
        """Return when a head is signed, `newest` being the newest day that landed."""
        return self.times.moment(newest, timedelta(0))

    def today(self, start: date) -> date:
        """Return the UTC day of the present; a simulated world has none of its own and is asked on its first day."""
        return self.times.moment(start, timedelta(0)).date()


@dataclass(frozen=True)
class SimulatedTimes:
    """The present is the evening of the partition that runs; waiting takes no time."""

    clock: None = None

    def moment(self, day: date, delay: timedelta) -> datetime:
        """Return the time of the run and the delay."""
        return run_time(day) + delay

    def pace(self, start: datetime) -> Pace:
        """Return a clock that stands at `start`, moved by waiting alone."""
        clock = SimulatedClock(start)
        return Pace(clock, lambda seconds: clock.set(clock.now() + timedelta(seconds=seconds)))

    def is_due(self, day: date) -> bool:  # noqa: ARG002  a day runs when somebody asks for it
        return True

    def is_over(self, day: date) -> bool:  # noqa: ARG002  a day is over when the next one landed, which others look at
        return False


@dataclass(frozen=True)
class RealTimes:
    """The present is a clock's; waiting takes as long as it takes.

    Attributes:
        clock: whose present counts.
        sleep: waits.
    """

    clock: Clock
    sleep: Callable[[float], None] = time.sleep

    def moment(self, day: date, delay: timedelta) -> datetime:  # noqa: ARG002  it happens now, whatever the day
        return self.clock.now()

    def pace(self, start: datetime) -> Pace:  # noqa: ARG002  it starts now
        return Pace(self.clock, self.sleep)

    def is_due(self, day: date) -> bool:
        """Return whether the nominal time of the run has come."""
        return self.clock.now() >= run_time(day)

    def is_over(self, day: date) -> bool:
        """Return whether the UTC day has ended."""
        return self.clock.now() >= day_start(add_days(day, 1))
