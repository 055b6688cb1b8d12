"""Rollback insurance: a fold over label weeks."""

from __future__ import annotations

import numpy as np
import pytest

from mlife_assets.core.training.insurance import Week, standing, week_of, weeks_to_find


def weeks(*gains: float, error: float = 0.01) -> list[Week]:
    return [Week(gain, error) for gain in gains]


def scattered(count: int, seed: int = 1) -> list[float]:
    return list(0.01 * np.random.default_rng(seed).normal(size=count))


def test_neither_no_week_nor_scatter_alone_rolls_anything_back() -> None:
    assert not standing([]).is_rolled_back
    found = standing(weeks(*scattered(200)))
    assert (found.rolled_back, found.won) == ((), ())
    assert not standing(weeks(0.0, 0.0, -0.001, error=0.0)).is_rolled_back


def test_one_week_alone_never_rolls_back() -> None:
    for place in (0, 20):
        gains = scattered(21)
        gains[place] = -5.0
        assert not standing(weeks(*gains)).is_rolled_back


def test_a_loss_is_rolled_back_and_returns_after_four_weeks_that_are_not_below() -> None:
    lost = [*scattered(10), *([-0.05] * 6)]
    found = standing(weeks(*lost))
    assert found.is_rolled_back
    (place,) = found.rolled_back
    assert 10 <= place < 10 + weeks_to_find(0.05, 0.01)
    lost = lost[: place + 1]
    assert standing(weeks(*lost, 0.01, 0.01, 0.01)).is_rolled_back
    assert standing(weeks(*lost, -0.04, 0.01, 0.01, 0.01)).is_rolled_back
    found = standing(weeks(*lost, -0.04, 0.01, 0.01, 0.01, 0.01))
    assert not found.is_rolled_back
    assert found.returned == (place + 5,)


def test_after_a_return_the_loss_has_to_be_found_anew() -> None:
    lost = [*scattered(10), *([-0.05] * 6)]
    lost = lost[: standing(weeks(*lost)).rolled_back[0] + 1]
    again = [*lost, 0.01, 0.01, 0.01, 0.01]
    assert not standing(weeks(*again, -0.02)).is_rolled_back
    assert len(standing(weeks(*again, *([-0.05] * 6))).rolled_back) == 2


def test_refits_that_are_better_win() -> None:
    found = standing(weeks(*scattered(10), *([0.05] * 6)))
    assert found.won
    assert not found.is_rolled_back


def test_a_week_has_the_standard_error_of_what_is_left_out() -> None:
    values = np.random.default_rng(3).normal(size=50)
    found = week_of(values.mean(), (values.sum() - values) / 49)
    assert found is not None
    assert found.gain == values.mean()
    assert found.error == pytest.approx(values.std(ddof=1) / np.sqrt(50))
    assert week_of(0.1, np.array([0.1, 0.2])) is None
    assert week_of(0.1, np.zeros(0)) is None
