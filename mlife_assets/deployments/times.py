"""Times of a deployment: of external effects and people's acts.

Concept: a partition decides at its nominal time, whenever it runs, so the same data give the same bytes. Sends and
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
    """Pacing of sends: the present, and a way to wait."""

    clock: Clock
    sleep: Callable[[float], None]


class Times(Protocol):
    """Times of events outside of partitions' decisions."""

    @property
    def clock(self) -> Clock | None:
        """Clock of the present; None in simulated time."""

    def moment(self, day: date, delay: timedelta) -> datetime:
        """Return the time of an event that follows the run of partition `day` by `delay` in a simulated world."""

    def pace(self, start: datetime) -> Pace:
        """Return the pacing of sends from `start` on."""

    def is_due(self, day: date) -> bool:
        """Return whether partition `day` may run."""

    def is_over(self, day: date) -> bool:
        """Return whether it is too late to send for partition `day`."""


@dataclass(frozen=True)
class DayTimes:
    """Times of a day's events in a deployment."""

    times: Times

    def planning(self, day: date) -> datetime:
        """Return the time of partition `day`'s plan: its nominal time, so a repeated plan is the same."""
        return run_time(day) + SEND_DELAY

    def sending(self, day: date) -> datetime:
        return self.times.moment(day, SEND_DELAY)

    def outcomes(self, day: date) -> datetime:
        return self.times.moment(day, OUTCOMES_DELAY)

    def act(self, newest: date) -> datetime:
        return self.times.moment(newest, OPERATOR_DELAY)

    def sealing(self, newest: date) -> datetime:
        return self.times.moment(newest, timedelta(0))

    def today(self, start: date) -> date:
        return self.times.moment(start, timedelta(0)).date()


@dataclass(frozen=True)
class SimulatedTimes:
    """The present is the evening of the partition that runs; waiting takes no time."""

    clock: None = None

    def moment(self, day: date, delay: timedelta) -> datetime:
        return run_time(day) + delay

    def pace(self, start: datetime) -> Pace:
        clock = SimulatedClock(start)
        return Pace(clock, lambda seconds: clock.set(clock.now() + timedelta(seconds=seconds)))

    def is_due(self, day: date) -> bool:  # noqa: ARG002  a day runs when somebody asks for it
        return True

    def is_over(self, day: date) -> bool:  # noqa: ARG002  a day is over when the next one landed, which others look at
        return False


@dataclass(frozen=True)
class RealTimes:
    """The present is a clock's; waiting is real."""

    clock: Clock
    sleep: Callable[[float], None] = time.sleep

    def moment(self, day: date, delay: timedelta) -> datetime:  # noqa: ARG002  it happens now, whatever the day
        return self.clock.now()

    def pace(self, start: datetime) -> Pace:  # noqa: ARG002  it starts now
        return Pace(self.clock, self.sleep)

    def is_due(self, day: date) -> bool:
        return self.clock.now() >= run_time(day)

    def is_over(self, day: date) -> bool:
        return self.clock.now() >= day_start(add_days(day, 1))
