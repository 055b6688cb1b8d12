from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import norm

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.monitoring import outcomes as outcome_statistics
from mlife_assets.core.monitoring.outcomes import (
    LEVEL,
    RESIDUAL,
    ScoredOutcomes,
    keys_of,
    learn_concept_thresholds,
    limit_for,
    scored_outcomes,
    standardised_ranks,
)
from mlife_assets.core.policies import MonitoringPolicy

BOTH = {"positives": 400, "reference_positives": 100}
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


def test_the_family_counts_every_statistic_of_every_outcome(reference) -> None:
    alone = learn_concept_thresholds(reference, POLICY)
    both = learn_concept_thresholds(replace(reference, steps={"click": reference.examples}), POLICY)
    assert len(both) == 2 * len(alone)
    assert sum(threshold.error_rate for threshold in alone) == pytest.approx(POLICY.false_alarm_rate_per_day)
    assert sum(threshold.error_rate for threshold in both) == pytest.approx(POLICY.false_alarm_rate_per_day)
    assert {t.method for t in both} == {t.method for t in alone} | {f"click_{t.method}" for t in alone}


def test_jobs_with_an_appeal_of_their_own_widen_the_limits_and_labels_without_meaning_do_not(reference) -> None:
    """The next week's jobs are others, so what differs between jobs is not drift."""
    examples = reference.examples
    rows = examples.num_rows
    jobs = np.random.default_rng(5).integers(0, 60, rows)
    appeal = np.random.default_rng(6).normal(0, 1.5, 60)[jobs]
    logit = np.log(examples["probability"].to_numpy()) + appeal - 1.0
    outcome = np.random.default_rng(7).random(rows) < 1 / (1 + np.exp(-logit))
    place = examples.column_names.index("is_positive")
    appealing = examples.set_column(place, "is_positive", pa.array(outcome))
    shuffled = np.random.default_rng(8).permutation(jobs)

    def deviation(labels: np.ndarray | None) -> float:
        names = pa.array([f"j{label}" for label in labels]) if labels is not None else None
        table = appealing if names is None else appealing.append_column("job_id", names)
        learned = learn_concept_thresholds(replace(reference, examples=table), POLICY)
        return next(t.standard_deviation for t in learned if t.method == LEVEL)

    assert deviation(jobs) > 2 * deviation(None)
    assert deviation(shuffled) < 1.3 * deviation(None)


def test_an_outcome_with_too_few_positives_has_no_limits(reference) -> None:
    few = replace(reference, steps={"click": reference.examples.slice(0, 50)})
    assert {t.method.startswith("click_") for t in learn_concept_thresholds(few, POLICY)} == {False}


def test_a_shortfall_is_one_sided_and_everything_else_two_sided() -> None:
    spread = 2.0 * np.sqrt(1 / 400 + 1 / 100)
    limit, rate = limit_for("click_calibration_level", 2.0, 5, POLICY, **BOTH)
    assert (limit, rate) == (pytest.approx(norm.ppf(1 - 0.001) * spread), pytest.approx(0.002))
    limit, rate = limit_for("click_performance_shortfall", 2.0, 5, POLICY, **BOTH)
    assert (limit, rate) == (pytest.approx(norm.ppf(1 - 0.002) * spread), pytest.approx(0.002))


def test_the_scatter_of_a_window_is_at_least_what_its_own_probabilities_imply() -> None:
    limit, _ = limit_for("residual_score", 2.0, 5, POLICY, **BOTH, least_deviation=0.5)
    assert limit == pytest.approx(norm.ppf(1 - 0.001) * np.sqrt(2.0**2 / 100 + 0.5**2))
    informed, _ = limit_for("residual_score", 2.0, 5, POLICY, **BOTH, least_deviation=0.01)
    assert informed == limit_for("residual_score", 2.0, 5, POLICY, **BOTH)[0]


def test_what_hangs_on_few_expected_positives_has_no_limit_and_takes_no_share_of_the_error(
    pairs_world, reference
) -> None:
    table = pairs_world.scored_examples(22, first=pairs_world.START, days=14, per_day=800)
    every = learn_concept_thresholds(replace(reference, examples=table), POLICY)
    for values in (np.full(table.num_rows, 8.0), np.where(np.arange(table.num_rows) < 10, 90.0, 8.0)):
        changed = replace(reference, examples=pairs_world.replaced(table, distance_km=values))
        learned = learn_concept_thresholds(changed, POLICY)
        missing = {(t.method, t.column) for t in every} - {(t.method, t.column) for t in learned}
        assert missing == {(RESIDUAL, "distance_km")}
        assert sum(t.error_rate for t in learned) == pytest.approx(POLICY.false_alarm_rate_per_day)


def test_a_few_rows_far_out_do_not_carry_a_statistic(pairs_world, reference) -> None:
    """One in a hundred looks a thousand kilometres away; whether one of them converts is chance, not drift."""
    table = pairs_world.scored_examples(21, first=pairs_world.START, days=14, per_day=2_000)
    rows = table.num_rows
    far = np.arange(rows) % 100 == 0
    distance = np.where(far, 1_500.0, table["distance_km"].to_numpy())
    probability = np.where(far, 0.002, table["probability"].to_numpy())
    usual = pairs_world.replaced(table, distance_km=distance, probability=probability)
    none_converts = pairs_world.replaced(usual, is_positive=table["is_positive"].to_numpy() & ~far)
    known = replace(reference, examples=none_converts)
    limits = {(t.method, t.column): t for t in learn_concept_thresholds(known, POLICY)}
    limit = limits[RESIDUAL, "distance_km"]
    some = np.flatnonzero(far)[:3]
    outcome = none_converts["is_positive"].to_numpy().copy()
    outcome[some] = True
    found = scored_outcomes(known, pairs_world.replaced(none_converts, is_positive=outcome))
    values = dict(zip(keys_of(found.names), found.statistics(), strict=True))
    change = values[RESIDUAL, "distance_km"] - limit.mean
    assert abs(change) < 0.5 * limit.standard_deviation / np.sqrt(outcome.sum())


def test_limits_are_never_narrower_than_the_probabilities_imply(pairs_world, reference) -> None:
    table = pairs_world.scored_examples(22, first=pairs_world.START, days=14, per_day=800)
    rare = np.arange(table.num_rows) % 56 == 0
    changed = pairs_world.replaced(
        table,
        log_pay_ratio=rare.astype(float),
        probability=np.where(rare, 0.05, table["probability"].to_numpy()),
        is_positive=table["is_positive"].to_numpy() & ~rare,
    )
    known = replace(reference, examples=changed)
    scored = scored_outcomes(known, changed)
    least = dict(zip(keys_of(scored.names), scored.evidence().least_deviation, strict=True))
    key = (RESIDUAL, "log_pay_ratio")
    (limit,) = [one for one in learn_concept_thresholds(known, POLICY) if (one.method, one.column) == key]
    assert limit.standard_deviation == pytest.approx(least[key] * np.sqrt(scored.outcome.sum()))
