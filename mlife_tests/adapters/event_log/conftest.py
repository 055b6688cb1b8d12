"""What the tests of the event log share: clicks, stores in memory, a store that dies, a whole log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from obstore.store import MemoryStore

from mlife_assets.adapters.event_log import ParquetEventLog
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
from mlife_assets.core.ports import ObjectStore
from mlife_assets.recruiting.events import EVENT_TYPES

START = datetime(2026, 6, 1, tzinfo=UTC)
SCHEMA = EVENT_TYPES["click"].schema


def clicks(rows: list[tuple[str, float]]) -> pa.Table:
    """Return clicks of (event id, hours after START at which they were observed)."""
    return pa.Table.from_pylist(
        [
            {
                "event_id": name, "occurred_at": START, "observed_at": START + timedelta(hours=hours),
                "user_id": f"u-{name}", "job_id": "j1", "source": "organic", "exposure_id": f"x-{name}",
            }
            for name, hours in rows
        ],
        schema=SCHEMA,
    )  # fmt: skip


def new_store() -> ObstoreObjectStore:
    return ObstoreObjectStore(MemoryStore())


def stored(objects: dict[str, bytes]) -> ObstoreObjectStore:
    store = new_store()
    for key, data in objects.items():
        store.put_if_absent(key, data)
    return store


def in_release_010(objects: dict[str, bytes]) -> dict[str, bytes]:
    """Return a log of the same files as release 0.1.0 kept it: manifests per hour, anchored to the nearest earlier."""
    files = {key: data for key, data in objects.items() if key.startswith("events/")}
    manifests: dict[str, bytes] = {}
    for key, data in files.items():
        hour = hour_of_key(key)
        own = [k for k in sorted(manifests) if hour in k]
        earlier = [k for k in sorted(manifests) if k < hour_manifest_key(hour, 0)]
        anchor = None if own or not earlier else Link(earlier[-1], content_hash(manifests[earlier[-1]]))
        previous = content_hash(manifests[own[-1]]) if own else None
        entry = Entry(key, content_hash(data), decode_table(data).num_rows)
        manifest = HourManifest(hour, len(own), previous, anchor, (entry,))
        manifests[hour_manifest_key(hour, len(own))] = encode_hour_manifest(manifest)
    return {**files, **manifests}


class CrashError(Exception):
    """The process died."""


@dataclass
class CrashingStore:
    """A store whose process dies before (or right after) write number `dies_at`."""

    inner: ObjectStore
    dies_at: int
    after: bool = False
    writes: int = field(default=0)

    @contextmanager
    def _write(self) -> Iterator[None]:
        self.writes += 1
        if self.writes == self.dies_at and not self.after:
            raise CrashError
        yield
        if self.writes == self.dies_at:
            raise CrashError

    def put_if_absent(self, key: str, data: bytes) -> bool:
        with self._write():
            return self.inner.put_if_absent(key, data)

    def replace(self, key: str, data: bytes) -> None:
        with self._write():
            self.inner.replace(key, data)

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)


@dataclass(frozen=True)
class Toolbox:
    """Parts of this file for tests, which cannot import a conftest."""

    clicks = staticmethod(clicks)
    store = staticmethod(new_store)
    stored = staticmethod(stored)
    in_release_010 = staticmethod(in_release_010)
    CrashError = CrashError
    CrashingStore = CrashingStore


@pytest.fixture(scope="session")
def toolbox() -> Toolbox:
    return Toolbox()


@pytest.fixture(scope="session")
def old_log(whole_log: dict[str, bytes]) -> dict[str, bytes]:
    """The same files as release 0.1.0 left them."""
    return in_release_010(whole_log)


@pytest.fixture(scope="session")
def whole_log() -> dict[str, bytes]:
    """Three days, several hours, four manifests."""
    store = new_store()
    log = ParquetEventLog(store)
    for batch in range(3):
        log.append("click", clicks([(f"{batch}-{n}", n * 8) for n in range(9)]), writer="w")
    log.append(
        "hire",
        pa.table(
            {
                **{n: ["x"] for n in SCHEMA.names}, "apply_event_id": ["y"], "occurred_at": [START],
                "observed_at": [START], "source": ["organic"],
            }
        ),
        writer="w",
    )  # fmt: skip
    return {key: store.get(key) for key in store.list("")}
