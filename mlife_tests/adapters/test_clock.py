"""Clocks: aware, in UTC, never backwards."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from mlife_assets.adapters.clock import SimulatedClock, SystemClock
from mlife_assets.core.errors import InvalidInputError

START = datetime(2026, 6, 2, 18, tzinfo=UTC)


def test_the_simulated_clock_stands_until_it_is_set() -> None:
    clock = SimulatedClock(START)
    assert clock.now() == clock.now() == START
    clock.set((START + timedelta(hours=1)).astimezone(timezone(timedelta(hours=-5))))
    assert clock.now() == START + timedelta(hours=1)
    assert clock.now().utcoffset() == timedelta(0)
    clock.set(clock.now())


def test_time_never_runs_backwards_and_always_has_a_zone() -> None:
    clock = SimulatedClock(START)
    with pytest.raises(InvalidInputError, match="go back"):
        clock.set(START - timedelta(microseconds=1))
    with pytest.raises(InvalidInputError, match="zone"):
        clock.set(START.replace(tzinfo=None))
    with pytest.raises(InvalidInputError, match="zone"):
        SimulatedClock(START.replace(tzinfo=None))
    assert clock.now() == START


def test_the_system_clock_is_in_utc() -> None:
    first = SystemClock().now()
    assert first.utcoffset() == timedelta(0)
    assert SystemClock().now() >= first
