"""The bytes of manifests: of the chain, and of the hours of release 0.1.0.

Concept: a manifest lists data files with their hashes and carries the hash of the manifest written before it, across
hours. It hashes itself, so that damage is found in the right manifest, and carries a keyed hash if the writer has a
key: write access to the lake alone does not suffice to add one.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import orjson

from mlife_assets.core.errors import IntegrityError, InvalidInputError
from mlife_assets.core.ports import ObjectStore

EVENTS = "events"
MANIFESTS = "manifests"
CHAIN = f"{MANIFESTS}/chain"
MANIFESTS_PER_FOLDER = 1_000
DIGEST_LENGTH = 16

_WRITER = re.compile(r"[a-z][a-z0-9_]*")
_BATCH = re.compile(r"[a-z0-9]+")
_DAY = re.compile(r"dt=(?P<day>\d{4}-\d\d-\d\d)")
_FILE = re.compile(
    r"events/event_type=(?P<event_type>[a-z0-9_]+)/dt=(?P<day>\d{4}-\d\d-\d\d)/hour=(?P<hour>[01]\d|2[0-3])/"
    r"(?P<writer>[a-z][a-z0-9_]*)-(?P<batch>[a-z0-9]+)-(?P<digest>[0-9a-f]{16})\.parquet"
)
_MANIFEST = re.compile(r"manifests/chain/\d{9}/(?P<sequence>\d{12})\.json")
_HOUR_MANIFEST = re.compile(r"manifests/(?P<hour>dt=\d{4}-\d\d-\d\d/hour=(?:[01]\d|2[0-3]))/(?P<sequence>\d{8})\.json")


@dataclass(frozen=True)
class Entry:
    """One listed data file."""

    key: str
    sha256: str
    rows: int


@dataclass(frozen=True)
class Link:
    """The hash of a manifest."""

    key: str
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """Number `sequence` of the chain; number 0 has no `previous` and anchors the last of each hour of 0.1.0."""

    sequence: int
    previous: str | None
    anchors: tuple[Link, ...]
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class HourManifest:
    """A manifest of release 0.1.0, which had a chain per hour; `anchor` may be set in number 0 only."""

    hour: str
    sequence: int
    previous: str | None
    anchor: Link | None
    entries: tuple[Entry, ...]


def encode_manifest(manifest: Manifest, key: bytes | None = None) -> bytes:
    own_hash = _own_hash(_content(manifest))
    return _encoded(manifest, own_hash, None if key is None else _keyed(own_hash, key))


def decode_manifest(key: str, data: bytes) -> Manifest:
    """Return the manifest in `data`. Raises `IntegrityError` if any byte was changed."""
    try:
        raw = orjson.loads(data)
        manifest = Manifest(
            sequence=raw["sequence"],
            previous=raw["previous"],
            anchors=tuple(Link(a["key"], a["sha256"]) for a in raw["anchors"]),
            entries=_entries(raw),
        )
        is_intact = _encoded(manifest, _own_hash(_content(manifest)), raw["mac"]) == data
        is_intact = is_intact and manifest_key(manifest.sequence) == key
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"{key} is not a manifest; restore it from a copy") from error
    if not is_intact:
        raise IntegrityError(f"{key} does not match its own hash or place; restore it from a copy")
    return manifest


def is_authentic(data: bytes, key: bytes) -> bool:
    raw = orjson.loads(data)
    return isinstance(raw["mac"], str) and hmac.compare_digest(raw["mac"], _keyed(raw["sha256"], key))


def encode_hour_manifest(manifest: HourManifest) -> bytes:
    """Return the canonical bytes of a manifest of release 0.1.0."""
    content = {
        "anchor": None if manifest.anchor is None else {"key": manifest.anchor.key, "sha256": manifest.anchor.sha256},
        "entries": _raw_entries(manifest.entries),
        "hour": manifest.hour,
        "previous": manifest.previous,
        "sequence": manifest.sequence,
    }
    return _line({**content, "sha256": _own_hash(content)})


def decode_hour_manifest(key: str, data: bytes) -> HourManifest:
    """Return the manifest of release 0.1.0 in `data`. Raises `IntegrityError` if any byte was changed."""
    try:
        raw = orjson.loads(data)
        anchor = raw["anchor"]
        manifest = HourManifest(
            hour=raw["hour"],
            sequence=raw["sequence"],
            previous=raw["previous"],
            anchor=None if anchor is None else Link(anchor["key"], anchor["sha256"]),
            entries=_entries(raw),
        )
        is_intact = encode_hour_manifest(manifest) == data
        is_intact = is_intact and hour_manifest_key(manifest.hour, manifest.sequence) == key
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"{key} is not a manifest; restore it from a copy") from error
    if not is_intact:
        raise IntegrityError(f"{key} does not match its own hash or place; restore it from a copy")
    return manifest


def _content(manifest: Manifest) -> dict[str, Any]:
    return {
        "anchors": [{"key": link.key, "sha256": link.sha256} for link in manifest.anchors],
        "entries": _raw_entries(manifest.entries),
        "previous": manifest.previous,
        "sequence": manifest.sequence,
    }


def _encoded(manifest: Manifest, own_hash: str, mac: str | None) -> bytes:
    return _line({**_content(manifest), "mac": mac, "sha256": own_hash})


def _raw_entries(entries: tuple[Entry, ...]) -> list[dict[str, Any]]:
    return [{"key": e.key, "rows": e.rows, "sha256": e.sha256} for e in entries]


def _entries(raw: dict[str, Any]) -> tuple[Entry, ...]:
    return tuple(Entry(e["key"], e["sha256"], e["rows"]) for e in raw["entries"])


def _own_hash(content: dict[str, Any]) -> str:
    return content_hash(orjson.dumps(content, option=orjson.OPT_SORT_KEYS))


def _keyed(own_hash: str, key: bytes) -> str:
    return hmac.new(key, own_hash.encode(), hashlib.sha256).hexdigest()


def _line(content: dict[str, Any]) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def last_of_hours(store: ObjectStore) -> tuple[Link, ...]:
    """Return the last manifest of each hour of release 0.1.0. Raises `IntegrityError` when one is damaged."""
    last: dict[str, str] = {}
    for key in store.list(MANIFESTS):
        place = parse_hour_manifest_key(key)
        if place is not None:
            last[place[0]] = key
    links = []
    for key in last.values():
        data = store.get(key)
        decode_hour_manifest(key, data)
        links.append(Link(key, content_hash(data)))
    return tuple(links)


def listed_in_hour(store: ObjectStore, hour: str) -> Iterable[Entry]:
    """Yield the entries of an hour's manifests. Raises `IntegrityError` when one is damaged."""
    for key in store.list(f"{MANIFESTS}/{hour}"):
        if parse_hour_manifest_key(key) is not None:
            yield from decode_hour_manifest(key, store.get(key)).entries


