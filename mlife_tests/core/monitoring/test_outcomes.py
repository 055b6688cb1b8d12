from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.monitoring import outcomes as outcome_statistics
from mlife_assets.core.monitoring.outcomes import ScoredOutcomes, scored_outcomes, standardised_ranks
from mlife_assets.core.policies import MonitoringPolicy

POLICY = MonitoringPolicy()


def test_the_statistics_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import average_precision_score, roc_auc_score

    rng = np.random.default_rng(0)
    outcome, probability = (rng.random(500) < 0.2).astype(float), rng.integers(1, 40, 500) / 50
    groups = np.unique(probability, return_inverse=True)[1]
    outcomes = ScoredOutcomes(outcome, probability, groups, np.zeros((500, 0)), ())
    weights = rng.integers(0, 4, 500).astype(float)
    auc, precision, level, _ = outcomes.statistics(weights)
    assert auc == pytest.approx(roc_auc_score(outcome, probability, sample_weight=weights))
    assert precision == pytest.approx(average_precision_score(outcome, probability, sample_weight=weights))
    assert level == pytest.approx(np.log((weights * outcome).sum() / (weights * probability).sum()))


def test_a_residual_is_the_newton_step_of_a_logistic_regression(pairs_world, reference) -> None:
    """One step from the rescaled expectation, feature by feature, each beside its own weighted mean."""
    examples = pairs_world.scored_examples(4, first=pairs_world.START, days=14, per_day=400, pay=0.5)
    scored = scored_outcomes(reference, examples)
    _, _, level, _, *steps = scored.statistics()
    expected = np.clip(scored.probability * np.exp(level), 1e-6, 1 - 1e-6)
    variance = expected * (1 - expected)
    for name, column, step in zip(scored.names, scored.features.T, steps, strict=True):
        centred = column - np.average(column, weights=variance)
        score = ((scored.outcome - expected) * centred).sum()
        assert step == pytest.approx(score / (variance * centred**2).sum()), name
    assert steps[scored.names.index("log_pay_ratio")] > 0.1


def test_a_weight_counts_as_so_many_rows(pairs_world, reference) -> None:
    """What limits are learned from are such weights."""
    examples = pairs_world.scored_examples(4, first=pairs_world.START, days=7, per_day=200, pay=0.5)
    weights = np.random.default_rng(2).poisson(1.0, examples.num_rows)
    repeated = examples.take(np.repeat(np.arange(examples.num_rows), weights))
    found = scored_outcomes(reference, examples).statistics(weights.astype(float))
    assert found == pytest.approx(scored_outcomes(reference, repeated).statistics())


VALUES = arrays(np.float64, st.integers(2, 60), elements=st.integers(-100, 100).map(float))


@given(VALUES, VALUES)
def test_ranks_of_what_is_usual_are_standardised_and_rise_with_the_value(usual, values) -> None:
    ranks = standardised_ranks(usual, usual)
    if len(set(usual)) == 1:
        assert not ranks.any()
        return
    assert (ranks.mean(), ranks.std()) == (pytest.approx(0, abs=1e-9), pytest.approx(1))
    order = np.argsort(values)
    assert (np.diff(standardised_ranks(values, usual)[order]) >= 0).all()
    scaled = standardised_ranks(values * 8 + 1024, usual * 8 + 1024)
    assert np.array_equal(scaled, standardised_ranks(values, usual))


def test_ranks_against_hand_worked_ones_and_missing_values_say_nothing() -> None:
    usual = np.array([1.0, 2.0, 2.0, np.nan, 9.0])
    middle = np.array([-1.5, 0.0, 0.0, 1.5])
    asked = np.array([-np.inf, 0.0, 1.0, 1.5, 2.0, 9.0, np.inf, np.nan])
    places = np.array([-2.0, -2.0, -1.5, -1.0, 0.0, 1.5, 2.0, 0.0])
    assert standardised_ranks(asked, usual) == pytest.approx(places / middle.std())
    rare = np.arange(100) == 0
    assert standardised_ranks(np.ones(1), rare * 1.0) == pytest.approx(np.sqrt(99)), "as any binary column"


