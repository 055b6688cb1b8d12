"""What the warehouse lacks of the event log: what dbt has to stage.

Concept: staging is one table an event type. A table carries a mark: up to which manifest of the log's chain it was
staged, and by which SQL. What the chain lists after it is new. From the first day that has a new file a type is staged
anew, since what is observed first of an event can only change from there on. A day that is built again is staged
again, from files that may have been restored or removed. Whatever does not fit the mark (other SQL, another log, a
chain that was cut or has no readable end) stages the whole log again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from mlife_assets.adapters.event_log.log import ParquetEventLog
from mlife_assets.adapters.event_log.manifests import Manifest, parse_data_key


@dataclass(frozen=True)
class StagedTable:
    """A staged table: its mark as text, None where it has none, and the newest day of the log that it holds."""

    mark: str | None
    newest_day: date | None


@dataclass(frozen=True)
class Mark:
    """Up to where the log was staged: number and hash of a manifest, and what identifies the SQL."""

    definition: str
    sequence: int
    sha256: str

    def to_text(self) -> str:
        """Return what `mark_of` reads."""
        return json.dumps(asdict(self), sort_keys=True)


def mark_of(text: str | None) -> Mark | None:
    """Return the mark in a text; None where there is none, or one of another form."""
    try:
        record = json.loads(text or "{}")
        return Mark(str(record["definition"]), int(record["sequence"]), str(record["sha256"]))
    except (ValueError, KeyError, TypeError):
        return None


def to_stage(
    log: ParquetEventLog, tables: Mapping[str, StagedTable], definition: str, *, again_from: date | None = None
) -> dict[str, Any]:
    """Return the variables `staged` and `staged_mark` for dbt.

    Args:
        log: the event log.
        tables: event type -> its staged table.
        definition: what identifies the SQL that stages.
        again_from: the first day of the log to stage again, though nothing of it is new.

    Raises:
        IntegrityError: a manifest after a mark is damaged.
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
