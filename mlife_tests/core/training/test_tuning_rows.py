"""Tuning rows: thinned once, in bins that know nothing of the validation window, and a step takes its part."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mlife_assets.core.policies import TrainingPolicy
from mlife_assets.core.scoring.feature_spec import FeatureSpec
from mlife_assets.core.training.boosting import boost, model_text
from mlife_assets.core.training.step_rows import AllRows, thinned, tuning_rows

POLICY = TrainingPolicy(
    minimum_child_examples=10, early_stopping_rounds=5, negatives_per_kept=3, negatives_minimum=500, learning_rate=0.1
)
SPEC = FeatureSpec(("pay", "km", "city"), (("city", ("a", "b", "c")),))
COUNT = 6_000
FIT = np.arange(COUNT) < 4_000
VALIDATION = np.arange(COUNT) >= 4_500
EVERY = np.ones(COUNT, dtype=bool)


@pytest.fixture(scope="module")
def rows() -> AllRows:
    rng = np.random.default_rng(1)
    pay, km, city = rng.normal(size=COUNT), rng.uniform(0, 50, COUNT), rng.integers(0, 3, COUNT)
    log_odds = -2 + pay - 0.03 * km + (city == 1)
    outcome = rng.random(COUNT) < 1 / (1 + np.exp(-log_odds))
    matrix = np.column_stack([pay, km, city])
    return AllRows(outcome, rng.integers(0, 90, COUNT), matrix.__getitem__, np.arange(COUNT) // 100)


def test_both_parts_are_thinned_and_stand_for_all_of_theirs(rows: AllRows) -> None:
    found = tuning_rows(rows, FIT, VALIDATION, SPEC, POLICY)
    for part, mask in ((found.fit, FIT), (found.watched, VALIDATION)):
        assert not (part.of_all & ~mask).any()
        assert part.of_all.sum() == len(part.rows.outcome) < mask.sum()
        assert part.rows.weight.sum() == mask.sum()
        assert part.rows.outcome.sum() == rows.outcome[mask].sum()
        assert np.array_equal(part.rows.day, rows.day[part.of_all])
        assert np.array_equal(part.rows.matrix, rows.seen(part.of_all))
    assert np.array_equal(found.held_out, rows.seen(VALIDATION))


def test_few_rows_are_all_kept_without_weights(rows: AllRows) -> None:
    part = thinned(rows, FIT, SPEC, replace(POLICY, negatives_minimum=50_000))
    assert np.array_equal(part.of_all, FIT)
    assert part.rows.weight is None


def test_a_step_is_about_those_who_reached_it_with_its_outcome(rows: AllRows) -> None:
    part = thinned(rows, FIT, SPEC, POLICY)
    other = rows.outcome & (np.arange(COUNT) % 2 == 0)
    found = part.about(other, rows.outcome)
    inside = part.of_all & rows.outcome
    assert np.array_equal(found.matrix, rows.seen(inside))
    assert np.array_equal(found.outcome, other[inside])
    assert (found.weight == 1).all()
    assert np.array_equal(part.about(other, EVERY).outcome, other[part.of_all])


def test_shared_bins_give_the_trees_that_own_bins_give(rows: AllRows) -> None:
    """Where the rows are those that were cut, sharing changes nothing, weights and validation included."""
    found = tuning_rows(rows, FIT, VALIDATION, SPEC, POLICY)
    shared, own = (
        boost(
            replace(found.fit.rows, bins=bins[0]),
            SPEC,
            POLICY,
            objective="binary",
            trees=40,
            validation=replace(found.watched.rows, bins=bins[1]),
        )
        for bins in ((found.fit.rows.bins, found.watched.rows.bins), (None, None))
    )
    assert model_text(shared) == model_text(own)
    assert shared.best_iteration == own.best_iteration < 40
    assert shared.best_score == own.best_score


def test_a_part_of_shared_bins_learns_from_that_part_alone(rows: AllRows) -> None:
    part = thinned(rows, FIT, SPEC, POLICY)
    half = np.arange(COUNT) % 2 == 0
    changed = replace(rows, outcome=np.where(half, rows.outcome, ~rows.outcome))
    texts = [
        model_text(boost(part.about(one.outcome, half), SPEC, POLICY, objective="binary", trees=5))
        for one in (rows, changed)
    ]
    assert texts[0] == texts[1]
    assert texts[0] != model_text(boost(part.about(rows.outcome, ~half), SPEC, POLICY, objective="binary", trees=5))


def test_validation_rows_move_no_bin(rows: AllRows) -> None:
    matrix = rows.seen(EVERY)
    moved = np.where(VALIDATION[:, None], 7 * matrix, matrix)
    texts = []
    for one in (matrix, moved):
        found = tuning_rows(replace(rows, seen=one.__getitem__), FIT, VALIDATION, SPEC, POLICY)
        texts.append(
            model_text(
                boost(
                    found.fit.rows,
                    SPEC,
                    replace(POLICY, early_stopping_rounds=50),
                    objective="binary",
                    trees=20,
                    validation=found.watched.rows,
                )
            )
            .split("feature_infos")[1]
            .splitlines()[0]
        )
    assert texts[0] == texts[1]
