"""Calibration: known distortions are found, intervals cover, statsmodels agrees."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import t as student
from scipy.stats import ttest_1samp

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.statistics import Interval
from mlife_assets.core.training.reliability import calibration, level_gain, log_loss_gain


def expit(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def outcomes(seed: int, n: int, slope: float = 1.0, intercept: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that were said, and outcomes whose true log-odds are intercept + slope x said log-odds."""
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(-2.5, 1.0, n)
    return expit(log_odds), rng.random(n) < expit(intercept + slope * log_odds)


def test_good_probabilities_have_slope_one_and_no_gap() -> None:
    result = calibration(*outcomes(1, 60_000))
    assert result.slope_lower < 1 < result.slope_upper
    assert result.intercept_lower < 0 < result.intercept_upper
    assert result.expected_calibration_error < 0.005
    assert (result.n, len(result.bins), result.bins[0].rows) == (60_000, 10, 6_000)


def test_overconfidence_and_too_low_promises_are_distinguished() -> None:
    overconfident = calibration(*outcomes(2, 60_000, slope=0.6, intercept=-1.0))
    assert overconfident.slope == pytest.approx(0.6, abs=0.05)
    assert overconfident.slope_upper < 1
    low = calibration(*outcomes(3, 60_000, intercept=0.7))
    assert low.slope_lower < 1 < low.slope_upper
    assert low.intercept == pytest.approx(0.7, abs=0.05)
    assert low.expected_calibration_error > 0.03


def test_slope_and_interval_agree_with_statsmodels() -> None:
    probability, outcome = outcomes(4, 5_000, slope=0.8)
    users = np.random.default_rng(4).integers(0, 700, 5_000)
    design = sm.add_constant(np.log(probability / (1 - probability)))
    for clusters, arguments in (
        (None, {}),
        (users, {"cov_type": "cluster", "cov_kwds": {"groups": users, "use_correction": False}}),
    ):
        fit = sm.Logit(outcome.astype(float), design).fit(disp=0, tol=1e-12, **arguments)
        ours = calibration(probability, outcome, cluster_ids=clusters)
        assert ours.slope == pytest.approx(fit.params[1], abs=1e-8)
        assert (ours.slope_lower, ours.slope_upper) == pytest.approx(tuple(fit.conf_int()[1]), abs=2e-3)


def test_intervals_cover_when_users_bring_several_dependent_rows() -> None:
    rng = np.random.default_rng(5)
    covered, naive = [], []
    for _ in range(300):
        users = np.repeat(np.arange(300), 8)
        log_odds = np.repeat(rng.normal(-0.5, 1.0, 300), 8)
        outcome = np.repeat(rng.random(300), 8) < expit(log_odds)
        flipped = rng.random(len(users)) < 0.3
        outcome = np.where(flipped, rng.random(len(users)) < expit(log_odds), outcome)
        for result, kept in (
            (calibration(expit(log_odds), outcome, cluster_ids=users), covered),
            (calibration(expit(log_odds), outcome), naive),
        ):
            kept.append(result.slope_lower <= 1 <= result.slope_upper)
    assert np.mean(covered) >= 0.91
    assert np.mean(naive) < 0.8


def test_equal_probabilities_share_a_bin_whatever_the_order_of_rows() -> None:
    probability = np.array([0.1] * 50 + [0.5] * 50)
    outcome = np.arange(100) % 5 == 0
    order = np.random.default_rng(1).permutation(100)
    first, second = calibration(probability, outcome), calibration(probability[order], outcome[order])
    assert [b.rows for b in first.bins] == [b.rows for b in second.bins] == [50, 50]
    assert [b.outcome_rate for b in first.bins] == [0.2, 0.2]
    assert first.expected_calibration_error == pytest.approx(0.2)


def test_probabilities_of_zero_and_one_are_finite() -> None:
    probability, outcome = outcomes(6, 5_000)
    probability[:3], outcome[:3] = [0.0, 1.0, 0.0], [True, False, False]
    assert np.isfinite(calibration(probability, outcome).slope)


