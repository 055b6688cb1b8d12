"""What lies in a local folder, as keys of an object store.

Belongs here: listing files and folders, reading a file, with the answers that obstore gives. Does not belong here:
writing (`object_store`).

Concept: a listing needs names alone, and the kind of an entry comes with its name, so no file is asked about. Links
are followed, a link to nothing is passed over, and so is what a put has not finished (`name#1`). What cannot be listed
is an error and never left out. A small file is read in a fraction of the time that obstore takes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from mlife_assets.core.errors import NotFoundError

_STAGED = re.compile(r"[^#]*#[0-9]+")
"""A file that obstore has not linked into place yet."""
_NO_KEY = re.compile(r"[\x00-\x1f\x7f\udc80-\udcff]")
"""Control characters, and bytes that are not UTF-8."""


def listed_files(root: Path, prefix: str) -> list[str]:
    """Return the keys of all files below the folder `prefix` of `root`, sorted; none where there is no such folder.

    Raises:
        NotFoundError: `root` is gone.
        ValueError: `prefix`, or a name below it, is no key.
        OSError: a folder cannot be read, or a link leads back to a folder that it lies in.
    """
    _require_folder(root)
    found, waiting = list[str](), [_plain(prefix)]
    while waiting:
        folder = waiting.pop()
        for entry in _entries(root, folder):
            key = f"{folder}/{entry.name}" if folder else entry.name
            if entry.is_dir():
                _require_way_out(root, key, entry)
                waiting.append(key)
            elif entry.is_file() and not _STAGED.fullmatch(entry.name):
                found.append(_key(key))
    return sorted(found)


def read_file(root: Path, key: str) -> bytes:
    """Return the bytes of the file `key` of `root`.

    Raises:
        FileNotFoundError: there is no such file, or it is a folder.
        ValueError: `key` is none.
        OSError: it cannot be read, or no put has finished it.
    """
    plain = _plain(key)
    if not plain or _STAGED.fullmatch(plain.rpartition("/")[2]):
        raise OSError(f"{key!r} is not the name of a whole file")
    try:
        with open(f"{root}/{plain}", "rb", buffering=0) as file:
            return file.read()
    except IsADirectoryError as error:
        raise FileNotFoundError(*error.args) from error


def listed_folders(root: Path, prefix: str) -> list[str]:
    """Return the names of the folders directly below `prefix` of `root`, sorted; raises as `listed_files`."""
    _require_folder(root)
    return sorted(_key(entry.name) for entry in _entries(root, _plain(prefix)) if entry.is_dir())


def _require_folder(root: Path) -> None:
    if not root.is_dir():
        raise NotFoundError(f"folder {root} of the object store is gone; restore it")


def _plain(prefix: str) -> str:
    """Return a prefix without slashes around it."""
    plain = prefix.removeprefix("/").removesuffix("/")
    if plain and not {"", ".", ".."}.isdisjoint(plain.split("/")):
        raise ValueError("a segment is empty or leads elsewhere")
    return _key(plain)


def _key(name: str) -> str:
    if _NO_KEY.search(name):
        raise ValueError(f"{name!r} is no name that a key can have; rename or remove it")
    return name


def _entries(root: Path, folder: str) -> Iterator[os.DirEntry[str]]:
    """Yield what lies in a folder; nothing where it is gone, or a file."""
    try:
        with os.scandir(f"{root}/{folder}") as entries:  # a `Path` takes longer than its listing
            yield from entries
    except FileNotFoundError:
        return
    except NotADirectoryError:
        if not (root / folder).is_file():
            raise


def _require_way_out(root: Path, key: str, entry: os.DirEntry[str]) -> None:
    """Raise OSError when a link leads to a folder that it lies in, which would be listed for ever."""
    if entry.is_symlink():
        for folder in (root / key).parents:
            if folder.samefile(entry.path):
                raise OSError(f"the link {key} leads to a folder that it lies in; remove it")
            if folder == root:
                return
