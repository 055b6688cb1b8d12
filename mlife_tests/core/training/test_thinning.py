"""Thinning: fewer negatives, the same totals in every stretch of days, and no probability that moves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mlife_assets.core.policies import TrainingPolicy
from mlife_assets.core.scoring.feature_spec import FeatureSpec
from mlife_assets.core.training.boosting import Rows, boost, predict_raw
from mlife_assets.core.training.step_rows import thinned_weights

POLICY = TrainingPolicy(negatives_per_kept=3, negatives_minimum=1_000)


def outcomes(rows: int, rate: float = 0.1, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).random(rows) < rate


def test_positives_stay_as_they_are_and_negatives_keep_their_number() -> None:
    outcome = outcomes(20_001)
    weights = thinned_weights(outcome, POLICY)
    assert np.array_equal(weights[outcome], np.ones(outcome.sum()))
    kept = weights[~outcome & (weights > 0)]
    assert weights.sum() == len(outcome)
    assert len(kept) == -(-int((~outcome).sum()) // 3)
    assert set(np.unique(kept)) <= {1.0, 2.0, 3.0}


def test_of_each_run_of_negatives_one_is_drawn_so_every_stretch_keeps_its_share() -> None:
    weights = thinned_weights(np.zeros(9_000, dtype=bool), POLICY)
    assert np.array_equal((weights.reshape(-1, 3) > 0).sum(axis=1), np.ones(3_000))
    drawn = np.argmax(weights.reshape(-1, 3), axis=1)
    assert np.abs(np.bincount(drawn, minlength=3) - 1_000).max() < 120, "each place of a run is drawn as often"


@pytest.mark.parametrize(("negatives", "run"), [(1_999, 1), (2_000, 2), (2_999, 2), (3_000, 3), (60_000, 3)])
def test_at_least_the_minimum_of_negatives_stays(negatives: int, run: int) -> None:
    weights = thinned_weights(np.zeros(negatives, dtype=bool), POLICY)
    assert (weights > 0).sum() == -(-negatives // run) >= min(negatives, 1_000)
    assert weights.max() == run


def test_the_draw_follows_seed_and_rows_alone() -> None:
    outcome = outcomes(20_000)
    first, again, other = (thinned_weights(outcome, replace(POLICY, seed=seed)) for seed in (7, 7, 8))
    assert first.tobytes() == again.tobytes()
    assert (first != other).any()


def test_a_policy_that_keeps_all_leaves_all() -> None:
    assert (thinned_weights(outcomes(20_000), replace(POLICY, negatives_per_kept=1)) == 1).all()
    assert thinned_weights(np.zeros(0, dtype=bool), POLICY).shape == (0,)


def test_probabilities_stay_what_they_are() -> None:
    rng = np.random.default_rng(3)
    signal = rng.normal(size=30_000)
    outcome = rng.random(30_000) < 1 / (1 + np.exp(3 - signal))
    rows = Rows(signal[:, None], outcome, np.arange(30_000), weight=thinned_weights(outcome, POLICY))
    spec = FeatureSpec(("signal",), ())
    booster = boost(rows.where(rows.weight > 0), spec, POLICY, objective="binary", trees=60)
    said = 1 / (1 + np.exp(-predict_raw(booster, rows.matrix, POLICY)))
    assert said.mean() == pytest.approx(outcome.mean(), rel=0.02)
    top = signal > 1
    assert said[top].mean() == pytest.approx(outcome[top].mean(), rel=0.05)
