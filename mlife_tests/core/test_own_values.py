"""Columns as pandas, polars and databases make them, read as what they are declared to be."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from mlife_assets.core.own_values import read_as

MIDNIGHT = datetime(2026, 4, 3, tzinfo=UTC).replace(tzinfo=None)
NOON = MIDNIGHT.replace(hour=12)
DAY = date(2026, 4, 3)


@pytest.mark.parametrize(
    ("given", "wanted", "values", "wrong"),
    [
        (pa.array([7, None]), pa.string(), ["7", None], []),
        (pa.array(["a", None]).dictionary_encode(), pa.string(), ["a", None], []),
        (pa.array(["a"], pa.large_string()), pa.string(), ["a"], []),
        (pa.array([1.5, None]), pa.string(), [None, None], [0]),
        (pa.array([Decimal(15), None], pa.decimal128(38, 0)), pa.string(), ["15", None], []),
        (pa.array([Decimal(1), Decimal(0), Decimal(2)], pa.decimal128(38, 0)), pa.bool_(), [True, False, None], [2]),
        (pa.array([Decimal(7)], pa.decimal256(60, 0)), pa.float64(), [7.0], []),
        (pa.array([Decimal(10) ** 30], pa.decimal128(38, 0)), pa.string(), [None], [0]),
        (pa.array([b"\xff", b"a"]), pa.string(), [None, "a"], [0]),
        (pa.array([True, False]), pa.float64(), [1.0, 0.0], []),
        (pa.array([3, None], pa.int32()), pa.float64(), [3.0, None], []),
        (pa.array([float("nan"), 2.0]), pa.float64(), [None, 2.0], []),
        (pa.array(["2.5", "two"]), pa.float64(), [2.5, None], [1]),
        (pa.nulls(2), pa.float64(), [None, None], []),
        (pa.array([True, None]), pa.bool_(), [True, None], []),
        (pa.array([1, 0, 2]), pa.bool_(), [True, False, None], [2]),
        (pa.array([1.0, float("nan")]), pa.bool_(), [True, None], []),
        (pa.array(["yes", None]), pa.bool_(), [None, None], [0]),
        (pa.array([DAY]), pa.date32(), [DAY], []),
        (pa.array(["2026-04-03", "tomorrow"]), pa.date32(), [DAY, None], [1]),
        (pa.array([MIDNIGHT, NOON, None]), pa.date32(), [DAY, None, None], [1]),
        (pa.array([MIDNIGHT], pa.timestamp("ns")), pa.date32(), [DAY], []),
        (pa.array([MIDNIGHT.replace(tzinfo=UTC)], pa.timestamp("us", "UTC")), pa.date32(), [DAY], []),
        (pa.array([20_546]), pa.date32(), [None], [0]),
    ],
)
def test_what_can_be_read_without_a_guess_is_read_and_the_rest_is_wrong_alone(
    given: pa.Array, wanted: pa.DataType, values: list[object], wrong: list[int]
) -> None:
    read = read_as(pa.chunked_array([given]), wanted)
    assert read.values.type == wanted
    assert read.values.to_pylist() == values
    assert read.wrong.nonzero()[0].tolist() == wrong


def test_a_midnight_elsewhere_is_no_day() -> None:
    """Midnight in New York is four in the morning UTC: whose day it is nobody can say."""
    elsewhere = pa.array([datetime(2026, 4, 3, 4, tzinfo=UTC)], pa.timestamp("us", "America/New_York"))
    assert read_as(pa.chunked_array([elsewhere]), pa.date32()).wrong.tolist() == [True]


def test_a_column_without_rows_is_read() -> None:
    read = read_as(pa.chunked_array([], pa.int64()), pa.date32())
    assert (len(read.values), len(read.wrong)) == (0, 0)
