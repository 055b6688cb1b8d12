"""Whose time counts: a fixed delay after the nominal run in a simulated world, a clock's present in a real one."""

from __future__ import annotations

from datetime import date, timedelta

from mlife_assets.adapters.clock import SimulatedClock
from mlife_assets.core.windows import add_days, day_start, run_time
from mlife_assets.deployments.times import RealTimes, SimulatedTimes

DAY = date(2026, 6, 2)


def test_in_a_simulated_world_everything_follows_the_run_of_its_day() -> None:
    times, delay = SimulatedTimes(), timedelta(hours=3)
    assert times.moment(DAY, delay) == times.moment(DAY, delay) == run_time(DAY) + delay
    assert times.is_due(add_days(DAY, 900))
    assert not times.is_over(add_days(DAY, -900))


def test_waiting_in_a_simulated_world_moves_its_clock_and_takes_no_time() -> None:
    pace = SimulatedTimes().pace(run_time(DAY))
    pace.sleep(3_600)
    assert pace.clock.now() == run_time(DAY) + timedelta(hours=1)


def test_in_real_time_everything_happens_now_and_waiting_is_waiting() -> None:
    slept: list[float] = []
    clock = SimulatedClock(run_time(DAY))
    times = RealTimes(clock, slept.append)
    assert times.moment(add_days(DAY, -3), timedelta(hours=3)) == clock.now()
    pace = times.pace(day_start(DAY))
    pace.sleep(0.5)
    assert (pace.clock, slept) == (clock, [0.5])


def test_in_real_time_a_day_is_due_from_its_run_on_and_over_at_midnight() -> None:
    second = timedelta(seconds=1)
    found = []
    for moment in (run_time(DAY) - second, run_time(DAY), day_start(add_days(DAY, 1))):
        times = RealTimes(SimulatedClock(moment))
        found.append((times.is_due(DAY), times.is_over(DAY)))
    assert found == [(False, False), (True, False), (True, True)]
