"""Rows from outside: every bad input has its reason, good rows never suffer from bad ones."""

from __future__ import annotations

import json
import unicodedata
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core import validation
from mlife_assets.core.casting import cast_column, castable_rows, plain_array
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.landed_names import day_of_folder, folder_of_day, hidden_reason, name_fault, shown_name
from mlife_assets.core.validation import Reason, has_control_characters, json_as_table, rows_as_json, too_long, validate
from mlife_assets.recruiting.events import EVENT_TYPES

COLUMNS = {
    "text": pa.array(["é", None]), "number": pa.array([1, 2]), "real": pa.array([0.5, float("nan")]),
    "flag": pa.array([True, None]),
    "time": pa.array([datetime(2026, 6, 1, 23, 30, tzinfo=UTC)] * 2, pa.timestamp("us", tz="America/Chicago")),
    "day": pa.array([date(2026, 6, 1)] * 2), "list": pa.array([[1.0, None], None]),
    "bytes": pa.array([b"ok", b"\xff"]),
}  # fmt: skip
NOW = datetime(2026, 6, 2, 18, tzinfo=UTC)
OBSERVED = datetime(2026, 6, 1, 23, 30, tzinfo=UTC)
TEXT = st.text(st.characters(codec="utf-8"), max_size=8)


def _jobs(count: int = 4) -> pa.Table:
    """Return valid `job_posted` rows."""
    rows = [
        {
            "event_id": f"e{i}", "occurred_at": OBSERVED - timedelta(hours=i + 1), "observed_at": OBSERVED,
            "job_id": f"j{i}", "employer_id": "m1", "employer_name": "Café Ünal", "title": "Nurse",
            "occupation_code": "29-1141", "occupation_group": "29", "seniority": 1, "shift": "day",
            "metro_code": "16980", "latitude": 41.9, "longitude": -87.6, "pay_usd_per_hour": 30.0 + i, "openings": 2,
            "expires_at": OBSERVED + timedelta(days=30), "bid_usd_per_apply": 4.0, "text_embedding": [0.1] * 8,
        }
        for i in range(count)
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=EVENT_TYPES["job_posted"].schema)


def _with(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, values)


def _poke(table: pa.Table, name: str, row: int, value: object) -> pa.Table:
    values = table.column(name).to_pylist()
    values[row] = value
    return _with(table, name, pa.array(values, table.schema.field(name).type))


def _broken_text(values: list[bytes]) -> pa.Array:
    return pa.Array.from_buffers(pa.string(), len(values), pa.array(values, pa.binary()).buffers())


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("pay_usd_per_hour", -4.0, Reason.OUT_OF_RANGE), ("pay_usd_per_hour", float("nan"), Reason.OUT_OF_RANGE),
        ("pay_usd_per_hour", float("inf"), Reason.OUT_OF_RANGE), ("latitude", 90.5, Reason.OUT_OF_RANGE),
        ("openings", 0, Reason.OUT_OF_RANGE), ("shift", "nigth", Reason.UNKNOWN_ENUM),
        ("occupation_group", "99", Reason.UNKNOWN_ENUM),
        ("occurred_at", NOW + timedelta(microseconds=1), Reason.FROM_FUTURE),
        ("observed_at", NOW + timedelta(days=1), Reason.FROM_FUTURE),
        ("occurred_at", OBSERVED + timedelta(seconds=1), Reason.FROM_FUTURE),
        ("occurred_at", datetime(1969, 12, 31, tzinfo=UTC), Reason.OUT_OF_RANGE),
        ("text_embedding", [0.1] * 7, Reason.LIST_SIZE),
        ("text_embedding", [0.1] * 7 + [float("nan")], Reason.OUT_OF_RANGE),
        ("text_embedding", [0.1] * 7 + [None], Reason.NULL_VALUE), ("text_embedding", None, Reason.NULL_VALUE),
        ("title", None, Reason.NULL_VALUE), ("event_id", None, Reason.NULL_VALUE),
        ("event_id", "", Reason.NULL_VALUE), ("event_id", "e1", Reason.DUPLICATE_EVENT_ID),
    ],
)  # fmt: skip
def test_one_bad_value_rejects_its_row_alone_with_reason_and_field(column: str, value: object, reason: Reason) -> None:
    table = _jobs()
    result = validate(EVENT_TYPES["job_posted"], _poke(table, column, 2, value), now=NOW)
    assert result.rejected.column("row").to_pylist() == [2]
    assert result.rejected.column("reason").to_pylist() == [reason.value]
    assert result.rejected.column("field").to_pylist() == [column]
    assert result.accepted.equals(table.take([0, 1, 3]))
    assert result.rejected.schema == validation.REJECTED_SCHEMA


