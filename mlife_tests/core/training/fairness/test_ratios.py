"""Intervals of ratios: against statsmodels, in the corners, and their error where it matters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.statistics import resampled_means
from mlife_assets.core.training.fairness.ratios import mean_ratio_interval, share_ratio_interval


@pytest.mark.parametrize("alpha", [0.025, 1e-3, 3e-5])
@pytest.mark.parametrize(
    "counts", [(30, 100, 50, 120), (0, 500, 100, 400), (5, 40, 20, 60), (90, 100, 95, 100), (300, 3470, 1227, 3586)]
)
def test_shares_agree_with_statsmodels(counts: tuple[int, int, int, int], alpha: float) -> None:
    from statsmodels.stats.proportion import confint_proportions_2indep

    expected = confint_proportions_2indep(*counts, method="score", compare="ratio", alpha=2 * alpha, correction=False)
    found = share_ratio_interval(*counts, alpha)
    assert (found.lower, found.upper) == pytest.approx(expected, abs=1e-9)
    assert found.ratio == pytest.approx(counts[0] * counts[3] / counts[1] / counts[2])


def test_a_group_of_which_nobody_is_selected_has_an_upper_bound() -> None:
    """The log interval has none, so it could never refuse the worst case."""
    found = share_ratio_interval(0, 200, 80, 200, 1e-4)
    assert found.lower == 0.0
    assert found.upper < 0.3


def test_all_selected_in_both_groups_is_a_ratio_of_one() -> None:
    found = share_ratio_interval(50, 50, 80, 80, 0.01)
    assert found.ratio == 1.0
    assert 0.85 < found.lower < 1.0 < found.upper < 1.1


@given(st.integers(1, 400), st.integers(1, 400), st.floats(0, 1), st.floats(0, 1), st.sampled_from([0.025, 1e-3, 1e-5]))
def test_bounds_enclose_the_ratio_and_turn_with_the_groups(
    n: int, m: int, share: float, other: float, alpha: float
) -> None:
    x, y = round(share * n), round(other * m)
    assume(x > 0 and y > 0)
    one, back = share_ratio_interval(x, n, y, m, alpha), share_ratio_interval(y, m, x, n, alpha)
    assert one.lower <= one.ratio * (1 + 1e-9)
    assert one.ratio <= one.upper * (1 + 1e-9)
    assert one.lower == pytest.approx(1 / back.upper, rel=1e-6)
    assert one.upper == pytest.approx(1 / back.lower, rel=1e-6)


def test_the_upper_bound_errs_as_often_as_it_says() -> None:
    """A true ratio of exactly 0.8, the hardest case of the four-fifths rule, over 2,000 worlds."""
    rng, alpha, worlds = np.random.default_rng(3), 0.025, 2_000
    own, best = rng.binomial(150, 0.8 * 0.35, worlds), rng.binomial(1_200, 0.35, worlds)
    low = sum(
        share_ratio_interval(int(x), 150, int(y), 1_200, alpha).upper < 0.8 for x, y in zip(own, best, strict=True)
    )
    assert abs(low / worlds - alpha) < 4 * np.sqrt(alpha / worlds)


@pytest.mark.parametrize(
    ("counts", "error", "told"),
    [
        ((1, 0, 1, 2), NotEnoughEvidenceError, "0 users in the group"),
        ((1, 2, 0, 2), NotEnoughEvidenceError, "0 successes in the reference"),
        ((3, 2, 1, 2), InvalidInputError, "group has 3 successes of 2"),
        ((1, 2, -1, 2), InvalidInputError, "reference has -1 successes"),
    ],
)
def test_impossible_counts_are_refused(counts: tuple[int, int, int, int], error: type, told: str) -> None:
    with pytest.raises(error, match=told):
        share_ratio_interval(*counts, 0.025)


@pytest.mark.parametrize("alpha", [0.0, 0.5, -1.0, float("nan")])
def test_an_impossible_error_is_refused(alpha: float) -> None:
    with pytest.raises(InvalidInputError, match="alpha"):
        share_ratio_interval(1, 2, 1, 2, alpha)


def test_the_interval_of_means_agrees_with_the_delta_method() -> None:
    rng = np.random.default_rng(2)
    one, best = rng.beta(2, 3, 400), rng.beta(3, 3, 900)
    means = resampled_means(one, 8_000, 1), resampled_means(best, 8_000, 2)
    found = mean_ratio_interval(one.mean(), means[0], best.mean(), means[1], 0.025)
    ratio = one.mean() / best.mean()
    error = ratio * np.hypot(one.std() / 20 / one.mean(), best.std() / 30 / best.mean())
    assert found.ratio == pytest.approx(ratio)
    assert (found.lower, found.upper) == pytest.approx((ratio - 1.96 * error, ratio + 1.96 * error), abs=0.004)


def test_means_without_a_ratio_are_refused() -> None:
    with pytest.raises(NotEnoughEvidenceError, match="above zero"):
        mean_ratio_interval(0.1, np.array([0.1, 0.2]), 0.1, np.array([0.0, 0.2]), 0.025)
