"""Parity in time: scores at serving against scores of the same rows of the table as it is now."""

from __future__ import annotations

import lightgbm as lgb
import numpy as np
import pytest

from mlife_assets.core.training.parity_in_time import NAME, TOLERANCE, parity_in_time

ROWS = [f"2026-03-{number // 10 + 1:02d}, person P{number % 10}" for number in range(100)]
SERVED = np.linspace(0.1, 0.9, 100)
NONE = np.zeros(100, dtype=bool)
WEEK, WARM_UP, PER_DAY = 7, 60, 60


def test_the_same_scores_are_met_within_the_last_bits() -> None:
    found = parity_in_time(ROWS, SERVED, SERVED + TOLERANCE / 2, NONE, 0.0)
    assert (found.name, found.is_met) == (NAME, True)
    assert "0 of 100 negative rows differ" in found.sentence


@pytest.mark.parametrize(("changed", "is_met"), [(0, True), (2, True), (3, False), (100, False)])
def test_late_corrections_of_few_rows_are_normal(changed: int, is_met: bool) -> None:
    now = SERVED + 0.05 * (np.arange(100) < changed)
    assert parity_in_time(ROWS, SERVED, now, NONE, 0.02).is_met is is_met


def test_one_row_of_few_may_differ_and_two_may_not() -> None:
    for changed, is_met in ((1, True), (2, False)):
        now = SERVED[:20] + 0.05 * (np.arange(20) < changed)
        assert parity_in_time(ROWS[:20], SERVED[:20], now, NONE[:20], 0.02).is_met is is_met


def test_a_leak_in_a_rare_outcome_is_found_where_the_outcome_happened() -> None:
    """1 % of 1,000 rows are positive, and a column was filled afterwards there: half of what may change of all rows."""
    rows, positive = [f"row {place:04d}" for place in range(1_000)], np.arange(1_000) % 100 == 7
    served = np.full(1_000, 0.01)
    found = parity_in_time(rows, served, np.where(positive, 0.9, served), positive, 0.02)
    assert not found.is_met
    assert "10 of 10 positive rows differ (1 may), 0 of 990 negative rows differ (19 may)" in found.sentence
    assert "the first is row 0007 with a probability of 0.9000 now" in found.sentence
    late = np.where(np.isin(np.arange(1_000), [7, *range(50, 69)]), 0.9, served)
    assert parity_in_time(rows, served, late, positive, 0.02).is_met, "late corrections of few rows of each"


def test_the_first_row_that_differs_is_named_with_both_scores_and_a_remedy() -> None:
    now = SERVED.copy()
    now[[70, 33, 90]] = 0.95
    said = parity_in_time(ROWS[::-1], SERVED[::-1], now[::-1], NONE, 0.02).sentence
    assert "3 of 100 negative rows differ (2 may)" in said
    assert f"the first is {ROWS[33]} with a probability of 0.9500 now and {SERVED[33]:.4f} at serving" in said
    assert "deliver these rows again" in said
    assert "promotion.rewritten_share_maximum" in said


def test_a_row_that_was_scored_twice_counts_once_and_agrees_with_either() -> None:
    twice, recorded = [*ROWS, *ROWS], np.concatenate([SERVED, SERVED + 0.2])
    found = parity_in_time(twice, recorded, np.concatenate([SERVED, SERVED]), np.tile(NONE, 2), 0.0)
    assert found.is_met
    assert "of 100 negative rows" in found.sentence


def test_what_is_no_number_differs_and_nothing_recorded_refuses_nothing() -> None:
    assert not parity_in_time(ROWS, SERVED, np.full(100, np.nan), NONE, 0.02).is_met
    found = parity_in_time([], np.zeros(0), np.zeros(0), NONE[:0], 0.02)
    assert found.is_met
    assert "No score" in found.sentence


def test_a_table_that_leaks_from_week_20_on_is_found_in_that_week() -> None:
    """Weekly refits: half of the table's rows know the answer from week 20 on, and 1 % are corrected late all along."""
    rng, day = np.random.default_rng(1), np.repeat(np.arange(WARM_UP + 24 * WEEK), PER_DAY)
    features = rng.normal(size=(len(day), 3))
    y = (rng.random(len(day)) < 1 / (1 + np.exp(1 - 1.5 * features[:, 0]))).astype(float)
    corrected, half = features.copy(), rng.random(len(y)) < 0.5
    corrected[rng.random(len(y)) < 0.01, 0] += 1
    leaky = corrected.copy()
    leaky[half, 1] = np.where(y[half] > 0, 2, -2) + 0.5 * rng.normal(size=half.sum())
    options = {"objective": "binary", "num_leaves": 7, "verbose": -1, "num_threads": 1, "seed": 7}
    week, recorded, models, unmet = (day - WARM_UP) // WEEK, np.full(len(day), np.nan), [], []
    for tick in range(24):
        table = leaky if tick >= 20 else corrected
        judged = np.flatnonzero((week >= max(0, tick - 4)) & (week < tick))
        now = np.zeros(len(judged))
        for served in set(week[judged]):
            own = week[judged] == served
            now[own] = models[served].predict(table[judged[own]])
        names = [f"row {place}" for place in judged]
        if not parity_in_time(names, recorded[judged], now, y[judged] > 0, 0.02).is_met:
            unmet.append(tick)
        known = np.flatnonzero(day < WARM_UP + tick * WEEK - 3)
        models.append(lgb.train(options, lgb.Dataset(table[known], y[known]), 20))
        rows = np.flatnonzero(week == tick)
        recorded[rows] = models[tick].predict(features[rows])
    assert unmet == [20, 21, 22, 23]
