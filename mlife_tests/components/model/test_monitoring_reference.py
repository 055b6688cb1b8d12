from __future__ import annotations

from datetime import date

from mlife_assets.components.model.monitoring_reference import sound_days
from mlife_assets.core.windows import add_days

DAY = date(2026, 6, 20)


def test_faulty_days_move_the_reference_back_and_do_not_shorten_it() -> None:
    """Once they did: with seven of them a promoted champion got no reference, and no later day a verdict."""
    faulty = [add_days(DAY, -back) for back in range(2, 9)]
    days = sound_days(DAY, 14, faulty)
    assert len(days) == 14
    assert days == sorted(days)
    assert not set(days) & set(faulty)
    assert (days[0], days[-1]) == (add_days(DAY, -20), DAY)
    assert sound_days(DAY, 14, []) == [add_days(DAY, -back) for back in range(13, -1, -1)]


def test_the_reference_never_reaches_further_back_than_three_times_its_length() -> None:
    faulty = [add_days(DAY, -back) for back in range(35)]
    assert sound_days(DAY, 14, faulty) == [add_days(DAY, -back) for back in range(41, 34, -1)]
