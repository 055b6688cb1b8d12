"""Calibration and evaluation: order is kept, known distortions are found, all rankers see the same users."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student
from scipy.stats import ttest_1samp

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.policies import PromotionPolicy
from mlife_assets.core.scoring.calibrator import Calibrator
from mlife_assets.core.training.calibrate import BLOCK_MINIMUM, _pooled, fit_calibrator
from mlife_assets.core.training.evaluate import evaluate_rankings
from mlife_assets.core.training.gate.comparing import average_precision
from mlife_assets.core.training.reliability import calibration, log_loss_gain

POLICY = PromotionPolicy(bootstrap_resamples=400)


def drawn(rows: int, slope: float, intercept: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    raw = rng.normal(-2.5, 1.0, rows)
    return raw, rng.random(rows) < 1 / (1 + np.exp(-(slope * raw + intercept)))


@pytest.mark.parametrize(("rows", "method"), [(60_000, "centred_isotonic"), (6_000, "logistic")])
def test_an_overconfident_score_becomes_believable(rows: int, method: str) -> None:
    raw, outcome = drawn(rows, 0.6, -0.5)
    found = fit_calibrator(raw, outcome, isotonic_minimum_positives=2_000)
    assert found.method == method
    fresh, happened = drawn(60_000, 0.6, -0.5, seed=1)
    judged = calibration(found.probabilities(fresh), happened)
    assert judged.slope == pytest.approx(1.0, abs=0.12)
    assert judged.intercept == pytest.approx(0.0, abs=0.08)
    assert judged.expected_calibration_error < 0.01


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    slope=st.sampled_from([-1.0, 0.0, 0.3, 1.0, 4.0]),
    least=st.sampled_from([1, 10_000]),
    unit=st.sampled_from([1e-3, 1.0, 50.0]),
)
def test_any_fit_keeps_the_order_is_bounded_and_exact_in_json(seed: int, slope: float, least: int, unit: float) -> None:
    """Scores of any unit: an order may come in ranks, and one that is learned alone knows no log-odds."""
    raw, outcome = drawn(400, slope, 0.0, seed)
    outcome[0], outcome[1] = True, False
    found = fit_calibrator(unit * raw, outcome, isotonic_minimum_positives=least)
    grid = unit * np.linspace(-60, 60, 2_001)
    probability = found.probabilities(grid)
    assert (np.diff(probability) > 0).all()
    assert ((probability > 0) & (probability < 1)).all()
    again = Calibrator.from_json(found.to_json())
    assert again == found
    assert again.probabilities(grid).tobytes() == probability.tobytes()


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    least=st.sampled_from([1, 10_000]),
    digits=st.sampled_from([0, 1, 12]),
    wild=st.sampled_from([0.0, 0.01, 0.2]),
)
def test_average_precision_of_probabilities_is_that_of_raw_scores(
    seed: int, least: int, digits: int, wild: float
) -> None:
    """Fitted on other rows, with ties (rounded scores) and with scores far from any seen in the fit."""
    raw, outcome = drawn(3_000, 0.8, 0.5, seed)
    rng = np.random.default_rng(seed)
    raw = np.where(rng.random(len(raw)) < wild, rng.normal(0, 30, len(raw)).round(2), np.round(raw, digits))
    fitted, fresh = slice(0, 1_000), slice(1_000, None)
    found = fit_calibrator(raw[fitted], outcome[fitted], isotonic_minimum_positives=least)
    probability, happened = found.probabilities(raw[fresh]), outcome[fresh]
    assert average_precision(probability, happened) == average_precision(raw[fresh], happened)
    assert len(np.unique(probability)) == len(np.unique(raw[fresh]))


@pytest.mark.parametrize("least", [1, 10_000_000])
@pytest.mark.parametrize("slope", [-1.0, 0.0])
def test_scores_that_say_nothing_or_the_contrary_give_the_base_rate_and_keep_their_order(
    slope: float, least: int
) -> None:
    raw, outcome = drawn(40_000, slope, -1.0 + 2.5 * slope, seed=int(7 + slope))
    found = fit_calibrator(raw, outcome, isotonic_minimum_positives=least)
    probability, rate = found.probabilities(raw), outcome.mean()
    assert found.method == "base_rate"
    assert np.abs(probability / rate - 1).max() < 0.006
    assert (np.diff(found.probabilities(np.sort(raw))) > 0).all()


@pytest.mark.parametrize("least", [1, 10_000_000])
def test_noise_gets_the_base_rate_and_a_weak_score_keeps_its_curve(least: int) -> None:
    """A slope of noise lies above 0 in half of all fits, and within two standard errors of it in nearly all."""

    def curves(slope: float, rows: int) -> float:
        found = []
        for seed in range(200):
            raw, outcome = drawn(rows, slope, 2.5 * (slope - 1), seed)
            fitted = fit_calibrator(raw, outcome, isotonic_minimum_positives=least)
            found.append(fitted.method != "base_rate")
        return float(np.mean(found))

    assert curves(0.0, 1_000) <= 0.05
    assert curves(0.1, 20_000) >= 0.95, "1,500 positives"
    assert curves(0.2, 4_000) >= 0.85, "300 positives"


@pytest.mark.parametrize("rows", [6, 40, 4_000])
def test_a_score_that_separates_is_no_noise(rows: int) -> None:
    """The standard error of its fitted slope is as large as the slope, or larger."""
    raw = np.linspace(-3, 3, rows)
    found = fit_calibrator(raw, raw > 0, isotonic_minimum_positives=10_000)
    assert found.method == "logistic"
    assert 0 < found.probabilities(raw)[0] < 0.5 < found.probabilities(raw)[-1] < 1


def test_scores_that_are_all_alike_give_the_base_rate() -> None:
    outcome = np.arange(200) % 4 == 0
    found = fit_calibrator(np.full(200, -3.0), outcome, isotonic_minimum_positives=1)
    assert found.method == "base_rate"
    assert found.probabilities(np.array([-3.0]))[0] == pytest.approx(0.25, rel=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_a_curve_promises_as_much_as_happened_on_its_rows(seed: int) -> None:
    raw, outcome = drawn(5_000, 0.7, -0.5, seed)
    found = fit_calibrator(raw, outcome, isotonic_minimum_positives=1)
    assert found.probabilities(raw).mean() == pytest.approx(outcome.mean(), rel=1e-9)


def test_one_class_is_not_enough_and_lengths_must_agree() -> None:
    with pytest.raises(NotEnoughEvidenceError, match="0 positives"):
        fit_calibrator(np.zeros(5), np.zeros(5, dtype=bool), isotonic_minimum_positives=10)
    with pytest.raises(InvalidInputError, match="5 raw scores for 4"):
        fit_calibrator(np.zeros(5), np.zeros(4, dtype=bool), isotonic_minimum_positives=10)
    with pytest.raises(InvalidInputError, match="raw score nan in row 2; pass finite scores"):
        fit_calibrator(np.array([0.0, 1.0, np.nan]), np.array([True, False, True]), isotonic_minimum_positives=10)


@pytest.mark.parametrize("run", [3, 40])
def test_a_run_of_one_class_at_an_end_is_no_certainty(run: int) -> None:
    """The next outcome refutes a probability of 0 or 1, so a knot rests on rows of both classes."""
    raw, outcome = drawn(4_000, 1.0, 0.5)
    ends = np.concatenate([np.linspace(-7, -6.5, run), np.linspace(1.5, 2, run)])
    raw, outcome = np.concatenate([raw, ends]), np.concatenate([outcome, ends > 0])
    found = fit_calibrator(raw, outcome, isotonic_minimum_positives=1)
    assert found.method == "centred_isotonic"
    knots = np.array(found.raw[1:-1])
    assert len(knots) >= 4
    probability = found.probabilities(knots)
    assert probability[0] > BLOCK_MINIMUM / len(raw)
    assert 1 - probability[-1] > BLOCK_MINIMUM / len(raw)
    for place in range(1, len(knots) - 1):
        near = outcome[(raw > knots[place - 1]) & (raw < knots[place + 1])]
        assert min(near.sum(), (~near).sum()) >= BLOCK_MINIMUM


HIGHER = float(np.nextafter(0.9179862439359936, 1))


@pytest.mark.parametrize(
    ("counts", "knots"),
    [
        # The mean of 51 times the first score is one bit higher than it: where the next block stands already.
        (((0.9179862439359936, 51, 25), (HIGHER, 256, 160), (3.0, 256, 220)), (HIGHER, 3.0)),
        # 74 of 340, and 44 and 30 of 170 each, which the regression pools to a rate that is one bit higher.
        (((0.0, 340, 74), (1.0, 170, 44), (2.0, 170, 30), (5.0, 300, 200)), (0.0, 5.0)),
    ],
    ids=["scores", "rates_of_blocks"],
)
def test_what_differs_by_a_rounding_is_one_knot(
    counts: tuple[tuple[float, int, int], ...], knots: tuple[float, ...]
) -> None:
    raw = np.concatenate([np.full(rows, score) for score, rows, _ in counts])
    outcome = np.concatenate([np.arange(rows) < positives for _, rows, positives in counts])
    assert fit_calibrator(raw, outcome, isotonic_minimum_positives=1).raw[1:-1] == knots


def test_blocks_are_pooled_until_each_has_enough_of_both_classes() -> None:
    """The second has 20 negatives after two, the last one 20 of its own."""
    blocks = np.array([[40, 0, 1], [100, 30, 2], [20, 10, 3], [30, 20, 4], [200, 190, 5], [900, 880, 6], [10, 10, 7]])
    assert _pooled(blocks.astype(np.float64)).tolist() == [[140, 30, 3], [1_160, 1_110, 25]]
    few = np.array([[10.0, 2.0, 1.0], [10.0, 5.0, 2.0]])
    assert _pooled(few).tolist() == [[20.0, 7.0, 3.0]]


def test_isotonic_begins_with_the_number_of_positives_of_the_policy() -> None:
    raw, outcome = drawn(500, 1.0, 0.0)
    positives = int(outcome.sum())
    assert fit_calibrator(raw, outcome, isotonic_minimum_positives=positives).method == "centred_isotonic"
    assert fit_calibrator(raw, outcome, isotonic_minimum_positives=positives + 1).method == "logistic"


def test_the_order_of_rows_changes_no_bit_of_the_curve() -> None:
    raw, outcome = drawn(3_000, 1.0, 0.0)
    order = np.random.default_rng(2).permutation(len(raw))
    one, other = (
        fit_calibrator(raw[rows], outcome[rows], isotonic_minimum_positives=1) for rows in (np.arange(len(raw)), order)
    )
    assert other.raw[1:-1] == one.raw[1:-1]
    assert other.log_odds == pytest.approx(one.log_odds, abs=1e-9)


def test_a_logistic_curve_fits_the_targets_of_platt() -> None:
    """The fit has the mean and the first moment of its targets, (N+ + 1) / (N+ + 2) and 1 / (N- + 2)."""
    raw, outcome = drawn(40, 1.0, 2.0)
    positives = int(outcome.sum())
    target = np.where(outcome, (positives + 1) / (positives + 2), 1 / (len(raw) - positives + 2))
    probability = fit_calibrator(raw, outcome, isotonic_minimum_positives=10_000).probabilities(raw)
    assert probability.mean() == pytest.approx(target.mean(), abs=1e-9)
    assert (probability * raw).mean() == pytest.approx((target * raw).mean(), abs=1e-9)


def expit(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def outcomes(seed: int, n: int, slope: float = 1.0, intercept: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that were said, and outcomes whose true log-odds are intercept + slope x said log-odds."""
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(-2.5, 1.0, n)
    return expit(log_odds), rng.random(n) < expit(intercept + slope * log_odds)


