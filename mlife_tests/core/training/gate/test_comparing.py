"""Average precision of pooled rows is scikit-learn's, also in every resample of days."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.statistics import day_multiplicities
from mlife_assets.core.training.gate.comparing import average_precision, day_counts, weighted_average_precision


def pooled(seed: int, rows: int = 600, days: int = 20) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores with many ties, outcomes and days."""
    rng = np.random.default_rng(seed)
    scores = np.round(rng.normal(size=rows), 1)
    positive = rng.random(rows) < 1 / (1 + np.exp(2 - scores))
    positive[0] = True
    return scores, positive, rng.integers(0, days, rows)


@pytest.mark.parametrize(
    ("scores", "positive", "expected"),
    [
        ([3.0, 2.0, 1.0], [True, False, True], (1 + 2 / 3) / 2),
        ([1.0, 2.0, 3.0], [True, False, False], 1 / 3),
        ([1.0, 1.0, 1.0, 1.0], [True, False, False, False], 0.25),
        ([2.0, 2.0, 1.0], [True, False, True], 0.5 * 0.5 + 0.5 * 2 / 3),
    ],
)
def test_hand_worked(scores: list[float], positive: list[bool], expected: float) -> None:
    assert average_precision(np.array(scores), np.array(positive)) == pytest.approx(expected, abs=1e-15)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_agrees_with_scikit_learn_with_ties_and_weights(seed: int) -> None:
    scores, positive, day = pooled(seed)
    assert average_precision(scores, positive) == pytest.approx(average_precision_score(positive, scores), abs=1e-12)
    resamples = day_multiplicities(20, 2, 5, seed)
    found = weighted_average_precision(day_counts(scores, positive, day, 20), resamples)
    for value, weights in zip(found, resamples, strict=True):
        expected = average_precision_score(positive, scores, sample_weight=weights[day])
        assert value == pytest.approx(expected, abs=1e-12)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_order_of_rows_changes_no_bit(seed: int) -> None:
    scores, positive, day = pooled(seed)
    order = np.random.default_rng(seed).permutation(len(scores))
    resamples = day_multiplicities(20, 1, 50, 1)
    once = weighted_average_precision(day_counts(scores, positive, day, 20), resamples)
    again = weighted_average_precision(day_counts(scores[order], positive[order], day[order], 20), resamples)
    assert np.array_equal(once, again)


def test_a_strictly_monotone_change_of_scores_changes_no_bit() -> None:
    scores, positive, day = pooled(3)
    resamples = day_multiplicities(20, 1, 50, 1)
    once = weighted_average_precision(day_counts(scores, positive, day, 20), resamples)
    again = weighted_average_precision(day_counts(np.exp(scores), positive, day, 20), resamples)
    assert np.array_equal(once, again)


def test_chunks_do_not_show() -> None:
    scores, positive, day = pooled(4, rows=4_000)
    counts, resamples = (
        day_counts(scores + np.arange(4_000) * 1e-9, positive, day, 20),
        day_multiplicities(20, 1, 3_000, 1),
    )
    assert len(counts.rows) * len(resamples) > 1 << 20
    together = weighted_average_precision(counts, resamples)
    apart = np.concatenate([weighted_average_precision(counts, part) for part in np.array_split(resamples, 7)])
    assert together == pytest.approx(apart, abs=1e-14)


def test_a_constant_score_gets_the_base_rate_of_each_resample() -> None:
    _, positive, day = pooled(5)
    resamples = day_multiplicities(20, 1, 40, 1)
    found = weighted_average_precision(day_counts(np.zeros(len(day)), positive, day, 20), resamples)
    weights = resamples[:, day]
    assert found == pytest.approx((weights * positive).sum(axis=1) / weights.sum(axis=1))


def test_a_resample_without_positives_is_zero() -> None:
    counts = day_counts(np.array([2.0, 1.0]), np.array([True, False]), np.array([0, 1]), 2)
    assert weighted_average_precision(counts, np.array([[0.0, 2.0], [1.0, 1.0]])).tolist() == [0.0, 1.0]
    none = day_counts(np.array([2.0]), np.array([False]), np.array([0]), 1)
    assert weighted_average_precision(none, np.ones((2, 1))).tolist() == [0.0, 0.0]


def test_what_cannot_be_ranked_is_refused() -> None:
    flags = np.array([True, False])
    with pytest.raises(NotEnoughEvidenceError, match="0 positives"):
        average_precision(np.zeros(2), ~flags & flags)
    with pytest.raises(InvalidInputError, match="score is nan in row 1"):
        average_precision(np.array([1.0, np.nan]), flags)
    with pytest.raises(InvalidInputError, match=r"\(3,\) scores"):
        average_precision(np.zeros(3), flags)
