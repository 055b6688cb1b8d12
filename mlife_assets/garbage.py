"""When Python looks for garbage: rarely, and not once more when a process ends. When the system gets memory back.

Concept: each look goes through the 700,000 objects of libraries and finds next to nothing. Half of a start went there.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

OBJECTS_BETWEEN_COLLECTIONS = 50_000
_USUAL = gc.get_threshold()


@contextmanager
def rare_collections() -> Iterator[None]:
    """Let Python look seventy times less often within, and not at all when the process ends and all memory goes."""
    atexit.unregister(gc.freeze)
    atexit.register(gc.freeze)
    usual = gc.get_threshold()
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def collect_as_usual() -> None:
    """Look as often as Python does by itself: for a process that has started and goes on for long."""
    gc.set_threshold(*_USUAL)


def share_one_arena() -> None:
    """Let threads that begin from now on allocate where the main thread does: where glibc is the allocator.

    glibc has an arena for each thread otherwise, and `give_memory_back` cannot free the end of any but the first. A
    process that has more than eight arenas by now keeps its number.
    """
    if (settings := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        settings(-8, 1)  # M_ARENA_MAX


def give_memory_back() -> None:
    """Return freed memory to the system; Arrow and glibc keep it otherwise."""
    if (arrow := sys.modules.get("pyarrow")) is not None:
        arrow.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
