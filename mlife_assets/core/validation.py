"""Judging rows from outside against the contract of their event type.

Concept: one bad row never stops the good ones. Each row is accepted, cast to the exact schema, or rejected with the
first reason that holds, in the order of `Reason`; accepted + rejected = rows. Sentences name field and remedy, never a
value; the value is in `raw`, which holds contract columns only, so other columns are not stored. A row with an overlong
value has no `raw`; it stays in the landing file. Otherwise `raw` keeps the file's values, so that a row can be
replayed. Times, dates and numbers without a form in JSON are text; in text columns they are `{"not_text": ...}`, and
bytes that are not UTF-8 are `{"base64": ...}`.

Lengths of text count characters, and are checked before any use of a value. The buffers of most columns show at once
that there is neither long text nor a rare byte; only others are checked value by value.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.casting import Cast, cast_column, plain_array
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.event_columns import TIMESTAMP, Column, EventType

PART_ROWS = 65_536
"""Rows held as Python objects at a time."""
_BASE64 = "base64"
_NOT_TEXT = "not_text"
_INT64_LIMIT = 2**63
WHOLE_FILE = -1
"""Row number of a rejection that concerns a file as a whole."""
REJECTED_SCHEMA = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("event_id", pa.string()),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("field", pa.string()),
        pa.field("detail", pa.string(), nullable=False),
        pa.field("raw", pa.string()),
    ]
)
_CONTROLS = r"[\p{Cc}\x{2028}\x{2029}]"
_CONTROLS_BUT_LINES = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x{9f}]"
_FIRST_PRINTABLE, _DELETE = 0x20, 0x7F
_LEADS = (0xC2, 0xE2)
"""First UTF-8 bytes of control characters beyond ASCII and of line separators."""


class Reason(StrEnum):
    """Reason of rejecting a row or a file; if several hold, the first in this order."""

    UNSAFE_NAME = "unsafe_name"
    NOT_A_FILE = "not_a_file"
    TOO_MANY_FILES = "too_many_files"
    TOO_LARGE = "too_large"
    TOO_SLOW = "too_slow"
    UNREADABLE_FILE = "unreadable_file"
    EMPTY_FILE = "empty_file"
    UNKNOWN_EVENT_TYPE = "unknown_event_type"
    MISSING_COLUMN = "missing_column"
    TOO_LONG = "too_long"
    INVALID_UTF8 = "invalid_utf8"
    WRONG_TYPE = "wrong_type"
    NULL_VALUE = "null_value"
    CONTROL_CHARACTER = "control_character"
    LIST_SIZE = "list_size"
    OUT_OF_RANGE = "out_of_range"
    UNKNOWN_ENUM = "unknown_enum"
    FROM_FUTURE = "from_future"
    DUPLICATE_EVENT_ID = "duplicate_event_id"


@dataclass(frozen=True)
class FileFault:
    """Reason of refusing a whole file, and the remedy."""

    reason: Reason
    detail: str


@dataclass(frozen=True)
class Validated:
    """Rows split by validity: `accepted` has the schema of `contract`, today's unless the exporter used an older
    version; `rejected` has `REJECTED_SCHEMA`. Both are in row order.
    """

    contract: EventType
    accepted: pa.Table
    rejected: pa.Table
    extra_columns: tuple[str, ...]


@dataclass(frozen=True)
class _Fault:
    """One rule broken by the rows in `mask`, shape (n,)."""

    reason: Reason
    field: str
    detail: str
    mask: np.ndarray


def validate(
    kind: EventType, table: pa.Table, *, now: datetime, known_ids: pa.Array | Sequence[str] | None = None
) -> Validated:
    """Split `table` into accepted and rejected rows.

    `now` (aware) bounds both times of an event. `known_ids` are event ids that exist already; a row with one of them,
    or with the id of an earlier accepted row, is a duplicate. Columns outside the contract are dropped and named. Files
    written for an older version are judged by its contract. Raises `InvalidInputError` only for misuse: a naive `now`,
    a repeated column name.
    """
    if now.tzinfo is None:
        raise InvalidInputError(f"now ({now.isoformat()}) has no zone; pass an aware datetime in UTC")
    kind = kind.delivered(table.column_names)
    names = kind.schema.names
    repeated = sorted({name for name in table.column_names if table.column_names.count(name) > 1})
    if repeated:
        raise InvalidInputError(f"column {repeated[0]} occurs twice; write each column of {kind.name} once")
    extra = tuple(name for name in table.column_names if name not in names)
    given = {name: _one_chunk(table, name) for name in names if name in table.column_names}
    lengths = {column.name: column.text_length for column in kind.all_columns}
    long = {name: too_long(array, lengths[name]) for name, array in given.items()}
    given = {name: _without(array, long[name]) for name, array in given.items()}
    shorten = "{} has more than {} characters; shorten it at its source"
    too_long_faults = [_Fault(Reason.TOO_LONG, n, shorten.format(n, lengths[n]), mask) for n, mask in long.items()]
    missing = kind.missing(given)
    absent = pa.nulls(table.num_rows)
    casts = {name: cast_column(given.get(name, absent), kind.schema.field(name).type) for name in names}
    if missing:
        everything = np.ones(table.num_rows, dtype=bool)
        detail = f"{kind.name} needs the column {', '.join(missing)}; export it and land the file again"
        faults = [_Fault(Reason.MISSING_COLUMN, missing[0], detail, everything), *too_long_faults]
        accepted = kind.schema.empty_table()
    else:
        order = {reason: place for place, reason in enumerate(Reason)}
        found = [*too_long_faults, *_row_faults(kind, casts, long, now)]
        faults = sorted(found, key=lambda fault: order[fault.reason])
        faults += _duplicates(casts["event_id"].values, _union(faults, table.num_rows), known_ids)
        keep = pa.array(~_union(faults, table.num_rows))
        accepted = pa.table([casts[name].values.filter(keep) for name in names], schema=kind.schema)
    return Validated(kind, accepted, _rejected(kind, given, casts, faults, table.num_rows), extra)


@lru_cache(maxsize=64)
def rejected_file(reason: Reason, detail: str) -> pa.Table:
    """Return the one rejection, of shape (1,), of a file without readable rows."""
    row = {"row": WHOLE_FILE, "event_id": None, "reason": reason.value, "field": None, "detail": detail, "raw": None}
    return pa.Table.from_pylist([row], schema=REJECTED_SCHEMA)


def _one_chunk(table: pa.Table, name: str) -> pa.Array:
    chunks = [plain_array(chunk) for chunk in table.column(name).chunks]
    return pa.concat_arrays(chunks) if chunks else pa.nulls(0)


def _union(faults: Sequence[_Fault], size: int) -> np.ndarray:
    union = np.zeros(size, dtype=bool)
    for fault in faults:
        union |= fault.mask
    return union


def _mask(condition: pa.Array) -> np.ndarray:
    return np.asarray(pc.fill_null(condition, False).to_numpy(zero_copy_only=False), dtype=bool)


def _without(array: pa.Array, mask: np.ndarray) -> pa.Array:
    return pc.if_else(pa.array(mask), pa.scalar(None, array.type), array) if mask.any() else array


def _row_faults(
    kind: EventType, casts: dict[str, Cast], long: dict[str, np.ndarray], now: datetime
) -> Iterator[_Fault]:
    for column in kind.all_columns:
        cast = casts[column.name]
        name = column.name
        yield _Fault(Reason.INVALID_UTF8, name, f"{name} is not UTF-8 text; export text as UTF-8", cast.invalid_utf8)
        wanted = "a time with a zone, in whole microseconds" if column.type == TIMESTAMP else str(column.type)
        detail = f"{name} cannot be read as {wanted} without loss; export it with that type"
        yield _Fault(Reason.WRONG_TYPE, name, detail, cast.wrong_type)
        yield from _value_faults(column, cast, cast.invalid_utf8 | cast.wrong_type | long.get(name, False))
    yield from _time_faults(casts, now)


def _value_faults(column: Column, cast: Cast, is_broken: np.ndarray) -> Iterator[_Fault]:
    name, values = column.name, cast.values
    is_null = _mask(values.is_null())
    is_empty = np.zeros(len(values), dtype=bool) if column.nullable else is_null & ~is_broken
    if column.is_identifier:
        is_empty = is_empty | _mask(pc.equal(values, ""))
    yield _Fault(Reason.NULL_VALUE, name, f"{name} must not be empty; fill it at its source", is_empty)
    if pa.types.is_string(column.type) and column.allowed is None:
        bad = has_control_characters(values, may_break_lines=column.has_lines)
        yield _Fault(Reason.CONTROL_CHARACTER, name, f"{name} must not hold control characters; remove them", bad)
    if pa.types.is_list(column.type):
        yield from _list_faults(column, values)
    elif pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
        bad, rule = _outside(values, column)
        yield _Fault(Reason.OUT_OF_RANGE, name, f"{name} must be {rule}; correct it at its source", bad)
    elif pa.types.is_timestamp(column.type):
        bad = _mask(pc.less(values.cast(pa.int64()), 0))
        yield _Fault(Reason.OUT_OF_RANGE, name, f"{name} lies before 1970; check the unit of the time", bad)
    if column.allowed is not None:
        bad = ~is_null & ~_mask(pc.is_in(values, value_set=pa.array(column.allowed, column.type)))
        yield _Fault(Reason.UNKNOWN_ENUM, name, f"{name} must be one of {', '.join(column.allowed)}", bad & ~is_broken)


def _outside(values: pa.Array, column: Column) -> tuple[np.ndarray, str]:
    """Return a mask of values that are not finite or out of the column's range, and the rule in words."""
    low, high = column.minimum, column.maximum
    rules = [f"{word} {limit:g}" for word, limit in (("at least", low), ("at most", high)) if limit is not None]
    rule = " and ".join(rules) or "a finite number"
    bad = np.zeros(len(values), dtype=bool)
    if pa.types.is_floating(values.type):
        bad |= ~_mask(pc.is_finite(values)) & _mask(values.is_valid())
    if low is not None:
        bad |= _mask(pc.less(values, low))
    if high is not None:
        bad |= _mask(pc.greater(values, high))
    return bad, rule


