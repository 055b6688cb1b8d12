"""Which values of a column can be cast to a type: found in one pass, however many cannot.

Belongs here: what text and numbers must look like for the cast to succeed. Does not belong here: casting (`casting`).

Concept: a cast fails as a whole and does not say where, so looking for the bad rows by trying costs a cast per bad row.
Here the rule of the cast is written down instead. It may let through what the cast refuses, never the other way round.
"""

from __future__ import annotations

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
