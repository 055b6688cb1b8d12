"""Casting: bad rows are found exactly, wherever and however many they are; the rule is never stricter than the cast."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.casting import cast_column, castable_rows, plain_array


@given(st.lists(st.one_of(st.none(), st.integers(-9, 9).map(str), st.sampled_from(["x", "", "1.5", "1e9"]))))
def test_text_is_cast_where_it_is_a_whole_number_and_null_elsewhere(values: list[str | None]) -> None:
    cast = cast_column(pa.array(values, pa.string()), pa.int64())
    expected = [None if v is None or v in {"x", "", "1.5", "1e9"} else int(v) for v in values]
    assert cast.values.to_pylist() == expected
    assert cast.values.type == pa.int64()
    is_wrong = [v is not None and e is None for v, e in zip(values, expected, strict=True)]
    assert cast.wrong_type.tolist() == is_wrong
    assert not cast.invalid_utf8.any()


@given(st.lists(st.one_of(st.none(), st.binary(max_size=3))))
def test_bytes_are_text_where_they_are_utf8(values: list[bytes | None]) -> None:
    def decoded(value: bytes | None) -> str | None:
        try:
            return None if value is None else value.decode()
        except UnicodeDecodeError:
            return None

    cast = cast_column(pa.array(values, pa.binary()), pa.string())
    assert cast.values.to_pylist() == [decoded(value) for value in values]
    assert cast.invalid_utf8.tolist() == [v is not None and decoded(v) is None for v in values]
    cast.values.validate(full=True)


def test_a_list_is_bad_when_an_element_is_and_slices_keep_their_place() -> None:
    lists = pa.array([["9"], ["1", "2"], None, ["x"], [], ["3", None]]).slice(1)
    cast = cast_column(lists, pa.list_(pa.float64()))
    assert cast.values.to_pylist() == [[1.0, 2.0], None, None, [], [3.0, None]]
    assert cast.wrong_type.tolist() == [False, False, True, False, False]


@pytest.mark.parametrize(
    "array",
    [
        pa.array(["a", None]).dictionary_encode(),
        pa.array(["a", None], pa.string_view()),
        pa.RunEndEncodedArray.from_arrays([1, 2], pa.array(["a", None])),
    ],
)
def test_encodings_are_undone(array: pa.Array) -> None:
    assert plain_array(array).equals(pa.array(["a", None]))


TIME, DAY = pa.timestamp("us", "UTC"), pa.date32()


def casts(value: object, source: pa.DataType, target: pa.DataType) -> bool:
    try:
        pa.array([value], source).cast(target)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return False
    return True


PARTS = st.tuples(
    st.sampled_from(["2026", "2024", "1900", "2000", "0000", "9999", "+026"]),
    st.sampled_from(["-01", "-02", "-04", "-12", "-13", "-00", "-6"]),
    st.sampled_from(["-01", "-28", "-29", "-30", "-31", "-32", "-00"]),
    st.sampled_from(["", "T", " ", "t"]),
    st.sampled_from(["", "00", "23", "24", "10:00", "10:60", "10:00:59", "10:00:60", "100000"]),
    st.sampled_from(["", ".", ".1", ".123456", ".1234567"]),
    st.sampled_from(["", "Z", "z", "+02", "+02:00", "-0230", "+24:00", "+02:60", "+2", " "]),
).map("".join)
NUMBERS = st.text("0123456789-+.eExXinfNaAF_ ", max_size=22) | st.integers().map(str) | st.floats().map(str)


@given(st.lists(PARTS, min_size=1), st.sampled_from([TIME, DAY]))
def test_the_rule_of_times_and_days_is_that_of_the_cast(values: list[str], target: pa.DataType) -> None:
    assert castable_rows(pa.array(values), target).tolist() == [casts(v, pa.string(), target) for v in values]


@given(st.lists(NUMBERS, min_size=1), st.sampled_from([pa.int64(), pa.float64()]))
def test_the_rule_of_numbers_is_never_stricter_than_the_cast(values: list[str], target: pa.DataType) -> None:
    for value, castable in zip(values, castable_rows(pa.array(values), target), strict=True):
        assert castable or not casts(value, pa.string(), target)


@given(st.lists(st.integers().map(str) | st.integers(-(2**64), 2**64).map(hex), min_size=1))
def test_the_rule_of_whole_numbers_is_that_of_the_cast(values: list[str]) -> None:
    expected = [casts(value, pa.string(), pa.int64()) for value in values]
    assert castable_rows(pa.array(values), pa.int64()).tolist() == expected


@pytest.mark.parametrize(
    ("source", "values", "target"),
    [
        (pa.float64(), [1.0, 1.5, float("nan"), float("inf"), 2.0**63, -(2.0**63), 2.0**62, None], pa.int64()),
        (pa.uint64(), [0, 2**63 - 1, 2**63, None], pa.int64()),
        (pa.int64(), [2**53, 2**53 + 1, -(2**53), -(2**53) - 1, 2**60, None], pa.float64()),
        (pa.uint64(), [2**53, 2**53 + 1], pa.float64()),
        (pa.int32(), [2**31 - 1, -(2**31)], pa.float64()),
        (pa.decimal128(20, 2), [Decimal("1.00"), Decimal("1.25"), None], pa.int64()),
        (pa.timestamp("ns", "UTC"), [1_000, 1_001, -1_000, -1, None], TIME),
        (pa.timestamp("s", "UTC"), [2**40, 2**62, -(2**62), 9_223_372_036_854, 9_223_372_036_855], TIME),
        (pa.timestamp("ms", "UTC"), [2**62, -(2**62), 5], TIME),
    ],
)
def test_the_rule_of_other_numbers_and_times_is_never_stricter(
    source: pa.DataType, values: list, target: pa.DataType
) -> None:
    for value, castable in zip(values, castable_rows(pa.array(values, source), target), strict=True):
        assert castable or not casts(value, source, target)


@pytest.mark.parametrize("source", [pa.string(), pa.large_string()])
def test_values_and_masks_are_those_of_casting_one_by_one(source: pa.DataType) -> None:
    rng = np.random.default_rng(3)
    pool = ["2026-06-01T10:00:00Z", "noon", None, "2023-02-29T00Z", "2024-02-29T00Z", "2026-06-01", "9" * 20, "7", ""]
    values = [pool[n] for n in rng.integers(0, len(pool), 400)]
    for target in (TIME, DAY, pa.int64(), pa.float64()):
        found = cast_column(pa.array(values, source), target)
        assert found.wrong_type.tolist() == [not casts(v, source, target) for v in values]
        assert found.values.is_null().to_pylist() == [v is None or not casts(v, source, target) for v in values]
