"""Marts that are kept as daily tables in the lake.

Concept: a mart is one Parquet table per partition. A row lies in the partition in which it became known, which is some
days after the day that it is about, so a range of days is looked for in the partitions that can hold it. Where two
partitions have a row of one grain, the one that was known first counts.

A frame that an asset of a project delivers is asked for its columns, so that no library of frames is imported. A column
of pandas whose values have several types becomes text: bad values are refused one by one.
"""

from __future__ import annotations

import json
import mmap
from bisect import insort
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Protocol, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.adapters.tables import TableStore
from mlife_assets.core.disk_faults import disk_error
from mlife_assets.core.errors import InvalidInputError, NotFoundError
from mlife_assets.core.own_rows import TERMS
from mlife_assets.core.quoting import quoted
from mlife_assets.core.windows import add_days
from mlife_assets.garbage import give_memory_back

DAYS_AT_ONCE = 14
"""Days that are read and written at once, so that memory holds two weeks and not a history; more where rows spread."""
Derive = Callable[[pa.Table], pa.Table]
R = TypeVar("R")


@dataclass(frozen=True)
class DailyMart:
    """A mart of daily tables.

    Attributes:
        grain: columns that identify and order its rows.
        date_column: column that selections apply to.
        partitions_after: how many days after a row's date the first and the last partition lie that may hold it.
        asset: its asset key, for people.
        terms: what its rows are taken under, by attribute; rows that were kept under others are not read.
    """

    schema: pa.Schema
    grain: tuple[str, ...]
    date_column: str
    partitions_after: tuple[int, int]
    asset: str
    terms: Mapping[str, str] = field(default_factory=dict)


def with_terms(rows: pa.Table, terms: Mapping[str, str]) -> pa.Table:
    """Return rows with the terms of their delivery as a column, so that a crash cannot part the two."""
    said = pa.array([json.dumps(dict(terms), sort_keys=True)] * rows.num_rows, pa.string())
    return rows.append_column(TERMS, said)