def test_good_rows_are_accepted_unchanged_up_to_the_limits() -> None:
    table = _poke(_poke(_jobs(), "observed_at", 0, NOW), "occurred_at", 0, NOW)
    table = _poke(table, "pay_usd_per_hour", 0, 5.0)
    result = validate(EVENT_TYPES["job_posted"], table, now=NOW)
    assert result.accepted.equals(table.cast(result.accepted.schema))
    assert result.rejected.num_rows == 0
    assert result.extra_columns == ()


def test_missing_columns_reject_every_row_and_name_them() -> None:
    result = validate(EVENT_TYPES["job_posted"], _jobs(3).drop_columns(["title", "openings"]), now=NOW)
    assert result.accepted.num_rows == 0
    assert result.accepted.schema == EVENT_TYPES["job_posted"].schema
    assert result.rejected.column("reason").to_pylist() == ["missing_column"] * 3
    assert result.rejected.column("event_id").to_pylist() == ["e0", "e1", "e2"]
    assert "title, openings" in result.rejected.column("detail")[0].as_py()


def test_types_that_lose_nothing_are_cast() -> None:
    table = _jobs()
    loose = _with(table, "seniority", table.column("seniority").cast(pa.int32()))
    loose = _with(loose, "latitude", pa.array([41.5] * 4, pa.float32()))
    loose = _with(loose, "openings", pa.array([2.0] * 4))
    loose = _with(loose, "observed_at", table.column("observed_at").cast(pa.timestamp("ns", tz="America/Chicago")))
    loose = _with(loose, "title", table.column("title").cast(pa.large_string()))
    loose = _with(loose, "shift", table.column("shift").combine_chunks().dictionary_encode())
    loose = _with(loose, "employer_name", table.column("employer_name").cast(pa.binary()))
    loose = _with(loose, "text_embedding", table.column("text_embedding").cast(pa.list_(pa.float64(), 8)))
    loose = _with(loose, "pay_usd_per_hour", pa.array(["30", "31.0", "32", "33"]))
    result = validate(EVENT_TYPES["job_posted"], loose, now=NOW)
    assert result.rejected.num_rows == 0
    assert result.accepted.equals(_with(table, "latitude", pa.array([41.5] * 4)).cast(table.schema))


def test_a_value_that_cannot_be_cast_rejects_its_row_alone() -> None:
    table = _with(_jobs(), "pay_usd_per_hour", pa.array(["30", "thirty", "32", None]))
    table = _with(table, "openings", pa.array([1.0, 1.0, 1.5, 1.0]))
    result = validate(EVENT_TYPES["job_posted"], table, now=NOW)
    assert result.rejected.column("row").to_pylist() == [1, 2, 3]
    assert result.rejected.column("reason").to_pylist() == ["wrong_type", "wrong_type", "null_value"]
    assert result.accepted.column("event_id").to_pylist() == ["e0"]


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("job_id", pa.array([1, 2, 3, 4])),
        ("openings", pa.array([[1]] * 4)),
        ("observed_at", pa.array([1, 2, 3, 4])),
        ("observed_at", pa.array([OBSERVED.replace(tzinfo=None)] * 4, pa.timestamp("us"))),
        ("text_embedding", pa.array([["a"] * 8] * 4)),
        ("latitude", pa.array([True] * 4)),
    ],
)
def test_a_type_that_cannot_hold_the_contract_rejects_every_row(column: str, values: pa.Array) -> None:
    result = validate(EVENT_TYPES["job_posted"], _with(_jobs(), column, values), now=NOW)
    assert result.rejected.column("reason").to_pylist() == ["wrong_type"] * 4
    assert result.rejected.column("field").to_pylist() == [column] * 4


