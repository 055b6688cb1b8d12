"""Finding tampering and loss in the event log.

Belongs here: comparing every byte below `events/` and `manifests/` with what the chain says. Does not belong here:
repair, and judging rows.

Concept: every file must be listed by an intact manifest with its hash, every manifest must hash itself and its
predecessor, every first manifest its anchor. What this cannot see from the store alone: the newest manifests of an hour
removed *together with* their files while nothing was chained or anchored after them, and a rewrite of the whole chain
by someone who can write. Keep `Verification.heads` outside the store and pass it as `witnessed` to close that gap:
every manifest up to a witnessed head is then pinned.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from mlife_assets.adapters.event_log.chain import Entry, Link, Manifest, decode_manifest
from mlife_assets.adapters.event_log.layout import EVENTS, MANIFESTS, content_hash, manifest_key, parse_manifest_key
from mlife_assets.core.errors import IntegrityError, NotFoundError
from mlife_assets.core.ports import ObjectStore

FindingKind = Literal[
    "altered_file",
    "missing_file",
    "unlisted_file",
    "altered_manifest",
    "missing_manifest",
    "unknown_object",
]


@dataclass(frozen=True, order=True)
class Finding:
    """One thing that is wrong with the object `key`."""

    kind: FindingKind
    key: str
    detail: str


@dataclass(frozen=True)
class Verification:
    """What was checked and what is wrong. `files` and `rows` count listed files; `heads` is the last of each hour."""

    files: int
    manifests: int
    rows: int
    findings: tuple[Finding, ...]
    heads: tuple[Link, ...]

    @property
    def is_intact(self) -> bool:
        """Return whether nothing is wrong."""
        return not self.findings


def verify(store: ObjectStore, *, witnessed: Iterable[Link] = ()) -> Verification:
    """Check the whole log in `store`; `witnessed` are heads kept from earlier verifications.

    A batch that is being appended right now may show as unlisted; verify again.
    """
    stored = store.list(EVENTS)
    findings: dict[tuple[str, str], Finding] = {}

    def find(kind: FindingKind, key: str, detail: str) -> None:
        findings.setdefault((kind, key), Finding(kind, key, detail))

    hashes: dict[str, str] = {}
    intact: dict[str, Manifest] = {}
    for key in store.list(MANIFESTS):
        if parse_manifest_key(key) is None:
            find("unknown_object", key, "is not named like a manifest; remove it")
            continue
        data = store.get(key)
        hashes[key] = content_hash(data)
        try:
            intact[key] = decode_manifest(key, data)
        except IntegrityError as error:
            find("altered_manifest", key, str(error))

    for link, source in _expected_links(hashes, intact, witnessed):
        if link.key not in hashes:
            find("missing_manifest", link.key, f"{source} needs it; restore it from a copy")
        elif link.sha256 is not None and hashes[link.key] != link.sha256:
            find("altered_manifest", link.key, f"{source} recorded another hash; restore it from a copy")

    listed: dict[str, Entry] = {}
    for key, manifest in intact.items():
        for entry in manifest.entries:
            if listed.setdefault(entry.key, entry) != entry:
                find("altered_manifest", key, f"lists {entry.key} with another hash or row count")
    for entry in listed.values():
        try:
            actual = content_hash(store.get(entry.key))
        except NotFoundError:
            find("missing_file", entry.key, f"is listed with {entry.rows} rows; restore it or append them again")
            continue
        if actual != entry.sha256:
            find("altered_file", entry.key, f"has hash {actual[:16]}, {entry.sha256[:16]} was written; restore it")
    for key in stored:
        if key not in listed:
            find("unlisted_file", key, "no intact manifest lists it; append its rows again or remove it")

    heads = {}
    for key in sorted(hashes):
        heads[key.rpartition("/")[0]] = Link(key, hashes[key])
    return Verification(
        files=len(listed),
        manifests=len(hashes),
        rows=sum(entry.rows for entry in listed.values()),
        findings=tuple(sorted(findings.values())),
        heads=tuple(heads.values()),
    )


@dataclass(frozen=True)
class _Expected:
    key: str
    sha256: str | None


def _expected_links(
    hashes: dict[str, str], intact: dict[str, Manifest], witnessed: Iterable[Link]
) -> Iterable[tuple[_Expected, str]]:
    """Yield every manifest that must exist, with its hash where one is recorded, and who says so."""
    for link in witnessed:
        yield _Expected(link.key, link.sha256), "a witnessed head"
    for key in hashes:
        hour, sequence = parse_manifest_key(key) or ("", 0)
        earlier = sequence - 1
        while earlier >= 0 and manifest_key(hour, earlier) not in hashes:
            yield _Expected(manifest_key(hour, earlier), None), key
            earlier -= 1
        manifest = intact.get(key)
        if manifest is None:
            continue
        if manifest.anchor is not None:
            yield _Expected(manifest.anchor.key, manifest.anchor.sha256), key
        if manifest.sequence > 0:
            yield _Expected(manifest_key(hour, sequence - 1), manifest.previous or ""), key
