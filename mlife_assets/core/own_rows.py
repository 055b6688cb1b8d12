"""Judging the rows that a user table delivers for a day.

Concept: one bad row never stops the good ones: accepted + rejected = delivered. Partition D of examples holds the rows
whose outcome became final by the morning of D, each once. A row is accepted when `time < label_time <= D <= time +
maturity_days + 1`: not before its label is final, so no immature one is stored, and not after the morning as of which
all labels of its day are complete, so no rows are added to a day already learned from. A late row belongs in the
partition in which it was due, which must be materialized again.

Tables come from pandas, polars or a database, so a flag may be 0 and 1, an id a number and a day a time at midnight.
Unambiguous values are converted; any other rejects its own row only. NaN is a missing number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.casting import cast_column, plain_array
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.examples import ExampleSpec
from mlife_assets.core.validation import REJECTED_SCHEMA, Reason

EXAMPLES, ROWS = "examples", "rows"
"""Names of the two tables, in keys, reports and sentences."""
DAY = "as_of_date"
"""Column with the day on which a row is scored."""
TERMS = "taken_under"
"""Column with the terms under which a row was accepted."""
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class OwnRows:
    """Contents of a model's two tables.

    Attributes:
        roles: roles of the columns.
        row_id: column that no two exposures of a day share; the entity's where there is one a day.
        maturity_days: days after the exposure until every label is final.
        is_label_timed: whether examples have their own label time; otherwise labels are known when all of the day are.
    """

    roles: ExampleSpec
    row_id: str
    maturity_days: int
    is_label_timed: bool

    @property
    def examples(self) -> pa.Schema:
        """Columns of examples as they are kept."""
        roles = self.roles
        ids = dict.fromkeys((self.row_id, roles.entity))
        return pa.schema(
            [
                *((name, pa.string()) for name in ids),
                (roles.time, pa.date32()),
                (roles.label_time, pa.date32()),
                (roles.label, pa.bool_()),
                *_features(roles),
            ]
        )

    @property
    def rows(self) -> pa.Schema:
        """Columns of rows to score as they are kept."""
        return pa.schema([(DAY, pa.date32()), (self.roles.entity, pa.string()), *_features(self.roles)])

    def terms(self, table: str) -> dict[str, str]:
        """Return the terms of a table's rows, by attribute; a change of terms makes other rows."""
        roles, entity = self.roles, {"columns.entity": self.roles.entity}
        if table == ROWS:
            return entity
        return entity | {
            "maturity_days": str(self.maturity_days),
            "columns.time": roles.time,
            "columns.label": roles.label,
            "columns.label_time": roles.label_time if self.is_label_timed else "",
            "columns.row_id": self.row_id,
        }

    @property
    def partitions_after(self) -> tuple[int, int]:
        """Return the days from an exposure to the first and to the last partition that may hold the example."""
        return 1, self.maturity_days + 1


@dataclass(frozen=True, eq=False)
class Judged:
    """Rows of one delivery: `accepted` as stored, `rejected` by `validation.REJECTED_SCHEMA`.

    Row -1 stands for an empty table that lacks a column.
    """

    accepted: pa.Table
    rejected: pa.Table
    extra_columns: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Fault:
    reason: Reason
    field: str
    detail: str
    mask: Mask


def judge_examples(delivered: pa.Table, own: OwnRows, day: date) -> Judged:
    """Split the delivered examples of partition `day`."""
    roles, schema = own.roles, own.examples
    wanted = [name for name in schema.names if own.is_label_timed or name != roles.label_time]
    read, faults = _read(delivered, schema, wanted)
    if faults:
        return _refused(delivered, read, faults, schema, own.row_id, wanted)
    faults = list(_value_faults(read, roles, (own.row_id, roles.entity, roles.time, roles.label)))
    exposed = read[roles.time].values
    complete = pc.add(exposed.cast(pa.int32()), pa.scalar(own.maturity_days + 1, pa.int32())).cast(pa.date32())
    known = read[roles.label_time].values if own.is_label_timed else complete
    if own.is_label_timed:
        faults += _value_faults({roles.label_time: read[roles.label_time]}, roles, (roles.label_time,))
    faults += _time_faults(own, exposed, known, complete, day)
    faults.append(_repeated(faults, [exposed.cast(pa.string()), read[own.row_id].values], own.row_id, "of one day"))
    read[roles.label_time] = Read(known, _nowhere(len(known)))
    return _refused(delivered, read, faults, schema, own.row_id, wanted)


