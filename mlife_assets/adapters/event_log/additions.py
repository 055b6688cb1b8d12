"""What manifests have listed since: how a reader learns that the log has something new.

Concept: whether there is something new is two questions however long the chain is: is the manifest that was read last
still the same, and is there a next one. What a manifest lists is a hint where to look and no more, so neither key nor
head is needed, and a command that only reads makes none.
"""

from __future__ import annotations

from mlife_assets.adapters.event_log.layout import CHAIN, content_hash, manifest_key, parse_manifest_key
from mlife_assets.adapters.event_log.manifests import decode_manifest
from mlife_assets.core.errors import IntegrityError, NotFoundError
from mlife_assets.core.ports import ObjectStore


class Additions:
    """What was listed since one asked last."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._number = -1
        self._hash: str | None = None

    def keys(self) -> list[str] | None:
        """Return the keys that manifests list since the last call, in order.

        None is that nobody knows: at first, without a chain, and where the end cannot be read or is not what it was.
        """
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
        # Only now: what was read before another read failed is named at the next call.
        self._number, self._hash = number, digest
        return found

    def _read(self, number: int) -> tuple[str, list[str]]:
        key = manifest_key(number)
        data = self._store.get(key)
        return content_hash(data), [entry.key for entry in decode_manifest(key, data).entries]


def last_number(store: ObjectStore) -> int:
    """Return the number of the last manifest, -1 where there is none.

    A folder has the manifests of a thousand numbers, so the last lies in the newest that has one, also where others are
    missing: none but that is listed.
    """
    for folder in reversed(store.folders(CHAIN)):
        numbers = [n for n in map(parse_manifest_key, store.list(f"{CHAIN}/{folder}")) if n is not None]
        if numbers:
            return max(numbers)
    return -1
