"""Reading many objects of the log: from a bucket each is waited for, so many are waited for at once.

Belongs here: how many. Does not belong here: what is read of them (`log`, `chain`, `verification`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

READERS = 16

K = TypeVar("K")
T = TypeVar("T")


def read_at_once(read: Callable[[K], T], keys: Collection[K]) -> Iterator[T]:
    """Yield what `read` returns of each key, in order. What it raises is raised when its turn comes."""
    if len(keys) < 2:
        yield from map(read, keys)
        return
    with ThreadPoolExecutor(min(READERS, len(keys))) as readers:
        yield from readers.map(read, keys)