def test_overconfidence_and_too_low_promises_are_distinguished() -> None:
    overconfident = calibration(*outcomes(2, 60_000, slope=0.6, intercept=-1.0))
    assert overconfident.slope == pytest.approx(0.6, abs=0.05)
    assert overconfident.slope_upper < 1
    assert (overconfident.n, len(overconfident.bins), overconfident.bins[0].rows) == (60_000, 10, 6_000)
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


def test_equal_probabilities_share_a_bin_whatever_the_order_of_rows() -> None:
    probability = np.array([0.1] * 50 + [0.5] * 50)
    outcome = np.arange(100) % 5 == 0
    order = np.random.default_rng(1).permutation(100)
    first, second = calibration(probability, outcome), calibration(probability[order], outcome[order])
    assert [b.rows for b in first.bins] == [b.rows for b in second.bins] == [50, 50]
    assert [b.outcome_rate for b in first.bins] == [0.2, 0.2]
    assert first.expected_calibration_error == pytest.approx(0.2)


def test_the_fit_is_the_maximum_even_where_a_full_newton_step_overshoots() -> None:
    probability = np.array([1.0] * 6 + [0.5] * 6 + [0.0] * 6)
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


def test_a_gain_needs_the_same_rows_and_clusters() -> None:
    truth, happened = outcomes(22, 40)
    with pytest.raises(InvalidInputError, match="cluster ids"):
        log_loss_gain(truth, truth, happened, cluster_ids=np.arange(39).astype(str))
    with pytest.raises(NotEnoughEvidenceError, match="2 clusters"):
        log_loss_gain(truth, truth, happened, cluster_ids=(np.arange(40) % 2).astype(str))


