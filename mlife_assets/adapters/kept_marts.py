"""Marts as one run reads them: each row once, and mapped from then on.

Concept: the steps of a retraining ask for the same rows. What is read first is written as an Arrow file into the home
and mapped, so a later step copies nothing and pages of columns that nobody names are never loaded. The file has no
name: the system frees it when the process ends, however it ends, and no other run can meet it. A step in a process of
its own reads again. A run sees a row as it was when it read it first.
"""

from __future__ import annotations

import mmap
from bisect import insort
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Protocol, TypeVar

import numpy as np
import pyarrow as pa

from mlife_assets.core.disk_faults import disk_error
from mlife_assets.core.windows import add_days
from mlife_assets.garbage import give_memory_back

DAYS_AT_ONCE = 14
"""Days that are read and written at once, so that memory holds two weeks and not a history; more where rows spread."""
Derive = Callable[[pa.Table], pa.Table]
R = TypeVar("R")


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
        """Return rows of a mart, ordered by its grain: those of [start, end] or of the day `as_of`."""

    def leading_day(self, mart: str) -> str | None:
        """Return the date column that selects rows of a mart if they come in its order, else None."""

    def spread_days(self, mart: str) -> int:
        """Return how many partitions besides its own can hold rows of a day: each range reads that many more."""


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
        """Give memory back: that which was freed, and pages that were read.

        Pages come again, from the system's cache, when a table is read further.
        """
        for view in self._views:
            view.madvise(mmap.MADV_DONTNEED)
        give_memory_back()

    def forget(self) -> None:
        """Free what was read. Whoever holds a table of it may go on reading that."""
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
        """Return rows of a mart as `DatedMarts.read` does, in as many chunks as they were read in.

        `derive` adds columns or replaces them, each row's by the row alone, so that is done once as well.
        """
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
        """Return the rows of a part with what was derived of them; only columns that differ take room."""
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
    """Yield what of [first, last] no part has, a few days at a time; parts are in order and do not overlap."""
    for begins, ends in [*((part.first, part.last) for part in parts), (add_days(last, 1), last)]:
        while first < begins and first <= last:
            until = min(add_days(first, most_days - 1), add_days(begins, -1), last)
            yield first, until
            first = add_days(until, 1)
        first = max(first, add_days(ends, 1))
