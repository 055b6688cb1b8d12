"""Step rows: what is not known is never asked for, and only what is known to be nothing may be thinned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mlife_assets.core.policies import TrainingPolicy
from mlife_assets.core.scoring.feature_spec import FeatureSpec, examples_matrix
from mlife_assets.core.training.boosting import Rows, boost, model_text, predict_raw
from mlife_assets.core.training.formulations import tuning_spec
from mlife_assets.core.training.step_rows import (
    AllRows,
    every_row,
    from_validation_on,
    known_outcome,
    learning_rows,
    reached_before,
    rows_to_tune_on,
    thinned,
    thinned_weights,
    tuning_rows,
)
from mlife_assets.core.training.training_set import TrainingSet

TUNED = TrainingPolicy(
    minimum_child_examples=10, early_stopping_rounds=5, negatives_per_kept=3, negatives_minimum=500, learning_rate=0.1
)
SPEC = FeatureSpec(("pay", "km", "city"), (("city", ("a", "b", "c")),))
COUNT = 6_000
FIT = np.arange(COUNT) < 4_000
VALIDATION = np.arange(COUNT) >= 4_500
EVERY = np.ones(COUNT, dtype=bool)
THINNED = TrainingPolicy(negatives_per_kept=3, negatives_minimum=1_000)
LABEL = "is_applied"


def test_an_outcome_that_is_not_known_counts_as_none(training_set: TrainingSet) -> None:
    for step in training_set.roles.steps:
        known = training_set.known(step)
        found = known_outcome(training_set, step)
        assert not found[~known].any()
        assert np.array_equal(found[known], training_set.outcome(step, known))


def test_all_rows_have_the_first_thing_that_may_happen_and_their_day(training_set: TrainingSet) -> None:
    spec = tuning_spec(training_set)
    matrix = spec.expanded(examples_matrix(training_set.examples, spec))
    found = every_row(training_set, spec)
    first = training_set.roles.steps[0]
    assert np.array_equal(found.outcome, known_outcome(training_set, first) | ~training_set.known(first))
    assert np.array_equal(
        found.day, training_set.examples["exposure_date"].to_numpy().astype("datetime64[D]").astype(int)
    )
    mask = training_set.known(LABEL) & (np.arange(len(matrix)) % 3 == 0)
    some = learning_rows(training_set, spec, LABEL, mask)
    assert some.matrix.tobytes() == found.seen(mask).tobytes() == matrix[mask].tobytes()
    assert np.array_equal(some.day, found.day[mask])
    assert np.array_equal(some.outcome, training_set.outcome(LABEL, mask))


def test_what_is_tuned_on_are_the_rows_of_whichever_step(training_set: TrainingSet) -> None:
    spec = tuning_spec(training_set)
    found = rows_to_tune_on(training_set, spec, TrainingPolicy())
    assert np.array_equal(found.held_out, every_row(training_set, spec).seen(from_validation_on(training_set)), True)
    fitting = np.logical_or.reduce([training_set.fitting(step) for step in training_set.roles.steps])
    assert np.array_equal(found.fit.of_all, fitting)
    assert np.array_equal(found.watched.of_all, from_validation_on(training_set))
    assert not (found.fit.of_all & found.watched.of_all).any()
    reached = reached_before("funnel", training_set, LABEL)
    part = found.fit.about(known_outcome(training_set, LABEL), reached & training_set.fitting(LABEL))
    assert len(part.outcome) == (reached & training_set.fitting(LABEL)).sum()
    assert part.outcome.sum() == training_set.outcome(LABEL, reached & training_set.fitting(LABEL)).sum()


def outcomes(rows: int, rate: float = 0.1, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).random(rows) < rate


def test_positives_stay_as_they_are_and_negatives_keep_their_number() -> None:
    outcome = outcomes(20_001)
    weights = thinned_weights(outcome, THINNED)
    assert np.array_equal(weights[outcome], np.ones(outcome.sum()))
    kept = weights[~outcome & (weights > 0)]
    assert weights.sum() == len(outcome)
    assert len(kept) == -(-int((~outcome).sum()) // 3)
    assert set(np.unique(kept)) <= {1.0, 2.0, 3.0}


def test_of_each_run_of_negatives_one_is_drawn_so_every_stretch_keeps_its_share() -> None:
    weights = thinned_weights(np.zeros(9_000, dtype=bool), THINNED)
    assert np.array_equal((weights.reshape(-1, 3) > 0).sum(axis=1), np.ones(3_000))
    drawn = np.argmax(weights.reshape(-1, 3), axis=1)
    assert np.abs(np.bincount(drawn, minlength=3) - 1_000).max() < 120, "each place of a run is drawn as often"


@pytest.mark.parametrize(("negatives", "run"), [(1_999, 1), (2_000, 2), (2_999, 2), (3_000, 3), (60_000, 3)])
def test_at_least_the_minimum_of_negatives_stays(negatives: int, run: int) -> None:
    weights = thinned_weights(np.zeros(negatives, dtype=bool), THINNED)
    assert (weights > 0).sum() == -(-negatives // run) >= min(negatives, 1_000)
    assert weights.max() == run


def test_the_draw_follows_seed_and_rows_alone() -> None:
    outcome = outcomes(20_000)
    first, again, other = (thinned_weights(outcome, replace(THINNED, seed=seed)) for seed in (7, 7, 8))
    assert first.tobytes() == again.tobytes()
    assert (first != other).any()


def test_a_policy_that_keeps_all_leaves_all() -> None:
    assert (thinned_weights(outcomes(20_000), replace(THINNED, negatives_per_kept=1)) == 1).all()
    assert thinned_weights(np.zeros(0, dtype=bool), THINNED).shape == (0,)


def test_probabilities_stay_what_they_are() -> None:
    rng = np.random.default_rng(3)
    signal = rng.normal(size=30_000)
    outcome = rng.random(30_000) < 1 / (1 + np.exp(3 - signal))
    rows = Rows(signal[:, None], outcome, np.arange(30_000), weight=thinned_weights(outcome, THINNED))
    spec = FeatureSpec(("signal",), ())
    booster = boost(rows.where(rows.weight > 0), spec, THINNED, objective="binary", trees=60)
    said = 1 / (1 + np.exp(-predict_raw(booster, rows.matrix, THINNED)))
    assert said.mean() == pytest.approx(outcome.mean(), rel=0.02)
    top = signal > 1
    assert said[top].mean() == pytest.approx(outcome[top].mean(), rel=0.05)


@pytest.fixture(scope="module")
def rows() -> AllRows:
    rng = np.random.default_rng(1)
    pay, km, city = rng.normal(size=COUNT), rng.uniform(0, 50, COUNT), rng.integers(0, 3, COUNT)
    log_odds = -2 + pay - 0.03 * km + (city == 1)
    outcome = rng.random(COUNT) < 1 / (1 + np.exp(-log_odds))
    matrix = np.column_stack([pay, km, city])
    return AllRows(outcome, rng.integers(0, 90, COUNT), matrix.__getitem__, np.arange(COUNT) // 100)


def test_both_parts_are_thinned_and_stand_for_all_of_theirs(rows: AllRows) -> None:
    found = tuning_rows(rows, FIT, VALIDATION, SPEC, TUNED)
    for part, mask in ((found.fit, FIT), (found.watched, VALIDATION)):
        assert not (part.of_all & ~mask).any()
        assert part.of_all.sum() == len(part.rows.outcome) < mask.sum()
        assert part.rows.weight.sum() == mask.sum()
        assert part.rows.outcome.sum() == rows.outcome[mask].sum()
        assert np.array_equal(part.rows.day, rows.day[part.of_all])
        assert np.array_equal(part.rows.matrix, rows.seen(part.of_all))
    assert np.array_equal(found.held_out, rows.seen(VALIDATION))


def test_few_rows_are_all_kept_without_weights(rows: AllRows) -> None:
    part = thinned(rows, FIT, SPEC, replace(TUNED, negatives_minimum=50_000))
    assert np.array_equal(part.of_all, FIT)
    assert part.rows.weight is None


def test_a_step_is_about_those_who_reached_it_with_its_outcome(rows: AllRows) -> None:
    part = thinned(rows, FIT, SPEC, TUNED)
    other = rows.outcome & (np.arange(COUNT) % 2 == 0)
    found = part.about(other, rows.outcome)
    inside = part.of_all & rows.outcome
    assert np.array_equal(found.matrix, rows.seen(inside))
    assert np.array_equal(found.outcome, other[inside])
    assert (found.weight == 1).all()
    assert np.array_equal(part.about(other, EVERY).outcome, other[part.of_all])


def test_shared_bins_give_the_trees_that_own_bins_give(rows: AllRows) -> None:
    """Where the rows are those that were cut, sharing changes nothing, weights and validation included."""
    found = tuning_rows(rows, FIT, VALIDATION, SPEC, TUNED)
    shared, own = (
        boost(
            replace(found.fit.rows, bins=bins[0]), SPEC, TUNED, objective="binary", trees=40,
            validation=replace(found.watched.rows, bins=bins[1]),
        )
        for bins in ((found.fit.rows.bins, found.watched.rows.bins), (None, None))
    )  # fmt: skip
    assert model_text(shared) == model_text(own)
    assert shared.best_iteration == own.best_iteration < 40
    assert shared.best_score == own.best_score


def test_a_part_of_shared_bins_learns_from_that_part_alone(rows: AllRows) -> None:
    part = thinned(rows, FIT, SPEC, TUNED)
    half = np.arange(COUNT) % 2 == 0
    changed = replace(rows, outcome=np.where(half, rows.outcome, ~rows.outcome))
    texts = [
        model_text(boost(part.about(one.outcome, half), SPEC, TUNED, objective="binary", trees=5))
        for one in (rows, changed)
    ]
    assert texts[0] == texts[1]
    assert texts[0] != model_text(boost(part.about(rows.outcome, ~half), SPEC, TUNED, objective="binary", trees=5))


def test_validation_rows_move_no_bin(rows: AllRows) -> None:
    matrix = rows.seen(EVERY)
    moved = np.where(VALIDATION[:, None], 7 * matrix, matrix)
    texts = []
    for one in (matrix, moved):
        found = tuning_rows(replace(rows, seen=one.__getitem__), FIT, VALIDATION, SPEC, TUNED)
        texts.append(
            model_text(
                boost(
                    found.fit.rows, SPEC, replace(TUNED, early_stopping_rounds=50), objective="binary", trees=20,
                    validation=found.watched.rows,
                )
            )
            .split("feature_infos")[1]
            .splitlines()[0]
        )  # fmt: skip
    assert texts[0] == texts[1]