def test_the_level_is_the_intercept_as_a_ratio_of_odds() -> None:
    """The intercept is that of a logistic regression with the log-odds as offset, which statsmodels fits as well."""
    probability, outcome = outcomes(8, 20_000, intercept=-0.73)
    probability, outcome, users = np.repeat(probability, 2), np.repeat(outcome, 2), np.repeat(np.arange(20_000), 2)
    offset = np.log(probability / (1 - probability))
    model = sm.GLM(outcome.astype(float), np.ones(len(outcome)), family=sm.families.Binomial(), offset=offset)
    by_user = {"cov_type": "cluster", "cov_kwds": {"groups": users, "use_correction": False}}
    widths = []
    for clusters, arguments in ((None, {}), (users, by_user)):
        fit, found = model.fit(**arguments), calibration(probability, outcome, cluster_ids=clusters)
        assert found.level.estimate == pytest.approx(np.exp(fit.params[0]))
        assert (found.level.lower, found.level.upper) == pytest.approx(tuple(np.exp(fit.conf_int()[0])), rel=1e-3)
        widths.append(np.log(found.level.upper / found.level.lower))
    assert widths[1] == pytest.approx(np.sqrt(2) * widths[0], rel=0.02), "each row is there twice"


def world(seed: int = 1, users: int = 800) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    utility = rng.normal(size=(users, 20))
    relevant = rng.random((users, 20)) < 1 / (1 + np.exp(3.0 - 1.2 * utility))
    scores = {
        name: (weight * utility + rng.normal(size=utility.shape)).ravel()
        for name, weight in (("model", 1.0), ("rule", 0.3))
    }
    return np.repeat(np.arange(users), 20), np.tile(np.arange(20), users), relevant.ravel(), scores


