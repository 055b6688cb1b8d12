"""What the worker lets out: plain types, measured text, and a reason for everything else."""

from __future__ import annotations

import datetime as dt
import uuid

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlife_assets.adapters.cage.worker import Limits, RefusedError, decode

LIMITS = Limits(rows=1_000, values=10_000, decoded_bytes=100_000, text_lengths={"a": 5})


def parquet(array: pa.Array, name: str = "a", **options: object) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({name: array}), sink, **options)
    return bytes(sink.getvalue())


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def forged(rows: int, depth: int) -> bytes:
    """Return a file that is a footer: `rows` announced, a schema of `depth` groups, written by hand in Thrift."""
    group = b"\x35\x00\x18\x01a\x15\x02\x00"
    root, leaf = b"\x48\x01r\x15\x02\x00", b"\x15\x02\x25\x00\x18\x01a\x00"
    count = depth + 2
    schema = (bytes([count << 4 | 12]) if count < 15 else b"\xfc" + varint(count)) + root + group * depth + leaf
    zigzag = varint((rows << 1 ^ rows >> 63) & (2**64 - 1))
    footer = b"\x15\x02\x19" + schema + b"\x16" + zigzag + b"\x19\x0c\x00"
    return b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1"


@pytest.mark.parametrize(
    ("array", "kind"),
    [
        (pa.array(["a", None], pa.string_view()), pa.binary()),
        (pa.array(["a", None]).dictionary_encode(), pa.binary()),
        (pa.array([1, None]).dictionary_encode(), pa.int64()),
        (pa.array([["a"], None, []]), pa.list_(pa.field("item", pa.binary()))),
        (pa.array([[1.0, 2.0]], pa.list_(pa.float64(), 2)), pa.list_(pa.float64())),
        (pa.array([[1]], pa.large_list(pa.int64())), pa.list_(pa.int64())),
        (pa.array([uuid.UUID(int=7).bytes], pa.uuid()), pa.binary()),
        (pa.array([dt.timedelta(1)]), pa.duration("us")),
        (pa.array([True, None]), pa.bool_()),
        (pa.array([2**60, None], pa.int64()).view(pa.time64("us")), pa.duration("us")),
        (pa.array([2**30, None], pa.int32()).view(pa.time32("ms")), pa.duration("ms")),
    ],
)
def test_types_are_plain(array: pa.Array, kind: pa.DataType) -> None:
    table, extra = decode(parquet(array), LIMITS)
    assert table["a"].type == kind
    assert table["a"].null_count == array.null_count
    assert extra == []


@pytest.mark.parametrize("options", [{}, {"use_dictionary": False}, {"row_group_size": 1}])
@pytest.mark.parametrize("encoding", [None, "PLAIN", "DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"])
def test_text_that_may_fit_is_kept_to_the_byte_and_other_text_is_replaced(options: dict, encoding: str | None) -> None:
    values = ["éé", "x" * 20, "x" * 21, None, "", "é" * 11]
    if encoding is not None:
        options = {**options, "use_dictionary": False, "column_encoding": {"a": encoding}}
    table, _ = decode(parquet(pa.array(values), **options), LIMITS)
    assert table["a"].to_pylist() == ["éé".encode(), b"x" * 20, b"?" * 6, None, b"", b"?" * 6]


@pytest.mark.parametrize(
    ("data", "reason", "words"),
    [
        (parquet(pa.nulls(1_001, pa.int8())), "too_large", "announces 1001 rows"),
        (parquet(pa.array([[0] * 10_001])), "too_large", "expands"),
        (parquet(pa.DictionaryArray.from_arrays([0] * 1_000, ["x" * 20]).cast(pa.string())), "", ""),
        (parquet(pa.array(["x" * 19] * 999), use_dictionary=False), "", ""),
        (parquet(pa.array([b"x" * 200_000]), use_dictionary=False), "too_large", "expands"),
        (parquet(pa.array([{"f": 1}])), "unreadable_file", "nested"),
        (parquet(pa.array([[[1]]])), "unreadable_file", "nested"),
        (parquet(pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64()))), "unreadable_file", "nested"),
        (forged(-5, 0), "unreadable_file", "contradicts itself"),
        (forged(2**62, 0), "too_large", "announces"),
        (forged(7, 0), "unreadable_file", "contradicts itself"),
        (forged(0, 50_000), "unreadable_file", "not whole Parquet"),
        (b"PAR1" + b"\xff" * 60 + b"PAR1", "unreadable_file", "not whole Parquet"),
        (b"", "unreadable_file", "not whole Parquet"),
    ],
)
def test_what_is_refused_has_a_reason(data: bytes, reason: str, words: str) -> None:
    if not reason:
        decode(data, LIMITS)
        return
    with pytest.raises(RefusedError, match=words) as refused:
        decode(data, LIMITS)
    assert refused.value.reason == reason


def test_lists_of_text_are_read_over_many_row_groups_and_page_kinds() -> None:
    lists = pa.array([[b"x" * 3, None], None, []] * 60)
    for options in ({"row_group_size": 7}, {"use_dictionary": False, "row_group_size": 7}):
        table, _ = decode(parquet(lists, **options), LIMITS)
        assert table["a"].to_pylist() == lists.to_pylist()


def test_a_forged_file_is_well_formed_apart_from_its_lie() -> None:
    assert decode(forged(0, 0), LIMITS)[0].num_rows == 0


def test_other_columns_are_named_so_that_they_can_be_printed() -> None:
    names = [f"column {n}" for n in range(30)] + ["a"]
    table = pa.table([pa.array([1])] * 31, names=["two\nlines", "n" * 500, *names[2:]])
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    _, extra = decode(sink.getvalue(), LIMITS)
    assert extra[:3] == ["two\\nlines", "n" * 100, "column 2"]
    assert extra[-1] == "10 more"
    assert len(extra) == 21
