"""Many objects are waited for at once, and come in order."""

from __future__ import annotations

import threading
import time

import pytest

from mlife_assets.adapters.event_log.reading import READERS, read_at_once


def test_what_is_read_comes_in_order_whatever_takes_longest() -> None:
    def slow_first(number: int) -> int:
        time.sleep(0.02 / (number + 1))
        return number

    assert list(read_at_once(slow_first, range(40))) == list(range(40))
    assert list(read_at_once(slow_first, [])) == []


def test_many_are_waited_for_at_once() -> None:
    together = threading.Barrier(READERS, timeout=30)
    assert len(list(read_at_once(lambda _: together.wait(), range(READERS)))) == READERS


def test_what_fails_is_raised_in_its_turn() -> None:
    def read(number: int) -> int:
        if number == 3:
            raise KeyError(number)
        return number

    found = read_at_once(read, range(20))
    assert [next(found) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(KeyError, match="3"):
        next(found)
