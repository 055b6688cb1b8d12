"""The simple rule: a weighted sum with the right weights, of the right columns, the same for one row as for many."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.scoring.feature_spec import FeatureSpec, SmoothedRate
from mlife_assets.core.training.simple_rule import COLUMNS_MAXIMUM, SIMPLE_RULE, SimpleRule, fit_simple_rule

NAMES = (*(f"column_{place}" for place in range(11)), "clicks", "views", "kind")
SPEC = FeatureSpec(NAMES, (("kind", ("a", "b")),), (SmoothedRate("click_rate", "clicks", "views", 0.2, 5.0),))
ROWS = 20_000


def rows(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a matrix in which three columns and the rate decide, and its outcome; column 4 has another scale."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(ROWS, len(NAMES)))
    matrix[:, 4] = 100.0 + 50.0 * matrix[:, 4]
    matrix[:, 11] = rng.integers(0, 5, ROWS)
    matrix[:, 12] = matrix[:, 11] + rng.integers(0, 20, ROWS)
    matrix[:, 13] = rng.integers(0, 2, ROWS)
    rate = SPEC.expanded(matrix)[:, -1]
    log_odds = -1.0 + 0.8 * matrix[:, 2] - 0.02 * (matrix[:, 4] - 100.0) + 0.3 * matrix[:, 9] + 6.0 * (rate - 0.25)
    return matrix, rng.random(ROWS) < 1 / (1 + np.exp(-log_odds))


def test_weights_are_those_of_the_law_in_units_of_the_columns() -> None:
    matrix, outcome = rows(1)
    rule = fit_simple_rule(SPEC.expanded(matrix), outcome, SPEC, ("column_2", "column_4", "column_9", "click_rate"))
    assert rule.columns == ("column_2", "column_4", "column_9", "click_rate")
    np.testing.assert_allclose(rule.weights[:3], (0.8, -0.02, 0.3), rtol=0.15)
    assert rule.weights[3] == pytest.approx(6.0, rel=0.15)
    expected = 1 / (1 + np.exp(-rule.score(matrix, SPEC)))
    assert float(np.mean(expected)) == pytest.approx(float(np.mean(outcome)), rel=0.01)


def test_without_columns_those_that_weigh_most_are_chosen_whatever_their_scale() -> None:
    matrix, outcome = rows(2)
    rule = fit_simple_rule(SPEC.expanded(matrix), outcome, SPEC)
    assert len(rule.columns) == COLUMNS_MAXIMUM
    assert {"column_2", "column_4", "column_9", "click_rate"} <= set(rule.columns)
    assert "kind" not in rule.columns
    assert list(rule.columns) == sorted(rule.columns, key=SPEC.model_names.index)


@pytest.mark.parametrize("huge", [np.inf, -np.inf, 1e300])
def test_a_number_too_large_for_a_sum_counts_as_missing(huge: float) -> None:
    """The trees take it as it is, so it must not keep a model from being trained."""
    matrix, outcome = rows(6)
    with_huge, with_none = matrix.copy(), matrix.copy()
    with_huge[3, 2], with_none[3, 2] = huge, np.nan
    rule = fit_simple_rule(SPEC.expanded(with_huge), outcome, SPEC, ("column_2", "column_4"))
    assert rule == fit_simple_rule(SPEC.expanded(with_none), outcome, SPEC, ("column_2", "column_4"))
    scores = rule.score(with_huge[:5], SPEC)
    np.testing.assert_array_equal(scores, rule.score(with_none[:5], SPEC))
    assert np.isfinite(scores).all()


def test_a_missing_value_counts_as_the_usual_one_and_one_row_alone_as_in_a_batch() -> None:
    matrix, outcome = rows(3)
    rule = fit_simple_rule(SPEC.expanded(matrix), outcome, SPEC, ("column_2", "column_4"))
    asked = matrix[:50].copy()
    asked[::2, 4] = np.nan
    scores = rule.score(asked, SPEC)
    usual = asked.copy()
    usual[::2, 4] = np.median(matrix[:, 4])
    np.testing.assert_array_equal(scores, rule.score(usual, SPEC))
    alone = [float(rule.score(asked[[row]], SPEC)[0]) for row in range(50)]
    np.testing.assert_array_equal(scores, alone)
    assert np.all(np.isfinite(scores))


def test_the_record_of_a_manifest_gives_the_same_bits_and_an_older_manifest_none() -> None:
    matrix, outcome = rows(4)
    rule = fit_simple_rule(SPEC.expanded(matrix), outcome, SPEC)
    read = SimpleRule.of_manifest(json.loads(json.dumps({SIMPLE_RULE: rule.to_record()})))
    assert read == rule
    assert SimpleRule.of_manifest({"trees": 3}) is None


def test_a_column_that_is_no_number_or_not_there_is_named() -> None:
    matrix, outcome = rows(5)
    for name in ("kind", "column_99"):
        with pytest.raises(InvalidInputError, match=f"looks at {name}, which is no numeric feature"):
            fit_simple_rule(SPEC.expanded(matrix), outcome, SPEC, (name,))


def test_categories_alone_leave_the_base_rate() -> None:
    matrix, outcome = rows(7)
    rule = fit_simple_rule(matrix[:, [13]], outcome, FeatureSpec(("kind",), (("kind", ("a", "b")),)))
    scores = rule.score(matrix[:5, [13]], FeatureSpec(("kind",), (("kind", ("a", "b")),)))
    np.testing.assert_allclose(1 / (1 + np.exp(-scores)), np.mean(outcome))


def test_one_class_teaches_nothing() -> None:
    matrix, outcome = rows(6)
    with pytest.raises(NotEnoughEvidenceError, match=f"0 positives in {ROWS} rows"):
        fit_simple_rule(SPEC.expanded(matrix), np.zeros_like(outcome), SPEC)
