"""Parquet bytes: a function of the rows alone."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from mlife_assets.adapters.parquet_bytes import decode_table, encode_table


def _table(rows: int) -> pa.Table:
    rng = np.random.default_rng(5)
    text = pa.array([f"user_{n}" for n in rng.integers(0, rows, rows)])
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(rng.normal(size=rows * 3)), 3).cast(pa.list_(pa.float64()))
    return pa.table({"id": text, "x": rng.normal(size=rows), "vector": vectors})


@pytest.mark.parametrize("rows", [0, 1, 200_000])
def test_chunks_slices_and_metadata_do_not_change_the_bytes(rows: int) -> None:
    table = _table(rows)
    cut = rows // 3
    again = pa.concat_tables([table.slice(0, cut), table.slice(cut)]).replace_schema_metadata({"from": "elsewhere"})
    assert encode_table(again) == encode_table(table)
    assert decode_table(encode_table(table)).equals(table)
    assert decode_table(encode_table(table), ["x"]).column_names == ["x"]


def test_other_rows_give_other_bytes_and_damage_is_an_error() -> None:
    data = encode_table(_table(100))
    assert encode_table(_table(100).slice(1)) != data
    with pytest.raises((pa.ArrowException, OSError)):
        decode_table(data[:-1])
