"""Simulated time: a fixed delay after the nominal run, whoever asks and however often."""

from __future__ import annotations

from datetime import date, timedelta

from mlife_assets.core.windows import run_time
from mlife_assets.deployments.times import SimulatedTimes

DAY = date(2026, 6, 2)


def test_in_a_simulated_world_everything_follows_the_run_of_its_day() -> None:
    times, delay = SimulatedTimes(), timedelta(hours=3)
    assert times.moment(DAY, delay) == times.moment(DAY, delay) == run_time(DAY) + delay


def test_waiting_in_a_simulated_world_moves_its_clock_and_takes_no_time() -> None:
    pace = SimulatedTimes().pace(run_time(DAY))
    pace.sleep(3_600)
    assert pace.clock.now() == run_time(DAY) + timedelta(hours=1)