def test_the_fit_is_the_maximum_even_where_a_full_newton_step_overshoots() -> None:
    probability = np.array([1.0] * 6 + [0.5] * 6 + [0.001] * 6)
    outcome = np.array([1, 0, 0, 0, 0, 0] * 3, dtype=float)
    result = calibration(probability, outcome)
    log_odds = np.log(np.clip(probability, 1e-6, 1 - 1e-6) / (1 - np.clip(probability, 1e-6, 1 - 1e-6)))
    assert np.sum(outcome - expit(result.intercept + log_odds)) == pytest.approx(0, abs=1e-6)
    assert result.slope == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("probability", "outcome", "error", "message"),
    [
        ([0.1, 1.2], [0, 1], InvalidInputError, "row 1"),
        ([float("nan"), 0.2], [0, 1], InvalidInputError, "row 0"),
        ([0.1, 0.2], [0, 2], InvalidInputError, "outcome is 2"),
        ([0.1, 0.2], [0], InvalidInputError, "one of each per row"),
        ([0.1, 0.2], [0, 0], NotEnoughEvidenceError, "0 positives of 2"),
        ([0.1, 0.2], [1, 1], NotEnoughEvidenceError, "2 positives of 2"),
        ([0.1, 0.1, 0.1], [1, 0, 0], NotEnoughEvidenceError, "1 distinct probability"),
        ([0.1, 0.2, 0.3, 0.4], [0, 0, 1, 1], NotEnoughEvidenceError, "separates"),
    ],
)
def test_what_cannot_be_calibrated_is_refused(
    probability: list[float], outcome: list[int], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        calibration(np.array(probability), np.array(outcome))


def test_cluster_ids_must_fit_the_rows() -> None:
    with pytest.raises(InvalidInputError, match="1 cluster ids for 4 rows"):
        calibration(np.array([0.1, 0.2, 0.3, 0.4]), np.array([0, 1, 0, 1]), cluster_ids=["a"])


def test_few_clusters_widen_the_interval_and_two_are_refused() -> None:
    probability, outcome = outcomes(7, 6_000)
    places = np.arange(6_000)
    result = calibration(probability, outcome, cluster_ids=places % 5)
    design = sm.add_constant(np.log(probability / (1 - probability)))
    groups = {"groups": places % 5, "use_correction": False}
    fit = sm.Logit(outcome.astype(float), design).fit(disp=0, tol=1e-12, cov_type="cluster", cov_kwds=groups)
    half = student.ppf(0.975, 4) * fit.bse[1] * np.sqrt(5 / 4)
    assert (result.slope_upper - result.slope_lower) / 2 == pytest.approx(half, rel=1e-6)
    with pytest.raises(NotEnoughEvidenceError, match="2 clusters, at least 3 needed"):
        calibration(probability, outcome, cluster_ids=places % 2)


def test_a_gain_in_log_loss_is_the_difference_of_two_log_losses_and_turns_its_sign_with_the_sides() -> None:
    from sklearn.metrics import log_loss

    truth, happened = outcomes(21, 2_000)
    worse = expit(2.0 * np.log(truth / (1 - truth)))
    users = np.repeat(np.arange(500), 4).astype(str)
    gain = log_loss_gain(truth, worse, happened, cluster_ids=users)
    assert gain.estimate == pytest.approx(log_loss(happened, worse) - log_loss(happened, truth))
    losses = [-np.where(happened, np.log(side), np.log1p(-side)) for side in (truth, worse)]
    by_user = ttest_1samp((losses[1] - losses[0]).reshape(-1, 4).mean(axis=1), 0).confidence_interval(0.95)
    assert (gain.lower, gain.upper) == pytest.approx((by_user.low, by_user.high)), "users have as many rows each"
    assert gain.lower > 0
    turned = log_loss_gain(worse, truth, happened, cluster_ids=users)
    assert (turned.estimate, turned.lower, turned.upper) == pytest.approx((-gain.estimate, -gain.upper, -gain.lower))
    assert log_loss_gain(truth, truth, happened, cluster_ids=users).upper == 0
    assert gain.n == 500


@pytest.mark.parametrize(
    ("gain_of", "users", "forecast"), [(log_loss_gain, 60, 0.6), (level_gain, 100, 0.7)], ids=["log_loss", "level"]
)
def test_the_interval_of_a_gain_covers_when_rows_of_a_user_depend_on_each_other(
    gain_of: Callable[..., Interval], users: int, forecast: float
) -> None:
    """True gain 0 by symmetry: two forecasts that err by as much in opposite directions, users with one fate."""
    covered = 0
    for seed in range(200):
        fate = np.repeat(np.random.default_rng(seed).random(users) < 0.5, 10)
        high = np.full(10 * users, forecast)
        gain = gain_of(high, 1 - high, fate, cluster_ids=np.repeat(np.arange(users), 10).astype(str))
        covered += gain.lower <= 0 <= gain.upper
    assert 182 <= covered <= 198, "95 % within Monte Carlo error"


@pytest.mark.parametrize("gain", [log_loss_gain, level_gain])
def test_a_gain_needs_the_same_rows_and_clusters(gain: Callable[..., Interval]) -> None:
    truth, happened = outcomes(22, 40)
    with pytest.raises(InvalidInputError, match="cluster ids"):
        gain(truth, truth, happened, cluster_ids=np.arange(39).astype(str))
    with pytest.raises(NotEnoughEvidenceError, match="2 clusters"):
        gain(truth, truth, happened, cluster_ids=(np.arange(40) % 2).astype(str))


def test_the_level_is_the_intercept_as_a_ratio_of_odds() -> None:
    """The intercept is that of a logistic regression with the log-odds as offset, which statsmodels fits as well."""
    probability, outcome = outcomes(8, 20_000, intercept=-0.73)
    found = calibration(probability, outcome)
    offset = np.log(probability / (1 - probability))
    fit = sm.GLM(outcome.astype(float), np.ones(len(outcome)), family=sm.families.Binomial(), offset=offset).fit()
    assert found.level.estimate == pytest.approx(np.exp(fit.params[0]))
    assert (found.level.lower, found.level.upper) == pytest.approx(tuple(np.exp(fit.conf_int()[0])), rel=1e-3)
    assert found.level.upper < 0.55


def test_a_level_gain_is_the_difference_of_two_intercepts_and_turns_its_sign_with_the_sides() -> None:
    truth, happened = outcomes(23, 8_000)
    odds = np.log(truth / (1 - truth))
    users = np.repeat(np.arange(2_000), 4).astype(str)
    high, higher = expit(odds + 0.3), expit(odds + 0.8)
    gain = level_gain(high, higher, happened, cluster_ids=users)
    offs = [abs(calibration(side, happened).intercept) for side in (high, higher)]
    assert gain.estimate == pytest.approx(offs[1] - offs[0])
    assert gain.lower > 0
    assert gain.upper - gain.lower < 0.05, "sides share their luck"
    turned = level_gain(higher, high, happened, cluster_ids=users)
    assert (turned.estimate, turned.lower, turned.upper) == pytest.approx((-gain.estimate, -gain.upper, -gain.lower))
    below = level_gain(expit(odds - 0.3), higher, happened, cluster_ids=users)
    assert below.estimate == pytest.approx(0.5, abs=0.15)
    assert below.upper - below.lower > 3 * (gain.upper - gain.lower), "sides that err in opposite directions do not"


def test_levels_that_are_off_by_as_much_in_opposite_directions_are_not_told_apart() -> None:
    """A day's luck moves one intercept to 0 and the other away from it: it does not drop out between them."""
    rng = np.random.default_rng(31)
    days, rows, runs = 28, 560, 300
    day = np.repeat(np.arange(days), rows // days)
    too_low, too_high = np.full(rows, expit(-0.15)), np.full(rows, expit(0.15))
    nearer, farther = 0, 0
    for _ in range(runs):
        luck = rng.normal(scale=0.5, size=days)
        happened = rng.random(rows) < expit(luck[day])
        gain = level_gain(too_low, too_high, happened, cluster_ids=day)
        assert gain.lower <= gain.estimate <= gain.upper
        nearer, farther = nearer + (gain.lower > 0), farther + (gain.upper < 0)
    assert max(nearer, farther) / runs < 0.05, "an error of .025 on each side is meant"
