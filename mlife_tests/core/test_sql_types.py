"""One declaration of a column gives its type in each engine, nested ones too."""

from __future__ import annotations

import pyarrow as pa
import pytest

from mlife_assets.core.sql_types import duckdb_type, hive_type
from mlife_assets.recruiting.events import EVENT_TYPES

ITEM = pa.struct([("position", pa.int64()), ("job_id", pa.string())])


@pytest.mark.parametrize(
    ("arrow", "in_duckdb", "in_hive"),
    [
        (pa.list_(pa.float64()), "double[]", "array<double>"),
        (
            pa.list_(ITEM),
            "struct(position bigint, job_id varchar)[]",
            "array<struct<position:bigint,job_id:string>>",
        ),
        (pa.timestamp("us", tz="UTC"), "timestamp with time zone", "timestamp"),
        (pa.date32(), "date", "date"),
    ],
)
def test_a_type_has_a_name_in_each_engine(arrow: pa.DataType, in_duckdb: str, in_hive: str) -> None:
    assert (duckdb_type(arrow), hive_type(arrow)) == (in_duckdb, in_hive)


def test_every_column_of_the_log_has_a_name_in_both() -> None:
    types = [field.type for kind in EVENT_TYPES.values() for field in kind.schema]
    assert all(duckdb_type(one) and hive_type(one) for one in types)
    assert len(types) > 100
