"""Codes and tie keys: the same whatever the order of rows, the container and the process."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.row_keys import encode_days, encode_ids, read_ids, splitmix64, stable_hashes, tie_keys


@given(st.lists(st.text(min_size=0, max_size=20), min_size=1, max_size=40))
def test_codes_point_at_the_sorted_distinct_ids(column: list[str]) -> None:
    encoded = encode_ids(column)
    assert list(encoded.ids[encoded.codes]) == column
    assert list(encoded.ids) == sorted(set(column))


@pytest.mark.parametrize(
    "container",
    [
        list,
        lambda ids: np.array(ids, dtype=object),
        lambda ids: np.array(ids),
        pa.array,
        lambda ids: pa.chunked_array([ids[:2], ids[2:]]),
        lambda ids: pa.array(ids).dictionary_encode(),
        lambda ids: pa.array(ids, pa.large_string()),
    ],
)
def test_every_container_gives_the_same_codes(container: object) -> None:
    encoded = encode_ids(container(["b", "a", "ç", "b"]))  # type: ignore[operator]
    assert encoded.codes.tolist() == [1, 0, 2, 1]
    assert encoded.ids.tolist() == ["a", "b", "ç"]


@pytest.mark.parametrize(
    ("indices", "names", "expected"),
    [
        ([2, 0, 2], ["b", "x", "a"], ["a", "b"]),
        ([2, 0, 1], ["b", "a", "a"], ["a", "b"]),
        ([0, 2, 2], ["a", None, "c"], ["a", "c"]),
        ([1, 0, 1], ["a", "b"], ["a", "b"]),
    ],
    ids=["an unused name", "a name twice", "a missing name that is not used", "in order"],
)
def test_a_dictionary_may_hold_its_names_in_any_way(
    indices: list[int], names: list[str | None], expected: list[str]
) -> None:
    column = pa.DictionaryArray.from_arrays(pa.array(indices, pa.int8()), pa.array(names, pa.string()))
    encoded = encode_ids(column)
    assert encoded.ids.tolist() == expected
    assert encoded.ids[encoded.codes].tolist() == column.to_pylist()
    assert encode_ids(column[1:]).ids[encode_ids(column[1:]).codes].tolist() == column.to_pylist()[1:]


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["a", None]).dictionary_encode(),
        pa.DictionaryArray.from_arrays(pa.array([0, 1]), pa.array(["a", None], pa.string())),
        ["a", None],
    ],
    ids=["encoded", "dictionary", "list"],
)
def test_a_missing_id_names_its_row(column: pa.Array | list[str | None]) -> None:
    with pytest.raises(InvalidInputError, match="user_ids is missing in row 1"):
        encode_ids(column, "user_ids")


@given(st.lists(st.text(max_size=3) | st.integers(-5, 5).map(str), min_size=1, max_size=40), st.data())
def test_some_rows_are_encoded_as_if_they_were_alone(column: list[str], data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.integers(0, len(column) - 1), min_size=1, max_size=10))
    encoded = read_ids(column).encode(np.array(rows))
    alone = encode_ids([column[row] for row in rows])
    assert encoded.codes.tolist() == alone.codes.tolist()
    assert encoded.ids.tolist() == alone.ids.tolist()


def test_ids_that_are_read_keep_integers_and_name_strings_once() -> None:
    numbers = read_ids(np.array([30, -10, 30]))
    assert numbers.values.tolist() == [30, -10, 30]
    assert len(numbers.name_hashes()) == 0
    words = read_ids(["b", "a", "b"])
    assert [words.names[i].as_py() for i in words.values] == ["b", "a", "b"]
    assert words.name_hashes().tolist() == stable_hashes(np.array(words.names.to_pylist(), dtype=object)).tolist()


def test_integer_ids_are_ids() -> None:
    assert encode_ids(np.array([30, 10, 30])).codes.tolist() == [1, 0, 1]
    assert encode_ids(pa.array([30, 10, 30])).ids.tolist() == [10, 30]


@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-5, 5), min_size=1, max_size=40))
def test_integer_codes_are_those_of_numpy_for_dense_and_sparse_ids(column: list[int]) -> None:
    encoded = encode_ids(np.array(column, dtype=np.int64))
    ids, codes = np.unique(np.array(column, dtype=np.int64), return_inverse=True)
    assert encoded.ids.tolist() == ids.tolist()
    assert encoded.codes.tolist() == codes.tolist()


def test_no_rows_are_no_codes() -> None:
    assert len(encode_ids([]).codes) == 0
    assert len(tie_keys([], [], 1)) == 0


@pytest.mark.parametrize("column", [["a", None], [1.5], ["a", 1], [True], np.zeros((2, 2))])
def test_what_is_not_a_column_of_ids_is_refused_by_name(column: object) -> None:
    with pytest.raises(InvalidInputError, match="job_id"):
        encode_ids(column, "job_id")  # type: ignore[arg-type]


def test_days_are_counted_from_1970_and_a_missing_day_is_refused() -> None:
    assert encode_days(np.array(["1970-01-03"], dtype="datetime64[D]"), "day").tolist() == [2]
    with pytest.raises(InvalidInputError, match="day is missing in row 1"):
        encode_days(np.array(["2026-06-02", "NaT"], dtype="datetime64[D]"), "day")


def test_a_hash_depends_on_the_id_alone_not_on_its_neighbours() -> None:
    alone = stable_hashes(np.array(["user_1"], dtype=object))
    among = stable_hashes(np.array(["user_1", "a much longer id than eight bytes"], dtype=object))
    assert alone[0] == among[0]


def one_hash(name: str) -> int:
    """Return the hash of one id, byte by byte: its length, then words of eight bytes, padded with zeros."""
    encoded = name.encode()
    value = splitmix64(np.array([len(encoded)], dtype=np.uint64))
    for begin in range(0, len(encoded), 8):
        word = int.from_bytes(encoded[begin : begin + 8].ljust(8, b"\0"), "little")
        value = splitmix64(value ^ np.array([word], dtype=np.uint64))
    return int(value[0])


@given(st.lists(st.text(max_size=30), max_size=20))
def test_a_hash_is_made_of_the_length_and_the_bytes(names: list[str]) -> None:
    assert stable_hashes(np.array(names, dtype=object)).tolist() == [one_hash(name) for name in names]


def test_hashes_of_similar_ids_differ() -> None:
    ids = np.array([f"user_{i}" for i in range(50_000)] + ["", "a", "aa", "a" * 8, "a" * 9, "a" * 16], dtype=object)
    assert len(np.unique(stable_hashes(ids))) == len(ids)


def test_tie_keys_are_frozen_across_releases_and_processes() -> None:
    call = "from mlife_assets.core.row_keys import tie_keys; print(tie_keys(['user_1'], ['job_1'], 7)[0])"
    run = subprocess.run([sys.executable, "-c", call], capture_output=True, text=True, check=True)
    assert int(run.stdout) == int(tie_keys(["user_1"], ["job_1"], 7)[0]) == 7997596979172295785


def test_tie_keys_follow_user_item_and_seed() -> None:
    base = tie_keys(["u"], ["j"], 1)[0]
    assert len({base, tie_keys(["v"], ["j"], 1)[0], tie_keys(["u"], ["k"], 1)[0], tie_keys(["u"], ["j"], 2)[0]}) == 4
    assert tie_keys(["u"], ["v"], 1)[0] != tie_keys(["v"], ["u"], 1)[0]


def test_tie_keys_order_items_differently_for_each_user() -> None:
    users, items = np.repeat(np.arange(2_000), 10), np.tile(np.arange(10), 2_000)
    first = tie_keys(users, items, 3).reshape(2_000, 10).argmin(axis=1)
    counts = np.bincount(first, minlength=10)
    assert counts.min() > 150
    assert counts.max() < 250


def test_columns_of_unlike_length_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="2 user ids but 1 item ids"):
        tie_keys(["a", "b"], ["j"], 1)
