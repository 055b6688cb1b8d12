"""What a disk refuses, as errors that say what to do.

Belongs here: telling a read-only disk, a full one and a refused access apart, whichever library reports them. Does not
belong here: touching a disk.

Concept: the operating system has a number for each; databases and object stores hide it in their words. Whether trying
again can help is the difference that a caller needs: space may be freed, a read-only disk stays so.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from mlife_assets.core.errors import MlifeError, PermanentError, TransientError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_READ_ONLY = frozenset({errno.EROFS})
_REFUSED = frozenset({errno.EACCES, errno.EPERM})
_SPOKEN = (
    ("no space left on device", errno.ENOSPC),
    ("disk is full", errno.ENOSPC),
    ("disk quota exceeded", errno.EDQUOT),
    ("read-only file system", errno.EROFS),
    ("readonly database", errno.EROFS),
    ("permission denied", errno.EACCES),
    ("unable to open database file", errno.EACCES),
)
"""Words of SQLite, DuckDB and obstore for what they were refused."""

_SPEAKERS = ("sqlite3", "_sqlite3", "sqlalchemy", "duckdb", "_duckdb", "obstore")


def disk_error(place: str, error: BaseException) -> MlifeError | None:
    """Return what `error` says about the disk, as an error of ours; None when it is about something else.

    Args:
        place: which file or folder, for errors that do not name it.
        error: of the operating system, SQLite, SQLAlchemy, DuckDB or obstore.
    """
    number = _number(error)
    if isinstance(error, OSError) and error.filename:
        place = str(error.filename)
    if number in _FULL:
        return TransientError(
            f"{place} could not be written: no space is left on the disk; free some and run it again, which goes on "
            "where it stopped"
        )
    if number in _READ_ONLY:
        return PermanentError(
            f"{place} could not be written: the file system is read-only; mount it for writing, or use another folder"
        )
    if number in _REFUSED:
        return PermanentError(
            f"access to {place} was refused; let the user who runs this read and write it, or use another folder"
        )
    return None


@contextmanager
def told_of(place: object) -> Iterator[None]:
    """Turn what the disk refuses within into errors of ours that name `place`; any other error passes."""
    try:
        yield
    except MlifeError:
        raise
    except Exception as error:
        told = disk_error(str(place), error)
        if told is None:
            raise
        raise told from error


def _number(error: BaseException) -> int | None:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    if type(error).__module__.partition(".")[0] not in _SPEAKERS:
        return None
    words = str(error).lower()
    return next((number for phrase, number in _SPOKEN if phrase in words), None)
