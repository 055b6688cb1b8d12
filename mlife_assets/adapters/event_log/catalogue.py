"""The catalogue of the log: its event types, versions and days, and stray files.

Concept: paths are listed once and give nearly all facts; row counts come from manifests. Files are opened if no
manifest lists them, since others wrote them, or if their day is recent enough for the caller: older ones were checked
when new. A day that has not begun is its writer's mistake, and not in the catalogue.

The same listing gives the files that the warehouse lacks and dbt has to stage.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import pyarrow as pa

from mlife_assets.adapters.event_log.log import ParquetEventLog, file_version
from mlife_assets.adapters.event_log.manifests import (
    EVENTS,
    LogFile,
    Manifest,
    hour_of_key,
    listed_in_hour,
    parse_data_key,
)
from mlife_assets.adapters.parquet_bytes import open_table
from mlife_assets.core.errors import IntegrityError
from mlife_assets.core.ports import ObjectStore
from mlife_assets.recruiting.events import EVENT_TYPES, EventType

MOST_OPENED = 10_000
"""Maximum of opened files: those without a manifest first, then the newest."""
_UNLISTED = "no manifest lists it: somebody else put it here, or a writer died; run `mlife log verify`"


@dataclass(frozen=True, order=True)
class CataloguedDay:
    """A day of an event type: its files, and their rows, None if no manifest lists one of them."""

    event_type: str
    day: date
    files: int
    rows: int | None


@dataclass(frozen=True, order=True)
class Stray:
    """An object in the log's folder that does not belong to the catalogue."""

    key: str
    problem: str


@dataclass(frozen=True)
class Catalogue:
    """Content of the log, ordered by type and day, stray objects, and the number of unopened files."""

    days: tuple[CataloguedDay, ...]
    strays: tuple[Stray, ...]
    unopened: int = 0


def read_catalogue(
    log: ParquetEventLog, store: ObjectStore, *, today: date | None, opened_since: date | None = None
) -> Catalogue:
    """Return the log's catalogue until `today`, with files since `opened_since` opened. Raises IntegrityError."""
    keys = list(store.list(EVENTS))  # before manifests: files written meanwhile are listed then
    listed = {entry.key: entry.rows for _, manifest in log.chain.since(-1) for entry in manifest.entries}
    found: defaultdict[tuple[str, date], list[LogFile]] = defaultdict(list)
    problems: dict[str, str] = {}
    for key in keys:
        file = parse_data_key(key)
        if file is None:
            problems[key] = "no path of the log: event_type=<type>/dt=YYYY-MM-DD/hour=HH/<file>.parquet"
        elif file.event_type not in EVENT_TYPES:
            problems[key] = f"{file.event_type} is no event type of this release"
        elif today is not None and file.day > today:
            problems[key] = f"its day is after {today}, the present day"
        else:
            found[file.event_type, file.day].append(file)
    files = [file for of_day in found.values() for file in of_day]
    listed |= _listed_by_hours(store, [file for file in files if file.key not in listed])
    unopened = 0
    if opened_since is not None:
        asked = [file for file in files if file.day >= opened_since or file.key not in listed]
        asked.sort(key=lambda file: (file.key in listed, -file.begin.timestamp(), file.key))
        unopened = len(asked[MOST_OPENED:])
        problems |= _of_another_schema(store, asked[:MOST_OPENED])
    for file in files:
        if file.key not in listed:
            problems[file.key] = "; ".join([*filter(None, [problems.get(file.key)]), _UNLISTED])
    days = sorted(_counted(name, day, of_day, listed) for (name, day), of_day in found.items())
    return Catalogue(tuple(days), tuple(sorted(Stray(*one) for one in problems.items())), unopened)


def _listed_by_hours(store: ObjectStore, files: Sequence[LogFile]) -> dict[str, int]:
    hours = sorted({hour_of_key(file.key) for file in files})
    return {entry.key: entry.rows for hour in hours for entry in listed_in_hour(store, hour)}