def test_text_that_is_not_utf8_rejects_its_row_and_survives_the_round_trip_as_bad() -> None:
    table = _with(_jobs(), "title", _broken_text([b"ok", b"\xff\xfe", b"fine", b"\xc3"]))
    result = validate(EVENT_TYPES["job_posted"], table, now=NOW)
    assert result.rejected.column("row").to_pylist() == [1, 3]
    assert result.rejected.column("reason").to_pylist() == ["invalid_utf8"] * 2
    assert result.accepted.column("title").to_pylist() == ["ok", "fine"]
    again = validate(EVENT_TYPES["job_posted"], json_as_table(result.rejected.column("raw").to_pylist()), now=NOW)
    assert again.rejected.column("reason").to_pylist() == ["invalid_utf8"] * 2


def test_a_bad_first_occurrence_does_not_make_the_good_second_a_duplicate() -> None:
    table = _poke(_poke(_jobs(), "event_id", 2, "e1"), "openings", 1, 0)
    result = validate(EVENT_TYPES["job_posted"], table, now=NOW)
    assert result.rejected.select(["row", "reason"]).to_pylist() == [{"row": 1, "reason": "out_of_range"}]


def test_known_ids_are_duplicates() -> None:
    result = validate(EVENT_TYPES["job_posted"], _jobs(), now=NOW, known_ids=["e3", "e0", "x"])
    assert result.rejected.column("row").to_pylist() == [0, 3]
    assert set(result.rejected.column("reason").to_pylist()) == {"duplicate_event_id"}
    assert result.accepted.column("event_id").to_pylist() == ["e1", "e2"]


def test_extra_columns_are_named_and_never_stored() -> None:
    table = _poke(_jobs(), "openings", 0, 0).append_column("phone_number", pa.array(["+13125550100"] * 4))
    result = validate(EVENT_TYPES["job_posted"], table, now=NOW)
    assert result.extra_columns == ("phone_number",)
    assert "phone_number" not in result.accepted.column_names
    assert "5550100" not in json.dumps(result.rejected.to_pylist())


def test_raw_rows_hold_what_the_file_held() -> None:
    table = _with(_jobs(1), "pay_usd_per_hour", pa.array(["lots"]))
    raw = json.loads(validate(EVENT_TYPES["job_posted"], table, now=NOW).rejected.column("raw")[0].as_py())
    assert raw["pay_usd_per_hour"] == "lots"
    assert raw["employer_name"] == "Café Ünal"
    assert raw["text_embedding"] == [0.1] * 8
    assert raw["observed_at"].startswith("2026-06-01 23:30:00")


_STRANGE = {
    "far future": pa.array([2**63 - 1, 0, None], pa.int64()).cast(pa.timestamp("us", tz="UTC")),
    "unknown zone": pa.array([1, 2, None], pa.int64()).cast(pa.timestamp("us", tz="Mars/Olympus")),
    "duration": pa.array([1, 2, None], pa.int64()).cast(pa.duration("ns")),
    "interval": pa.array([pa.MonthDayNano([1, 2, 3]), None, None]),
    "too large": pa.array([2**64 - 1, 2**63, None], pa.uint64()),
    "struct": pa.array([{"a": 1}, {"a": None}, None]),
    "map": pa.array([[("a", 1)], [], None], pa.map_(pa.string(), pa.int64())),
    "list of lists": pa.array([[[1.0] * 8], [[]], None]),
    "list view": pa.array([[1.0] * 8, [], None], pa.list_view(pa.float64())),
    "run ends": pa.RunEndEncodedArray.from_arrays([2, 3], ["a", "b"]),
    "text view": pa.array(["a", "2026-01-01T00:00:00Z", None], pa.string_view()),
    "bytes": pa.array([b"ab", b"\xff\xfe", None], pa.binary(2)),
    "no type": pa.nulls(3),
    "uuid": pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"0" * 16, b"\xff" * 16, None], pa.binary(16))),
    "not finite": pa.array([float("nan"), float("inf"), -float("inf")]),
}


