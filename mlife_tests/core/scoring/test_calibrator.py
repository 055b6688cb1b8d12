"""Calibrators: curves that rise everywhere, stay off 0 and 1, and survive JSON to the bit; those of 0.1.0 as before."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.errors import InvalidInputError, NewerVersionError
from mlife_assets.core.scoring.calibrator import FLOOR, FLOOR_OF_ALL, Calibrator

STEPS = Calibrator("isotonic", (-2.0, 0.1, 3.0), (0.0, 0.25, 1.0))
SIGMOID = Calibrator("sigmoid", (1.5, -0.7), ())
CURVE = Calibrator("centred_isotonic", (-3.0, -2.0, 0.1, 3.0), log_odds=(-6.0, -5.0, -4.9, 1.0))
LINE = Calibrator("logistic", (-1.0, 1.0), log_odds=(-2.2, 0.8))
FLAT = Calibrator("base_rate", (-1.0, 1.0), log_odds=(-2.001, -1.999))
RAW = np.array([-1e300, -9.0, -2.0, 0.0, 0.1, 1.0 / 3.0, 3.0, 9.0, 1e300])

OF_0_1_0 = (
    (
        '{"method":"isotonic","probability":[1e-06,0.004,0.02,0.02,0.31],"raw":[-7.25,-5.1,-3.75,-3.0,0.125]}',
        [1e-06, 0.004, 0.01229629629629629, 0.02, 0.029280000000000007, 0.31],
    ),
    (
        '{"method":"sigmoid","probability":[],"raw":[0.8437,-0.2191]}',
        [0.0004045219316513, 0.0107507585350818, 0.0192391760868511, 0.0472765622410025, 0.0650200136059269, 0.9591327],
    ),
)
"""Files of release 0.1.0, and what it made of the scores -9, -5.1, -4.4, -3.3, -2.9 and 4."""


def as_in_0_1_0(record: dict[str, Any], raw: np.ndarray) -> np.ndarray:
    """The arithmetic of release 0.1.0, written out: its bits depend on the machine's exponential."""
    if record["method"] == "isotonic":
        values = np.interp(raw, np.array(record["raw"]), np.array(record["probability"]))
    else:
        slope, intercept = record["raw"]
        values = 1.0 / (1.0 + np.exp(-np.clip(slope * raw + intercept, -30.0, 30.0)))
    return np.clip(values, 1e-6, 1.0 - 1e-6)


@pytest.mark.parametrize("calibrator", [STEPS, SIGMOID, CURVE, LINE, FLAT])
def test_one_score_alone_is_a_batch_and_no_probability_is_0_or_1(calibrator: Calibrator) -> None:
    found = calibrator.probabilities(RAW)
    assert np.all(np.diff(found) >= 0)
    assert found.min() > 0
    assert found.max() < 1
    alone = np.concatenate([calibrator.probabilities(RAW[row : row + 1]) for row in range(len(RAW))])
    assert found.tobytes() == alone.tobytes()


@pytest.mark.parametrize("calibrator", [STEPS, SIGMOID])
def test_what_0_1_0_fitted_is_cut_off_as_it_was(calibrator: Calibrator) -> None:
    found = calibrator.probabilities(RAW)
    assert (found.min(), found.max()) == (FLOOR, 1 - FLOOR)


def test_a_curve_approaches_its_ends_and_never_reaches_them() -> None:
    found = LINE.probabilities(np.array([-1e6, -1e3, -50.0, 50.0, 1e3, 1e6]))
    assert np.all(np.diff(found) > 0)
    assert found[0] == pytest.approx(FLOOR_OF_ALL, rel=1e-3)
    assert 1 - found[-1] == pytest.approx(FLOOR_OF_ALL, rel=1e-3)
    assert found[2] < FLOOR, "the bend begins where 0.1.0 cut off"


@st.composite
def curves(draw: st.DrawFn) -> Calibrator:
    """A curve of 2 to 8 knots whose slopes lie between 1e-3 and 1e3."""
    count = draw(st.integers(1, 7))
    steps = draw(st.lists(st.floats(1e-3, 5.0), min_size=count, max_size=count))
    slopes = draw(st.lists(st.floats(1e-3, 1e3), min_size=count, max_size=count))
    knots = draw(st.floats(-20, 20)) + np.concatenate([[0], np.cumsum(steps)])
    values = draw(st.floats(-12, 3)) + np.concatenate([[0], np.cumsum(np.array(steps) * slopes)])
    return Calibrator("centred_isotonic", tuple(knots.tolist()), log_odds=tuple(values.tolist()))


