"""A compared file as records: rows of a table, lines of a text, or one document.

Concept: a change that is meant is applied to the old side, so that afterwards both sides say the same or differ by
something that nobody permitted. A record knows whether a change touched it.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

import orjson

LEFT_OUT = (("summary.json", "seconds"),)
"""Files and fields that no two runs have alike: what a stage of the demo took by the clock on the wall."""
SEALS = ("sha256", "manifest_sha256", "mac", "signature")
"""Fields that hash the document that they stand in."""
NAMES = "<name>"
"""The field of a change by which a field, a table or a file is called otherwise."""


@dataclass(frozen=True)
class Change:
    """A change that is meant: in values of `field`, text `old` became `new`.

    Attributes:
        field: a column, a key of JSON at any depth, the name of a file that has no fields (a page), or `<name>`, where
            a column, a key or a part of a path is called otherwise.
        old, new: part of a text, or a whole value.
        moves: fields of the same record whose hashes follow from the value, say the digest of a plan.
    """

    field: str
    old: Any
    new: Any
    moves: tuple[str, ...] = ()


@dataclass(frozen=True)
class Record:
    """One row, line or document: where it is in its file, what it says, which changes that are meant touched it."""

    place: str
    value: Any
    touched_by: frozenset[Change] = frozenset()

    @property
    def text(self) -> str:
        """What it says, as text: the same for the same value and type only."""
        return repr(self.value)


class Reader:
    """Reads files of the new side, or, with changes, of the old one; remembers which changes were of use."""

    def __init__(self, changes: Sequence[Change] = ()) -> None:
        """Remember the changes."""
        self.changes = tuple(changes)
        self.used: set[Change] = set()

    def name(self, path: str) -> str:
        """Return what a path is called with the changes."""
        return "/".join(self._renamed(part, whole=False) for part in path.split("/"))

    def records(self, root: Path, path: str) -> list[Record]:
        """Return the records of a file."""
        left_out = frozenset(field for pattern, field in LEFT_OUT if fnmatch(path, pattern))
        found = []
        for place, value in _raw_records(root / path):
            used = set[Change]()
            read = self._read(value, Path(path).name, left_out, used)
            self.used |= used
            found.append(Record(place, read, frozenset(used)))
        return found

    def _read(self, value: Any, field: str, left_out: frozenset[str], used: set[Change]) -> Any:
        if isinstance(value, dict):
            kept = {str(name): one for name, one in value.items() if name not in left_out}
            return {self._renamed(name, used): self._read(one, name, left_out, used) for name, one in kept.items()}
        if isinstance(value, list):
            return [self._read(one, field, left_out, used) for one in value]
        for change in self.changes:
            if change.field != field:
                continue
            if isinstance(value, str) and isinstance(change.old, str):
                changed = value.replace(change.old, change.new)
            else:
                changed = change.new if repr(value) == repr(change.old) else value
            if changed is not value and repr(changed) != repr(value):
                used.add(change)
                value = changed
        return value

    def _renamed(self, name: str, used: set[Change] | None = None, *, whole: bool = True) -> str:
        for change in self.changes:
            if change.field != NAMES:
                continue
            renamed = change.new if name == change.old else name if whole else name.replace(change.old, change.new)
            if renamed != name:
                (self.used if used is None else used).add(change)
                name = renamed
        return name


def read_changes(path: Path) -> tuple[Change, ...]:
    """Return the changes that a file permits. Raises ValueError where one has other keys."""
    listed = tomllib.loads(path.read_text(encoding="utf-8")).get("change", [])
    for one in listed:
        if set(one) - {"moves"} != {"field", "old", "new", "why"}:
            raise ValueError(
                f"{path}: a change has field, old, new and why, and may have moves; this one {sorted(one)}"
            )
    return tuple(Change(one["field"], one["old"], one["new"], tuple(one.get("moves", ()))) for one in listed)


def has_left_out(path: str) -> bool:
    """Return whether a file has fields that are left out."""
    return any(fnmatch(path, pattern) for pattern, _ in LEFT_OUT)


@cache
def content_hash(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _raw_records(path: Path) -> list[tuple[str, Any]]:
    data = path.read_bytes()
    if path.suffix == ".parquet":
        return _rows(path)
    if path.suffix == ".jsonl":
        return [(f"row {number}", orjson.loads(line)) for number, line in enumerate(data.splitlines())]
    try:
        if path.suffix == ".json":
            return [("document", orjson.loads(data))]
        return [(f"line {number}", line) for number, line in enumerate(data.decode().splitlines(), start=1)]
    except ValueError:
        return [("bytes", hashlib.sha256(data).hexdigest())]


def _rows(path: Path) -> list[tuple[str, Any]]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        table = file.read()
    described = {
        (key.decode()): value.decode("utf-8", "replace") for key, value in (table.schema.metadata or {}).items()
    }
    schema = {"columns": {field.name: str(field.type) for field in table.schema}, "metadata": described}
    return [("schema", schema), *((f"row {number}", row) for number, row in enumerate(table.to_pylist()))]
