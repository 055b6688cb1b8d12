"""What a request may say, and what it is told when it may not."""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.features import FeatureSpec
from mlife_assets.serving.requests import RequestLimits, RowError, parse_rows, row_record, rows_matrix

SPEC = FeatureSpec(("distance_km", "metro_code"), (("metro_code", ("10", "20")),))
LIMITS = RequestLimits(body_bytes=1_000, rows=3)


def refusal(call: Any, *arguments: Any) -> RowError:
    with pytest.raises(RowError) as caught:
        call(*arguments)
    assert caught.value.remedy
    return caught.value


@given(st.floats(width=64), st.sampled_from(["10", "20", "unseen", "", None]))
def test_a_row_survives_json_to_the_bit(number: float, metro: str | None) -> None:
    code = {"10": 0.0, "20": 1.0}.get(metro, math.nan)
    row = np.array([number, code])
    body = orjson.dumps({"rows": [row_record(SPEC, row), {**row_record(SPEC, row), "metro_code": metro}]})
    matrix = rows_matrix(parse_rows(body, LIMITS), SPEC)
    for line in matrix:
        np.testing.assert_array_equal(line, row)
        assert math.isnan(number) or math.copysign(1, line[0]) == math.copysign(1, number)


def test_columns_come_in_the_order_of_the_spec_whatever_the_order_of_the_row() -> None:
    assert rows_matrix([{"metro_code": "20", "distance_km": 3}], SPEC).tolist() == [[3.0, 1.0]]


def test_null_is_missing_and_an_unseen_category_too() -> None:
    matrix = rows_matrix([{"metro_code": "99", "distance_km": None}, {"metro_code": None, "distance_km": "NaN"}], SPEC)
    assert np.isnan(matrix).all()


def test_no_rows_are_a_matrix_without_rows() -> None:
    assert rows_matrix([], SPEC).shape == (0, 2)


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"{}", b'{"rows": 3}', b'{"rows": [NaN]}', b"\xff", b"1e999"])
def test_a_body_that_is_no_list_of_rows_is_refused(body: bytes) -> None:
    assert "rows" in refusal(parse_rows, body, LIMITS).remedy


def test_an_unknown_key_and_too_many_rows_are_refused() -> None:
    assert refusal(parse_rows, b'{"rows": [], "model": "x"}', LIMITS).field == "model"
    assert "at most 3 rows" in refusal(parse_rows, b'{"rows": [1,2,3,4]}', LIMITS).remedy


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"metro_code": "10"}, "distance_km"),
        ({"metro_code": "10", "distance_km": 1, "pay": 2}, "pay"),
        ({"metro_code": "10", "distance_km": True}, "distance_km"),
        ({"metro_code": "10", "distance_km": "12"}, "distance_km"),
        ({"metro_code": "10", "distance_km": [1]}, "distance_km"),
        ({"metro_code": 10, "distance_km": 1}, "metro_code"),
        ([1, 2], None),
        (None, None),
    ],
)
def test_a_bad_row_is_named_with_its_field(row: Any, field: str | None) -> None:
    good = {"metro_code": "10", "distance_km": 1}
    error = refusal(rows_matrix, [good, row], SPEC)
    assert (error.row, error.field) == (1, field)
    assert "row 1" in error.message


def test_limits_that_let_nothing_through_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="rows is 0"):
        RequestLimits(rows=0)


def test_a_record_is_the_inverse_of_a_matrix_row(models: ModuleType) -> None:
    matrix = models.random_matrix(5, 50)
    matrix[0, 0], matrix[1, 0] = np.inf, -np.inf
    records = [row_record(models.SPEC, row) for row in matrix]
    np.testing.assert_array_equal(rows_matrix(orjson.loads(orjson.dumps(records)), models.SPEC), matrix)
