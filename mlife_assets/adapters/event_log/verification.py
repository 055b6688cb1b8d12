"""Finding tampering and loss in the event log.

Concept: every file must be listed by an intact manifest with its hash, every manifest must hash itself and its
predecessor, number 0 the last manifest of each hour of release 0.1.0. The store alone cannot reveal a truncated end or
a complete recomputation. Signed heads close that gap, or `Verification.heads` kept elsewhere and passed as `witnessed`:
every manifest up to a witnessed one is pinned.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from mlife_assets.adapters.event_log.manifests import (
    EVENTS,
    MANIFESTS,
    Entry,
    HourManifest,
    Link,
    Manifest,
    content_hash,
    decode_hour_manifest,
    decode_manifest,
    hour_manifest_key,
    is_authentic,
    manifest_key,
    parse_hour_manifest_key,
    parse_manifest_key,
)
from mlife_assets.adapters.object_store import read_at_once, readers_of
from mlife_assets.core.errors import IntegrityError, NotFoundError
from mlife_assets.core.ports import ObjectStore

NAMED_PER_GAP_MAXIMUM = 1_000
"""A planted manifest with a high number must not cause an endless search for those before it."""

FindingKind = Literal[
    "altered_file",
    "missing_file",
    "unlisted_file",
    "altered_manifest",
    "missing_manifest",
    "foreign_manifest",
    "unknown_object",
    "altered_head",
    "missing_head",
    "ledger_mismatch",
    "registry_mismatch",
    "ingest_mismatch",
]


@dataclass(frozen=True, order=True)
class Finding:
    """One fault of the object `key`."""

    kind: FindingKind
    key: str
    detail: str


@dataclass(frozen=True)
class Verification:
    """Counts and sorted faults; last manifests (`heads`), hash of each manifest and listed files, by key."""

    files: int
    manifests: int
    rows: int
    findings: tuple[Finding, ...]
    heads: tuple[Link, ...]
    hashes: Mapping[str, str] = field(default_factory=dict, repr=False)
    entries: Mapping[str, Entry] = field(default_factory=dict, repr=False)

    @property
    def is_intact(self) -> bool:
        return not self.findings


@dataclass
class _Manifests:
    """All manifests of a log: hashes by key, and the readable ones."""

    hashes: dict[str, str] = field(default_factory=dict)
    chain: dict[int, Manifest] = field(default_factory=dict)
    hours: dict[str, HourManifest] = field(default_factory=dict)


class _Findings:
    """Findings, one of each kind per key."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, str], Finding] = {}

    def add(self, kind: FindingKind, key: str, detail: str) -> None:
        self.found.setdefault((kind, key), Finding(kind, key, detail))


def verify(
    store: ObjectStore, *, witnessed: Iterable[Link] = (), key: bytes | None = None, trusted_until: int = -1
) -> Verification:
    """Check the whole log in `store`, where a batch that is being appended may appear as unlisted.

    `witnessed` manifests must exist; those after number `trusted_until` must carry the keyed hash of `key`.
    """
    stored = store.list(EVENTS)
    findings = _Findings()
    manifests = _read(store, findings, key, trusted_until)
    for link, source in _expected(manifests, witnessed):
        if link.key not in manifests.hashes:
            findings.add("missing_manifest", link.key, f"{source} needs it; restore it from a copy")
        elif link.sha256 and manifests.hashes[link.key] != link.sha256:
            findings.add("altered_manifest", link.key, f"{source} recorded another hash; restore it from a copy")
    _find_late_hours(manifests, findings)
    listed = _listed(manifests, findings)
    read = read_at_once(lambda key: _hash_of(store, key), listed, readers_of(store))
    for entry, actual in zip(listed.values(), read, strict=True):
        if actual is None:
            findings.add(
                "missing_file", entry.key, f"is listed with {entry.rows} rows; restore it or append them again"
            )
        elif actual != entry.sha256:
            detail = f"has hash {actual[:16]}, {entry.sha256[:16]} was written; restore it"
            findings.add("altered_file", entry.key, detail)
    for name in stored:
        if name not in listed:
            findings.add("unlisted_file", name, "no intact manifest lists it; append its rows again or remove it")
    return Verification(
        files=len(listed),
        manifests=len(manifests.hashes),
        rows=sum(entry.rows for entry in listed.values()),
        findings=tuple(sorted(findings.found.values())),
        heads=_heads(manifests),
        hashes=manifests.hashes,
        entries=listed,
    )


