"""Linear algebra on one thread, where something is fitted or scored.

Belongs here: limiting the libraries of linear algebra. Does not belong here: LightGBM, which counts its threads by
itself.

Concept: sums of several threads differ in their last bits from those of one, and threads that wait for each other take
five times the time on arrays of this size. Importing mlife changes nothing in a process that is somebody else's: the
limit holds around a computation, and what was before comes back.
"""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController


def one_thread() -> AbstractContextManager[Any]:
    """Return what keeps the linear algebra of the libraries that are loaded by now to one thread."""
    limited: AbstractContextManager[Any] = _blas("scipy.linalg" in sys.modules).limit(limits=1)
    return limited


@cache
def _blas(has_scipy: bool) -> ThreadpoolController:  # noqa: ARG001  NumPy and SciPy bring a library each
    """Find the libraries that multiply matrices; looking for them takes milliseconds."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")