@dataclass(frozen=True)
class LogFile:
    """One data file of the log, parsed from its key. `digest` is the start of the SHA-256 of its bytes."""

    key: str
    event_type: str
    day: date
    hour: int
    writer: str
    batch: str
    digest: str

    @property
    def begin(self) -> datetime:
        return datetime(self.day.year, self.day.month, self.day.day, self.hour, tzinfo=UTC)


def content_hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def hour_of(microseconds: int) -> str:
    moment = datetime.fromtimestamp(microseconds // 1_000_000, tz=UTC)
    return f"dt={moment.date().isoformat()}/hour={moment.hour:02d}"


def hour_of_key(key: str) -> str:
    return "/".join(key.split("/")[2:4])


def data_key(event_type: str, hour: str, writer: str, batch: str, digest: str) -> str:
    """Return the key of a batch. Raises `InvalidInputError` when writer or batch would make it ambiguous."""
    if not _WRITER.fullmatch(writer):
        raise InvalidInputError(f"writer {writer!r} is not valid; use lower case letters, digits and _")
    if not _BATCH.fullmatch(batch):
        raise InvalidInputError(f"batch {batch!r} is not valid; use lower case letters and digits")
    return f"{EVENTS}/event_type={event_type}/{hour}/{writer}-{batch}-{digest[:DIGEST_LENGTH]}.parquet"


def parse_data_key(key: str) -> LogFile | None:
    """Return the data file of a key; None for another key."""
    match = _FILE.fullmatch(key)
    if match is None:
        return None
    try:
        day = date.fromisoformat(match["day"])
    except ValueError:
        return None
    return LogFile(
        key=key,
        event_type=match["event_type"],
        day=day,
        hour=int(match["hour"]),
        writer=match["writer"],
        batch=match["batch"],
        digest=match["digest"],
    )


def parse_day(folder: str) -> date | None:
    """Return the day of a folder named `dt=YYYY-MM-DD`; None for another name."""
    match = _DAY.fullmatch(folder)
    try:
        return None if match is None else date.fromisoformat(match["day"])
    except ValueError:
        return None


def manifest_key(sequence: int) -> str:
    return f"{CHAIN}/{sequence // MANIFESTS_PER_FOLDER:09d}/{sequence:012d}.json"


def parse_manifest_key(key: str) -> int | None:
    """Return the sequence of a manifest's key; None for another key."""
    match = _MANIFEST.fullmatch(key)
    if match is None or manifest_key(int(match["sequence"])) != key:
        return None
    return int(match["sequence"])


def hour_manifest_key(hour: str, sequence: int) -> str:
    return f"{MANIFESTS}/{hour}/{sequence:08d}.json"


def parse_hour_manifest_key(key: str) -> tuple[str, int] | None:
    match = _HOUR_MANIFEST.fullmatch(key)
    return None if match is None else (match["hour"], int(match["sequence"]))
