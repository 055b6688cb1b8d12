"""Casting a column to its contract, row by row where the whole column does not fit.

Belongs here: which source types may become which contract types, and which rows of a column cannot. Does not belong
here: ranges, enums, times (`core.validation`).

Concept: a cast never loses anything but the decimals that a float cannot hold. A column whose type cannot hold the
contract's values is wrong in every row; one that mostly can is wrong only in the rows that cannot. Bad rows are found
by what the cast asks of a value (`castable_values`), and by halving where that is not all it asks; a good column costs
one cast.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.castable_values import castable_rows


@dataclass(frozen=True)
class Cast:
    """A column cast to its contract: `values` (null in bad rows) and masks of shape (n,) of what is wrong where."""

    values: pa.Array
    wrong_type: np.ndarray
    invalid_utf8: np.ndarray


def cast_column(array: pa.Array, target: pa.DataType) -> Cast:
    """Cast `array` to `target`. Never raises for what the data holds."""
    size = len(array)
    nothing = np.zeros(size, dtype=bool)
    everything = np.ones(size, dtype=bool)
    array = plain_array(array)
    if pa.types.is_null(array.type):
        return Cast(pa.nulls(size, target), nothing, nothing)
    if not _is_castable(array.type, target):
        return Cast(pa.nulls(size, target), everything & _given(array), nothing)
    if pa.types.is_list(target):
        return _cast_lists(array, target)
    invalid = nothing
    if _is_text(array.type):
        array = array.cast(_binary_of(array.type))
        array, invalid = _cast_rows(array, pa.string())
    values, wrong = _cast_rows(array, target)
    return Cast(values, wrong, invalid)


def plain_array(array: pa.Array) -> pa.Array:
    """Return the same values without extension types, dictionaries, run-end encoding or views."""
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_run_end_encoded(array.type):
        array = pc.run_end_decode(array)
    if pa.types.is_string_view(array.type):
        array = array.cast(pa.string())
    elif pa.types.is_binary_view(array.type):
        array = array.cast(pa.binary())
    return array


def _is_castable(source: pa.DataType, target: pa.DataType) -> bool:
    types = pa.types
    if source == target:
        return True
    if types.is_string(target):
        return _is_text(source)
    if types.is_timestamp(target):
        return (types.is_timestamp(source) and source.tz is not None) or _is_text(source)
    if types.is_date(target):
        return types.is_date(source) or _is_text(source)
    if types.is_floating(target) or types.is_integer(target):
        is_number = types.is_integer(source) or types.is_floating(source) or types.is_decimal(source)
        return is_number or _is_text(source)
    if types.is_list(target):
        return _is_list(source) and _is_castable(source.value_type, target.value_type)
    return False


def _is_text(source: pa.DataType) -> bool:
    types = pa.types
    return bool(
        types.is_string(source)
        or types.is_large_string(source)
        or types.is_binary(source)
        or types.is_large_binary(source)
        or types.is_fixed_size_binary(source)
    )


def _binary_of(source: pa.DataType) -> pa.DataType:
    is_large = pa.types.is_large_string(source) or pa.types.is_large_binary(source)
    return pa.large_binary() if is_large else pa.binary()


def _is_list(source: pa.DataType) -> bool:
    return bool(pa.types.is_list(source) or pa.types.is_large_list(source) or pa.types.is_fixed_size_list(source))


def _given(array: pa.Array) -> np.ndarray:
    return np.asarray(array.is_valid().to_numpy(zero_copy_only=False), dtype=bool)


def _cast_lists(array: pa.Array, target: pa.DataType) -> Cast:
    """Cast lists through their flattened elements; a list with a bad element is bad and becomes null."""
    lists = array.cast(pa.list_(array.type.value_type)) if not pa.types.is_list(array.type) else array
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    parents = np.repeat(np.arange(len(lists)), lengths)
    elements = cast_column(lists.flatten(), target.value_type)
    wrong = np.zeros(len(lists), dtype=bool)
    invalid = np.zeros(len(lists), dtype=bool)
    wrong[parents[elements.wrong_type]] = True
    invalid[parents[elements.invalid_utf8]] = True
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    is_null = ~_given(lists) | wrong | invalid
    values = pa.ListArray.from_arrays(pa.array(offsets), elements.values, type=target, mask=pa.array(is_null))
    return Cast(values, wrong, invalid)


def _cast_rows(array: pa.Array, target: pa.DataType) -> tuple[pa.Array, np.ndarray]:
    """Cast without loss; return the values with null where it failed, and where."""
    whole = _try_cast(array, target)
    if whole is not None:
        return whole, np.zeros(len(array), dtype=bool)
    castable = castable_rows(array, target)
    kept = pc.if_else(pa.array(castable), array, pa.scalar(None, array.type))
    values, wrong = _halve(kept, target)
    return values, wrong | ~castable


def _halve(array: pa.Array, target: pa.DataType) -> tuple[pa.Array, np.ndarray]:
    """Cast by halves, down to the rows that fail."""
    wrong = np.zeros(len(array), dtype=bool)
    parts: list[pa.Array] = []
    pending = [(0, len(array))]
    while pending:
        start, stop = pending.pop()
        part = _try_cast(array.slice(start, stop - start), target)
        if part is not None:
            parts.append(part)
        elif stop - start == 1:
            wrong[start] = True
            parts.append(pa.nulls(1, target))
        else:
            middle = (start + stop) // 2
            pending += [(middle, stop), (start, middle)]
    return pa.concat_arrays(parts), wrong


def _try_cast(array: pa.Array, target: pa.DataType) -> pa.Array | None:
    try:
        return array.cast(target)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