@pytest.mark.parametrize("column", ["title", "openings", "latitude", "expires_at", "text_embedding"])
@pytest.mark.parametrize("name", _STRANGE)
def test_no_type_whatever_stops_the_judgement_or_becomes_good_by_replaying(column: str, name: str) -> None:
    result = validate(EVENT_TYPES["job_posted"], _with(_jobs(3), column, _STRANGE[name]), now=NOW)
    assert result.accepted.num_rows + result.rejected.num_rows == 3
    result.accepted.validate(full=True)
    replayed = json_as_table(result.rejected.column("raw").to_pylist())
    assert validate(EVENT_TYPES["job_posted"], replayed, now=NOW).accepted.num_rows == 0


def test_misuse_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="zone"):
        validate(EVENT_TYPES["job_posted"], _jobs(), now=NOW.replace(tzinfo=None))
    table = _jobs()
    with pytest.raises(InvalidInputError, match="twice"):
        validate(EVENT_TYPES["job_posted"], table.append_column("title", table.column("title")), now=NOW)


def test_an_empty_table_is_neither_accepted_nor_rejected() -> None:
    result = validate(EVENT_TYPES["job_posted"], _jobs(0), now=NOW)
    assert (result.accepted.num_rows, result.rejected.num_rows) == (0, 0)
    assert validation.rejected_file(Reason.EMPTY_FILE, "x").schema == validation.REJECTED_SCHEMA


_FIRST, _LAST = (NOW.replace(tzinfo=None) + timedelta(days=days) for days in (-3, 2))
_TIMES = st.datetimes(_FIRST, _LAST, timezones=st.just(timezone(timedelta(hours=5))))
_PAY = st.none() | st.floats(width=32) | st.integers(-5, 5)


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c", "d", None]), _TIMES, _TIMES, _PAY), max_size=12))
def test_rows_are_split_whole_and_a_replay_of_the_rejected_judges_the_same(rows: list[tuple[object, ...]]) -> None:
    size = len(rows)
    table = _jobs(1).take(pa.array(np.zeros(size, dtype=np.int64)))
    for place, name in enumerate(("event_id", "occurred_at", "observed_at", "pay_usd_per_hour")):
        table = _with(table, name, pa.array([row[place] for row in rows], table.schema.field(name).type))
    result = validate(EVENT_TYPES["job_posted"], table, now=NOW)
    rejected = result.rejected.column("row").to_pylist()
    kept = [index for index in range(size) if index not in rejected]
    assert result.accepted.num_rows + len(rejected) == size
    assert result.accepted.equals(table.take(pa.array(kept, pa.int64())).cast(result.accepted.schema))
    assert validate(EVENT_TYPES["job_posted"], result.accepted, now=NOW).rejected.num_rows == 0
    if rejected:
        replayed = json_as_table(result.rejected.column("raw").to_pylist())
        known = result.accepted.column("event_id").to_pylist()
        again = validate(EVENT_TYPES["job_posted"], replayed, now=NOW, known_ids=known).rejected
        assert again.column("reason").to_pylist() == result.rejected.column("reason").to_pylist()


@given(st.lists(st.none() | TEXT), st.integers(0, 8), st.sampled_from([pa.string(), pa.large_string(), pa.binary()]))
def test_length_counts_characters(values: list[str | None], length: int, kind: pa.DataType) -> None:
    given_values = [None if v is None else v.encode() for v in values] if kind == pa.binary() else values
    expected = [v is not None and len(v) > length for v in values]
    assert too_long(pa.array(given_values, kind), length).tolist() == expected


def test_length_of_lists_bytes_and_others() -> None:
    assert too_long(pa.array([["ab", "abc"], None, [], ["é" * 3]]), 2).tolist() == [True, False, False, True]
    assert too_long(pa.array([b"\xff" * 3, b"\xff"]), 2).tolist() == [True, False]
    assert too_long(pa.array([12345]), 2).tolist() == [False]


@given(st.lists(st.none() | TEXT), st.booleans())
def test_control_characters_are_those_of_unicode(values: list[str | None], may_break_lines: bool) -> None:
    def is_bad(character: str) -> bool:
        if may_break_lines and character in "\n\r\t\u2028\u2029":
            return False
        return unicodedata.category(character) in {"Cc", "Zl", "Zp"}

    found = has_control_characters(pa.array(values, pa.string()), may_break_lines=may_break_lines)
    assert found.tolist() == [v is not None and any(map(is_bad, v)) for v in values]


