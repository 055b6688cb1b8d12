"""Events that were read before: of types that are asked for again and again, and have one file per act.

Belongs here: reading each file of such a type once per process. Does not belong here: which types those are
(`model_events`), finding out that something was listed (`additions`).

Concept: a file is written once and named by its content, so what was read of it stays true; `verify` finds what became
of it since. An event counts once a manifest lists it, so a call that finds nothing new listed neither lists nor reads a
file, and another looks at the days of what was listed. What a crash left unlisted counts as soon as files are listed
`anew`: whoever records something asks so. Rows are the same object for as long as nothing was added, so what follows
from them can be remembered, too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from threading import Lock
from typing import TYPE_CHECKING

import pyarrow as pa

from mlife_assets.adapters.event_log.additions import Additions
from mlife_assets.adapters.event_log.layout import LogFile, parse_data_key
from mlife_assets.adapters.event_log.reading import read_at_once
from mlife_assets.core.ports import ObjectStore, Rows

if TYPE_CHECKING:
    from mlife_assets.adapters.event_log.log import ParquetEventLog


class RememberedEvents:
    """All rows of some types of a log; safe to ask from several threads."""

    def __init__(self, event_log: ParquetEventLog, store: ObjectStore) -> None:
        """Remember the log, which lies in `store`; nothing is read."""
        self._event_log, self._additions, self._lock = event_log, Additions(store), Lock()
        self._parts: dict[str, dict[LogFile, pa.Table]] = {}
        self._rows: dict[str, Rows] = {}

    def rows(self, event_types: Iterable[str], *, anew: bool = False) -> tuple[Rows, ...]:
        """Return all rows of each type, as `ParquetEventLog.read` does; `anew` lists all files of them again."""
        with self._lock:
            added = self._additions.keys()  # before anything is listed, so that what comes meanwhile is seen next time
            if added is None:
                self._rows.clear()
            grown = {name: days for name, days in _days_by_type(added or ()).items() if name in self._rows}
            for event_type in grown:  # all first: where looking fails, all files of them are listed at the next call
                del self._rows[event_type]
            for event_type, days in grown.items():
                self._look(event_type, days)
            wanted = tuple(event_types)
            for event_type in wanted:
                if anew or event_type not in self._rows:
                    self._look(event_type)
            return tuple(self._rows[event_type] for event_type in wanted)

    def _look(self, event_type: str, days: Iterable[date] | None = None) -> None:
        """Read the files of a type that were not read yet, on some days or all."""
        known, log = self._parts.get(event_type, {}), self._event_log
        if days is None:
            files, parts = list(log.files(event_type)), dict[LogFile, pa.Table]()
        else:
            files, parts = [file for day in days for file in log.files(event_type, start=day, end=day)], dict(known)
        read = read_at_once(lambda file: known[file] if file in known else log.rows_of(file), files, log.readers)
        for file, rows in zip(files, read, strict=True):
            if rows is not None:
                parts[file] = rows
        if parts.keys() != known.keys() or event_type not in self._rows:
            self._parts[event_type] = parts
            self._rows[event_type] = tuple(log.in_order(event_type, parts).to_pylist())


def _days_by_type(keys: Iterable[str]) -> dict[str, set[date]]:
    """Return event type -> the days of the data files among `keys`."""
    days: defaultdict[str, set[date]] = defaultdict(set)
    for file in map(parse_data_key, keys):
        if file is not None:
            days[file.event_type].add(file.day)
    return days
