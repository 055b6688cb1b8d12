"""Reading the columns of somebody's own table as what they are declared to be.

Belongs here: which types a delivered column may have, and which of its values cannot be read. Does not belong here:
what a row has to say (`own_rows`), the strict casts of events (`casting`), which this rests on.

Concept: people's tables come as pandas, polars or a database made them, so a flag may be 0 and 1, an id a number and a
day a time at midnight. What can be read without a guess is read; a value that cannot is wrong alone, and no other row
with it. A number that is no number is a missing one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.casting import cast_column, plain_array


@dataclass(frozen=True, eq=False)
class Read:
    """A column of n values as its declared type, and which of them could not be read, bool (n,); those are null."""

    values: pa.Array
    wrong: npt.NDArray[np.bool_]


def read_as(column: pa.ChunkedArray, wanted: pa.DataType) -> Read:
    """Return a column as text, float64, bool or date32."""
    array = _whole(_plain(column))
    if pa.types.is_string(wanted):
        array = array.cast(pa.string()) if _is_exact(array.type) else array
    elif pa.types.is_floating(wanted):
        array = array.cast(pa.float64()) if pa.types.is_boolean(array.type) else array
    elif pa.types.is_date(wanted):
        return _days(array)
    elif pa.types.is_boolean(wanted):
        return _flags(array)
    cast = cast_column(array, wanted)
    values = cast.values
    if pa.types.is_floating(wanted):
        values = pc.if_else(pc.fill_null(pc.is_nan(values), False), pa.scalar(None, wanted), values)
    return Read(values, cast.wrong_type | cast.invalid_utf8)


def _plain(column: pa.ChunkedArray) -> pa.Array:
    chunks = [plain_array(chunk) for chunk in column.chunks]
    return pa.concat_arrays(chunks) if chunks else pa.nulls(0)


def _whole(array: pa.Array) -> pa.Array:
    """Return decimals without a fraction, as databases give whole numbers, as such; those beyond 64 bits stay."""
    if not pa.types.is_decimal(array.type) or array.type.scale > 0:
        return array
    try:
        return array.cast(pa.int64())
    except pa.ArrowInvalid:
        return array


def _is_exact(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_boolean(kind))


def _days(array: pa.Array) -> Read:
    if not pa.types.is_timestamp(array.type):
        cast = cast_column(array, pa.date32())
        return Read(cast.values, cast.wrong_type | cast.invalid_utf8)
    times = array if array.type.tz is None else array.cast(pa.timestamp(array.type.unit, "UTC"))
    days = times.cast(pa.timestamp(array.type.unit)).cast(pa.date32(), safe=False)
    has_hour = _mask(pc.not_equal(days.cast(pa.timestamp(array.type.unit)), times.cast(pa.timestamp(array.type.unit))))
    return Read(pc.if_else(pa.array(has_hour), pa.scalar(None, pa.date32()), days), has_hour)


def _flags(array: pa.Array) -> Read:
    if pa.types.is_boolean(array.type) or pa.types.is_null(array.type):
        return Read(array.cast(pa.bool_()), np.zeros(len(array), dtype=bool))
    if not (pa.types.is_integer(array.type) or pa.types.is_floating(array.type)):
        return Read(pa.nulls(len(array), pa.bool_()), _mask(array.is_valid()))
    numbers = read_as(pa.chunked_array([array]), pa.float64()).values
    wrong = _mask(pc.and_(pc.not_equal(numbers, 0.0), pc.not_equal(numbers, 1.0)))
    flags = pc.equal(numbers, 1.0)
    return Read(pc.if_else(pa.array(wrong), pa.scalar(None, pa.bool_()), flags), wrong)


def _mask(condition: pa.Array) -> npt.NDArray[np.bool_]:
    return np.asarray(pc.fill_null(condition, False).to_numpy(zero_copy_only=False), dtype=bool)
