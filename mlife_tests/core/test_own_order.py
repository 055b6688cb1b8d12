"""Which day has to be run before another."""

from __future__ import annotations

from datetime import date

import pytest

from mlife_assets.core.own_order import day_to_run_first


def april(day: int) -> date:
    return date(2026, 4, day)


@pytest.mark.parametrize(
    ("delivered", "decided", "first"),
    [
        ((), (), None),
        ((10, 11, 12), (), None),
        ((7, 8, 9, 10), (), 7),
        ((7, 8, 9, 10), (7,), 8),
        ((7, 8, 9, 10), (7, 8, 9), None),
        ((7, 8, 9, 10), (9,), None),
        ((7, 8, 10), (7, 8), 9),
        ((7, 8, 9, 10), (7, 8, 9, 10, 11), None),
        ((7, 8, 9, 10), (7, 12), 8),
    ],
)
def test_a_day_waits_for_those_since_the_last_that_was_decided(
    delivered: tuple[int, ...], decided: tuple[int, ...], first: int | None
) -> None:
    found = day_to_run_first(april(10), map(april, delivered), map(april, decided))
    assert found == (None if first is None else april(first))
