"""Rows that somebody's own tables deliver: what is taken, what is refused, and that nothing is lost or early.

Columns as pandas, polars and databases make them are read as what they are declared to be.
"""

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

from mlife_assets.core.examples import ExampleSpec
from mlife_assets.core.own_rows import OwnRows, judge_examples, judge_rows, read_as
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
    delivered = table({}, {"who": 8}, {"who": 8}, {"who": None}).drop_columns(
        ["seen_on", "known_on", "is_sold", "quote"]
    )
    judged = judge_rows(delivered, OWN, DAY)
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
            OFFSETS,
            st.one_of(st.none(), OFFSETS),
            st.sampled_from([True, False, None]),
            st.sampled_from(["a", "b", "", None]),
            st.floats(allow_nan=True, allow_infinity=True),
        ),
        max_size=30,
    ),
    is_timed=st.booleans(),
)
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


def test_a_midnight_elsewhere_is_no_day() -> None:
    """Midnight in New York is four in the morning UTC: whose day it is nobody can say."""
    elsewhere = pa.array([datetime(2026, 4, 3, 4, tzinfo=UTC)], pa.timestamp("us", "America/New_York"))
    assert read_as(pa.chunked_array([elsewhere]), pa.date32()).wrong.tolist() == [True]


def test_a_column_without_rows_is_read() -> None:
    read = read_as(pa.chunked_array([], pa.int64()), pa.date32())
    assert (len(read.values), len(read.wrong)) == (0, 0)
