"""What differs, to the bit, and what is said of it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.features import DERIVED_FEATURES
from mlife_assets.recruiting.recompute import job_features, user_features
from mlife_assets.recruiting.recompute.compare import (
    METHOD,
    ROW,
    Mismatch,
    compare_rows,
    pair_rows,
    recompute_findings,
)

NAN = float("nan")
ANY_FLOAT = st.floats(allow_nan=True, allow_infinity=True)


def table(values, text=("a", "b", None)) -> pa.Table:
    count = len(values)
    return pa.table(
        {
            "user_id": [f"u{k}" for k in range(count)],
            "job_id": [f"j{k}" for k in range(count)],
            "x": pa.array(values, pa.float64()),
            "t": pa.array(text[:count], pa.string()),
        }
    )


def test_equal_rows_are_equal_in_any_order_and_type_of_number() -> None:
    logged = table([1.0, NAN, 3.0])
    assert compare_rows(logged, logged.take(pa.array([2, 0, 1])), ["x", "t"]) == ()
    nulls = table([1.0, None, 3.0])
    whole = pa.table({"user_id": ["u0"], "job_id": ["j0"], "x": pa.array([1], pa.int64()), "t": ["a"]})
    assert compare_rows(logged, nulls, ["x"]) == ()
    assert compare_rows(logged.slice(0, 1), whole, ["x", "t"]) == ()


def test_the_last_bit_counts() -> None:
    """0.1 + 0.2 is not 0.3, and no tolerance says so."""
    (found,) = compare_rows(table([0.1 + 0.2, 5.0]), table([0.3, 5.0]), ["x", "t"])
    assert found == Mismatch("x", 1, 2, "u0", "j0", "0.30000000000000004", "0.3")


@given(st.lists(st.tuples(ANY_FLOAT, ANY_FLOAT), min_size=1, max_size=3))
def test_numbers_are_the_same_exactly_when_their_bits_are(pairs) -> None:
    left, right = (np.array(side) for side in zip(*pairs, strict=True))
    same = (left.view(np.int64) == right.view(np.int64)) | (np.isnan(left) & np.isnan(right))
    found = compare_rows(table(left), table(right), ["x"])
    assert sum(one.rows for one in found) == int((~same).sum())
    assert compare_rows(table(left), table(left), ["x"]) == ()


def test_text_and_what_is_missing_are_compared_too() -> None:
    (found,) = compare_rows(table([1.0] * 3), table([1.0] * 3, ("a", None, "c")), ["x", "t"])
    assert found == Mismatch("t", 2, 3, "u1", "j1", "b", "nothing")


def test_a_column_of_another_type_differs_and_does_not_end_the_report() -> None:
    other = table([1.0, 2.0]).set_column(2, "x", pa.array(["much", "little"]))
    (found,) = compare_rows(other, table([1.0, 2.0]), ["x", "t"])
    assert found == Mismatch("x", 2, 2, "u0", "j0", "much", "1.0")
    empty = table([1.0, 2.0]).set_column(2, "x", pa.nulls(2))
    (found,) = compare_rows(empty, table([None, 2.0]), ["x"])
    assert found == Mismatch("x", 1, 2, "u1", "j1", "nothing", "2.0")


def test_a_row_that_cannot_be_derived_differs_as_a_whole() -> None:
    found = compare_rows(table([1.0, 2.0, 3.0]), table([1.0, 9.0, 3.0]).slice(0, 2), ["x"])
    assert [(one.column, one.rows, one.user_id) for one in found] == [(ROW, 1, "u2"), ("x", 1, "u1")]
    assert found[0].recomputed == "no such user or open job"


def test_a_column_that_is_not_there_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="the recomputed rows lack column x"):
        compare_rows(table([1.0]), table([1.0]).drop_columns(["x"]), ["x"])


def test_pairs_have_the_features_that_scoring_uses(log) -> None:
    world = log()
    users = user_features(["u1"], world.source(), world.day)
    jobs = job_features(["j1"], world.source(), world.day)
    wanted = pa.table({"user_id": ["u1", "u9", "u1"], "job_id": ["j1", "j1", "j9"]})
    (row,) = pair_rows(wanted, users, jobs).to_pylist()
    assert set(DERIVED_FEATURES) <= set(row)
    assert (row["same_occupation_group"], row["same_shift"], row["seniority_gap"]) == (1.0, 0.0, 1.0)
    assert row["log_pay_ratio"] == np.log(21.5) - np.log(17.25)


def test_findings_name_column_share_and_first_row() -> None:
    wrong = Mismatch("user_clicks_7d", 137, 500, "usr_1", "job_7", "4.0", "3.0")
    (finding,) = recompute_findings("of today", 500, [wrong])
    assert (finding.column, finding.method, finding.statistic, finding.threshold) == (
        "user_clicks_7d",
        METHOD,
        0.274,
        0.0,
    )
    assert finding.is_alarm
    assert finding.sentence == (
        "user_clicks_7d: 137 of 500 feature rows of today are not what raw events give; first usr_1 and job_7: "
        "4.0 was used, 3.0 was derived."
    )
    (quiet,) = recompute_findings("of today", 500, [])
    assert (quiet.is_alarm, quiet.sentence) == (
        False,
        "500 feature rows of today were derived again from raw events and are the same to the bit.",
    )
    assert recompute_findings("of the eve", 0, [])[0].sentence == "No feature row of the eve to derive."
