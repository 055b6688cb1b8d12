"""The chain of manifests: the tamper-evident list of the log's files.

Concept: one chain for the whole log, in the order of writing. When two writers race for a number, put-if-absent lets
one win; the other reads on and takes the next. A process lists the newest folder once and then remembers the end; an
existing file is looked up backwards from there. A chain is not continued over damage, a cut or a foreign manifest; only
the last manifest may be rewritten if a power cut left it unreadable; if a signed head pins it, only with the same
bytes.

Two reads show whether the log has new entries, at any length: is the last manifest read unchanged, and is there a next
one. The answer is only a hint, so it needs neither key nor head.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from threading import Lock

from mlife_assets.adapters.event_log.manifests import (
    CHAIN,
    Entry,
    Link,
    Manifest,
    content_hash,
    decode_manifest,
    encode_manifest,
    hour_of_key,
    is_authentic,
    last_of_hours,
    listed_in_hour,
    manifest_key,
    parse_manifest_key,
)
from mlife_assets.adapters.object_store import READERS, read_at_once, readers_of
from mlife_assets.core.errors import ContentConflictError, IntegrityError, NotFoundError, TransientError
from mlife_assets.core.ports import ObjectStore

RACES_MAXIMUM = 1_000
"""Each lost race is another writer's success, so only a defect reaches this."""


@dataclass(frozen=True)
class ChainEnd:
    """Number and hash of the last known manifest."""

    sequence: int
    sha256: str


