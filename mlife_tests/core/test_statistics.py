"""Intervals cover what they claim, in seeded repeated simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_ind
from statsmodels.stats.proportion import confint_proportions_2indep

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.statistics import (
    Sums,
    day_multiplicities,
    expanded_percentile_interval,
    mean_difference_interval,
    paired_bootstrap_interval,
    proportion_difference_interval,
    resampled_means,
    student_lower_bound,
    widened_for_blocks,
    wilson_interval,
)


def share_covered(lower: list[float], upper: list[float], truth: float) -> float:
    return float(np.mean((np.array(lower) <= truth) & (truth <= np.array(upper))))


def test_bootstrap_agrees_with_the_normal_interval_on_many_users() -> None:
    values = np.random.default_rng(1).normal(0.02, 0.3, 5_000)
    interval = paired_bootstrap_interval(values, 4_000, 0.025, 7)
    error = values.std() / np.sqrt(len(values))
    assert interval.estimate == pytest.approx(values.mean())
    assert interval.lower == pytest.approx(values.mean() - 1.96 * error, abs=0.1 * error)
    assert interval.upper == pytest.approx(values.mean() + 1.96 * error, abs=0.1 * error)
    assert (interval.level, interval.n) == (0.95, 5_000)


def test_bootstrap_is_the_same_bits_for_a_seed_and_spans_chunks() -> None:
    values = np.random.default_rng(2).normal(size=3_000)
    first, again = (paired_bootstrap_interval(values, 1_000, 0.025, 7) for _ in range(2))
    assert first == again
    assert first != paired_bootstrap_interval(values, 1_000, 0.025, 8)


def test_bounds_are_the_order_statistics_of_their_tails_and_turn_with_the_sides() -> None:
    """Of 400 resamples 10 lie in a tail of 2.5 %: the bounds are the tenth from either end."""
    values = np.random.default_rng(6).exponential(size=50)
    interval = paired_bootstrap_interval(values, 400, 0.025, 7)
    means = np.sort(resampled_means(values, 400, 7))
    assert (interval.lower, interval.upper) == (means[9], means[-10])
    other = paired_bootstrap_interval(-values, 400, 0.025, 7)
    assert (other.estimate, other.lower, other.upper) == (-interval.estimate, -interval.upper, -interval.lower)


def test_resampled_means_have_the_error_of_a_mean() -> None:
    values = np.random.default_rng(1).beta(2, 3, 900)
    means = resampled_means(values, 4_000, seed=5)
    assert means.mean() == pytest.approx(values.mean(), abs=2e-3)
    assert means.std() == pytest.approx(values.std() / 30, rel=0.05)
    assert np.array_equal(means, resampled_means(values, 4_000, seed=5))
    assert not np.array_equal(means, resampled_means(values, 4_000, seed=6))


def test_resampling_refuses_what_has_no_mean() -> None:
    with pytest.raises(NotEnoughEvidenceError, match="0 users"):
        resampled_means(np.zeros(0), 10, 1)
    with pytest.raises(InvalidInputError, match="row 1"):
        resampled_means(np.array([1.0, np.nan]), 10, 1)


def test_bootstrap_covers_skewed_differences() -> None:
    rng = np.random.default_rng(3)
    intervals = []
    for seed in range(600):
        differences = np.where(rng.random(400) < 0.3, rng.exponential(0.4, 400), 0.0)
        intervals.append(paired_bootstrap_interval(differences, 400, 0.025, seed))
    covered = share_covered([i.lower for i in intervals], [i.upper for i in intervals], 0.12)
    assert 0.92 <= covered <= 0.975


def test_identical_sides_have_no_interval_above_zero() -> None:
    interval = paired_bootstrap_interval(np.zeros(100), 400, 0.025, 7)
    assert (interval.estimate, interval.lower, interval.upper) == (0.0, 0.0, 0.0)


def test_few_resamples_widen_the_interval() -> None:
    values = np.random.default_rng(4).normal(size=500)
    few = [paired_bootstrap_interval(values, 80, 0.025, seed) for seed in range(60)]
    many = paired_bootstrap_interval(values, 20_000, 0.025, 1)
    assert np.mean([i.upper - i.lower for i in few]) > many.upper - many.lower


@pytest.mark.parametrize(
    ("values", "resamples", "alpha", "error", "message"),
    [
        ([1.0], 400, 0.025, NotEnoughEvidenceError, "1 users"),
        ([1.0, float("nan")], 400, 0.025, InvalidInputError, "row 1"),
        ([1.0, 2.0], 70, 0.025, InvalidInputError, "70 resamples"),
        ([1.0, 2.0], 400, 0.5, InvalidInputError, "alpha is 0.5"),
    ],
)
def test_bootstrap_refuses_what_it_cannot_bound(
    values: list[float], resamples: int, alpha: float, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        paired_bootstrap_interval(np.array(values), resamples, alpha, 1)


def test_wilson_hand_worked() -> None:
    interval = wilson_interval(0, 10)
    assert interval.lower == 0.0
    assert interval.upper == pytest.approx(3.8416 / 13.8416, abs=1e-4)
    assert (interval.estimate, interval.n) == (0.0, 10)


@pytest.mark.parametrize("counts", [(30, 1_000, 20, 900), (0, 50, 3, 60), (5, 5, 0, 7), (400, 9_500, 15, 500)])
def test_difference_agrees_with_statsmodels(counts: tuple[int, int, int, int]) -> None:
    interval = proportion_difference_interval(*counts)
    low, high = confint_proportions_2indep(*counts, method="newcomb", compare="diff")
    assert interval.lower == pytest.approx(low, abs=1e-9)
    assert interval.upper == pytest.approx(high, abs=1e-9)


def test_difference_covers_with_a_small_holdout() -> None:
    rng = np.random.default_rng(5)
    treated_rate, control_rate = 0.05, 0.04
    treated, control = rng.binomial(9_500, treated_rate, 1_000), rng.binomial(500, control_rate, 1_000)
    pairs = zip(treated.tolist(), control.tolist(), strict=True)
    found = [proportion_difference_interval(t, 9_500, c, 500) for t, c in pairs]
    assert (
        0.93 <= share_covered([d.lower for d in found], [d.upper for d in found], treated_rate - control_rate) <= 0.97
    )


@pytest.mark.parametrize("counts", [(5, 4, 1, 2), (-1, 4, 1, 2), (1, 4, 3, 2)])
def test_impossible_counts_are_refused(counts: tuple[int, int, int, int]) -> None:
    with pytest.raises(InvalidInputError, match="successes"):
        proportion_difference_interval(*counts)


def test_an_empty_arm_is_not_evidence() -> None:
    with pytest.raises(NotEnoughEvidenceError, match="0 units"):
        proportion_difference_interval(0, 0, 1, 10)


def test_block_resamples_keep_days_together_and_their_number() -> None:
    single, triple = day_multiplicities(30, 1, 3_000, 7), day_multiplicities(30, 3, 3_000, 7)
    for drawn in (single, triple):
        assert drawn.shape == (3_000, 30)
        assert np.all(drawn.sum(axis=1) == 30)
        assert drawn.mean(axis=0) == pytest.approx(np.ones(30), abs=0.12)
    assert np.corrcoef(single[:, 10], single[:, 11])[0, 1] == pytest.approx(0, abs=0.08)
    assert np.corrcoef(triple[:, 10], triple[:, 11])[0, 1] == pytest.approx(2 / 3, abs=0.08)
    assert np.corrcoef(triple[:, 0], triple[:, 29])[0, 1] == pytest.approx(2 / 3, abs=0.08)
    assert np.array_equal(single, day_multiplicities(30, 1, 3_000, 7))
    assert not np.array_equal(single, day_multiplicities(30, 1, 3_000, 8))


@pytest.mark.parametrize(("days", "block_days", "resamples"), [(5, 6, 10), (5, 0, 10), (0, 1, 10), (5, 1, 0)])
def test_impossible_blocks_are_refused(days: int, block_days: int, resamples: int) -> None:
    with pytest.raises(InvalidInputError, match="block_days is"):
        day_multiplicities(days, block_days, resamples, 1)


def test_what_blocks_hide_of_days_that_depend_on_each_other_is_added() -> None:
    """Effects that keep half of themselves: the mean of n days varies by 3 / n, of which blocks of 7 see 2.43 / n."""
    rng, days = np.random.default_rng(6), 700
    found, plain = [], []
    long, short = day_multiplicities(days, 7, 1_000, 1) / days, day_multiplicities(days, 3, 1_000, 2) / days
    for _ in range(60):
        effects = [rng.normal() / np.sqrt(0.75)]
        for _ in range(days - 1):
            effects.append(0.5 * effects[-1] + rng.normal())
        values = np.array(effects) * np.sqrt(0.75)  # of variance 1
        plain.append(np.var(long @ values) * days)
        found.append(np.var(widened_for_blocks(long @ values, 7, short @ values, 3)) * days)
    assert np.mean(plain) == pytest.approx(2.43, abs=0.15)
    assert np.mean(found) == pytest.approx(2.9, abs=0.2)
    assert np.all(np.array(found) >= np.array(plain) * (1 - 1e-9))


def test_resamples_that_are_all_alike_stay_so() -> None:
    alike = np.full(10, 0.3)
    assert np.array_equal(widened_for_blocks(alike, 7, np.arange(10.0), 3), alike)


def test_expanded_percentiles_hold_their_level_with_few_units() -> None:
    """The plain percentile interval of 14 units errs on about 4 % of samples on each side, not on 2.5 %."""
    rng = np.random.default_rng(5)
    samples, units = 2_000, 14
    values = rng.normal(size=(samples, units))
    means = np.array([day_multiplicities(units, 1, 1_000, seed) @ row / units for seed, row in enumerate(values)])
    expanded = [expanded_percentile_interval(0.0, resampled, 0.025, units) for resampled in means]
    plain = np.sort(means, axis=1)[:, 24]
    assert np.mean(plain > 0) > 0.034
    assert 0.015 <= np.mean([interval.lower > 0 for interval in expanded]) <= 0.035
    assert 0.015 <= np.mean([interval.upper < 0 for interval in expanded]) <= 0.035
    assert (expanded[0].level, expanded[0].n) == (0.95, 14)


def test_expanded_percentiles_are_hand_worked() -> None:
    """14 units: t = 2.1604 with 13 degrees of freedom, times sqrt(14 / 13) is 2.2419, beyond which 1.248 % lie."""
    interval = expanded_percentile_interval(5_000.0, np.arange(10_000.0), 0.025, 14)
    assert (interval.lower, interval.upper) == (123.0, 9_876.0)


def test_expanded_percentiles_of_many_units_are_the_plain_ones() -> None:
    resampled = np.arange(1_000.0)[::-1]
    interval = expanded_percentile_interval(500.0, resampled, 0.025, 1_000_000)
    assert (interval.lower, interval.upper) == pytest.approx((24, 975), abs=1)


@pytest.mark.parametrize(
    ("resampled", "alpha", "n", "error", "message"),
    [
        (np.ones(400), 0.025, 1, NotEnoughEvidenceError, "1 units"),
        (np.array([1.0, np.nan]), 0.025, 20, InvalidInputError, "row 1"),
        (np.ones(400), 0.5, 20, InvalidInputError, "alpha is 0.5"),
        (np.ones(40), 0.025, 20, InvalidInputError, "40 resamples have no tail"),
    ],
)
def test_expanded_percentiles_refuse_what_they_cannot_bound(
    resampled: np.ndarray, alpha: float, n: int, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        expanded_percentile_interval(0.0, resampled, alpha, n)


def sums(values: np.ndarray) -> Sums:
    return Sums(len(values), float(values.sum()), float((values**2).sum()))


def test_the_difference_of_means_agrees_with_welch_in_scipy() -> None:
    rng = np.random.default_rng(4)
    first, second = rng.exponential(3.0, 4_000), rng.exponential(2.0, 90)
    interval = mean_difference_interval(sums(first), sums(second), level=0.9)
    known = ttest_ind(first, second, equal_var=False)
    bounds = known.confidence_interval(0.9)
    assert interval.estimate == pytest.approx(first.mean() - second.mean())
    assert (interval.lower, interval.upper) == (pytest.approx(bounds.low), pytest.approx(bounds.high))
    assert interval.n == 4_090


def test_the_difference_of_means_covers_skewed_values_with_a_small_holdout() -> None:
    """Most people earn nothing, a few a lot, as with bids."""
    rng = np.random.default_rng(9)
    lower, upper = [], []
    for _ in range(1_000):
        sides = [rng.exponential(12.0, n) * (rng.random(n) < rate) for n, rate in ((3_000, 0.25), (400, 0.18))]
        found = mean_difference_interval(*map(sums, sides))
        lower.append(found.lower)
        upper.append(found.upper)
    assert 0.92 <= share_covered(lower, upper, 12.0 * (0.25 - 0.18)) <= 0.97


def test_means_need_two_units_and_equal_values_leave_no_doubt() -> None:
    same = mean_difference_interval(Sums(5, 10.0, 20.0), Sums(3, 3.0, 3.0))
    assert (same.estimate, same.lower, same.upper) == (1.0, 1.0, 1.0)
    with pytest.raises(NotEnoughEvidenceError, match="at least 2"):
        mean_difference_interval(Sums(1, 1.0, 1.0), Sums(3, 3.0, 3.0))


def test_students_lower_bound_is_hand_worked_and_errs_as_often_as_it_says() -> None:
    assert student_lower_bound(1.0, 0.5, 0.025, 10) == pytest.approx(1.0 - 0.5 * 2.2622, abs=1e-4)
    assert student_lower_bound(0.3, 0.0, 0.001, 2) == 0.3
    values = np.random.default_rng(5).normal(size=(20_000, 12))
    errors = values.std(axis=1, ddof=1) / np.sqrt(12)
    pairs = zip(values.mean(axis=1), errors, strict=True)
    above = [student_lower_bound(float(mean), float(error), 0.01, 12) > 0 for mean, error in pairs]
    assert np.mean(above) == pytest.approx(0.01, abs=0.002)


def test_students_lower_bound_refuses_what_it_cannot_bound() -> None:
    with pytest.raises(NotEnoughEvidenceError, match="1 units, at least 2 needed"):
        student_lower_bound(0.0, 1.0, 0.01, 1)
    with pytest.raises(InvalidInputError, match=r"alpha is 0\.5"):
        student_lower_bound(0.0, 1.0, 0.5, 10)
