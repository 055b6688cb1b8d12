"""The small picture of a replay."""

from __future__ import annotations

from mlife_assets.core.backtest.plots import plot_replay


def test_the_picture_is_small_and_the_same_each_time(changed, calm):
    one = plot_replay(changed.result)
    assert one[:4] == b"\x89PNG"
    assert len(one) < 60_000
    assert plot_replay(changed.result) == one
    assert plot_replay(calm.result) != one
