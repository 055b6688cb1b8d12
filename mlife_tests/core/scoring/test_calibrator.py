"""Calibrators: curves that rise, stay off 0 and 1, and survive JSON to the bit."""

from __future__ import annotations

import numpy as np
import pytest

from mlife_assets.core.scoring.calibrator import FLOOR, Calibrator

CURVE = Calibrator("isotonic", (-2.0, 0.1, 3.0), (0.0, 0.25, 1.0))
LOGISTIC = Calibrator("sigmoid", (1.5, -0.7), ())


@pytest.mark.parametrize("calibrator", [CURVE, LOGISTIC])
def test_one_score_alone_is_a_batch_and_no_probability_is_0_or_1(calibrator: Calibrator) -> None:
    raw = np.array([-1e300, -9.0, -2.0, 0.0, 0.1, 1.0 / 3.0, 3.0, 9.0, 1e300])
    found = calibrator.probabilities(raw)
    assert np.all(np.diff(found) >= 0)
    assert found.min() == FLOOR
    assert found.max() == 1 - FLOOR
    alone = np.concatenate([calibrator.probabilities(raw[row : row + 1]) for row in range(len(raw))])
    assert found.tobytes() == alone.tobytes()


def test_a_curve_goes_through_its_knots_and_a_logistic_curve_has_its_slope() -> None:
    assert CURVE.probabilities(np.array([0.1]))[0] == 0.25
    assert LOGISTIC.probabilities(np.array([0.7 / 1.5]))[0] == pytest.approx(0.5, abs=1e-15)
    odds = [np.log(p / (1 - p)) for p in LOGISTIC.probabilities(np.array([0.0, 1.0]))]
    assert odds[1] - odds[0] == pytest.approx(1.5)


@pytest.mark.parametrize("calibrator", [CURVE, LOGISTIC, Calibrator("sigmoid", (1 / 3, 0.1 + 0.2), ())])
def test_json_keeps_every_bit(calibrator: Calibrator) -> None:
    assert Calibrator.from_json(calibrator.to_json()) == calibrator
