"""The catalogue of the log: which event types it holds, in which versions and on which days, and what fits none.

Belongs here: counting files and rows by type and day, naming what lies in the log's folder and is no part of it. Does
not belong here: bytes that were changed (`verification`), which types there are (`recruiting.events`).

Concept: paths are listed once and say nearly everything; rows are what manifests list. Of each type the files of its
newest day are opened: whoever writes another schema writes it today, and older files were looked at when they were new.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from mlife_assets.adapters.event_log.layout import EVENTS, LogFile, parse_data_key
from mlife_assets.adapters.event_log.log import ParquetEventLog
from mlife_assets.adapters.event_log.versions import file_version
from mlife_assets.adapters.parquet_bytes import open_table
from mlife_assets.core.errors import IntegrityError
from mlife_assets.core.ports import ObjectStore
from mlife_assets.recruiting.events import EVENT_TYPES, EventType


@dataclass(frozen=True, order=True)
class CataloguedDay:
    """A day of an event type: its files, and their rows, None where a manifest of release 0.1.0 lists one of them."""

    event_type: str
    day: date
    files: int
    rows: int | None


@dataclass(frozen=True, order=True)
class Stray:
    """What lies in the log's folder and is no part of the catalogue."""

    key: str
    problem: str


@dataclass(frozen=True)
class Catalogue:
    """What the log holds, ordered by type and day, and what fits none."""

    days: tuple[CataloguedDay, ...]
    strays: tuple[Stray, ...]


def read_catalogue(log: ParquetEventLog, store: ObjectStore) -> Catalogue:
    """Return the catalogue of the log in `store`. Raises IntegrityError when a manifest is damaged or missing."""
    listed = {entry.key: entry.rows for _, manifest in log.chain.since(-1) for entry in manifest.entries}
    found: defaultdict[tuple[str, date], list[LogFile]] = defaultdict(list)
    strays = []
    for key in store.list(EVENTS):
        file = parse_data_key(key)
        if file is None:
            strays.append(Stray(key, "no path of the log: event_type=<type>/dt=YYYY-MM-DD/hour=HH/<file>.parquet"))
        elif file.event_type not in EVENT_TYPES:
            strays.append(Stray(key, f"{file.event_type} is no event type of this release"))
        else:
            found[file.event_type, file.day].append(file)
    for name in EVENT_TYPES:
        days = [day for event_type, day in found if event_type == name]
        strays += _of_another_schema(store, found[name, max(days)]) if days else []
    days_of_types = (_counted(name, day, files, listed) for (name, day), files in found.items())
    return Catalogue(tuple(sorted(days_of_types, key=lambda one: (one.event_type, one.day))), tuple(sorted(strays)))


def _counted(name: str, day: date, files: Sequence[LogFile], listed: dict[str, int]) -> CataloguedDay:
    rows = [listed.get(file.key) for file in files]
    known = [count for count in rows if count is not None]
    return CataloguedDay(name, day, len(files), sum(known) if len(known) == len(rows) else None)


def _of_another_schema(store: ObjectStore, files: Sequence[LogFile]) -> Iterator[Stray]:
    for file in files:
        kind = EVENT_TYPES[file.event_type]
        try:
            opened = open_table(store.get(file.key))
            version, schema = file_version(opened, file.key), opened.schema_arrow
        except (pa.ArrowException, OSError, IntegrityError) as error:
            yield Stray(file.key, f"no readable Parquet of the log: {error}")
            continue
        problem = _problem(kind, version, schema)
        if problem is not None:
            yield Stray(file.key, problem)


def _problem(kind: EventType, version: int, schema: pa.Schema) -> str | None:
    """Return how a file differs from what its version declares, if it does."""
    if version > kind.version:
        return f"version {version} of {kind.name}, this release knows {kind.version}; upgrade mlife"
    declared = kind.contract(version).schema
    unknown = [name for name in schema.names if name not in declared.names]
    if unknown:
        return f"{kind.name} has no column {', '.join(unknown)}"
    missing = [one.name for one in declared if not one.nullable and one.name not in schema.names]
    if missing:
        return f"{kind.name} needs the column {', '.join(missing)}"
    other = [one.name for one in schema if one.type != declared.field(one.name).type]
    return f"{kind.name} has another type in {', '.join(other)}" if other else None
