"""Criteria of a replay and their intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.backtest.measure import Ranking, log_loss, measure
from mlife_assets.core.errors import NotEnoughEvidenceError
from mlife_assets.core.policies import BacktestPolicy
from mlife_assets.core.training.gate.comparing import average_precision

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


@given(st.integers(0, 2**32 - 1), st.integers(10, 80), st.integers(1, 6), st.integers(1, 5))
def test_several_rankings_are_the_mean_of_each_by_its_positives(seed, rows, levels, count):
    rng = np.random.default_rng(seed)
    score, outcome = rng.integers(0, levels, rows).astype(float), rng.random(rows) < 0.4
    codes, weights = rng.integers(0, count, rows), rng.integers(0, 3, rows)
    outcome[0], weights[0] = True, 1
    parts = [
        (average_precision(np.repeat(score[own], weights[own]), np.repeat(outcome[own], weights[own])), positives)
        for code in range(count)
        if (positives := int((weights * outcome)[own := codes == code].sum()))
    ]
    expected = np.average([value for value, _ in parts], weights=[positives for _, positives in parts])
    found = Ranking.of(score, codes).average_precision(outcome, weights.astype(float))
    assert found == pytest.approx(expected, abs=1e-12)


def test_nothing_ranks_nothing():
    assert Ranking.of(np.zeros(0)).average_precision(np.zeros(0, dtype=bool), np.zeros(0)) == 0.0
    assert Ranking.of(np.ones(3)).average_precision(np.zeros(3, dtype=bool), np.ones(3)) == 0.0


def served(rng, days=70, rows=40):
    codes = np.repeat(np.arange(days), rows)
    signal = rng.normal(size=len(codes))
    outcome = rng.random(len(codes)) < 1 / (1 + np.exp(1 - signal))
    return codes, signal, outcome


def measured(probabilities, outcome, codes, days=70, policy=POLICY):
    return measure(probabilities, outcome, codes, days, policy, period_days=7)


def test_a_better_policy_is_separated_from_a_worse_one_and_equal_ones_are_equal():
    rng = np.random.default_rng(5)
    codes, signal, outcome = served(rng)
    good = 1 / (1 + np.exp(1 - signal))
    noisy = 1 / (1 + np.exp(1 - 0.3 * signal + rng.normal(size=len(signal))))
    found = measured({"a": good, "b": noisy, "c": good.copy()}, outcome, codes)
    for criterion in found.criteria.values():
        assert criterion.best == "a"
        assert criterion.gain("a", "b").lower > 0.03
        assert criterion.gain("b", "a").estimate == -criterion.gain("a", "b").estimate
        same = criterion.gain("a", "c")
        assert same.lower == same.estimate == same.upper == 0
        assert criterion.is_as_good("c", "a")
        assert criterion.is_as_good("a", "b")
        assert not criterion.is_as_good("b", "a")
        interval = criterion.interval("a")
        assert interval.n == 10
        assert interval.lower < interval.estimate < interval.upper
    assert found.log_loss.values["a"] == pytest.approx(log_loss(good, outcome))
    assert found.average_precision.margin == POLICY.margin_average_precision
    assert found.log_loss.margin == POLICY.margin_log_loss


def test_the_margin_is_held_against_the_lower_bound():
    codes, signal, outcome = served(np.random.default_rng(8))
    probabilities = {
        "a": 1 / (1 + np.exp(1 - signal)),
        "b": 1 / (1 + np.exp(1 - signal + np.random.default_rng(9).normal(size=len(signal)) / 3)),
    }
    gain = measured(probabilities, outcome, codes).average_precision.gain("b", "a")
    assert gain.lower < gain.estimate < 0
    for margin, is_as_good in ((-gain.lower + 1e-6, True), (-gain.lower - 1e-6, False)):
        policy = BacktestPolicy(bootstrap_resamples=400, margin_average_precision=margin)
        assert (
            measured(probabilities, outcome, codes, policy=policy).average_precision.is_as_good("b", "a") is is_as_good
        )


def test_knowing_when_it_happens_often_counts_over_all_rows_and_not_within_periods():
    """`level` knows the season and nothing of a row, `order` the other way round."""
    rng = np.random.default_rng(11)
    days = 140
    codes = np.repeat(np.arange(days), 40)
    season, signal = np.where(codes // 7 % 2, 2.0, -2.0), rng.normal(size=len(codes))
    outcome = rng.random(len(codes)) < 1 / (1 + np.exp(1 - season - signal))
    level, order = (1 / (1 + np.exp(1 - logit)) for logit in (season, signal))
    found = measured({"level": level, "order": order}, outcome, codes, days)
    assert found.average_precision.best == found.log_loss.best == "level"
    assert found.within_periods.best == "order"
    assert found.within_periods.gain("order", "level").lower > 0.05


def test_a_period_of_one_class_dilutes_nothing():
    codes, signal, outcome = served(np.random.default_rng(12))
    good, bad = 1 / (1 + np.exp(1 - signal)), 1 / (1 + np.exp(1 + signal))
    longer = np.concatenate([codes, np.repeat(np.arange(70, 140), 40)])
    one_class = np.concatenate([outcome, np.repeat([True, False], 35 * 40)])
    plain = measured({"a": good, "b": bad}, outcome, codes).within_periods
    other = measured({"a": np.tile(good, 2), "b": np.tile(bad, 2)}, one_class, longer, 140).within_periods
    assert other.values == pytest.approx(plain.values)


def test_log_loss_is_per_row_however_many_rows_a_resample_draws():
    codes = np.repeat(np.arange(70), 1 + 30 * (np.arange(70) % 2))
    outcome = np.arange(len(codes)) % 3 == 0
    interval = measured({"a": np.full(len(codes), 0.5)}, outcome, codes).log_loss.interval("a")
    assert [interval.lower, interval.estimate, interval.upper] == pytest.approx([np.log(2)] * 3)


def test_days_that_share_a_fate_widen_the_interval():
    rng = np.random.default_rng(6)
    codes, signal, outcome = served(rng)
    luck = np.repeat(rng.normal(size=10), 7)[codes]
    probability = 1 / (1 + np.exp(1 - signal))
    shared = rng.random(len(codes)) < 1 / (1 + np.exp(1 - signal - 2 * luck))
    widths = []
    for labels in (outcome, shared):
        interval = measured({"a": probability}, labels, codes).average_precision.interval("a")
        widths.append(interval.upper - interval.lower)
    assert widths[1] > 2 * widths[0]


def test_too_few_days_and_one_class_are_refused():
    codes = np.repeat(np.arange(55), 10)
    outcome = np.arange(550) % 3 == 0
    half = {"a": np.full(550, 0.5)}
    with pytest.raises(NotEnoughEvidenceError, match="has 55 days, 56 needed"):
        measured(half, outcome, codes, 55)
    with pytest.raises(NotEnoughEvidenceError, match="0 of 550 served rows"):
        measured(half, np.zeros(550, dtype=bool), codes, 56)


def test_log_loss_is_that_of_the_outcome():
    assert log_loss(np.array([0.8, 0.8]), np.array([True, False])) == pytest.approx(-(np.log(0.8) + np.log(0.2)) / 2)