def judge_rows(delivered: pa.Table, own: OwnRows, day: date) -> Judged:
    """Split the delivered rows to score on `day`; a column of the day, if any, must hold this one."""
    roles, schema = own.roles, own.rows
    times = {name: pa.date32() for name in dict.fromkeys((DAY, roles.time)) if name in delivered.column_names}
    wanted = [name for name in schema.names if name != DAY]
    read, faults = _read(delivered, schema, wanted)
    if faults:
        return _refused(delivered, read, faults, schema, roles.entity, [*wanted, *times])
    faults = list(_value_faults(read, roles, (roles.entity,)))
    for name in times:
        said = read_as(delivered[name], pa.date32())
        is_other = _mask(pc.not_equal(said.values, pa.scalar(day, pa.date32()))) | said.wrong
        faults.append(_Fault(Reason.OUT_OF_RANGE, name, f"{name} must be {day}, the day that the row is for", is_other))
    faults.append(_repeated(faults, [read[roles.entity].values], roles.entity, "to score"))
    read[DAY] = Read(pa.array([day] * delivered.num_rows, pa.date32()), _nowhere(delivered.num_rows))
    return _refused(delivered, read, faults, schema, roles.entity, [*wanted, *times])


def _features(roles: ExampleSpec) -> list[tuple[str, pa.DataType]]:
    return [*((name, pa.float64()) for name in roles.features), *((name, pa.string()) for name in roles.categoricals)]


def _read(delivered: pa.Table, schema: pa.Schema, wanted: Sequence[str]) -> tuple[dict[str, Read], list[_Fault]]:
    """Return the wanted columns in their types, or the faults: a column is missing or repeated."""
    names = delivered.column_names
    everywhere = np.ones(delivered.num_rows, dtype=bool)
    if missing := [name for name in wanted if name not in names]:
        what = f"the table lacks the column {', '.join(missing)}; add it, or name another column in the attributes"
        return {}, [_Fault(Reason.MISSING_COLUMN, missing[0], what, everywhere)]
    if twice := [name for name in wanted if names.count(name) > 1]:
        what = f"the table has the column {twice[0]} twice; keep one"
        return {}, [_Fault(Reason.MISSING_COLUMN, twice[0], what, everywhere)]
    return {name: read_as(delivered[name], schema.field(name).type) for name in wanted}, []


def _value_faults(read: dict[str, Read], roles: ExampleSpec, required: Sequence[str]) -> Iterator[_Fault]:
    for name, column in read.items():
        wanted = _WORDS[column.values.type]
        detail = f"{name} cannot be read as {wanted}; cast it in the asset that delivers it"
        yield _Fault(Reason.WRONG_TYPE, name, detail, column.wrong)
        if pa.types.is_floating(column.values.type):
            detail = f"{name} must be a finite number or missing; correct it in the asset that delivers it"
            yield _Fault(Reason.OUT_OF_RANGE, name, detail, _mask(pc.is_inf(column.values)))
    for name in dict.fromkeys(required):
        values, role = read[name].values, "label" if name == roles.label else "time or id"
        is_empty = _mask(values.is_null()) & ~read[name].wrong
        if pa.types.is_string(values.type):
            is_empty |= _mask(pc.equal(values, ""))
        yield _Fault(Reason.NULL_VALUE, name, f"{name} is missing; every row needs its {role}, so fill it", is_empty)


_WORDS = {
    pa.string(): "text",
    pa.float64(): "a number",
    pa.bool_(): "true or false, 1 or 0",
    pa.date32(): "a day, UTC, without an hour",
}


def _time_faults(own: OwnRows, exposed: pa.Array, known: pa.Array, complete: pa.Array, day: date) -> Iterator[_Fault]:
    """Yield violations of `time < label_time <= day <= time + maturity_days + 1`."""
    time, name = own.roles.time, own.roles.label_time
    today, limit = pa.scalar(day, pa.date32()), f"{own.maturity_days} days of maturity and the morning after"
    yield _Fault(
        Reason.FROM_FUTURE, name if own.is_label_timed else time,
        f"the label is not final by {day}: {name} is a later day; deliver the row in the partition of that day",
        _mask(pc.greater(known, today)),
    )  # fmt: skip
    yield _Fault(
        Reason.OUT_OF_RANGE, name,
        f"{name} must lie after {time}: a label is final when its window is over; say when it was",
        _mask(pc.less_equal(known, exposed)),
    )  # fmt: skip
    yield _Fault(
        Reason.OUT_OF_RANGE, name,
        f"{name} lies after {time} and {limit}; raise maturity_days, or correct it",
        _mask(pc.greater(known, complete)),
    )  # fmt: skip
    yield _Fault(
        Reason.OUT_OF_RANGE, time,
        f"the row comes after {time} and {limit}, by which its day may have been learned from; deliver it in an "
        "earlier partition and materialize that one again",
        _mask(pc.less(complete, today)),
    )  # fmt: skip


