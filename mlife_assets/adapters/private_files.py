"""Files that only their owner may read, whatever the umask.

Concept: a mode is set, never hoped for. A file has its narrow mode before its first byte is written, and a wider
one of an earlier release is narrowed when it is opened.

The folder of mlife in a project holds keys. A `.gitignore` in it that ignores everything, itself included, is written
before anything else; a project that wants part of it in its repository changes that file. A mark tells it from the home
of a job board.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_IMODE, S_ISLNK
from typing import BinaryIO

from mlife_assets.core.disk_faults import disk_errors_explained

IGNORED = "# mlife keeps keys here: nothing of this folder belongs into a repository.\n*\n"
MARK = "project_home.json"
MARKED = '{"holds": "models of a Dagster project"}\n'
FOLDER_MODE = 0o700
FILE_MODE = 0o600


def private_folder(path: Path) -> Path:
    """Return `path` as a folder of mode 0700, created when missing."""
    with disk_errors_explained(path):
        path.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
        _narrow(path, FOLDER_MODE)
    return path


def private_file(path: Path) -> Path:
    """Return `path` as a file of mode 0600, created empty when missing; its folder is made private, too."""
    private_folder(path.parent)
    with disk_errors_explained(path):
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE))
        _narrow(path, FILE_MODE)
    return path


def private_tree(path: Path) -> Path:
    """Return `path` as a private folder, and everything in it narrowed; links and their targets are left alone."""
    private_folder(path)
    for folder, folders, files in os.walk(path):
        for name, wanted in [*((name, FOLDER_MODE) for name in folders), *((name, FILE_MODE) for name in files)]:
            # SQLite takes its log away when another process closes the file.
            with suppress(FileNotFoundError), disk_errors_explained(Path(folder, name)):
                _narrow(Path(folder, name), wanted)
    return path


@contextmanager
def locked(path: Path) -> Iterator[BinaryIO]:
    """Hold a private file, which every other holder waits for, and yield it."""
    private_file(path)
    with path.open("r+b", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield file
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)  # closing is not enough where a child process has it, too


@contextmanager
def made_private() -> Iterator[None]:
    """Give every file and folder that this process makes meanwhile its narrow mode, for writers that set none."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def write_private(path: Path, data: bytes, *, replaces: bool = True) -> bool:
    """Write `path` whole, mode 0600, and wait for the disk; False if it exists and may not be replaced."""
    private_folder(path.parent)
    with disk_errors_explained(path):
        return _write_whole(path, data, replaces=replaces)


def _write_whole(path: Path, data: bytes, *, replaces: bool) -> bool:
    descriptor, partial = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".partial")
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if replaces:
            Path(partial).replace(path)
        else:
            os.link(partial, path)
    except FileExistsError:
        return False
    finally:
        Path(partial).unlink(missing_ok=True)
    _sync_folder(path.parent)
    return True


def _narrow(path: Path, wanted: int) -> None:
    """Set a mode unless it is set already: a read-only disk refuses even that."""
    mode = path.lstat().st_mode
    if not S_ISLNK(mode) and S_IMODE(mode) != wanted:
        path.chmod(wanted)


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def made_and_ignored(home: Path) -> Path:
    """Return `home`, made and marked when it is not; in a folder that is new or empty git ignores everything."""
    with disk_errors_explained(home):
        home.mkdir(parents=True, exist_ok=True)
        if not any(home.iterdir()):
            (home / ".gitignore").write_text(IGNORED, encoding="utf-8")
        if not is_project_home(home):
            (home / MARK).write_text(MARKED, encoding="utf-8")
    return home


def is_project_home(home: Path) -> bool:
    return (home / MARK).is_file()