def _hash_of(store: ObjectStore, key: str) -> str | None:
    try:
        return content_hash(store.get(key))
    except NotFoundError:
        return None


def _read(store: ObjectStore, findings: _Findings, key: bytes | None, trusted_until: int) -> _Manifests:
    manifests = _Manifests()
    names = []
    for name in store.list(MANIFESTS):
        if parse_manifest_key(name) is None and parse_hour_manifest_key(name) is None:
            findings.add("unknown_object", name, "is not named like a manifest; remove it")
        else:
            names.append(name)
    for name, data in zip(names, read_at_once(store.get, names, readers_of(store)), strict=True):
        sequence = parse_manifest_key(name)
        manifests.hashes[name] = content_hash(data)
        try:
            if sequence is None:
                manifests.hours[name] = decode_hour_manifest(name, data)
            else:
                manifests.chain[sequence] = decode_manifest(name, data)
        except IntegrityError as error:
            findings.add("altered_manifest", name, str(error))
            continue
        if sequence is not None and sequence > trusted_until and key is not None and not is_authentic(data, key):
            detail = "was written without the key of this home; remove it with the files that it lists"
            findings.add("foreign_manifest", name, detail)
    return manifests


def _expected(manifests: _Manifests, witnessed: Iterable[Link]) -> Iterable[tuple[Link, str]]:
    """Yield every manifest that must exist, with its hash if recorded, and the source of that."""
    for link in witnessed:
        yield link, "a witnessed head"
    numbers = sorted(n for n in map(parse_manifest_key, manifests.hashes) if n is not None)
    for before, number in pairwise([-1, *numbers]):
        for missing in range(max(before + 1, number - NAMED_PER_GAP_MAXIMUM), number):
            yield Link(manifest_key(missing), ""), manifest_key(number)
    for number, manifest in manifests.chain.items():
        if number > 0:
            yield Link(manifest_key(number - 1), manifest.previous or "none"), manifest_key(number)
        for anchor in manifest.anchors:
            yield anchor, manifest_key(number)
    for key in manifests.hashes:
        hour, sequence = parse_hour_manifest_key(key) or ("", 0)
        for earlier in range(max(0, sequence - NAMED_PER_GAP_MAXIMUM), sequence):
            yield Link(hour_manifest_key(hour, earlier), ""), key
        one = manifests.hours.get(key)
        if one is not None and one.anchor is not None:
            yield one.anchor, key
        if one is not None and one.sequence > 0:
            yield Link(hour_manifest_key(hour, sequence - 1), one.previous or "none"), key


def _find_late_hours(manifests: _Manifests, findings: _Findings) -> None:
    """Find manifests of release 0.1.0 that number 0 of the chain does not anchor: none is written since."""
    first = manifests.chain.get(0)
    if first is None:
        return
    places = [parse_hour_manifest_key(anchor.key) for anchor in first.anchors]
    last = {place[0]: place[1] for place in places if place is not None}
    for key in manifests.hashes:
        hour, sequence = parse_hour_manifest_key(key) or ("", -1)
        if sequence > last.get(hour, -1):
            findings.add("foreign_manifest", key, "was added after the chain began; remove it with the files it lists")


def _listed(manifests: _Manifests, findings: _Findings) -> dict[str, Entry]:
    listed: dict[str, Entry] = {}
    by_key: list[tuple[str, HourManifest | Manifest]] = [
        *manifests.hours.items(),
        *((manifest_key(n), one) for n, one in sorted(manifests.chain.items())),
    ]
    for key, manifest in by_key:
        for entry in manifest.entries:
            if listed.setdefault(entry.key, entry) != entry:
                findings.add("altered_manifest", key, f"lists {entry.key} with another hash or row count")
    return listed


def _heads(manifests: _Manifests) -> tuple[Link, ...]:
    last: dict[str, str] = {}
    for key in sorted(manifests.hashes):
        last["chain" if parse_manifest_key(key) is not None else key.rpartition("/")[0]] = key
    return tuple(Link(key, manifests.hashes[key]) for key in last.values())