def _repeated(faults: Sequence[_Fault], keys: Sequence[pa.Array], name: str, which: str) -> _Fault:
    """Return the fault of rows that repeat the keys of an earlier, otherwise good row."""
    size = len(keys[0])
    bad = _union(faults, size)
    good = np.flatnonzero(~bad)
    joined = pc.binary_join_element_wise(*keys, "\x1f") if len(keys) > 1 else keys[0]
    codes = joined.take(pa.array(good)).dictionary_encode().indices.to_numpy(zero_copy_only=False)
    _, first = np.unique(codes, return_index=True)
    mask = _nowhere(size)
    mask[np.delete(good, first)] = True
    return _Fault(Reason.DUPLICATE_EVENT_ID, name, f"an earlier row {which} has this {name}; deliver it once", mask)


def _refused(
    delivered: pa.Table,
    read: dict[str, Read],
    faults: Sequence[_Fault],
    schema: pa.Schema,
    row_id: str,
    known: Sequence[str],
) -> Judged:
    """Return the split: each refused row with its first fault, in the order of `Reason`."""
    size, order = delivered.num_rows, {reason: place for place, reason in enumerate(Reason)}
    ranked = sorted(faults, key=lambda fault: order[fault.reason])
    first = np.full(size, -1)
    for place in range(len(ranked) - 1, -1, -1):
        first[ranked[place].mask] = place
    rows = np.flatnonzero(first >= 0)
    chosen = [ranked[place] for place in first[rows]]
    if not read and not size:
        rows, chosen = np.array([-1]), ranked[:1]
    ids = read[row_id].values.take(pa.array(rows)) if row_id in read else pa.nulls(len(rows), pa.string())
    rejected = pa.table(
        [
            pa.array(rows, pa.int64()),
            ids,
            pa.array([fault.reason.value for fault in chosen], pa.string()),
            pa.array([fault.field for fault in chosen], pa.string()),
            pa.array([fault.detail for fault in chosen], pa.string()),
            pa.nulls(len(rows), pa.string()),
        ],
        schema=REJECTED_SCHEMA,
    )
    keep = pa.array(first < 0)
    accepted = schema.empty_table()
    if all(name in read for name in schema.names):
        accepted = pa.table([read[name].values.filter(keep) for name in schema.names], schema=schema)
    extra = tuple(name for name in dict.fromkeys(delivered.column_names) if name not in {*schema.names, *known})
    if accepted.num_rows + rejected.num_rows != max(size, len(chosen)):
        raise InvalidInputError(f"{accepted.num_rows} accepted and {rejected.num_rows} rejected of {size} rows")
    return Judged(accepted, rejected, extra)


def _union(faults: Sequence[_Fault], size: int) -> Mask:
    union = _nowhere(size)
    for fault in faults:
        union |= fault.mask
    return union


def _mask(condition: pa.Array) -> Mask:
    return np.asarray(pc.fill_null(condition, False).to_numpy(zero_copy_only=False), dtype=bool)


def _nowhere(size: int) -> Mask:
    return np.zeros(size, dtype=bool)


@dataclass(frozen=True, eq=False)
class Read:
    """A column of n values in its declared type, and a mask of unreadable ones, bool (n,); those are null."""

    values: pa.Array
    wrong: npt.NDArray[np.bool_]


def read_as(column: pa.ChunkedArray, wanted: pa.DataType) -> Read:
    """Return a column as text, float64, bool or date32."""
    array = _whole(_plain(column))
    if pa.types.is_string(wanted):
        array = array.cast(pa.string()) if pa.types.is_integer(array.type) or pa.types.is_boolean(array.type) else array
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
    """Return decimals without a fraction, as databases give whole numbers, as int64; larger ones stay."""
    if not pa.types.is_decimal(array.type) or array.type.scale > 0:
        return array
    try:
        return array.cast(pa.int64())
    except pa.ArrowInvalid:
        return array


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
