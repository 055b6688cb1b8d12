"""Reading many objects of the log: from a bucket each is waited for, so many are waited for at once.

Concept: of a folder of this machine nothing is waited for. Threads win nothing there, and cost nearly as much CPU again
as the reading itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from mlife_assets.core.ports import ObjectStore

READERS = 16

K = TypeVar("K")
T = TypeVar("T")


def readers_of(store: ObjectStore) -> int:
    """Return how many objects of a store to wait for at once: one of a folder."""
    return READERS if getattr(store, "root", None) is None else 1


def read_at_once(read: Callable[[K], T], keys: Collection[K], readers: int = READERS) -> Iterator[T]:
    """Yield what `read` returns of each key, in order. What it raises is raised when its turn comes."""
    if min(readers, len(keys)) < 2:
        yield from map(read, keys)
        return
    with ThreadPoolExecutor(min(readers, len(keys))) as pool:
        yield from pool.map(read, keys)