class Chain:
    """The chain in `store`; threads may share one, whose calls are serialised.

    Args:
        key: returns the key of the keyed hash of manifests, which may be rotated while the chain is open; without it
            manifests have none and none is checked.
        pinned: returns the last manifest pinned by a signed head, None before the first.
        alone: held while a manifest is added, so that no key is rotated between reading and using it.
    """

    def __init__(
        self,
        store: ObjectStore,
        *,
        key: Callable[[], bytes] | None = None,
        pinned: Callable[[], ChainEnd | None] | None = None,
        alone: Callable[..., AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self.alone = alone
        self._store, self._key_of, self._pinned_of = store, key, pinned
        self._key: bytes | None = None
        self._pin: ChainEnd | None = None
        self._is_open, self._lock = False, Lock()
        self._end: ChainEnd | None = None
        self._damaged: int | None = None
        self._listed: dict[str, Entry] = {}
        self._looked_up_to: ChainEnd | None = None
        self._hours: dict[str, dict[str, Entry]] = {}

    def list_entries(self, entries: Sequence[Entry], *, are_new: bool = False) -> str | None:
        """List `entries`, unsearched if they `are_new`; returns the added manifest's key. Raises `IntegrityError`."""
        if not entries:
            return None
        with self.alone(), self._lock:
            self._open()
            missing = tuple(entries) if are_new else tuple(entry for entry in entries if not self._finds(entry))
            for _ in range(RACES_MAXIMUM):
                missing = tuple(entry for entry in missing if not self._knows(entry))
                if not missing:
                    return None
                if self._add(missing):
                    return manifest_key(self._next - 1)
                self._read_on()
        raise TransientError(f"{RACES_MAXIMUM} other writers were faster in {CHAIN}; append again")

    def open(self) -> None:
        """Read the end of the chain, once. Raises IntegrityError if it changed or belongs to another home."""
        with self._lock:
            self._open()

    def lists(self, entry: Entry) -> bool:
        """Return whether a manifest lists `entry`."""
        with self._lock:
            self._open()
            return self._finds(entry)

    def lists_key(self, key: str) -> bool:
        """Return whether a manifest lists the file `key`, with any hash."""
        with self._lock:
            self._open()
            return self._find(key) is not None

    def start(self) -> None:
        """Write manifest 0 in a log of release 0.1.0, which anchors all its hours; a repeat is a no-op."""
        with self._lock:
            self._open()
            if self._end is None and not self._add(()):
                self._read_on()

    def end(self) -> ChainEnd | None:
        """Return the newest manifest of any writer; None before the first, and if the last is unreadable."""
        with self._lock:
            self._open()
            self._read_on()
            return self._end if self._damaged is None else None

    def holds(self, end: ChainEnd) -> bool:
        """Return whether a manifest is unchanged; after a restored copy it may not be."""
        try:
            return content_hash(self._store.get(manifest_key(end.sequence))) == end.sha256
        except NotFoundError:
            return False

    def since(self, sequence: int) -> list[tuple[Link, Manifest]]:
        """Return the manifests after number `sequence`, in order, each checked against the one before.

        An unreadable last one is left out: it is signed already, or rewritten first. Raises `IntegrityError` if another
        is damaged, foreign or missing.
        """
        with self._lock:
            self._open()
            self._read_on()
            end, pin = self._next, self._pin
        found = []
        before = pin.sha256 if pin is not None and pin.sequence == sequence else None
        keys = [manifest_key(number) for number in range(sequence + 1, end)]
        for key, data in zip(keys, read_at_once(self._bytes, keys, readers_of(self._store)), strict=True):
            manifest = self._checked(key, data)
            if before is not None and manifest.previous != before:
                raise IntegrityError(f"{key} does not follow the manifest before it; run `mlife log verify`")
            before = content_hash(data)
            found.append((Link(key, before), manifest))
        return found

    @property
    def _next(self) -> int:
        return 0 if self._end is None else self._end.sequence + 1

    def _open(self) -> None:
        """Find the end of the chain, once per process."""
        if self._is_open:
            return
        self._key = None if self._key_of is None else self._key_of()
        self._pin = None if self._pinned_of is None else self._pinned_of()
        last = last_number(self._store)
        if self._pin is not None and last < self._pin.sequence:
            raise IntegrityError(
                f"{manifest_key(self._pin.sequence)} was signed and is gone; restore the log from a copy, "
                "`mlife log verify` lists the missing files"
            )
        self._end, self._damaged = None, None
        if last >= 0:
            try:
                self._end = self._read(last)
            except IntegrityError:
                if self._is_whole(last):
                    raise
                self._damaged = last
                self._end = self._read(last - 1) if last > 0 else None
        self._looked_up_to = self._end
        if self._pin is not None and self._pin.sequence < self._next:
            self._require_pinned(self._pin)
        self._is_open = True

    def _is_whole(self, sequence: int) -> bool:
        """Return whether the bytes are a complete manifest of any writer, which is never overwritten."""
        key = manifest_key(sequence)
        try:
            decode_manifest(key, self._store.get(key))
        except (IntegrityError, NotFoundError):
            return False
        return True

    def _require_pinned(self, pin: ChainEnd) -> None:
        key = manifest_key(pin.sequence)
        if content_hash(self._bytes(key)) != pin.sha256:
            raise IntegrityError(f"{key} is not the one that was signed; restore it from a copy")

    def _read(self, sequence: int) -> ChainEnd:
        return self._noted(sequence, self._bytes(manifest_key(sequence)))

    def _noted(self, sequence: int, data: bytes) -> ChainEnd:
        for entry in self._checked(manifest_key(sequence), data).entries:
            self._listed.setdefault(entry.key, entry)
        return ChainEnd(sequence, content_hash(data))

    def _bytes(self, key: str) -> bytes:
        try:
            return self._store.get(key)
        except NotFoundError as error:
            raise IntegrityError(f"{key} is missing, its successor is there; restore it from a copy") from error

    def _checked(self, key: str, data: bytes) -> Manifest:
        manifest = decode_manifest(key, data)
        is_pinned = self._pin is not None and manifest.sequence <= self._pin.sequence
        if self._key is not None and not is_pinned and not self._is_ours(data, self._key):
            raise IntegrityError(
                f"{key} was written without the key of this home; if MLIFE_LAKE is another home's lake, name this "
                "home's own, and else move it away with the files that it lists"
            )
        return manifest

    def _is_ours(self, data: bytes, key: bytes) -> bool:
        return is_authentic(data, key) or (self._key_of is not None and is_authentic(data, self._key_of()))

    def _follow_rotation(self) -> None:
        """Reopen the chain after a rotation of its key: manifests under the old key are then refused."""
        if self._key_of is not None and self._key_of() != self._key:
            self._is_open = False
            self._open()

    def _read_on(self) -> None:
        """Read manifests that others added or rewrote since, without gaps."""
        self._follow_rotation()
        if self._damaged is not None and self._is_whole(self._damaged):
            self._damaged = None
        while self._damaged is None and self._store.exists(manifest_key(self._next)):
            self._end = self._read(self._next)

    def _add(self, entries: tuple[Entry, ...]) -> bool:
        """Write the next manifest; False when another writer was faster."""
        self._follow_rotation()
        sequence = self._next
        anchors = last_of_hours(self._store) if sequence == 0 else ()
        previous = None if self._end is None else self._end.sha256
        data = encode_manifest(Manifest(sequence, previous, anchors, entries), self._key)
        own, key = ChainEnd(sequence, content_hash(data)), manifest_key(sequence)
        if self._damaged == sequence:
            if self._is_whole(sequence):
                self._damaged = None
                return False
            if self._pin is not None and self._pin.sequence == sequence and self._pin != own:
                raise IntegrityError(
                    f"{key} cannot be read, as after a power cut; run again what ran last, which writes it again, or "
                    "restore it from a copy"
                )
            self._store.replace(key, data)
            self._damaged = None
        else:
            try:
                self._store.put_if_absent(key, data)
            except ContentConflictError:
                return False
        self._end = own
        self._listed.update((entry.key, entry) for entry in entries)
        return True

    def _knows(self, entry: Entry) -> bool:
        known = self._known(entry.key)
        if known is not None and known != entry:
            raise IntegrityError(f"{entry.key} is listed with another hash or row count; run `mlife log verify`")
        return known is not None

    def _known(self, key: str) -> Entry | None:
        return self._listed.get(key) or self._hours.get(hour_of_key(key), {}).get(key)

    def _finds(self, entry: Entry) -> bool:
        self._find(entry.key)
        return self._knows(entry)

    def _find(self, key: str) -> Entry | None:
        """Return the entry of the file `key`, reading backwards only as far as needed."""
        hour = hour_of_key(key)
        if hour not in self._hours:
            self._hours[hour] = {found.key: found for found in listed_in_hour(self._store, hour)}
        window = 1
        while self._known(key) is None and self._looked_up_to is not None and self._looked_up_to.sequence > 0:
            last = self._looked_up_to.sequence - 1
            numbers = range(last, max(last - window, -1), -1)
            keys = list(map(manifest_key, numbers))
            read = read_at_once(self._bytes, keys, readers_of(self._store))
            for number, data in zip(numbers, read, strict=True):
                self._looked_up_to = self._noted(number, data)
            window = min(2 * window, READERS)
        return self._known(key)


class Additions:
    """Newly listed files since the last question."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._number = -1
        self._hash: str | None = None

    def keys(self) -> list[str] | None:
        """Return newly listed keys in order; None if unknown: at first, without a chain, or if its end was changed."""
        try:
            if self._hash is None or content_hash(self._store.get(manifest_key(self._number))) != self._hash:
                number, found = last_number(self._store), None
                digest, _ = self._read(number)
            else:
                number, digest, found = self._number, self._hash, list[str]()
                while self._store.exists(manifest_key(number + 1)):
                    number += 1
                    digest, keys = self._read(number)
                    found += keys
        except (IntegrityError, NotFoundError):
            self._hash = None
            return None
        # Only now: after a failed read, entries read before it are reported at the next call.
        self._number, self._hash = number, digest
        return found

    def _read(self, number: int) -> tuple[str, list[str]]:
        key = manifest_key(number)
        data = self._store.get(key)
        return content_hash(data), [entry.key for entry in decode_manifest(key, data).entries]


def last_number(store: ObjectStore) -> int:
    """Return the number of the last manifest, -1 without one; lists only the newest folder that is not empty."""
    for folder in reversed(store.folders(CHAIN)):
        numbers = [n for n in map(parse_manifest_key, store.list(f"{CHAIN}/{folder}")) if n is not None]
        if numbers:
            return max(numbers)
    return -1
