"""What a disk refuses is told apart, whichever library says it, and nothing else is taken for it."""

from __future__ import annotations

import errno
import os
import sqlite3

import duckdb
import pytest
import sqlalchemy as sa
from obstore.exceptions import GenericError

from mlife_assets.core.disk_faults import disk_error, disk_errors_explained
from mlife_assets.core.errors import InvalidInputError, PermanentError, TransientError


def raised(number: int, filename: str | None = None) -> OSError:
    return OSError(number, os.strerror(number), filename)


def wrapped(error: Exception) -> Exception:
    return sa.exc.OperationalError("UPDATE sends", {}, error)


FULL = [
    raised(errno.ENOSPC),
    raised(errno.EDQUOT),
    sqlite3.OperationalError("database or disk is full"),
    wrapped(sqlite3.OperationalError("database or disk is full")),
    GenericError("Generic LocalFileSystem error: Unable to copy data to file: No space left on device (os error 28)"),
]
READ_ONLY = [
    raised(errno.EROFS),
    sqlite3.OperationalError("attempt to write a readonly database"),
    GenericError("Generic LocalFileSystem error: Unable to create dir: Read-only file system (os error 30)"),
    duckdb.IOException('IO Error: Cannot open file "w.duckdb": Read-only file system'),
]
REFUSED = [raised(errno.EACCES), raised(errno.EPERM)]
OTHER = [
    raised(errno.ENOENT), OSError("disk is full"), ValueError("no space left on device"),
    sqlite3.OperationalError("database is locked"), KeyError("read-only file system"), TimeoutError(),
]  # fmt: skip


@pytest.mark.parametrize("error", FULL)
def test_a_full_disk_may_pass(error: Exception) -> None:
    told = disk_error("the/ledger", error)
    assert isinstance(told, TransientError)
    assert str(told).startswith("the/ledger could not be written: no space")
    assert "free some" in str(told)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        *((error, "the/ledger could not be written: the file system is read-only") for error in READ_ONLY),
        *((error, "access to the/ledger was refused") for error in REFUSED),
        (
            sqlite3.OperationalError("unable to open database file"),
            "the/ledger could not be opened: the file system is read-only, or the user",
        ),
    ],
)
def test_a_disk_that_is_read_only_or_refuses_stays_so(error: Exception, says: str) -> None:
    told = disk_error("the/ledger", error)
    assert isinstance(told, PermanentError)
    assert says in str(told)


@pytest.mark.parametrize("error", OTHER)
def test_nothing_else_is_taken_for_it(error: Exception) -> None:
    assert disk_error("a", error) is None
    with pytest.raises(type(error)) as caught, disk_errors_explained("a"):
        raise error
    assert caught.value is error


def test_the_file_that_the_system_names_is_reported() -> None:
    assert "var/other could not" in str(disk_error("here", raised(errno.ENOSPC, "var/other")))


def test_errors_of_ours_pass_and_others_are_reported_with_their_cause() -> None:
    with pytest.raises(InvalidInputError, match="mine"), disk_errors_explained("a"):
        raise InvalidInputError("mine")
    with pytest.raises(TransientError, match=r"^a could not be written") as caught, disk_errors_explained("a"):
        raise raised(errno.ENOSPC)
    assert isinstance(caught.value.__cause__, OSError)
