"""Clocks: aware, in UTC, never backwards."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from mlife_assets.adapters.clock import FileClock, SimulatedClock, SystemClock
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


def test_a_clock_in_a_file_is_moved_by_writing_it(tmp_path: Path) -> None:
    file = tmp_path / "present"
    clock = FileClock(file)
    for moment in (START, START + timedelta(days=3)):
        file.write_text(f"{moment.astimezone(timezone(timedelta(hours=-5))).isoformat()}\n")
        assert clock.now() == moment


@pytest.mark.parametrize("text", [None, "", "tomorrow", "2026-06-02T18:00:00"])
def test_a_clock_file_that_says_no_instant_is_an_error_and_not_the_machines_time(tmp_path: Path, text: str) -> None:
    file = tmp_path / "present"
    if text is not None:
        file.write_text(text)
    with pytest.raises(InvalidInputError, match=r"MLIFE_CLOCK_FILE|zone"):
        FileClock(file).now()
