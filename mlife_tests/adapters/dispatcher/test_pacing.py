from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mlife_assets.adapters.dispatcher import TokenBucket

NOW = datetime(2026, 6, 2, 18, tzinfo=UTC)


class SimulatedClock:
    def __init__(self, is_running: bool = True) -> None:
        self.time, self.slept, self.is_running = NOW, 0.0, is_running

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        if self.is_running:
            self.time += timedelta(seconds=seconds)


@pytest.mark.parametrize("is_running", [True, False])
def test_calls_never_outrun_the_rate(is_running):
    clock = SimulatedClock(is_running)
    bucket = TokenBucket(200, clock=clock, sleep=clock.sleep)
    for _ in range(1_001):
        bucket.take()
    assert clock.slept == pytest.approx(5.0, abs=0.01)


def test_idle_time_is_not_saved_up_beyond_the_burst():
    clock = SimulatedClock()
    bucket = TokenBucket(10, clock=clock, sleep=clock.sleep, burst=2)
    clock.time += timedelta(hours=1)
    for _ in range(12):
        bucket.take()
    assert clock.slept == pytest.approx(1.0, abs=0.01)


def test_a_throttle_waits():
    clock = SimulatedClock()
    bucket = TokenBucket(10, clock=clock, sleep=clock.sleep)
    bucket.back_off(4.0)
    assert clock.slept == 4.0