def _list_faults(column: Column, values: pa.Array) -> Iterator[_Fault]:
    lengths = pc.fill_null(pc.list_value_length(values), 0).to_numpy(zero_copy_only=False)
    parents = np.repeat(np.arange(len(values)), lengths)
    elements = values.flatten()
    has_null = np.zeros(len(values), dtype=bool)
    has_null[parents[_mask(elements.is_null())]] = True
    yield _Fault(Reason.NULL_VALUE, column.name, f"{column.name} must not hold empty elements; fill them", has_null)
    if column.list_size is not None:
        bad = _mask(pc.not_equal(pc.list_value_length(values), column.list_size))
        yield _Fault(Reason.LIST_SIZE, column.name, f"{column.name} must have {column.list_size} elements", bad)
    if pa.types.is_floating(elements.type) and column.list_size is not None:
        not_finite = np.zeros(len(values), dtype=bool)
        not_finite[parents[~_mask(pc.is_finite(elements)) & _mask(elements.is_valid())]] = True
        yield _Fault(Reason.OUT_OF_RANGE, column.name, f"{column.name} must hold finite numbers", not_finite)


def _time_faults(casts: dict[str, Cast], now: datetime) -> Iterator[_Fault]:
    occurred, observed = casts["occurred_at"].values, casts["observed_at"].values
    present = pa.scalar(now.astimezone(UTC), TIMESTAMP)
    late = "lies after the present; correct the clock of the exporter"
    yield _Fault(Reason.FROM_FUTURE, "occurred_at", f"occurred_at {late}", _mask(pc.greater(occurred, present)))
    yield _Fault(Reason.FROM_FUTURE, "observed_at", f"observed_at {late}", _mask(pc.greater(observed, present)))
    detail = "occurred_at lies after observed_at; nothing is known before it happens, so correct one of them"
    yield _Fault(Reason.FROM_FUTURE, "occurred_at", detail, _mask(pc.greater(occurred, observed)))


