from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import norm

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.monitoring import outcomes as outcome_statistics
from mlife_assets.core.monitoring.outcomes import ScoredOutcomes, learn_concept_thresholds, limit_for, scored_outcomes
from mlife_assets.core.monitoring.thresholds import Threshold
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
    _, _, level, _, *steps = scored.statistics(np.ones(examples.num_rows))
    expected = np.clip(scored.probability * np.exp(level), 1e-6, 1 - 1e-6)
    variance = expected * (1 - expected)
    for name, column, step in zip(scored.names, scored.features.T, steps, strict=True):
        centred = column - np.average(column, weights=variance)
        score = ((scored.outcome - expected) * centred).sum()
        assert step == pytest.approx(score / (variance * centred**2).sum()), name
    assert steps[scored.names.index("log_pay_ratio")] > 0.1


def test_the_family_counts_every_statistic_of_every_outcome(reference) -> None:
    alone = learn_concept_thresholds(reference, POLICY)
    both = learn_concept_thresholds(replace(reference, clicks=reference.examples), POLICY)
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
        return next(t.standard_deviation for t in learned if t.method == outcome_statistics.LEVEL)

    assert deviation(jobs) > 2 * deviation(None)
    assert deviation(shuffled) < 1.3 * deviation(None)


def test_an_outcome_with_too_few_positives_has_no_limits(reference) -> None:
    few = replace(reference, clicks=reference.examples.slice(0, 50))
    assert {t.method.startswith("click_") for t in learn_concept_thresholds(few, POLICY)} == {False}


def test_a_shortfall_is_one_sided_and_everything_else_two_sided() -> None:
    both = Threshold("click_calibration_level", "", 0.0, 2.0, 0.0, 14)
    one = Threshold("click_performance_shortfall", "roc_auc", 0.0, 2.0, 0.0, 14)
    spread = 2.0 * np.sqrt(1 / 400 + 1 / 100)
    assert limit_for(both, 5, 400, 100, POLICY) == (pytest.approx(norm.ppf(1 - 0.001) * spread), pytest.approx(0.002))
    assert limit_for(one, 5, 400, 100, POLICY)[0] == pytest.approx(norm.ppf(1 - 0.002) * spread)


def test_a_missing_feature_and_a_missing_step_are_named(pairs_world, reference) -> None:
    examples = pairs_world.scored_examples(4, first=pairs_world.START, days=2, per_day=40)
    with pytest.raises(InvalidInputError, match="lack feature distance_km"):
        scored_outcomes(reference, examples.drop_columns(["distance_km"]))
    with pytest.raises(InvalidInputError, match="no scored examples of click"):
        scored_outcomes(reference, examples, "click")
    assert outcome_statistics.positives_of(None) == 0
    assert not outcome_statistics.has_enough_positives(None, POLICY)
