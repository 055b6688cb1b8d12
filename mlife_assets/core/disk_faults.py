"""Disk failures as errors with a remedy.

Concept: the operating system numbers them; databases and object stores hide them in their messages. Callers need to
know whether a retry can help: space may be freed, a read-only disk stays read-only.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from mlife_assets.core.errors import MlifeError, PermanentError, TransientError

_FULL = "{place} could not be written: no space is left on the disk; free some and run it again"
_READ_ONLY = "{place} could not be written: the file system is read-only; mount it for writing, or use another folder"
_REFUSED = "access to {place} was refused; let the user who runs this read and write it, or use another folder"
_UNOPENED = (
    "{place} could not be opened: the file system is read-only, or the user who runs this may not write there; fix "
    "that, or use another folder"
)
_NUMBERS = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EROFS: _READ_ONLY,
    errno.EACCES: _REFUSED,
    errno.EPERM: _REFUSED,
}
_WORDS = {
    "no space left on device": _FULL,
    "disk is full": _FULL,
    "disk quota exceeded": _FULL,
    "read-only file system": _READ_ONLY,
    "readonly database": _READ_ONLY,
    "permission denied": _REFUSED,
    "unable to open database file": _UNOPENED,
}
"""Messages of SQLite, DuckDB and obstore when the disk refuses."""

_SPEAKERS = ("sqlite3", "_sqlite3", "sqlalchemy", "duckdb", "_duckdb", "obstore")


def disk_error(place: str, error: BaseException) -> MlifeError | None:
    """Return a disk failure as an mlife error; None for any other `error`.

    Args:
        place: which file or folder, for errors that do not name it.
        error: of the operating system, SQLite, SQLAlchemy, DuckDB or obstore.
    """
    sentence = _sentence(error)
    if sentence is None:
        return None
    named = str(error.filename) if isinstance(error, OSError) and error.filename else place
    kind = TransientError if sentence is _FULL else PermanentError
    return kind(sentence.format(place=named))


@contextmanager
def disk_errors_explained(place: object) -> Iterator[None]:
    """Raise disk failures within as mlife errors that name `place`; other errors pass."""
    try:
        yield
    except MlifeError:
        raise
    except Exception as error:
        fault = disk_error(str(place), error)
        if fault is None:
            raise
        raise fault from error


def _sentence(error: BaseException) -> str | None:
    if isinstance(error, OSError) and error.errno is not None:
        return _NUMBERS.get(error.errno)
    if type(error).__module__.partition(".")[0] not in _SPEAKERS:
        return None
    words = str(error).lower()
    return next((sentence for phrase, sentence in _WORDS.items() if phrase in words), None)
