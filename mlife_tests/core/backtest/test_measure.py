"""Average precision of a replay and its intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.backtest.measure import Ranking, log_loss, measure
from mlife_assets.core.backtest_policy import BacktestPolicy
from mlife_assets.core.errors import NotEnoughEvidenceError
from mlife_assets.core.training.gate.average_precision import average_precision

POLICY = BacktestPolicy(bootstrap_resamples=400)


@given(st.integers(0, 2**32 - 1), st.integers(5, 60), st.integers(1, 8))
def test_average_precision_is_the_gates_and_a_weight_is_a_repetition(seed, rows, levels):
    rng = np.random.default_rng(seed)
    score, outcome = rng.integers(0, levels, rows).astype(float), rng.random(rows) < 0.4
    outcome[0] = True
    ranking = Ranking.of(score)
    assert ranking.average_precision(outcome, np.ones(rows)) == pytest.approx(
        average_precision(score, outcome), abs=1e-12
    )
    weights = rng.integers(0, 3, rows)
    weights[0] = 1
    repeated = average_precision(np.repeat(score, weights), np.repeat(outcome, weights))
    assert ranking.average_precision(outcome, weights.astype(float)) == pytest.approx(repeated, abs=1e-12)


def served(rng, days=70, rows=40):
    codes = np.repeat(np.arange(days), rows)
    signal = rng.normal(size=len(codes))
    outcome = rng.random(len(codes)) < 1 / (1 + np.exp(1 - signal))
    return codes, signal, outcome


def test_a_better_policy_is_separated_from_a_worse_one_and_equal_ones_are_equal():
    rng = np.random.default_rng(5)
    codes, signal, outcome = served(rng)
    good = 1 / (1 + np.exp(1 - signal))
    noisy = 1 / (1 + np.exp(1 - 0.3 * signal + rng.normal(size=len(signal))))
    found = measure({"a": good, "b": noisy, "c": good.copy()}, outcome, codes, 70, POLICY, first="a")
    assert found.best == "a"
    assert found.differences["b"].lower > 0.05
    assert found.differences["c"].lower == found.differences["c"].estimate == found.differences["c"].upper == 0
    assert found.against_best["b"].estimate == -found.differences["b"].estimate
    assert found.scores["a"].average_precision.n == 10
    interval = found.scores["a"].average_precision
    assert interval.lower < interval.estimate < interval.upper
    assert found.scores["a"].log_loss < found.scores["b"].log_loss


def test_days_that_share_a_fate_widen_the_interval():
    rng = np.random.default_rng(6)
    codes, signal, outcome = served(rng)
    luck = np.repeat(rng.normal(size=10), 7)[codes]
    probability = 1 / (1 + np.exp(1 - signal))
    shared = rng.random(len(codes)) < 1 / (1 + np.exp(1 - signal - 2 * luck))
    widths = []
    for labels in (outcome, shared):
        interval = measure({"a": probability}, labels, codes, 70, POLICY, first="a").scores["a"].average_precision
        widths.append(interval.upper - interval.lower)
    assert widths[1] > 2 * widths[0]


def test_too_few_days_and_one_class_are_refused():
    codes = np.repeat(np.arange(55), 10)
    outcome = np.arange(550) % 3 == 0
    half = {"a": np.full(550, 0.5)}
    with pytest.raises(NotEnoughEvidenceError, match="has 55 days, 56 needed"):
        measure(half, outcome, codes, 55, POLICY, first="a")
    with pytest.raises(NotEnoughEvidenceError, match="0 of 550 served rows"):
        measure(half, np.zeros(550, dtype=bool), codes, 56, POLICY, first="a")


def test_log_loss_is_that_of_the_outcome():
    assert log_loss(np.array([0.8, 0.8]), np.array([True, False])) == pytest.approx(-(np.log(0.8) + np.log(0.2)) / 2)
