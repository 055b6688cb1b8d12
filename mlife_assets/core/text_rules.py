"""Rules of text from outside: how long it may be and which characters it may hold.

Belongs here: finding values that are too long or hold control characters. Does not belong here: the limit of each
column (`event_columns`), what the words say.

Concept: lengths count characters, and are looked at before anything is done with a value. Most columns hold neither
long text nor rare bytes, which their buffers show at once; only others are looked at value by value.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_CONTROLS = r"[\p{Cc}\x{2028}\x{2029}]"
_CONTROLS_BUT_LINES = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x{9f}]"
_FIRST_PRINTABLE, _DELETE = 0x20, 0x7F
_LEADS = (0xC2, 0xE2)
"""First bytes, in UTF-8, of control characters beyond ASCII and of the separators of lines."""


def too_long(array: pa.Array, length: int) -> np.ndarray:
    """Return a mask of shape (n,), true where text (also bytes, or an element of a list) has more characters."""
    nothing = np.zeros(len(array), dtype=bool)
    if pa.types.is_list(array.type):
        lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
        nothing[np.repeat(np.arange(len(array)), lengths)[too_long(array.flatten(), length)]] = True
        return nothing
    if not _has_lengths(array.type):
        return nothing
    suspects = np.flatnonzero(_mask(pc.greater(pc.binary_length(array), length)))
    if len(suspects):
        binary = pa.large_binary() if pa.types.is_large_string(array.type) else pa.binary()
        chosen = array.take(pa.array(suspects))
        values = (chosen.cast(binary) if _is_string(array.type) else chosen).to_pylist()
        nothing[suspects] = [len(value.decode(errors="replace")) > length for value in values]
    return nothing


def has_control_characters(values: pa.Array, *, may_break_lines: bool) -> np.ndarray:
    """Return a mask (n,) of values with control characters; tabs and line breaks are none where they may be."""
    data = values.buffers()[2]
    if data is None:
        return np.zeros(len(values), dtype=bool)
    octets = np.frombuffer(data, dtype=np.uint8)
    is_rare = (octets < _FIRST_PRINTABLE) | (octets == _DELETE) | (octets == _LEADS[0]) | (octets == _LEADS[1])
    if not is_rare.any():
        return np.zeros(len(values), dtype=bool)
    return _mask(pc.match_substring_regex(values, _CONTROLS_BUT_LINES if may_break_lines else _CONTROLS))


def _has_lengths(found: pa.DataType) -> bool:
    types = pa.types
    is_bytes = types.is_binary(found) or types.is_large_binary(found) or types.is_fixed_size_binary(found)
    return bool(is_bytes or _is_string(found))


def _is_string(found: pa.DataType) -> bool:
    return bool(pa.types.is_string(found) or pa.types.is_large_string(found))


def _mask(condition: pa.Array) -> np.ndarray:
    return np.asarray(pc.fill_null(condition, False).to_numpy(zero_copy_only=False), dtype=bool)
