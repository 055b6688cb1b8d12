"""A lake whose event log lies in a bucket of its own.

Concept: readers and writers of the lake name keys as ever. Keys of the log go to the bucket that nobody may change,
all others to the one that may be derived again.
"""

from __future__ import annotations

from datetime import datetime

from mlife_assets.adapters.event_log.manifests import EVENTS, MANIFESTS
from mlife_assets.adapters.object_store import ObstoreObjectStore

LOG = (EVENTS, MANIFESTS)
"""First segments of the log's keys, which are all that its bucket takes."""


class LakeWithLogApart(ObstoreObjectStore):
    """`ports.ObjectStore` over two stores: the log's and that of everything else."""

    def __init__(self, lake: ObstoreObjectStore, log: ObstoreObjectStore) -> None:
        super().__init__(lake._backend, root=lake.root)
        self._lake, self._log = lake, log

    def put_if_absent(self, key: str, data: bytes) -> bool:
        return self._of(key).put_if_absent(key, data)

    def replace(self, key: str, data: bytes) -> None:
        self._of(key).replace(key, data)

    def delete(self, key: str) -> None:
        self._of(key).delete(key)

    def get(self, key: str, *, at_most: int | None = None) -> bytes:
        return self._of(key).get(key, at_most=at_most)

    def exists(self, key: str) -> bool:
        return self._of(key).exists(key)

    def written_at(self, key: str) -> datetime:
        return self._of(key).written_at(key)

    def folders(self, prefix: str) -> list[str]:
        if prefix.strip("/"):
            return self._of(prefix).folders(prefix)
        return sorted({*self._lake.folders(prefix), *self._log.folders(prefix)})

    def list(self, prefix: str) -> list[str]:
        if prefix.strip("/"):
            return self._of(prefix).list(prefix)
        return sorted({*self._lake.list(prefix), *self._log.list(prefix)})

    def _of(self, key: str) -> ObstoreObjectStore:
        return self._log if key.partition("/")[0] in LOG else self._lake
