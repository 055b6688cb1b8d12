"""The base: the same bits alone and in a batch, parts that sum, flat ends, nothing for what is missing."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.scoring.linear_base import BaseCurve, LinearBase

NAMES = ("pay", "city", "km")
BASE = LinearBase(
    -1.25,
    (BaseCurve("pay", (-1.0, 0.0, 2.0), (-0.3, 0.1, 0.7)), BaseCurve("km", (0.0, 1 / 3, 40.0), (0.2, 0.1, -1.1))),
)
VALUES = st.floats(allow_nan=True, allow_infinity=True, width=64)


def matrix(rows: int = 500, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    found = rng.normal(0, 20, (rows, 3))
    found[rng.random(found.shape) < 0.1] = np.nan
    return found


def test_a_curve_is_straight_between_knots_flat_beyond_and_silent_about_what_is_missing() -> None:
    asked = np.array([-9.0, -np.inf, -1.0, -0.5, 0.0, 1.0, 2.0, 99.0, np.inf, np.nan])
    assert BASE.curves[0].of(asked) == pytest.approx([-0.3, -0.3, -0.3, -0.1, 0.1, 0.4, 0.7, 0.7, 0.7, 0.0])


def test_what_nothing_is_known_of_gets_the_intercept() -> None:
    assert BASE.raw(np.full((1, 3), np.nan), NAMES).tolist() == [-1.25]


def test_a_column_that_has_no_curve_adds_nothing() -> None:
    rows = matrix()
    other = rows.copy()
    other[:, 1] = 7.0
    assert BASE.raw(rows, NAMES).tobytes() == BASE.raw(other, NAMES).tobytes()
    assert not BASE.contributions(rows, NAMES)[:, 1].any()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 255])
def test_a_row_scores_the_same_bits_alone_and_among_others_in_any_layout(size: int) -> None:
    rows = matrix()
    every = BASE.raw(rows, NAMES)
    parts = [BASE.raw(rows[start : start + size], NAMES) for start in range(0, len(rows), size)]
    assert np.concatenate(parts).tobytes() == every.tobytes()
    assert BASE.raw(np.asfortranarray(rows), NAMES).tobytes() == every.tobytes()
    assert BASE.raw(rows[::-1], NAMES)[::-1].tobytes() == every.tobytes()


@given(st.lists(st.tuples(VALUES, VALUES, VALUES), min_size=1, max_size=20))
def test_parts_of_any_row_sum_to_its_log_odds_and_are_finite(asked: list[tuple[float, float, float]]) -> None:
    rows = np.array(asked)
    raw, parts = BASE.raw(rows, NAMES), BASE.contributions(rows, NAMES)
    assert np.isfinite(parts).all()
    assert parts.shape == (len(rows), 4)
    assert np.sum(parts, axis=1) == pytest.approx(raw, abs=1e-12)
    assert (parts[:, -1] == -1.25).all()


def test_columns_are_found_by_name_whatever_their_place() -> None:
    rows = matrix()
    assert BASE.raw(rows[:, ::-1], NAMES[::-1]).tobytes() == BASE.raw(rows, NAMES).tobytes()


def test_no_rows_have_no_scores() -> None:
    assert BASE.raw(np.zeros((0, 3)), NAMES).shape == (0,)
    assert BASE.contributions(np.zeros((0, 3)), NAMES).shape == (0, 4)


def test_json_keeps_every_bit() -> None:
    text = BASE.to_json()
    assert LinearBase.from_json(text) == BASE
    assert LinearBase.from_json(text).to_json() == text
    assert json.loads(text)["curves"][1]["knots"][1] == 1 / 3
