"""Calibrators: monotone, right on average, exact in JSON."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.scoring.calibrator import Calibrator
from mlife_assets.core.training.calibrate import fit_calibrator
from mlife_assets.core.training.reliability import calibration


def drawn(rows: int, slope: float, intercept: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    raw = rng.normal(-2.5, 1.0, rows)
    return raw, rng.random(rows) < 1 / (1 + np.exp(-(slope * raw + intercept)))


@pytest.mark.parametrize(("rows", "method"), [(60_000, "isotonic"), (6_000, "sigmoid")])
def test_an_overconfident_score_becomes_believable(rows: int, method: str) -> None:
    raw, outcome = drawn(rows, 0.6, -0.5)
    found = fit_calibrator(raw, outcome, isotonic_minimum_positives=2_000)
    assert found.method == method
    fresh, happened = drawn(60_000, 0.6, -0.5, seed=1)
    judged = calibration(found.probabilities(fresh), happened)
    assert judged.slope == pytest.approx(1.0, abs=0.12)
    assert judged.expected_calibration_error < 0.01


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10_000), slope=st.sampled_from([-1.0, 0.0, 0.3, 1.0, 4.0]), least=st.sampled_from([1, 10_000])
)
def test_any_fit_is_monotone_bounded_and_exact_in_json(seed: int, slope: float, least: int) -> None:
    raw, outcome = drawn(400, slope, 0.0, seed)
    outcome[0], outcome[1] = True, False
    found = fit_calibrator(raw, outcome, isotonic_minimum_positives=least)
    grid = np.linspace(-60, 60, 2_001)
    probability = found.probabilities(grid)
    assert (np.diff(probability) >= 0).all()
    assert ((probability > 0) & (probability < 1)).all()
    again = Calibrator.from_json(found.to_json())
    assert again == found
    assert again.probabilities(grid).tobytes() == probability.tobytes()


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


@pytest.mark.parametrize("run", [3, 40])
def test_a_run_of_one_class_at_an_end_is_no_certainty(run: int) -> None:
    """The next outcome refutes a probability of 0 or 1; a longer run says more."""
    inner = np.linspace(-1, 1, 200)
    raw = np.concatenate([np.linspace(-3, -2, run), inner, np.linspace(2, 3, run)])
    outcome = np.concatenate([np.zeros(run), (np.arange(200) + 1) % 2, np.ones(run)]).astype(bool)
    found = fit_calibrator(raw, outcome, isotonic_minimum_positives=1)
    low, high = found.probabilities(np.array([-3.0, 3.0]))
    assert found.method == "isotonic"
    assert low == pytest.approx(0.5 / (run + 1))
    assert high == pytest.approx(1 - 0.5 / (run + 1))


def test_isotonic_begins_with_the_number_of_positives_of_the_policy() -> None:
    raw, outcome = drawn(500, 1.0, 0.0)
    positives = int(outcome.sum())
    assert fit_calibrator(raw, outcome, isotonic_minimum_positives=positives).method == "isotonic"
    assert fit_calibrator(raw, outcome, isotonic_minimum_positives=positives + 1).method == "sigmoid"


def test_a_sigmoid_fits_the_targets_of_platt() -> None:
    """The fit has the mean and the first moment of its targets, (N+ + 1) / (N+ + 2) and 1 / (N- + 2)."""
    raw, outcome = drawn(40, 1.0, 2.0)
    positives = int(outcome.sum())
    target = np.where(outcome, (positives + 1) / (positives + 2), 1 / (len(raw) - positives + 2))
    probability = fit_calibrator(raw, outcome, isotonic_minimum_positives=10_000).probabilities(raw)
    assert probability.mean() == pytest.approx(target.mean(), abs=1e-9)
    assert (probability * raw).mean() == pytest.approx((target * raw).mean(), abs=1e-9)
