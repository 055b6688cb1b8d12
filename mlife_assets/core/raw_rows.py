"""Rejected rows as JSON text, and back: nothing is lost on the way.

Belongs here: the text form of a row whatever its types are. Does not belong here: judging it (`core.validation`).

Concept: a row that was refused must be replayable, so its text keeps what the file held, and what was wrong stays
wrong. Times, dates and numbers that JSON has no word for are text; where text was asked for they are
`{"not_text": ...}` instead, and bytes that are not UTF-8 are `{"base64": ...}`.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.casting import plain_array

PART_ROWS = 65_536
"""Rows that are Python objects at a time."""

_BASE64 = "base64"
_NOT_TEXT = "not_text"
_INT64_LIMIT = 2**63


def rows_as_json(columns: Mapping[str, pa.Array], count: int, *, text_columns: Collection[str] = ()) -> pa.Array:
    """Return one JSON object per row of `columns` (each of length `count`), keys in column order, as text.

    `text_columns` are those whose contract asks for text.
    """
    parts = [pa.array([], pa.string())]
    encode = json.JSONEncoder().encode
    for start in range(0, count, PART_ROWS):
        size = min(PART_ROWS, count - start)
        values = [_plain_values(array.slice(start, size), name in text_columns) for name, array in columns.items()]
        rows = zip(*values, strict=True) if values else ((),) * size
        parts.append(pa.array([encode(dict(zip(columns, row, strict=True))) for row in rows], pa.string()))
    return pa.concat_arrays(parts)


def json_as_table(rows: Sequence[str]) -> pa.Table:
    """Return the rows as a table with the types that JSON keeps; `core.validation` casts them to the contract."""
    parsed = [json.loads(row) for row in rows]
    names = list(dict.fromkeys(name for row in parsed for name in row))
    return pa.table({name: _column([row.get(name) for row in parsed]) for name in names})


def _plain_values(array: pa.Array, wants_text: bool) -> list[Any]:
    """Return Python values that JSON can hold."""
    array = plain_array(array)
    is_text = False
    if pa.types.is_timestamp(array.type) and array.type.tz is not None:
        array = array.cast(pa.timestamp(array.type.unit, tz="UTC"))
    if pa.types.is_duration(array.type):
        unit = array.type.unit
        return [_plain(None if v is None else f"{v} {unit}", wants_text) for v in array.cast(pa.int64()).to_pylist()]
    if pa.types.is_temporal(array.type) and not pa.types.is_interval(array.type):
        array = array.cast(pa.string())
    elif pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        is_text = True
        array = array.cast(pa.binary() if pa.types.is_string(array.type) else pa.large_binary())
    elif pa.types.is_list(array.type) or pa.types.is_large_list(array.type) or pa.types.is_fixed_size_list(array.type):
        elements = _plain_values(array.flatten(), wants_text)
        lengths = pc.list_value_length(array).to_pylist()
        lists, start = [], 0
        for length in lengths:
            lists.append(None if length is None else elements[start : start + length])
            start += length or 0
        return lists
    return [_plain(value, wants_text and not is_text) for value in array.to_pylist()]


def _plain(value: object, marks_text: bool) -> object:
    """Return a JSON value; text that stands for something else is marked when `marks_text`."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {_BASE64: base64.b64encode(value).decode()}
    is_json = value is None or isinstance(value, int | bool) or (isinstance(value, float) and math.isfinite(value))
    if is_json:
        return value
    return {_NOT_TEXT: str(value)} if marks_text else str(value)


def _column(values: list[Any]) -> pa.Array:
    """Return an array of one type: a struct when any value is not text, bytes when any is, text when mixed."""
    if any(isinstance(value, list) for value in values):
        return _list_column(values)
    if any(isinstance(value, dict) and _NOT_TEXT in value for value in values):
        return pa.array([None if value is None else {_NOT_TEXT: str(value)} for value in values])
    decoded: list[Any] = [base64.b64decode(v[_BASE64]) if isinstance(v, dict) else v for v in values]
    if any(isinstance(value, bytes) for value in decoded):
        return pa.array([v if v is None or isinstance(v, bytes) else str(v).encode() for v in decoded], pa.binary())
    kinds = {type(value) for value in decoded if value is not None}
    if len(kinds) > 1 and kinds != {int, float}:
        return pa.array([None if value is None else str(value) for value in decoded], pa.string())
    if any(isinstance(value, int) and not -_INT64_LIMIT <= value < _INT64_LIMIT for value in decoded):
        return pa.array([None if value is None else Decimal(value) for value in decoded], pa.decimal256(76, 0))
    return pa.array([float(v) if kinds == {int, float} and v is not None else v for v in decoded])


def _list_column(values: list[Any]) -> pa.Array:
    """Return a list array; a value that is no list becomes a list of itself, which its contract then refuses."""
    lists = [value if value is None or isinstance(value, list) else [value] for value in values]
    elements = _column([element for value in lists if value is not None for element in value])
    offsets = [0]
    for value in lists:
        offsets.append(offsets[-1] + len(value or []))
    is_null = pa.array([value is None for value in lists])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), elements, mask=is_null)