@pytest.mark.parametrize("value", ["\x00", "a\x1f", "\x7f", "\x85", "\x9f", "\u2028", "\u2029"])
def test_each_control_character_is_seen_also_in_a_slice(value: str) -> None:
    array = pa.array(["plain", value, "plain"])
    assert has_control_characters(array, may_break_lines=False).tolist() == [False, True, False]
    assert has_control_characters(array.slice(1, 1), may_break_lines=False).tolist() == [True]


def test_rows_are_plain_json_and_come_back() -> None:
    rows = rows_as_json(COLUMNS, 2).to_pylist()
    first, second = map(json.loads, rows)
    assert first == {
        "text": "é", "number": 1, "real": 0.5, "flag": True, "time": "2026-06-01 23:30:00.000000Z",
        "day": "2026-06-01", "list": [1.0, None], "bytes": "ok",
    }  # fmt: skip
    assert second["real"] == "nan"
    assert second["bytes"] == {"base64": "/w=="}
    table = json_as_table(rows)
    assert table.column("bytes").to_pylist() == [b"ok", b"\xff"]
    assert table.column("list").to_pylist() == [[1.0, None], None]
    assert table.column("number").to_pylist() == [1, 2]
    assert table.column("real").cast(pa.float64()).is_nan().to_pylist() == [False, True]
    assert table.column("time").cast(pa.timestamp("us", tz="UTC")).to_pylist() == COLUMNS["time"].to_pylist()


def test_what_was_not_text_does_not_become_text() -> None:
    rows = rows_as_json({"id": COLUMNS["day"], "name": COLUMNS["text"]}, 2, text_columns=("id", "name")).to_pylist()
    assert json.loads(rows[0]) == {"id": {"not_text": "2026-06-01"}, "name": "é"}
    table = json_as_table(rows)
    assert pa.types.is_struct(table.column("id").type)
    assert table.column("name").to_pylist() == ["é", None]


def test_rows_of_unequal_keys_and_kinds_are_one_table() -> None:
    table = json_as_table(['{"a": 1, "b": [1]}', '{"a": "x", "c": 18446744073709551615}', '{"b": 2}'])
    assert table.column("a").to_pylist() == ["1", "x", None]
    assert table.column("b").to_pylist() == [[1], None, [2]]
    assert int(table.column("c")[1].as_py()) == 2**64 - 1


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


def test_encodings_are_undone() -> None:
    texts = pa.array(["a", None])
    run_ends = pa.RunEndEncodedArray.from_arrays([1, 2], texts)
    for encoded in (texts.dictionary_encode(), texts.cast(pa.string_view()), run_ends):
        assert plain_array(encoded).equals(texts), encoded.type


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


@pytest.mark.parametrize("name", ["export.parquet", "a b (1).parquet", "données.parquet", "日本.parquet", "x" * 200])
def test_names_that_can_be_typed_are_taken_and_shown_as_they_are(name: str) -> None:
    assert name_fault(name) is None
    assert hidden_reason(name) is None
    assert shown_name(name) == name, "a source is a name that can be opened"


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[0m", "a\u202eb", "a\udcff", "a\u2028b", "x" * 201, "a\x00"])
def test_other_names_are_refused(name: str) -> None:
    assert name_fault(name) is not None


@given(st.text(st.characters(), max_size=300))
def test_whatever_is_shown_is_short_text_that_prints_and_encodes(name: str) -> None:
    shown = shown_name(name)
    assert shown.isprintable()
    assert len(shown.encode()) <= 4 * 201


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("dt=2026-06-01", date(2026, 6, 1)), ("dt=2026-02-30", None), ("dt=2026-06-01\n", None),
        ("dt=२०२६-06-01", None), ("DT=2026-06-01", None), ("2026-06-01", None),
    ],
)  # fmt: skip
def test_only_a_real_day_is_a_day(name: str, day: date | None) -> None:
    assert day_of_folder(name) == day
    assert day is None or folder_of_day(day) == name


@pytest.mark.parametrize("name", ["_SUCCESS", ".part", "export.parquet#3"])
def test_names_by_convention_are_left_alone(name: str) -> None:
    assert hidden_reason(name)
