from __future__ import annotations

import io
from datetime import date, timedelta
from functools import partial

import numpy as np
from PIL import Image

from mlife_assets.core.monitoring.named_outcomes import LABEL, Wording
from mlife_assets.core.monitoring.outcomes import METRICS
from mlife_assets.core.monitoring.performance_plot import PerformanceDay, RankingDay
from mlife_assets.core.monitoring.performance_plot import plot_performance as drawn

DAY = date(2026, 6, 2)
WORDS = {LABEL: Wording("sales"), "quote": Wording("quotes")}
plot_performance = partial(drawn, words=WORDS)
RANKING = [RankingDay(DAY + timedelta(days=k), 0.45, 0.3, 0.1) for k in range(5)]


def performance(realised: float, *, days: int = 9, outcomes=tuple(WORDS), allowed: float | None = 0.05):
    return [
        PerformanceDay(DAY + timedelta(days=k), outcome, metric, 0.75, realised, allowed)
        for k in range(days)
        for outcome in outcomes
        for metric in METRICS
    ]


def picture(data: bytes) -> np.ndarray:
    assert len(data) <= 40_000
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def red(pixels: np.ndarray) -> int:
    return int((np.abs(pixels - [192, 57, 43]).sum(axis=2) < 40).sum())


def test_a_day_alarms_when_it_falls_short_by_more_than_allowed() -> None:
    assert not PerformanceDay(DAY, LABEL, "roc_auc", 0.75, 0.5, None).is_alarm
    assert not PerformanceDay(DAY, LABEL, "roc_auc", 0.75, 0.5, 0.25).is_alarm
    assert PerformanceDay(DAY, LABEL, "roc_auc", 0.75, 0.5, 0.24).is_alarm


def test_what_falls_short_is_red_and_what_does_not_is_not() -> None:
    assert red(picture(plot_performance(performance(0.74), RANKING))) == 0
    assert red(picture(plot_performance(performance(0.6), RANKING))) > 50
    assert red(picture(plot_performance(performance(0.6, allowed=None), RANKING))) == 0


def test_there_is_a_panel_for_what_is_known_only() -> None:
    def height(*args) -> int:
        return picture(plot_performance(*args)).shape[0]

    both, one = performance(0.74), performance(0.74, outcomes=(LABEL,))
    assert height(both, RANKING) > height(both, []) > height(one, []) > height([], [])
    assert height([], RANKING) < height(one, RANKING)


def test_the_same_days_give_the_same_bytes_in_any_order() -> None:
    days = performance(0.6)
    assert plot_performance(days, RANKING) == plot_performance(days[::-1], RANKING[::-1])