def _counted(name: str, day: date, files: Sequence[LogFile], listed: dict[str, int]) -> CataloguedDay:
    rows = [listed.get(file.key) for file in files]
    known = [count for count in rows if count is not None]
    return CataloguedDay(name, day, len(files), sum(known) if len(known) == len(rows) else None)


def _of_another_schema(store: ObjectStore, files: Sequence[LogFile]) -> dict[str, str]:
    problems = {}
    for file in files:
        kind = EVENT_TYPES[file.event_type]
        try:
            opened = open_table(store.get(file.key))
            version, schema = file_version(opened, file.key), opened.schema_arrow
        except (pa.ArrowException, OSError, IntegrityError) as error:
            problems[file.key] = f"no readable Parquet of the log: {error}"
            continue
        problem = _problem(kind, version, schema)
        if problem is not None:
            problems[file.key] = problem
    return problems


def _problem(kind: EventType, version: int, schema: pa.Schema) -> str | None:
    """Return the difference of a file from its version's declaration, if any."""
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


@dataclass(frozen=True)
class StagedTable:
    """A staged table: its mark as text, None without one, and its newest day of the log."""

    mark: str | None
    newest_day: date | None


@dataclass(frozen=True)
class Mark:
    """Position in the log up to which it was staged: number and hash of a manifest, and the digest of the SQL."""

    definition: str
    sequence: int
    sha256: str

    def to_text(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)


def mark_of(text: str | None) -> Mark | None:
    """Return the mark in a text; None without one or for another form."""
    try:
        record = json.loads(text or "{}")
        return Mark(str(record["definition"]), int(record["sequence"]), str(record["sha256"]))
    except (ValueError, KeyError, TypeError):
        return None


def to_stage(
    log: ParquetEventLog, tables: Mapping[str, StagedTable], definition: str, *, again_from: date | None = None
) -> dict[str, Any]:
    """Return `staged` and `staged_mark` for dbt; days since `again_from` are staged even without new files.

    `tables` is event type -> staged table, `definition` the digest of the SQL. Raises IntegrityError on a damaged log.
    """
    end = log.chain.end()
    if end is None or not log.chain.holds(end):
        return {}
    marks = {name: mark for name, table in tables.items() if (mark := mark_of(table.mark)) is not None}
    fitting = {n: m for n, m in marks.items() if m.definition == definition and m.sequence <= end.sequence}
    oldest = min((mark.sequence for mark in fitting.values()), default=end.sequence)
    manifests = [manifest for _, manifest in log.chain.since(oldest) if manifest.sequence <= end.sequence]
    hashes = {manifest.sequence - 1: manifest.previous for manifest in manifests} | {end.sequence: end.sha256}
    staged = {}
    for name, mark in fitting.items():
        if hashes[mark.sequence] == mark.sha256:
            days = _days_added(manifests, name, mark.sequence)
            staged[name] = _since(log, name, days, tables[name].newest_day, again_from)
    return {"staged": staged, "staged_mark": Mark(definition, end.sequence, end.sha256).to_text()}


def _days_added(manifests: Sequence[Manifest], event_type: str, sequence: int) -> set[date]:
    later = [entry for manifest in manifests if manifest.sequence > sequence for entry in manifest.entries]
    files = [parse_data_key(entry.key) for entry in later]
    return {file.day for file in files if file is not None and file.event_type == event_type}


def _since(
    log: ParquetEventLog, event_type: str, added: set[date], newest: date | None, again_from: date | None
) -> dict[str, Any]:
    held = added if newest is None else added | {newest}
    again = {again_from} if again_from is not None and held and again_from <= max(held) else set()
    if not added | again:
        return {"since": None, "files": []}
    since = min(added | again)
    files = log.files(event_type, start=since, end=max(held))
    return {"since": since.isoformat(), "files": [file.key for file in files]}
