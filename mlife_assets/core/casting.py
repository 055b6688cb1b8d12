"""Casting a column to its contract, row by row where the whole column does not fit.

Concept: a cast loses nothing but the decimals that a float cannot hold. A column of an unsuitable type is wrong in
every row; otherwise only the rows whose values do not fit are wrong. Arrow's cast fails as a whole without saying
where, and trying each row would cost a cast per bad row. So bad rows are found by the written rule of the cast
(`castable_rows`), which may pass a row that the cast refuses but never the reverse, and then by halving the rest. A
good column costs one cast.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_DAY = r"\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|02-(?:0[1-9]|[12]\d))"
_HOUR, _SIXTY = r"(?:[01]\d|2[0-3])", r"[0-5]\d"
_ZONE = rf"(?:Z|[+-]{_HOUR}(?::?{_SIXTY})?)"
_DAY_PATTERN = rf"^{_DAY}$"
_TIME_PATTERN = rf"^{_DAY}[ T]{_HOUR}(?::{_SIXTY}(?::{_SIXTY}(?:\.\d{{1,6}})?)?)?{_ZONE}$"
_LEAP_DAY = "-02-29"
_INTEGER_PATTERN = r"^(?:-?\d+|0[xX][0-9a-fA-F]{1,16})$"
_SHORT_INTEGER_PATTERN = r"^(?:-?\d{1,18}|0[xX][0-9a-fA-F]{1,16})$"
_FLOAT_PATTERN = r"(?i)^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|nan(?:\([a-z0-9_]*\))?|inf(?:inity)?)$"
_INT64_MAXIMUM = 2**63 - 1
_EXACT_IN_FLOAT = 2**53
_MICROSECONDS = {"s": 1_000_000, "ms": 1_000}


@dataclass(frozen=True)
class Cast:
    """A column cast to its contract: `values` (null in bad rows) and a mask of shape (n,) per kind of fault."""

    values: pa.Array
    wrong_type: np.ndarray
    invalid_utf8: np.ndarray


def cast_column(array: pa.Array, target: pa.DataType) -> Cast:
    """Cast `array` to `target`. The data can make no call raise."""
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


def castable_rows(array: pa.Array, target: pa.DataType) -> np.ndarray:
    """Return a mask of shape (n,), true where the cast of `array` to `target` may succeed; nulls are true."""
    source = array.type
    mask: pa.Array | None = None
    if pa.types.is_binary(source) or pa.types.is_large_binary(source):
        return np.fromiter((_is_utf8(value) for value in array.to_pylist()), dtype=bool, count=len(array))
    if pa.types.is_string(source) or pa.types.is_large_string(source):
        mask = _castable_text(array, target)
    elif pa.types.is_integer(target):
        mask = _castable_to_integer(array)
    elif pa.types.is_floating(target) and pa.types.is_integer(source):
        limit = pa.scalar(_EXACT_IN_FLOAT, pa.int64())
        widened = array if pa.types.is_uint64(source) else array.cast(pa.int64())
        mask = pc.less_equal(widened, limit.cast(widened.type))
        if pa.types.is_signed_integer(source):
            mask = pc.and_(mask, pc.greater_equal(widened, pa.scalar(-_EXACT_IN_FLOAT, pa.int64())))
    elif pa.types.is_timestamp(source) and pa.types.is_timestamp(target):
        mask = _castable_times(array)
    if mask is None:
        return np.ones(len(array), dtype=bool)
    return np.asarray(pc.fill_null(mask, True).to_numpy(zero_copy_only=False), dtype=bool)


def _is_utf8(value: bytes | None) -> bool:
    try:
        return value is None or value.decode() is not None
    except UnicodeDecodeError:
        return False


def _castable_text(array: pa.Array, target: pa.DataType) -> pa.Array | None:
    if pa.types.is_timestamp(target) or pa.types.is_date(target):
        pattern = _TIME_PATTERN if pa.types.is_timestamp(target) else _DAY_PATTERN
        mask = pc.match_substring_regex(array, pattern)
        leap = pc.and_(mask, pc.match_substring(array, _LEAP_DAY))
        if not pc.any(leap).as_py():
            return mask
        years = pc.utf8_slice_codeunits(pc.if_else(leap, array, "2000"), 0, 4).cast(pa.int32())
        return pc.and_(mask, pc.or_(pc.invert(leap), _is_leap(years)))
    if pa.types.is_integer(target):
        mask = pc.match_substring_regex(array, _INTEGER_PATTERN)
        is_long = pc.and_(mask, pc.invert(pc.match_substring_regex(array, _SHORT_INTEGER_PATTERN)))
        if not pc.any(is_long).as_py():
            return mask
        fits = [
            value is None or -_INT64_MAXIMUM - 1 <= int(value) <= _INT64_MAXIMUM
            for value in pc.if_else(is_long, array, "0").to_pylist()
        ]
        return pc.and_(mask, pa.array(fits))
    if pa.types.is_floating(target):
        return pc.match_substring_regex(array, _FLOAT_PATTERN)
    return None


def _is_leap(years: pa.Array) -> pa.Array:
    def divides(number: int) -> pa.Array:
        return pc.equal(pc.subtract(years, pc.multiply(pc.divide(years, number), number)), 0)

    return pc.or_(divides(400), pc.and_(divides(4), pc.invert(divides(100))))


def _castable_to_integer(array: pa.Array) -> pa.Array | None:
    source = array.type
    if pa.types.is_uint64(source):
        return pc.less_equal(array, pa.scalar(_INT64_MAXIMUM, source))
    if pa.types.is_floating(source):
        wide = array.cast(pa.float64())
        is_whole = pc.equal(pc.trunc(wide), wide)
        return pc.and_(is_whole, pc.and_(pc.greater_equal(wide, -(2.0**63)), pc.less(wide, 2.0**63)))
    if pa.types.is_decimal(source):
        return pc.equal(pc.trunc(array), array)
    return None


def _castable_times(array: pa.Array) -> pa.Array | None:
    counts = array.cast(pa.int64())
    if array.type.unit == "ns":
        return pc.equal(pc.multiply(pc.divide(counts, 1_000), 1_000), counts)
    if array.type.unit == "us":
        return None
    limit = _INT64_MAXIMUM // _MICROSECONDS[array.type.unit]
    return pc.and_(pc.less_equal(counts, limit), pc.greater_equal(counts, -limit))
