"""The chain of manifests: what the log holds, in links that cannot be changed unseen.

Belongs here: one manifest's bytes, and adding one without a lock. Does not belong here: data files, verification.

Concept: each hour has manifests 0, 1, 2 ... Each names the batches it adds with their hashes and carries the hash of
its predecessor; manifest 0 carries an *anchor*, the hash of the head of the nearest earlier hour, so hours hang
together too. A manifest also hashes itself, so a damaged one is named and not its successor. Two writers that race for
a number are told apart by put-if-absent: the loser reads on and takes the next number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import orjson

from mlife_assets.adapters.event_log.layout import MANIFESTS, content_hash, manifest_key, parse_manifest_key
from mlife_assets.core.errors import ContentConflictError, IntegrityError, TransientError
from mlife_assets.core.ports import ObjectStore
from mlife_assets.core.windows import add_days

RACES_MAXIMUM = 1_000
"""Each lost race is another writer's success, so this bounds nothing but a defect."""


@dataclass(frozen=True)
class Entry:
    """One listed data file."""

    key: str
    sha256: str
    rows: int


@dataclass(frozen=True)
class Link:
    """The hash of another manifest."""

    key: str
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """One link of the chain of partition `hour`; `previous` is None and `anchor` may be set in number 0 only."""

    hour: str
    sequence: int
    previous: str | None
    anchor: Link | None
    entries: tuple[Entry, ...]


def encode_manifest(manifest: Manifest) -> bytes:
    """Return the only bytes that stand for `manifest`."""
    content = {
        "anchor": None if manifest.anchor is None else {"key": manifest.anchor.key, "sha256": manifest.anchor.sha256},
        "entries": [{"key": e.key, "rows": e.rows, "sha256": e.sha256} for e in manifest.entries],
        "hour": manifest.hour,
        "previous": manifest.previous,
        "sequence": manifest.sequence,
    }
    own_hash = content_hash(orjson.dumps(content, option=orjson.OPT_SORT_KEYS))
    return orjson.dumps({**content, "sha256": own_hash}, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def decode_manifest(key: str, data: bytes) -> Manifest:
    """Return the manifest in `data`. Raises `IntegrityError` when any byte is not as it was written."""
    try:
        raw = orjson.loads(data)
        anchor = raw["anchor"]
        manifest = Manifest(
            hour=raw["hour"],
            sequence=raw["sequence"],
            previous=raw["previous"],
            anchor=None if anchor is None else Link(anchor["key"], anchor["sha256"]),
            entries=tuple(Entry(e["key"], e["sha256"], e["rows"]) for e in raw["entries"]),
        )
        is_intact = encode_manifest(manifest) == data and manifest_key(manifest.hour, manifest.sequence) == key
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"{key} is not a manifest; restore it from a copy") from error
    if not is_intact:
        raise IntegrityError(f"{key} does not match its own hash or place; restore it from a copy")
    return manifest


def list_entries(store: ObjectStore, hour: str, entries: Sequence[Entry]) -> str | None:
    """Make sure that manifests of `hour` list `entries`; return the key of the manifest that was added, if any.

    Raises `IntegrityError` when an existing manifest of the hour is damaged: a chain is not continued over damage.
    """
    for _ in range(RACES_MAXIMUM):
        sequence, previous, listed = _read_hour(store, hour)
        missing = tuple(entry for entry in entries if entry not in listed)
        if not missing:
            return None
        anchor = _find_anchor(store, hour) if sequence == 0 else None
        key = manifest_key(hour, sequence)
        try:
            store.put_if_absent(key, encode_manifest(Manifest(hour, sequence, previous, anchor, missing)))
        except ContentConflictError:
            continue
        return key
    raise TransientError(f"{RACES_MAXIMUM} other writers were faster in {MANIFESTS}/{hour}; append again")


def _read_hour(store: ObjectStore, hour: str) -> tuple[int, str | None, set[Entry]]:
    """Return the next free number, the hash of the head and all listed entries of `hour`."""
    sequence, previous, listed = 0, None, set[Entry]()
    for key in store.list(f"{MANIFESTS}/{hour}"):
        place = parse_manifest_key(key)
        if place is None:
            continue
        data = store.get(key)
        listed.update(decode_manifest(key, data).entries)
        sequence, previous = place[1] + 1, content_hash(data)
    return sequence, previous, listed


def _find_anchor(store: ObjectStore, hour: str) -> Link | None:
    """Return the head of the nearest earlier hour; of the latest hour when none is earlier; None in an empty log."""
    day = date.fromisoformat(hour[len("dt=") : len("dt=YYYY-MM-DD")])
    own = manifest_key(hour, 0)
    for prefix in (f"{MANIFESTS}/dt={day}", f"{MANIFESTS}/dt={add_days(day, -1)}", MANIFESTS):
        keys = [key for key in store.list(prefix) if parse_manifest_key(key) is not None]
        earlier = [key for key in keys if key < own]
        if earlier:
            return _link(store, earlier[-1])
    return _link(store, keys[-1]) if keys else None


def _link(store: ObjectStore, key: str) -> Link:
    data = store.get(key)
    decode_manifest(key, data)
    return Link(key, content_hash(data))
