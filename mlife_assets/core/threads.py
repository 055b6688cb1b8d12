"""Linear algebra on one thread during fits and scoring.

Concept: sums of several threads differ in their last bits from those of one, and waiting threads take five times as
long on arrays of this size. Importing mlife changes nothing in a user's process: the limit, which is process-wide,
lasts from the first to the last of overlapping computations, then the former limit returns.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadpoolctl import LibController

_lock, _before = threading.Lock(), dict[str, tuple["LibController", int]]()
_inside = 0


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep the linear algebra of the loaded libraries to one thread."""
    global _inside
    with _lock:
        for library in _blas("scipy.linalg" in sys.modules):
            if library.filepath not in _before:
                _before[library.filepath] = library, library.get_num_threads()
                _set(library, 1)
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            while _before and not _inside:
                _set(*_before.popitem()[1])


def _set(library: LibController, threads: int) -> None:
    release = getattr(library, "clear_controlling_thread", lambda **_: None)
    release(force=True)  # of the thread that changed it last, which since threadpoolctl 3.8 is alone allowed to
    library.set_num_threads(threads)
    release(force=True)


@cache
def _blas(has_scipy: bool) -> list[LibController]:  # noqa: ARG001  NumPy and SciPy bring a library each
    """Find the libraries for matrix products; the search takes milliseconds."""
    from threadpoolctl import ThreadpoolController

    found: list[LibController] = ThreadpoolController().select(user_api="blas").lib_controllers
    return found
