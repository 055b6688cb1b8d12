from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import norm

from mlife_assets.core.monitoring.outcome_limits import learn_concept_thresholds, limit_for
from mlife_assets.core.monitoring.outcomes import LEVEL, RESIDUAL, keys_of, scored_outcomes
from mlife_assets.core.policies import MonitoringPolicy

POLICY = MonitoringPolicy()
BOTH = {"positives": 400, "reference_positives": 100}


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
