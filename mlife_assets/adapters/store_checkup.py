"""Whether an object store does what the event log relies on, and a machine has what it needs.

Concept: the log is append-only because the store refuses a second put of a key. A store that does not would lose events
only when two writers meet, which no day shows, so it is tried on purpose.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from mlife_assets.adapters.object_store import CHECKUP, ObstoreObjectStore
from mlife_assets.core.checkup import Finding, clock_finding, faults_found
from mlife_assets.core.errors import ContentConflictError

PROBE, CLOCK_PROBE = f"{CHECKUP}/written_once", f"{CHECKUP}/written_last"
"""Objects of the check, which stay: what holds them is never deleted from."""
FREE_BYTES_MINIMUM = 2 * 1024**3


def look_at_store(part: str, name: str, store: ObstoreObjectStore, now: Callable[[], datetime]) -> list[Finding]:
    """Return what was found of an object store: reach, rights, that it refuses, its clock.

    Args:
        part: the setting that names it.
        name: where it is.
        store: it.
        now: the clock of this machine.
    """
    found: list[Finding] = []
    with faults_found(part, found):
        store.folders("")
        with suppress(ContentConflictError):  # what an earlier look found, before the store was mended
            store.put_if_absent(PROBE, b"1")
        found.append(Finding(part, f"{name} can be listed and written"))
        found.append(_refusal(part, store))
        if store.root is None:
            found.append(clock_finding(part, clocks_apart(store, now)))
    return found


def _refusal(part: str, store: ObstoreObjectStore) -> Finding:
    other = b"2" if store.get(PROBE) == b"1" else b"1"
    try:
        store.put_if_absent(PROBE, other)
    except ContentConflictError:
        return Finding(part, "a second put of a key is refused")
    return Finding(
        part,
        "a second put of a key is accepted, so two writers could overwrite each other's events",
        "use a store that honours If-None-Match, as S3 does",
    )


def clocks_apart(store: ObstoreObjectStore, now: Callable[[], datetime]) -> timedelta:
    """Return how far at least the store's clock is from another; a write takes time, so it lies between two looks."""
    before = now()
    store.replace(CLOCK_PROBE, before.isoformat().encode())
    after, written = now(), store.written_at(CLOCK_PROBE)
    return max(written - after, before.replace(microsecond=0) - written)  # stores keep whole seconds


def look_at_new_folder(part: str, folder: Path) -> Finding:
    """Return whether a folder that is not there can be made; it is not."""
    there = next(one for one in folder.parents if one.exists())
    if os.access(there, os.W_OK | os.X_OK):
        return Finding(part, f"{folder} can be made")
    return Finding(part, f"{folder} is not there and cannot be made", f"grant write on {there}, or name another folder")


def look_at_disk(part: str, folder: Path) -> Finding:
    """Return whether the disk of a folder, which need not exist yet, has room for a day."""
    there = next(one for one in (folder, *folder.parents) if one.exists())
    free = shutil.disk_usage(there).free
    says = f"{free / 1024**3:.1f} GB are free at {there}"
    return Finding(part, says, "" if free >= FREE_BYTES_MINIMUM else "free 2 GB or more: a day builds its tables there")
