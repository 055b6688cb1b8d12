"""What assets of other projects return, as Arrow tables."""

from __future__ import annotations

from datetime import date
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from mlife_assets.adapters.delivered_tables import delivered_table
from mlife_assets.core.errors import InvalidInputError

TABLE = pa.table({"who": ["a", "b"], "visits": [1, 2]})


class Stream:
    """A frame of a library that is not installed, which speaks Arrow's C stream."""

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return TABLE.__arrow_c_stream__(requested_schema)


@pytest.mark.parametrize(
    "value", [TABLE, TABLE.to_batches()[0], TABLE.to_pandas().set_index(pd.Index([7, 9])), Stream()]
)
def test_frames_of_any_library_become_a_table_without_their_index(value: Any) -> None:
    assert delivered_table(value, "quotes").to_pylist() == TABLE.to_pylist()


def test_columns_of_pandas_keep_their_types_and_missing_values() -> None:
    frame = pd.DataFrame(
        {
            "day": pd.to_datetime(["2026-04-03", None]),
            "on": [date(2026, 4, 3), None],
            "share": [0.5, float("nan")],
            "shop": pd.Categorical(["north", None]),
            "count": pd.array([1, None], dtype="Int64"),
        }
    )
    table = delivered_table(frame, "quotes")
    assert [table.schema.field(name).type for name in ("on", "share", "count")] == [
        pa.date32(),
        pa.float64(),
        pa.int64(),
    ]
    assert [table[name].null_count for name in table.column_names] == [1] * 5


def test_a_column_of_several_types_becomes_text_so_that_each_value_is_judged() -> None:
    frame = pd.DataFrame({"price": [1.5, "two", None]}, dtype=object)
    assert delivered_table(frame, "quotes")["price"].to_pylist() == ["1.5", "two", None]


@pytest.mark.parametrize(
    ("value", "what"),
    [(None, "nothing"), ([1], "a list"), ({"2026-04-03": TABLE}, "a dict with the keys '2026-04-03'")],
)
def test_what_is_no_table_is_refused_with_the_asset_and_the_remedy(value: Any, what: str) -> None:
    with pytest.raises(InvalidInputError, match=f"quotes gave {what}.*which is no table; let it return a frame"):
        delivered_table(value, "quotes")
