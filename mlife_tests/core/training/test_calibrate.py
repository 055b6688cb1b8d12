"""Calibrators: they keep the order of scores, are right on average and exact in JSON."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.scoring.calibrator import Calibrator
from mlife_assets.core.training.calibrate import BLOCK_MINIMUM, _pooled, fit_calibrator
from mlife_assets.core.training.gate.comparing import average_precision
from mlife_assets.core.training.reliability import calibration


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


def test_a_step_curve_cost_what_this_one_keeps() -> None:
    """What 0.1.0 fitted on the same rows ties, and loses average precision on others."""
    from sklearn.isotonic import IsotonicRegression

    raw, outcome = drawn(20_000, 0.9, -1.0)
    fresh, happened = drawn(20_000, 0.9, -1.0, seed=1)
    steps = IsotonicRegression(out_of_bounds="clip").fit(raw, outcome.astype(float)).predict(fresh)
    curve = fit_calibrator(raw, outcome, isotonic_minimum_positives=1).probabilities(fresh)
    lost, kept = (average_precision(fresh, happened) - average_precision(one, happened) for one in (steps, curve))
    assert lost > 0.005
    assert kept == 0


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
    assert fit_calibrator(raw, raw > 0, isotonic_minimum_positives=10_000).method == "logistic"


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


def test_separable_outcomes_have_a_finite_answer() -> None:
    raw = np.linspace(-3, 3, 200)
    probability = fit_calibrator(raw, raw > 0, isotonic_minimum_positives=10_000).probabilities(raw)
    assert np.isfinite(probability).all()
    assert probability[0] < 0.05 < 0.95 < probability[-1]


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


@pytest.mark.parametrize("scores", [[-2.0, -2.0, -2.0, 1.0, 1.0, 1.0], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]])
def test_few_distinct_scores_are_enough_for_a_curve(scores: list[float]) -> None:
    raw, outcome = np.tile(scores, 50), np.tile([False, False, True, False, True, True], 50)
    found = fit_calibrator(raw, outcome, isotonic_minimum_positives=1)
    assert (np.diff(found.probabilities(np.unique(raw))) > 0).all()


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