class TableMarts:
    """The marts of one model, in its tables."""

    def __init__(self, tables: TableStore, marts: Mapping[str, DailyMart]) -> None:
        self._tables, self._marts = tables, marts

    def read(
        self,
        mart: str,
        *,
        start: date | None = None,
        end: date | None = None,
        as_of: date | None = None,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        known = self._known(mart)
        if as_of is not None and (start is not None or end is not None):
            raise InvalidInputError("as_of selects one date; leave out start and end")
        if unknown := [name for name in columns or () if name not in known.schema.names]:
            raise InvalidInputError(f"{known.asset} has no column {', '.join(unknown)}; its attributes list them")
        first, last = (as_of, as_of) if as_of is not None else (start, end)
        days = self._partitions(mart, known, first, last, is_needed=as_of is not None)
        rows = pa.concat_tables([known.schema.empty_table(), *(self._table(mart, known, day) for day in days)])
        when = pc.field(known.date_column)
        for condition in (first is None or when >= pa.scalar(first), last is None or when <= pa.scalar(last)):
            if condition is not True:
                rows = rows.filter(condition)
        return _in_order(rows, known.grain).select(list(columns or known.schema.names))

    def leading_day(self, mart: str) -> str | None:
        known = self._known(mart)
        return known.date_column if known.grain[0] == known.date_column else None

    def spread_days(self, mart: str) -> int:
        first, last = self._known(mart).partitions_after
        return last - first

    def _known(self, mart: str) -> DailyMart:
        if mart not in self._marts:
            raise InvalidInputError(f"{mart!r} is not a mart; read one of {', '.join(sorted(self._marts))}")
        return self._marts[mart]

    def _partitions(
        self, mart: str, known: DailyMart, first: date | None, last: date | None, *, is_needed: bool
    ) -> list[date]:
        days = self._tables.days(mart)
        if not days:
            raise NotFoundError(f"{known.asset} was never materialized; materialize it for the days that there are")
        soonest, latest = known.partitions_after
        found = [
            day
            for day in days
            if (first is None or day >= add_days(first, soonest)) and (last is None or day <= add_days(last, latest))
        ]
        if is_needed and not found:
            raise NotFoundError(f"{known.asset} has no partition of {first}; materialize it for that day")
        return found

    def _table(self, mart: str, known: DailyMart, day: date) -> pa.Table:
        table = self._tables.read(mart, day)
        if lacking := [name for name in known.schema.names if name not in table.column_names]:
            raise InvalidInputError(
                f"{known.asset} of {day} lacks the column {lacking[0]}, which was declared later; materialize it again "
                "for the days until then"
            )
        again = f"materialize {known.asset} again, for all days that there are"
        for said in pc.unique(table[TERMS]).to_pylist() if known.terms and table.num_rows else ():
            before = json.loads(said)
            for name, value in known.terms.items():
                if (kept := before.get(name)) != value:
                    raise InvalidInputError(
                        f"{known.asset} of {day} was kept when {name} was {kept or 'not set'}, and it is "
                        f"{value or 'not set'} now; {again}"
                    )
        for column in known.schema if table.num_rows else ():
            if table.schema.field(column.name).type != column.type:
                raise InvalidInputError(
                    f"{known.asset} of {day} was kept when {column.name} was {table.schema.field(column.name).type}, "
                    f"and it is {column.type} now; {again}"
                )
        return table.select(known.schema.names).cast(known.schema)


def _in_order(rows: pa.Table, grain: Sequence[str]) -> pa.Table:
    """Return rows by their grain, of equal ones the first; one chunk a column, with zeros under nulls."""
    rows = rows.append_column("_place", pa.array(np.arange(rows.num_rows)))
    rows = rows.sort_by([*((name, "ascending") for name in grain), ("_place", "ascending")]).drop_columns(["_place"])
    if rows.num_rows > 1:
        is_same = np.ones(rows.num_rows - 1, dtype=bool)
        for name in grain:
            is_same &= np.asarray(pc.equal(rows[name][1:], rows[name][:-1]).to_numpy(), dtype=bool)
        if is_same.any():
            rows = rows.filter(pa.array(np.concatenate([[True], ~is_same])))
    return rows.combine_chunks()


def delivered_table(value: Any, name: str) -> pa.Table:
    """Return an asset's value as a table, without its index. Raises InvalidInputError naming asset, type and remedy."""
    if isinstance(value, pa.Table):
        return value
    if isinstance(value, pa.RecordBatch):
        return pa.Table.from_batches([value])
    kind = type(value)
    if kind.__module__.partition(".")[0] == "pandas" and kind.__name__ == "DataFrame":
        columns = [_column(value.iloc[:, place]) for place in range(value.shape[1])]
        return pa.Table.from_arrays(columns, names=[str(name) for name in value.columns])
    if hasattr(value, "__arrow_c_stream__"):
        return pa.table(value)
    what = "nothing" if value is None else f"a {kind.__name__}"
    if isinstance(value, dict) and value and all(isinstance(key, str) for key in value):
        what = f"a dict with the keys {quoted(', '.join(sorted(value)[:3]))}, several partitions it seems"
    raise InvalidInputError(
        f"{name} gave {what}, which is no table; let it return a frame of pandas, a table of pyarrow or an object with "
        "`__arrow_c_stream__`, and launch one partition at a time"
    )


def _column(series: Any) -> pa.Array | pa.ChunkedArray:
    try:
        return pa.array(series, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        is_missing = series.isna().tolist()
        values = [None if absent else str(one) for one, absent in zip(series.tolist(), is_missing, strict=True)]
        return pa.array(values, pa.string())


class DatedMarts(Protocol):
    """Marts that can be kept."""

    def read(
        self,
        mart: str,
        *,
        start: date | None = None,
        end: date | None = None,
        as_of: date | None = None,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        """Return rows of a mart, ordered by its grain; timestamps are in UTC.

        `start` and `end`, both included, select by its date column, or `as_of` names one day; `columns` come in order.
        Raises InvalidInputError on a selection that cannot be, NotFoundError naming what to build, and TransientError
        if another process keeps the file.
        """

    def leading_day(self, mart: str) -> str | None:
        """Return the date column that selects rows of a mart if they come in its order, else None."""

    def spread_days(self, mart: str) -> int:
        """Return the number of later partitions that can hold rows of a day; a read of a range adds that many."""


@dataclass(frozen=True, order=True)
class _Part:
    """The rows of some days, mapped; and columns that were derived from them, by what derived them."""

    first: date
    last: date
    rows: pa.Table = field(compare=False)
    days: np.ndarray = field(compare=False)
    derived: dict[Derive, pa.Table] = field(default_factory=dict, compare=False)


class KeptMarts:
    """Marts that keep the rows of whole ranges of days and of single days; other selections are read each time."""

    def __init__(self, marts: DatedMarts, folder: Path) -> None:
        """Read from `marts`; files are made in `folder` when rows are first read."""
        self._marts, self._folder = marts, folder
        self._parts: dict[tuple[object, ...], list[_Part]] = {}
        self._made: dict[object, Any] = {}
        self._views: list[mmap.mmap] = []

    def once(self, key: object, make: Callable[[], R]) -> R:
        """Return the value of a key, made when it is first asked for and kept as long as rows are."""
        if key not in self._made:
            self._made[key] = make()
        made: R = self._made[key]
        return made

    def rest(self) -> None:
        """Give back freed memory and pages that were read, which come again from the system's cache."""
        for view in self._views:
            view.madvise(mmap.MADV_DONTNEED)
        give_memory_back()

    def forget(self) -> None:
        """Free the rows that were read. A table of them that is still held can be read on."""
        self._views.clear()
        self._parts.clear()
        self._made.clear()

    def read(
        self,
        mart: str,
        *,
        start: date | None = None,
        end: date | None = None,
        as_of: date | None = None,
        columns: Sequence[str] | None = None,
        derive: Derive | None = None,
    ) -> pa.Table:
        """Return rows as `DatedMarts.read`, in several chunks; `derive` changes each row by itself, done once."""
        named = None if columns is None else tuple(columns)
        day = self._marts.leading_day(mart)
        first, last = (start, end) if as_of is None else (as_of, as_of)
        is_known = first is not None and last is not None and first <= last and (named is None or day in named)
        if day is None or first is None or last is None or not is_known or not (as_of is None or start is end is None):
            rows = self._marts.read(mart, start=start, end=end, as_of=as_of, columns=columns)
            return rows if derive is None else derive(rows)
        parts = self._parts.setdefault((mart, named, as_of is not None), [])
        for begins, ends in list(_gaps(parts, first, last, max(DAYS_AT_ONCE, self._marts.spread_days(mart)))):
            asked = {"as_of": begins} if as_of is not None else {"start": begins, "end": ends}
            rows = self._mapped(self._marts.read(mart, columns=columns, **asked))
            insort(parts, _Part(begins, ends, rows, rows[day].to_numpy().astype("datetime64[D]")))
        found = []
        for part in parts:
            if part.first <= last and first <= part.last:
                begin = int(np.searchsorted(part.days, np.datetime64(first, "D"), "left"))
                stop = int(np.searchsorted(part.days, np.datetime64(last, "D"), "right"))
                rows = part.rows if derive is None else self._with_derived(part, derive)
                found.append(rows.slice(begin, stop - begin))
        return found[0] if len(found) == 1 else pa.concat_tables(found)

    def _with_derived(self, part: _Part, derive: Derive) -> pa.Table:
        """Return the rows of a part with derived columns; only columns that differ take memory."""
        if derive not in part.derived:
            rows, known = derive(part.rows), part.rows
            names = [name for name in rows.column_names if name in known.column_names and rows[name] == known[name]]
            new = self._mapped(rows.drop_columns(names))
            columns = [(known if name in names else new)[name] for name in rows.column_names]
            part.derived[derive] = pa.table(columns, schema=rows.schema)
        return part.derived[derive]

    def _mapped(self, rows: pa.Table) -> pa.Table:
        """Return rows as they lie in a file without a name, in one chunk a column."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with TemporaryFile(dir=self._folder) as file:
                with pa.ipc.new_file(pa.PythonFile(file, mode="w"), rows.schema) as writer:
                    writer.write_table(rows.combine_chunks())
                file.flush()
                view = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self._views.append(view)
        except OSError as error:
            fault = disk_error(str(self._folder), error)
            if fault is None:
                raise
            raise fault from error
        return pa.ipc.open_file(pa.BufferReader(pa.py_buffer(view))).read_all()


def _gaps(parts: Sequence[_Part], first: date, last: date, most_days: int) -> Iterator[tuple[date, date]]:
    """Yield the days of [first, last] that no part has, a few at a time; parts are in order and do not overlap."""
    for begins, ends in [*((part.first, part.last) for part in parts), (add_days(last, 1), last)]:
        while first < begins and first <= last:
            until = min(add_days(first, most_days - 1), add_days(begins, -1), last)
            yield first, until
            first = add_days(until, 1)
        first = max(first, add_days(ends, 1))
