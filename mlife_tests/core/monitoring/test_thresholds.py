from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ks_2samp

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.monitoring import thresholds as limits
from mlife_assets.core.monitoring.thresholds import COLUMN_SIZES, JOINT_SIZES, changed_sizes, sizes_of
from mlife_assets.core.policies import MonitoringPolicy

POLICY = MonitoringPolicy()


def test_the_limit_is_the_prediction_bound_of_student() -> None:
    threshold = limits.learn_threshold("m", "c", [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], error_rate=0.05, sampling_bound=0.0)
    # t with 3 degrees of freedom at 95 % is 2.3534; the sample sd of 1..6 is 1.8708.
    assert threshold.upper == pytest.approx(3.5 + 2.3534 * 1.8708 * np.sqrt(7 / 6), rel=1e-3)
    assert (threshold.mean, threshold.days, threshold.error_rate) == (3.5, 6, 0.05)


def test_a_calm_reference_is_not_touchy() -> None:
    threshold = limits.learn_threshold("m", "c", [0.0] * 14, error_rate=0.001, sampling_bound=0.05)
    assert threshold.upper == 0.05


def test_too_few_or_broken_days_are_refused() -> None:
    with pytest.raises(NotEnoughEvidenceError, match="3 A/A days, 4 needed"):
        limits.learn_threshold("m", "c", [0.1] * 3, error_rate=0.01, sampling_bound=0.0)
    with pytest.raises(InvalidInputError, match="not finite"):
        limits.learn_threshold("m", "c", [0.1, np.nan, 0.1, 0.1], error_rate=0.01, sampling_bound=0.0)


def test_sampling_bounds_hold_their_error_rate() -> None:
    rng = np.random.default_rng(5)
    rate, rows, total, trials = 0.05, 400, 1_600, 400
    ks = [ks_2samp(rng.random(rows), rng.random(total)).statistic for _ in range(trials)]
    assert np.mean(np.array(ks) > limits.kolmogorov_bound(rows, total, rate)) < 0.08
    from scipy.spatial.distance import jensenshannon

    shares = np.array([0.4, 0.3, 0.2, 0.1])
    distances = [
        jensenshannon(rng.multinomial(rows, shares) / rows, rng.multinomial(total, shares) / total, base=2)
        for _ in range(trials)
    ]
    over = np.mean(np.array(distances) > limits.jensen_shannon_bound(rows, total, 4, rate))
    assert 0.015 < over < 0.09
    assert limits.auc_bound(rows, total, 0.5) == pytest.approx(0.5)
    assert limits.mean_bound(2.0, 1.0, 100, 100, 0.025) == pytest.approx(2 + 1.96 * np.sqrt(0.02), rel=1e-3)


def test_rows_of_one_job_are_worth_one_row() -> None:
    rng = np.random.default_rng(1)
    jobs = np.repeat(np.arange(100), 20)
    alone = np.arange(2_000)
    constant_within_job = rng.standard_normal(100)[jobs]
    assert limits.effective_rows(constant_within_job, [alone, jobs], is_category=False) == pytest.approx(100, rel=0.05)
    assert limits.effective_rows(rng.standard_normal(2_000), [alone, jobs], is_category=False) > 1_200
    codes = rng.integers(0, 4, 100)[jobs]
    assert limits.effective_rows(codes, [jobs], is_category=True) == pytest.approx(100, rel=0.05)
    assert limits.effective_rows(np.full(2_000, np.nan), [jobs], is_category=False) == 2_000


def test_every_day_is_compared_once_with_days_of_the_other_half() -> None:
    design = limits.halves(9)
    assert sorted(day for analysed, _ in design for day in analysed) == list(range(9))
    assert all(not set(analysed) & set(compared) for analysed, compared in design)


def test_error_rates_of_a_family_add_up() -> None:
    known = [limits.Threshold("m", str(k), 0.0, 1.0, 1.0, 14, 0.002) for k in range(5)]
    assert limits.family_error(known) == pytest.approx(0.01)
    assert limits.family_error([]) == 0


def test_kept_are_the_sizes_of_samples_by_their_names_in_the_policy() -> None:
    assert sizes_of(POLICY) == {
        "sample_rows_per_day": 2_000,
        "explained_rows_per_day": 1_000,
        "domain_classifier_sample_rows": 2_000,
        "domain_classifier_entity_reference_rows": 8_000,
    }


def test_every_size_that_changed_is_named_and_others_are_not() -> None:
    other = replace(POLICY, explained_rows_per_day=500, domain_classifier_entity_reference_rows=2_000, seed=1)
    assert changed_sizes(sizes_of(POLICY), other, JOINT_SIZES) == (
        "since limits were learned the policy has changed in explained_rows_per_day (1,000 then, 500 now), "
        "domain_classifier_entity_reference_rows (8,000 then, 2,000 now)"
    )
    assert changed_sizes(sizes_of(POLICY), other, COLUMN_SIZES) is None
    assert changed_sizes(sizes_of(other), other, JOINT_SIZES) is None


def test_what_was_not_kept_is_not_taken_for_unchanged() -> None:
    assert changed_sizes({}, POLICY, COLUMN_SIZES) == "it was not kept with how many rows limits were learned"
