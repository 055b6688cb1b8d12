"""Casting: bad rows are found exactly, wherever and however many they are."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.casting import cast_column, plain_array


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
