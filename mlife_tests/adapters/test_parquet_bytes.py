"""Parquet bytes: a function of the rows alone."""

from __future__ import annotations

import subprocess
import sys

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


def test_other_rows_give_other_bytes_and_damage_is_an_error() -> None:
    data = encode_table(_table(100))
    assert encode_table(_table(100).slice(1)) != data
    with pytest.raises((pa.ArrowException, OSError)):
        decode_table(data[:-1])


def test_reading_starts_no_thread() -> None:
    """A thread that holds bytes of Python when a process ends aborts it: apache/arrow#34314."""
    script = (
        "import os; import pyarrow as pa;"
        "from mlife_assets.adapters.parquet_bytes import decode_table, encode_table, open_table;"
        "data = encode_table(pa.table({'x': range(300_000), 'y': [str(n) for n in range(300_000)]}));"
        "before = os.listdir('/proc/self/task');"
        "assert decode_table(data).num_rows == open_table(data).metadata.num_rows == 300_000;"
        "assert os.listdir('/proc/self/task') == before, 'decoding starts threads'"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