def test_a_window_is_ranked_among_the_reference_and_not_among_itself(pairs_world, reference) -> None:
    window = pairs_world.scored_examples(4, first=pairs_world.START, days=7, per_day=100)
    farther = pairs_world.replaced(window, distance_km=window["distance_km"].to_numpy() + 30)
    place = reference.columns.residual.index("distance_km")
    usual = reference.examples["distance_km"].to_numpy()
    found = scored_outcomes(reference, farther).features[:, place]
    assert np.array_equal(found, standardised_ranks(farther["distance_km"].to_numpy(), usual))
    assert found.mean() > scored_outcomes(reference, window).features[:, place].mean() + 0.5


def test_evidence_is_what_the_probabilities_imply_where_nothing_came() -> None:
    """Of 60 rare rows three positives are expected, and none came: resampling rows shows no scatter."""
    rows = 20_000
    rare = np.arange(rows) < 60
    outcome = ((np.arange(rows) % 10 == 0) & ~rare).astype(float)
    probability = np.where(rare, 0.05, outcome.sum() / rows)
    scored = ScoredOutcomes(outcome, probability, np.where(rare, 0, 1), rare[:, None] * 1.0, ("rare",))
    evidence, information = scored.evidence(), 60 * 0.05 * 0.95
    assert evidence.least_deviation[-1] == pytest.approx(1 / np.sqrt(information), rel=0.03)
    assert evidence.expected_positives[-1] == pytest.approx(information, rel=0.03)
    resampled = np.random.default_rng(3).poisson(1.0, (200, rows)).astype(float)
    assert np.std([scored.statistics(weights)[-1] for weights in resampled]) < evidence.least_deviation[-1] / 5


def test_evidence_of_the_slope_is_that_of_its_information_and_a_wrong_level_changes_nothing(
    pairs_world, reference
) -> None:
    table = pairs_world.scored_examples(4, first=pairs_world.START, days=14, per_day=400)
    scored = scored_outcomes(reference, table)
    evidence = scored.evidence()
    expected = scored.probability * scored.outcome.sum() / scored.probability.sum()
    variance, logit = expected * (1 - expected), np.log(expected / (1 - expected))
    centred = logit - np.average(logit, weights=variance)
    assert evidence.least_deviation[3] == pytest.approx((variance * centred**2).sum() ** -0.5)
    effective = (variance * centred**2).sum() ** 2 / (variance * centred**4).sum()
    assert evidence.expected_positives[3] == pytest.approx(effective)
    assert list(evidence.least_deviation[:3]) == [0, 0, 0]
    assert np.isinf(evidence.expected_positives[:3]).all()
    halved = pairs_world.replaced(table, probability=scored.probability / 2)
    assert scored_outcomes(reference, halved).evidence().least_deviation == pytest.approx(evidence.least_deviation)


def test_a_feature_without_spread_has_no_evidence_and_no_step(pairs_world, reference) -> None:
    table = pairs_world.scored_examples(4, first=pairs_world.START, days=7, per_day=100)
    constant = pairs_world.replaced(table, distance_km=np.full(table.num_rows, 8.0))
    scored = scored_outcomes(reference, constant)
    place = 4 + scored.names.index("distance_km")
    assert scored.statistics()[place] == 0
    assert np.array_equal(scored.statistics(), scored.statistics(np.ones(table.num_rows)))
    assert (scored.evidence().least_deviation[place], scored.evidence().expected_positives[place]) == (0, 0)


def test_a_missing_feature_and_a_missing_step_are_named(pairs_world, reference) -> None:
    examples = pairs_world.scored_examples(4, first=pairs_world.START, days=2, per_day=40)
    with pytest.raises(InvalidInputError, match="lack feature distance_km"):
        scored_outcomes(reference, examples.drop_columns(["distance_km"]))
    with pytest.raises(InvalidInputError, match="no scored examples of click"):
        scored_outcomes(reference, examples, "click")
    assert outcome_statistics.positives_of(None) == 0
    assert not outcome_statistics.has_enough_positives(None, POLICY)