@given(curve=curves(), raw=st.lists(st.floats(-40, 40), min_size=2, max_size=30))
def test_order_is_never_turned_whatever_the_scores(curve: Calibrator, raw: list[float]) -> None:
    scores = np.sort(np.array(raw))
    found = curve.probabilities(scores)
    assert np.all(np.diff(found) >= -1e-15 * found[1:]), "no more than what the last bit of an exponential may do"


@given(
    slope=st.floats(0.01, 20),
    level=st.floats(-8, 2),
    start=st.floats(-30, 30),
    gaps=st.lists(st.floats(1e-3, 2.0), min_size=1, max_size=30),
)
def test_distinct_scores_get_distinct_probabilities_in_the_same_order(
    slope: float, level: float, start: float, gaps: list[float]
) -> None:
    """Far out the room between floats near 1 is the limit: a thousandth apart is kept apart at any score here."""
    line = Calibrator("logistic", (0.0, 1.0), log_odds=(level, level + slope))
    raw = start + np.concatenate([[0.0], np.cumsum(gaps)])
    assert np.all(np.diff(line.probabilities(raw)) > 0)


def test_a_curve_goes_through_its_knots_and_its_outer_lines_go_on() -> None:
    assert STEPS.probabilities(np.array([0.1]))[0] == 0.25
    assert SIGMOID.probabilities(np.array([0.7 / 1.5]))[0] == pytest.approx(0.5, abs=1e-15)
    found = CURVE.probabilities(np.array([-5.0, *CURVE.raw, 4.0]))
    assert np.log(found / (1 - found)) == pytest.approx([-8.0, *CURVE.log_odds, 1.0 + 5.9 / 2.9])


@pytest.mark.parametrize(
    "calibrator", [STEPS, SIGMOID, CURVE, LINE, FLAT, Calibrator("logistic", (1 / 3, 0.7), log_odds=(0.1 + 0.2, 1.0))]
)
def test_json_keeps_every_bit(calibrator: Calibrator) -> None:
    again = Calibrator.from_json(calibrator.to_json())
    assert again == calibrator
    assert again.probabilities(RAW).tobytes() == calibrator.probabilities(RAW).tobytes()


@pytest.mark.parametrize(("text", "expected"), OF_0_1_0)
def test_a_calibrator_of_0_1_0_scores_to_the_bit_and_keeps_its_bytes(text: str, expected: list[float]) -> None:
    found = Calibrator.from_json(text)
    raw = np.array([-9.0, -5.1, -4.4, -3.3, -2.9, 4.0])
    assert found.to_json() == text, "the bytes are hashed into the version of the model"
    assert found.probabilities(raw) == pytest.approx(expected, rel=1e-7)
    many = np.linspace(-40, 40, 4_001)
    assert found.probabilities(many).tobytes() == as_in_0_1_0(json.loads(text), many).tobytes()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"log_odds": [-2.2, -2.2]}, "does not rise from knot 0"),
        ({"log_odds": [0.8, -2.2]}, "does not rise from knot 0"),
        ({"raw": [1.0, 1.0]}, "does not rise from knot 0"),
        ({"raw": [1.0, -1.0], "log_odds": [1.0, -1.0]}, "does not rise from knot 0"),
        ({"log_odds": [0.8, float("nan")]}, "does not rise from knot 0"),
        ({"log_odds": [0.8]}, "2 knots and 1 values"),
        ({"raw": [1.0], "log_odds": [0.8]}, "1 knots and 1 values"),
    ],
)
def test_a_curve_that_does_not_rise_is_refused(changes: dict[str, list[float]], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        Calibrator.from_json(json.dumps(json.loads(LINE.to_json()) | changes))


def test_a_method_of_a_later_release_asks_for_an_upgrade() -> None:
    with pytest.raises(NewerVersionError, match="'beta', unknown to this mlife; upgrade mlife"):
        Calibrator.from_json('{"method":"beta","raw":[1.0,2.0]}')
