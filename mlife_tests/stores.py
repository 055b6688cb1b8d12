"""Stores that die while they are written, count what is asked of them, or hold a log as release 0.1.0 kept it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from obstore.store import MemoryStore

from mlife_assets.adapters.event_log.manifests import (
    Entry,
    HourManifest,
    Link,
    content_hash,
    encode_hour_manifest,
    hour_manifest_key,
    hour_of_key,
)
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.parquet_bytes import decode_table


class CrashError(Exception):
    """The process died."""


class Killed(BaseException):
    """The process dies: nothing on our side may catch it."""


@dataclass
class CrashingStore:
    """A store whose process dies before (or right after) write number `dies_at` of keys below `below`."""

    inner: Any
    dies_at: int
    after: bool = False
    below: str = ""
    writes: int = field(default=0)

    @contextmanager
    def _write(self, key: str) -> Iterator[None]:
        self.writes += key.startswith(self.below)
        dies = self.writes == self.dies_at and key.startswith(self.below)
        if dies and not self.after:
            raise CrashError
        yield
        if dies:
            raise CrashError

    def put_if_absent(self, key: str, data: bytes) -> bool:
        with self._write(key):
            return self.inner.put_if_absent(key, data)

    def replace(self, key: str, data: bytes) -> None:
        with self._write(key):
            self.inner.replace(key, data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def write_release_010(store: Any, entries: Iterable[Entry]) -> None:
    """List files as release 0.1.0 did: a chain per hour, anchored to the nearest earlier one."""
    last: dict[str, tuple[int, str]] = {}
    for entry in entries:
        hour = hour_of_key(entry.key)
        sequence, previous = last.get(hour, (-1, None))
        earlier = max((one for one in last if one < hour), default=None)
        anchor = None
        if sequence < 0 and earlier is not None:
            anchor = Link(hour_manifest_key(earlier, last[earlier][0]), last[earlier][1])
        data = encode_hour_manifest(HourManifest(hour, sequence + 1, previous, anchor, (entry,)))
        store.put_if_absent(hour_manifest_key(hour, sequence + 1), data)
        last[hour] = (sequence + 1, content_hash(data))


def new_store() -> ObstoreObjectStore:
    return ObstoreObjectStore(MemoryStore())


def stored(objects: dict[str, bytes]) -> ObstoreObjectStore:
    store = new_store()
    for key, data in objects.items():
        store.put_if_absent(key, data)
    return store


def in_release_010(objects: dict[str, bytes]) -> dict[str, bytes]:
    """Return a log of the same files as release 0.1.0 kept it."""
    files = {key: data for key, data in objects.items() if key.startswith("events/")}
    store = stored(files)
    entries = (Entry(key, content_hash(data), decode_table(data).num_rows) for key, data in files.items())
    write_release_010(store, entries)
    return {key: store.get(key) for key in store.list("")}


class Counting:
    """A store that counts what is asked of it, by kind and first segment of the key, and remembers the keys."""

    def __init__(self, store: Any) -> None:
        self._store, self.asked, self.keys = store, Counter[str](), list[str]()

    def __getattr__(self, name: str) -> Any:
        def ask(key: str, *given: Any) -> Any:
            self.asked[f"{name} {key.partition('/')[0]}"] += 1
            self.keys.append(key)
            return asked(key, *given)

        asked = getattr(self._store, name)
        return ask if callable(asked) else asked
