"""Rows of somebody's own tables, rows to score, and keys: nothing is lost, early, or dependent on an order."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.entity_rows import EntityColumn, find_entities
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.examples import ExampleSpec
from mlife_assets.core.own_rows import OwnRows, judge_examples, judge_rows, read_as
from mlife_assets.core.quoting import MAXIMUM_CHARACTERS, NAME_CHARACTERS, cut, quoted, require_name
from mlife_assets.core.row_keys import encode_days, encode_ids, read_ids, splitmix64, stable_hashes, tie_keys
from mlife_assets.core.windows import add_days

DAY = date(2026, 4, 10)
ROLES = ExampleSpec("who", "seen_on", "is_sold", "known_on", ("visits", "price"), categoricals=("shop",))
OWN = OwnRows(ROLES, "quote", maturity_days=3, is_label_timed=True)
UNTIMED = replace(OWN, is_label_timed=False)
GOOD = {
    "quote": "q1", "who": 7, "seen_on": date(2026, 4, 7), "known_on": date(2026, 4, 9), "is_sold": 1, "visits": 2,
    "price": 9.5, "shop": "north",
}  # fmt: skip
MIDNIGHT = datetime(2026, 4, 3, tzinfo=UTC).replace(tzinfo=None)
NOON = MIDNIGHT.replace(hour=12)
READ_DAY = date(2026, 4, 3)
SCORED_DAY = date(2026, 6, 2)
WHO = EntityColumn("client")


def table(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist([{**GOOD, **row} for row in rows])


def test_a_good_row_is_kept_as_declared() -> None:
    judged = judge_examples(table({"note": "x"}), OWN, DAY)
    assert judged.accepted.schema == OWN.examples
    kept = {**GOOD, "who": "7", "is_sold": True, "visits": 2.0}
    assert judged.accepted.to_pylist() == [{name: kept[name] for name in OWN.examples.names}]
    assert judged.rejected.num_rows == 0
    assert judged.extra_columns == ("note",)


@pytest.mark.parametrize(
    ("change", "reason", "field", "remedy"),
    [
        ({"who": None}, "null_value", "who", "fill it"),
        ({"quote": ""}, "null_value", "quote", "fill it"),
        ({"quote": None}, "null_value", "quote", "fill it"),
        ({"is_sold": None}, "null_value", "is_sold", "every row needs its label"),
        ({"is_sold": 2}, "wrong_type", "is_sold", "true or false, 1 or 0"),
        ({"price": float("inf")}, "out_of_range", "price", "a finite number or missing"),
        ({"known_on": DAY.replace(day=11)}, "from_future", "known_on", "deliver the row in the partition of that day"),
        ({"known_on": date(2026, 4, 7)}, "out_of_range", "known_on", "must lie after seen_on"),
        ({"known_on": date(2026, 4, 8), "seen_on": date(2026, 4, 1)}, "out_of_range", "known_on",
         "raise maturity_days"),
        ({"known_on": date(2026, 4, 6), "seen_on": date(2026, 4, 5)}, "out_of_range", "seen_on",
         "an earlier partition"),
    ],
)  # fmt: skip
def test_a_bad_row_is_refused_with_column_and_remedy_and_its_neighbours_are_taken(
    change: dict[str, Any], reason: str, field: str, remedy: str
) -> None:
    judged = judge_examples(table({"quote": "q0"}, change, {"quote": "q2"}), OWN, DAY)
    assert judged.accepted["quote"].to_pylist() == ["q0", "q2"]
    (refused,) = judged.rejected.to_pylist()
    assert (refused["row"], refused["reason"], refused["field"]) == (1, reason, field)
    assert remedy in refused["detail"]


def test_a_missing_value_of_a_feature_is_no_fault() -> None:
    judged = judge_examples(table({"visits": None, "price": float("nan"), "shop": None}), OWN, DAY)
    assert judged.accepted.select(["visits", "price", "shop"]).to_pylist() == [
        {"visits": None, "price": None, "shop": None}
    ]


def test_an_example_counts_once_a_day_and_a_bad_one_takes_no_place() -> None:
    judged = judge_examples(table({"is_sold": None}, {}, {}, {"seen_on": date(2026, 4, 8)}), OWN, DAY)
    assert judged.accepted["seen_on"].to_pylist() == [date(2026, 4, 7), date(2026, 4, 8)]
    assert judged.rejected["reason"].to_pylist() == ["null_value", "duplicate_event_id"]
    assert judged.rejected["row"].to_pylist() == [0, 2]


def test_without_a_label_time_a_row_has_one_partition() -> None:
    """It is the morning as of which every label of its day is complete: here four days after."""
    delivered = table(*({"quote": f"q{n}", "seen_on": date(2026, 4, n)} for n in (5, 6, 7))).drop_columns(["known_on"])
    judged = judge_examples(delivered, UNTIMED, DAY)
    assert judged.accepted.select(["seen_on", "known_on"]).to_pylist() == [
        {"seen_on": date(2026, 4, 6), "known_on": DAY}
    ]
    assert judged.rejected.select(["reason", "field"]).to_pylist() == [
        {"reason": "out_of_range", "field": "seen_on"},
        {"reason": "from_future", "field": "seen_on"},
    ]


@pytest.mark.parametrize(
    ("missing", "judge"), [("shop", judge_examples), ("known_on", judge_examples), ("who", judge_rows)]
)
def test_a_table_without_a_column_is_refused_whole_and_says_which(missing: str, judge: Any) -> None:
    judged = judge(table({}, {}).drop_columns([missing]), OWN, DAY)
    assert judged.accepted.num_rows == 0
    assert judged.rejected["reason"].to_pylist() == ["missing_column"] * 2
    assert f"lacks the column {missing}; add it" in judged.rejected["detail"][0].as_py()


def test_a_column_that_is_there_twice_is_named() -> None:
    twice = table({}).append_column("price", pa.array([1.0]))
    assert "has the column price twice" in judge_examples(twice, OWN, DAY).rejected["detail"][0].as_py()


def test_rows_to_score_are_of_their_partition_and_one_an_entity() -> None:
    rows = table({}, {"who": 8}, {"who": 8}, {"who": None})
    judged = judge_rows(rows.drop_columns(["seen_on", "known_on", "is_sold", "quote"]), OWN, DAY)
    assert judged.accepted.schema == OWN.rows
    assert judged.accepted.select(["as_of_date", "who"]).to_pylist() == [
        {"as_of_date": DAY, "who": "7"},
        {"as_of_date": DAY, "who": "8"},
    ]
    assert judged.rejected["reason"].to_pylist() == ["duplicate_event_id", "null_value"]


def test_a_row_to_score_that_says_another_day_is_refused() -> None:
    judged = judge_rows(table({"seen_on": DAY}, {"who": 8}, {"who": 9, "seen_on": DAY}), OWN, DAY)
    assert judged.accepted["who"].to_pylist() == ["7", "9"]
    assert f"seen_on must be {DAY}" in judged.rejected["detail"][0].as_py()


OFFSETS = st.integers(-3, 8)


@given(
    rows=st.lists(
        st.tuples(
            OFFSETS, st.one_of(st.none(), OFFSETS), st.sampled_from([True, False, None]),
            st.sampled_from(["a", "b", "", None]), st.floats(allow_nan=True, allow_infinity=True),
        ),
        max_size=30,
    ),
    is_timed=st.booleans(),
)  # fmt: skip
def test_nothing_is_lost_and_no_label_is_immature(rows: list[tuple[Any, ...]], is_timed: bool) -> None:
    own = replace(OWN, is_label_timed=is_timed)
    delivered = pa.table(
        {
            "quote": pa.array([str(number % 4) for number in range(len(rows))], pa.string()),
            "who": pa.array([row[3] for row in rows], pa.string()),
            "seen_on": pa.array([add_days(DAY, -row[0]) for row in rows], pa.date32()),
            "known_on": pa.array([None if row[1] is None else add_days(DAY, -row[1]) for row in rows], pa.date32()),
            "is_sold": pa.array([row[2] for row in rows], pa.bool_()),
            "visits": pa.array([row[4] for row in rows], pa.float64()),
            "price": pa.array([1.0] * len(rows)),
            "shop": pa.array(["s"] * len(rows), pa.string()),
        }
    )
    judged = judge_examples(delivered, own, DAY)
    assert judged.accepted.num_rows + judged.rejected.num_rows == len(rows)
    for row in judged.accepted.to_pylist():
        assert row["seen_on"] < row["known_on"] <= DAY <= add_days(row["seen_on"], own.maturity_days + 1)
        assert None not in (row["who"], row["is_sold"])
        assert row["visits"] is None or np.isfinite(row["visits"])


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
        (pa.array([READ_DAY]), pa.date32(), [READ_DAY], []),
        (pa.array(["2026-04-03", "tomorrow"]), pa.date32(), [READ_DAY, None], [1]),
        (pa.array([MIDNIGHT, NOON, None]), pa.date32(), [READ_DAY, None, None], [1]),
        (pa.array([MIDNIGHT], pa.timestamp("ns")), pa.date32(), [READ_DAY], []),
        (pa.array([MIDNIGHT.replace(tzinfo=UTC)], pa.timestamp("us", "UTC")), pa.date32(), [READ_DAY], []),
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


def test_a_midnight_elsewhere_is_no_day_and_no_rows_are_read() -> None:
    """Midnight in New York is four in the morning UTC: whose day it is nobody can say."""
    elsewhere = pa.array([datetime(2026, 4, 3, 4, tzinfo=UTC)], pa.timestamp("us", "America/New_York"))
    assert read_as(pa.chunked_array([elsewhere]), pa.date32()).wrong.tolist() == [True]
    read = read_as(pa.chunked_array([], pa.int64()), pa.date32())
    assert (len(read.values), len(read.wrong)) == (0, 0)


def entity_table(clients: list[str | None], days: list[date | None] | None = None) -> pa.Table:
    return pa.table(
        {
            "as_of_date": pa.array(days or [SCORED_DAY] * len(clients), pa.date32()),
            "client": pa.array(clients, pa.string()),
            "amount": pa.array(range(len(clients)), pa.int64()),
        }
    )


def test_rows_are_those_of_the_table_in_order_of_their_entity() -> None:
    found = find_entities((entity_table(["c", "a", "b"]),), SCORED_DAY, WHO)
    assert found.rows()["amount"].to_pylist() == [1, 2, 0]
    assert found.rows(np.array([2, 0]))["client"].to_pylist() == ["c", "a"]
    assert [ids.to_pylist() for ids in found.ids] == [["a", "b", "c"]] * 2
    assert found.repeated == 0


def test_an_entity_that_is_there_twice_is_counted_and_a_day_may_have_none() -> None:
    assert find_entities((entity_table(["a", "b", "a"]),), SCORED_DAY, WHO).repeated == 1
    assert find_entities((entity_table([]),), SCORED_DAY, WHO).rows().num_rows == 0


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ((entity_table(["a"]), entity_table(["a"])), "got 2 tables"),
        ((entity_table(["a"]).drop_columns(["client"]),), "lack column client"),
        ((entity_table(["a", None]),), "client is null in row 1"),
        ((entity_table(["a", "b"], [SCORED_DAY, date(2026, 6, 1)]),), "row 1 to score is of 2026-06-01"),
    ],
)
def test_rows_that_are_not_as_agreed_are_refused(tables: tuple[pa.Table, ...], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        find_entities(tables, SCORED_DAY, WHO)


@given(st.lists(st.text(min_size=0, max_size=20), min_size=1, max_size=40))
def test_codes_point_at_the_sorted_distinct_ids(column: list[str]) -> None:
    encoded = encode_ids(column)
    assert list(encoded.ids[encoded.codes]) == column
    assert list(encoded.ids) == sorted(set(column))


@pytest.mark.parametrize(
    "container",
    [
        list, lambda ids: np.array(ids, dtype=object), lambda ids: np.array(ids), pa.array,
        lambda ids: pa.chunked_array([ids[:2], ids[2:]]), lambda ids: pa.array(ids).dictionary_encode(),
        lambda ids: pa.array(ids, pa.large_string()),
    ],
)  # fmt: skip
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


def test_tie_keys_are_frozen_across_releases_and_follow_user_item_and_seed() -> None:
    assert int(tie_keys(["user_1"], ["job_1"], 7)[0]) == 7997596979172295785
    base = tie_keys(["u"], ["j"], 1)[0]
    assert len({base, tie_keys(["v"], ["j"], 1)[0], tie_keys(["u"], ["k"], 1)[0], tie_keys(["u"], ["j"], 2)[0]}) == 4
    assert tie_keys(["u"], ["v"], 1)[0] != tie_keys(["v"], ["u"], 1)[0]


@pytest.mark.parametrize("value", ["abc", "", "it's", None, 3, 2.5, True, b"ab", [1, "a"], {"a": [1]}, ("x",), -0.0])
def test_what_is_short_is_quoted_as_it_is(value: Any) -> None:
    assert quoted(value) == repr(value)


@pytest.mark.parametrize(
    "value",
    [
        "x" * 10**7, b"x" * 10**7, ["x" * 10**7], {"x" * 10**7: 1}, list(range(10**6)), "\x00" * 10**6, 10**10_000,
        "\n" * 99,
    ],
    ids=["text", "bytes", "list", "object", "many", "NUL", "number", "escapes"],
)  # fmt: skip
def test_what_is_long_is_cut(value: Any) -> None:
    assert len(quoted(value)) <= MAXIMUM_CHARACTERS


def test_a_cut_text_shows_its_start_and_what_holds_itself_is_cut_too() -> None:
    assert quoted("start" + "x" * 200).startswith("'startxxx")
    assert quoted("start" + "x" * 200).endswith("...")
    assert cut("x" * 100) == "x" * 100
    assert cut("x" * 101) == "x" * 97 + "..."
    endless: list[Any] = []
    endless.append(endless)
    assert len(quoted(endless)) <= MAXIMUM_CHARACTERS


LEAVES = st.none() | st.text() | st.floats() | st.binary() | st.integers()


@given(st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8))
def test_the_bound_holds_for_anything(value: Any) -> None:
    assert len(quoted(value)) <= MAXIMUM_CHARACTERS


@pytest.mark.parametrize("name", ["churn", "churn_risk", "job2_of_the_day", "a" * NAME_CHARACTERS])
def test_words_joined_by_underscores_are_a_name(name: str) -> None:
    require_name("Model.name", name)


@pytest.mark.parametrize(
    "name", ["", "Churn", "_churn", "churn_", "churn__risk", "2nd", "a b", "a" * (NAME_CHARACTERS + 1)]
)
def test_what_is_no_name_is_refused_with_where_it_stands(name: str) -> None:
    with pytest.raises(InvalidInputError, match=r"^Model\.name is .*lower-case words joined by underscores"):
        require_name("Model.name", name)
