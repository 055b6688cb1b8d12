"""What an asset of somebody else returns, as an Arrow table.

Concept: the asset upstream is made with the tools of its project, and its IO manager decides what arrives here. Nothing
is imported for that: a frame is asked for its columns. A column of pandas whose values have several types becomes
text, so that the values that cannot be read are refused one by one.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.quoting import quoted


def delivered_table(value: Any, name: str) -> pa.Table:
    """Return what the asset `name` delivered as a table, its index left out.

    Raises:
        InvalidInputError: it is no table; names the asset, what came and the remedy.
    """
    if isinstance(value, pa.Table):
        return value
    if isinstance(value, pa.RecordBatch):
        return pa.Table.from_batches([value])
    if _is_of_pandas(value):
        return _of_pandas(value)
    if hasattr(value, "__arrow_c_stream__"):
        return pa.table(value)
    what = "nothing" if value is None else f"a {type(value).__name__}"
    if isinstance(value, dict) and value and all(isinstance(key, str) for key in value):
        what = f"a dict with the keys {quoted(', '.join(sorted(value)[:3]))}, several partitions it seems"
    raise InvalidInputError(
        f"{name} gave {what}, which is no table; let it return a frame of pandas, a table of pyarrow or what has "
        "`__arrow_c_stream__`, and launch one partition at a time"
    )


def _is_of_pandas(value: Any) -> bool:
    kind = type(value)
    return kind.__module__.partition(".")[0] == "pandas" and kind.__name__ == "DataFrame"


def _of_pandas(frame: Any) -> pa.Table:
    columns = [_column(frame.iloc[:, place]) for place in range(frame.shape[1])]
    return pa.Table.from_arrays(columns, names=[str(name) for name in frame.columns])


def _column(series: Any) -> pa.Array | pa.ChunkedArray:
    try:
        return pa.array(series, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        is_missing = series.isna().tolist()
        values = [None if absent else str(one) for one, absent in zip(series.tolist(), is_missing, strict=True)]
        return pa.array(values, pa.string())