def test_a_better_ranker_has_the_higher_map_on_the_same_users() -> None:
    users, jobs, relevant, scores = world()
    constant = {"constant": np.zeros(len(users)), "oracle": relevant.astype(float)}
    result = evaluate_rankings(users, jobs, relevant, scores | constant, POLICY)
    assert [ranker.name for ranker in result.rankers] == ["model", "rule", "constant", "oracle"]
    with_positives = len(np.unique(users[relevant]))
    assert {ranker.mean_average_precision.n for ranker in result.rankers} == {with_positives}
    assert (result.depth, result.users_with_positives) == (POLICY.ranking_depth, with_positives)
    assert 1.0 == result.map_of("oracle") > result.map_of("model") > result.map_of("rule") > result.random_map
    model, rule, _, oracle = result.rankers
    assert 1.0 == oracle.ndcg > model.ndcg > rule.ndcg
    assert 1.0 == oracle.recall > model.recall > rule.recall
    constant_map = result.rankers[2].mean_average_precision
    assert constant_map.lower < result.random_map < constant_map.upper


def test_windows_are_ranked_apart_and_users_count_once() -> None:
    users, jobs, relevant, scores = world()
    days = np.repeat(np.array(["2026-06-02", "2026-06-09"], dtype="datetime64[D]"), len(users))
    twice = {name: np.tile(values, 2) for name, values in scores.items()}
    one = evaluate_rankings(users, jobs, relevant, scores, POLICY)
    two = evaluate_rankings(np.tile(users, 2), np.tile(jobs, 2), np.tile(relevant, 2), twice, POLICY, as_of_dates=days)
    assert two.users_with_positives == one.users_with_positives
    assert [r.mean_average_precision for r in two.rankers] == [r.mean_average_precision for r in one.rankers]


def test_unknown_names_are_refused() -> None:
    users, jobs, relevant, scores = world(users=50)
    with pytest.raises(InvalidInputError, match="scores_by_name is empty"):
        evaluate_rankings(users, jobs, relevant, {}, POLICY)
    with pytest.raises(InvalidInputError, match="no ranker 'human'; evaluated were model, rule"):
        evaluate_rankings(users, jobs, relevant, scores, POLICY).map_of("human")