def _duplicates(ids: pa.Array, is_bad: np.ndarray, known_ids: pa.Array | Sequence[str] | None) -> list[_Fault]:
    """Return the faults of rows with a known id, or that of an earlier, otherwise good row."""
    known = np.zeros(len(ids), dtype=bool)
    if known_ids is not None and len(known_ids):
        value_set = known_ids if isinstance(known_ids, pa.Array | pa.ChunkedArray) else pa.array(known_ids, pa.string())
        known = _mask(pc.is_in(ids, value_set=value_set))
    good = np.flatnonzero(~is_bad & ~known)
    codes = ids.take(pa.array(good)).dictionary_encode().indices.to_numpy(zero_copy_only=False)
    _, first = np.unique(codes, return_index=True)
    repeated = np.zeros(len(ids), dtype=bool)
    repeated[np.delete(good, first)] = True
    return [
        _Fault(Reason.DUPLICATE_EVENT_ID, "event_id", "this event is in the log already; deliver it once", known),
        _Fault(Reason.DUPLICATE_EVENT_ID, "event_id", "an earlier row has this id; deliver the event once", repeated),
    ]


def _rejected(
    kind: EventType, given: dict[str, pa.Array], casts: dict[str, Cast], faults: Sequence[_Fault], size: int
) -> pa.Table:
    """Return the rejected rows, each with its first fault."""
    first = np.full(size, -1)
    for index in range(len(faults) - 1, -1, -1):
        first[faults[index].mask] = index
    rows = np.flatnonzero(first >= 0)
    fault_of_row = pa.array(first[rows], pa.int64())
    take = pa.array(rows)
    ids = casts["event_id"].values.take(take) if "event_id" in casts else pa.nulls(len(rows), pa.string())
    of_text = [c.name for c in kind.all_columns if c.type in (pa.string(), pa.list_(pa.string()))]
    raw = rows_as_json({name: array.take(take) for name, array in given.items()}, len(rows), text_columns=of_text)
    is_long = _union([fault for fault in faults if fault.reason == Reason.TOO_LONG], size)[rows]
    columns = [
        take.cast(pa.int64()),
        ids,
        pa.array([fault.reason.value for fault in faults], pa.string()).take(fault_of_row),
        pa.array([fault.field for fault in faults], pa.string()).take(fault_of_row),
        pa.array([fault.detail for fault in faults], pa.string()).take(fault_of_row),
        _without(raw, is_long),
    ]
    return pa.table(columns, schema=REJECTED_SCHEMA)


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
    """Return a mask (n,) of values with control characters; tabs and line breaks are allowed if lines may break."""
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


def rows_as_json(columns: Mapping[str, pa.Array], count: int, *, text_columns: Collection[str] = ()) -> pa.Array:
    """Return one JSON object per row of `columns` (each of length `count`), keys in column order, as text.

    `text_columns` are text in the contract.
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
    """Return the rows as a table in the types of JSON; `core.validation` casts them to the contract."""
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
    """Return a JSON value; text for another type is marked if `marks_text`."""
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
    """Return a list array; a value that is no list becomes a list of itself, which the contract then refuses."""
    lists = [value if value is None or isinstance(value, list) else [value] for value in values]
    elements = _column([element for value in lists if value is not None for element in value])
    offsets = [0]
    for value in lists:
        offsets.append(offsets[-1] + len(value or []))
    is_null = pa.array([value is None for value in lists])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), elements, mask=is_null)
