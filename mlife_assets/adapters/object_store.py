"""The object store port over obstore: one code path for a local folder and a bucket.

Concept: a key becomes visible whole or not at all. On a folder obstore writes a staging file (`name#1`, which neither
listings nor `*.parquet` globs show) and links it into place, so a killed process leaves at most an invisible staging
file. Records that cannot be derived (`DURABLE`) are synced to disk with their folders, so that a
manifest never lists a file that a power cut takes away; tables and reports are rebuilt instead. Folders and files are
read without obstore, which takes several times as long, with the same answers. A listing needs names alone,
and the kind of an entry comes with its name, so no file is asked about. Links are followed; a link to nothing is passed
over, and so is an unfinished put. A folder that cannot be listed is an error and never left out.

A bucket refuses a second put by `If-None-Match`. Requests that fail on the way are made again (`s3_bucket`): a put that
arrived the first time finds its own bytes. A bucket that is not there is an error of its own: to a reader it looks like
an object that is not.

Objects of a bucket are waited for, so many are read at once.

A store that does not refuse a second put would lose events only when two writers meet, which no day shows, so a checkup
tries it on purpose.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.exceptions import NotFoundError as ObstoreNotFoundError
from obstore.store import LocalStore

from mlife_assets.adapters.s3_bucket import RETRIES, bucket_fault, is_bucket_missing, missing_bucket, open_bucket
from mlife_assets.core.checkup import Finding, clock_finding, faults_found
from mlife_assets.core.disk_faults import disk_error, disk_errors_explained
from mlife_assets.core.errors import (
    ContentConflictError,
    IntegrityError,
    InvalidInputError,
    MlifeError,
    NotFoundError,
    PermanentError,
    TransientError,
)
from mlife_assets.core.ports import ObjectStore
from mlife_assets.core.quoting import quoted
from mlife_assets.core.storage_places import Bucket
from mlife_assets.recruiting.retention_policy import is_pruned

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import ObjectStore as ObstoreBackend


READERS = 16

K = TypeVar("K")
T = TypeVar("T")
DURABLE = ("events", "manifests", "models", "outbox", "panels", "rejected")
"""First segments of the keys that survive a power cut once a write has returned."""

_SAFE_KEY = re.compile(r"[A-Za-z0-9_.=@+,~-]+(/[A-Za-z0-9_.=@+,~-]+)*")
_MISSING = (ObstoreNotFoundError, FileNotFoundError)
_REFUSED = (PermissionDeniedError, UnauthenticatedError, PermissionError)
CHECKUP = "checkup"
"""First segment of the keys that a checkup of a store leaves (`store_checkup`)."""
CONFLICT_TRIES, CONFLICT_PAUSE_SECONDS = 8, 0.05
"""How often a conditional put is made again while another of the same key is on its way; the pause doubles."""
_STAGED = re.compile(r"[^#]*#[0-9]+")
"""A file that obstore has not linked into place yet."""
_NO_KEY = re.compile(r"[\x00-\x1f\x7f\udc80-\udcff]")
"""Control characters, and bytes that are not UTF-8."""
PROBE, CLOCK_PROBE = f"{CHECKUP}/written_once", f"{CHECKUP}/written_last"
"""Objects of the checkup. They stay, because keys to the store may lack the right to delete."""
FREE_BYTES_MINIMUM = 2 * 1024**3


class ObstoreObjectStore:
    """`ports.ObjectStore` over any obstore backend that supports put with mode `create` (folders, S3)."""

    def __init__(self, backend: ObstoreBackend, *, root: Path | None = None, survives_power_cut: bool = True) -> None:
        """Wrap `backend`; `root` is the folder of a local one, so that a vanished folder is not an empty one."""
        self._backend = backend
        self._root = root
        self._waits = root is not None and survives_power_cut
        self._synced: set[Path] = set()
        self._is_there = True
        """False of a bucket until it was seen once."""

    @classmethod
    def local(cls, root: Path | str, *, survives_power_cut: bool = True) -> ObstoreObjectStore:
        """Return a store over the folder `root`, made if missing, whose `DURABLE` writes wait for the disk or not."""
        folder = Path(root).absolute()
        with disk_errors_explained(folder):
            folder.mkdir(parents=True, exist_ok=True)
        return cls(LocalStore(folder, automatic_cleanup=True), root=folder, survives_power_cut=survives_power_cut)

    @classmethod
    def in_bucket(cls, bucket: Bucket, *, retries: int = RETRIES) -> ObstoreObjectStore:
        """Return a store over a bucket; nothing is asked of it yet."""
        store = cls(open_bucket(bucket, retries=retries))
        store._is_there = False
        return store

    @classmethod
    def at(cls, place: Path | Bucket, *, retries: int = RETRIES) -> ObstoreObjectStore:
        return cls.in_bucket(place, retries=retries) if isinstance(place, Bucket) else cls.local(place)

    @property
    def root(self) -> Path | None:
        return self._root

    def put_if_absent(self, key: str, data: bytes) -> bool:
        require_plain(key)
        for tried in range(CONFLICT_TRIES):
            try:
                obstore.put(self._backend, key, data, mode="create", use_multipart=False)
            except (AlreadyExistsError, PreconditionError, FileExistsError) as error:
                try:
                    is_same = self.get(key) == data
                except NotFoundError:  # S3 refuses a put while another of the key is on its way, which may fail
                    if tried < CONFLICT_TRIES - 1:
                        time.sleep(CONFLICT_PAUSE_SECONDS * 2**tried)
                    continue
                if is_same:
                    self._sync(key)
                    return False
                raise ContentConflictError(
                    f"{key} already holds other bytes; write-once objects are never changed: choose another key"
                ) from self._cause(error)
            except (BaseError, OSError) as error:
                raise self._fault(key, error) from self._cause(error)
            self._sync(key)
            return True
        raise TransientError(f"{key} is being written by others; try again")

    def replace(self, key: str, data: bytes) -> None:
        require_plain(key)
        try:
            obstore.put(self._backend, key, data, mode="overwrite", use_multipart=False)
        except (BaseError, OSError) as error:
            raise self._fault(key, error) from self._cause(error)
        self._sync(key)

    def delete(self, key: str) -> None:
        """Remove a table that may be pruned. Raises `InvalidInputError` on others, `PermanentError` if denied."""
        if not is_pruned(key):
            raise InvalidInputError(f"{quoted(key)} is never deleted; name a table that may be pruned")
        require_plain(key)
        try:
            obstore.delete(self._backend, key)
        except _MISSING:
            self._require_bucket()
        except (BaseError, OSError) as error:
            raise self._fault(key, error, deletes=True) from self._cause(error)

    def get(self, key: str, *, at_most: int | None = None) -> bytes:
        try:
            if self._root is not None:
                return read_file(self._root, key, at_most)
            answer = obstore.get(self._backend, key)
            _require_size(key, answer.meta["size"], at_most)
            return bytes(answer.bytes())
        except _MISSING as error:
            if is_bucket_missing(error):
                raise missing_bucket() from None
            raise NotFoundError(f"object {key} does not exist") from self._cause(error)
        except (BaseError, OSError, ValueError) as error:
            raise self._fault(key, error) from self._cause(error)

    def exists(self, key: str) -> bool:
        try:
            self._head(key)
        except _MISSING:
            self._require_bucket()
            return False
        except (BaseError, OSError, ValueError) as error:
            raise self._fault(key, error) from self._cause(error)
        return True

    def written_at(self, key: str) -> datetime:
        """Return when `key` was written last, by the clock of the store. Raises NotFoundError."""
        try:
            return self._head(key)["last_modified"]
        except _MISSING as error:
            self._require_bucket()
            raise NotFoundError(f"object {key} does not exist") from self._cause(error)
        except (BaseError, OSError, ValueError) as error:
            raise self._fault(key, error) from self._cause(error)

    def _head(self, key: str) -> ObjectMeta:
        if self._root is not None and (path := Path(self._root, key.strip("/"))).is_fifo():
            # A look would wait for a writer.
            raise PermanentError(f"{path} is no file; remove it, and restore the file of that name")
        return obstore.head(self._backend, key)

    def folders(self, prefix: str) -> list[str]:
        try:
            if self._root is not None:
                return listed_folders(self._root, prefix)
            found = obstore.list_with_delimiter(self._backend, prefix.rstrip("/") or None)
            return sorted(folder.rpartition("/")[2] for folder in found["common_prefixes"])
        except (BaseError, OSError, ValueError) as error:
            raise self._fault(prefix, error) from self._cause(error)

    def list(self, prefix: str) -> list[str]:
        try:
            if self._root is not None:
                return listed_files(self._root, prefix)
            batches = obstore.list(self._backend, prefix.rstrip("/") or None)
            return sorted(item["path"] for batch in batches for item in batch)
        except (BaseError, OSError, ValueError) as error:
            raise self._fault(prefix, error) from self._cause(error)

    def _require_bucket(self) -> None:
        """Raise PermanentError where the bucket is gone: an answer without a body says only that something is."""
        if not self._is_there:
            self.folders("")
            self._is_there = True

    def _fault(self, key: str, error: Exception, *, deletes: bool = False) -> MlifeError:
        if isinstance(error, ValueError):
            reason = str(error).partition("\n")[0]
            return InvalidInputError(f"object key {quoted(key)} is not valid: {reason}")
        if self._root is None:
            return bucket_fault(key, error, deletes=deletes)
        return _disk_fault(str(self._root / key), error)

    def _cause(self, error: Exception) -> Exception | None:
        """Return the cause to chain to an error of ours; None for a bucket, whose answer may repeat a token."""
        return None if self._root is None else error

    def _sync(self, key: str) -> None:
        """Wait until the disk holds `key` and its name, and once per process each folder above."""
        if not self._waits or self._root is None or key.partition("/")[0] not in DURABLE:
            return
        path = self._root / key
        try:
            _fsync(path)
            _fsync(path.parent)
            self._synced.add(path.parent)
            for folder in path.parent.parents:
                if folder in self._synced or not folder.is_relative_to(self._root):
                    break
                _fsync(folder)
                self._synced.add(folder)
        except OSError as error:
            raise self._fault(key, error) from self._cause(error)


def has_folder(place: Path | Bucket, name: str | None = None) -> bool:
    """Return whether there is a folder `name` at a place, or any but that of a checkup; asking makes none."""
    if name is not None and not isinstance(place, Bucket):
        return (place / name).is_dir()
    if not isinstance(place, Bucket) and not place.exists():
        return False
    store = ObstoreObjectStore.at(place)
    return bool(store.folders(name) if name is not None else set(store.folders("")) - {CHECKUP})


def put_addressed(store: ObjectStore, key: str, data: bytes, digest: str) -> bool:
    """Create `key`, named by the `digest` of `data`; False if it was there, rewritten if it was damaged."""
    try:
        return store.put_if_absent(key, data)
    except ContentConflictError:
        if sha256(store.get(key)).hexdigest().startswith(digest) or not sha256(data).hexdigest().startswith(digest):
            raise
        store.replace(key, data)
        return False


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def require_plain(key: str) -> None:
    """Raise InvalidInputError where an object cannot have this key."""
    if not _SAFE_KEY.fullmatch(key) or any(part in {".", ".."} for part in key.split("/")):
        raise InvalidInputError(
            f"object key {quoted(key)} is not plain; use segments of letters, digits and _.=@+,~- joined by single "
            "slashes"
        )


def _disk_fault(path: str, error: Exception) -> MlifeError:
    reason = str(error).partition("\n")[0]
    if isinstance(error, _REFUSED):
        return PermanentError(f"access to {path} was refused: {reason}; grant read and write on the store")
    return disk_error(path, error) or TransientError(f"the object store failed on {path}: {reason}; try again")


def listed_files(root: Path, prefix: str) -> list[str]:
    """Return the keys of all files below `prefix`, sorted. Raises NotFoundError, ValueError or OSError."""
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


def read_file(root: Path, key: str, at_most: int | None = None) -> bytes:
    """Return the bytes of the file `key` of `root`.

    Raises FileNotFoundError, ValueError on a bad key, OSError if unreadable or unfinished, PermanentError on a pipe,
    and IntegrityError if it has more than `at_most` bytes.
    """
    plain = _plain(key)
    if not plain or _STAGED.fullmatch(plain.rpartition("/")[2]):
        raise OSError(f"{key!r} is not the name of a whole file")
    at_once = lambda path, flags: os.open(path, flags | os.O_NONBLOCK)  # noqa: E731 - a pipe is not waited for
    try:
        with open(f"{root}/{plain}", "rb", buffering=0, opener=at_once) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise PermanentError(f"{root}/{plain} is no file; remove it, and restore the file of that name")
            _require_size(key, found.st_size, at_most)
            return file.read()
    except IsADirectoryError as error:
        raise FileNotFoundError(*error.args) from error


def _require_size(key: str, size: int, at_most: int | None) -> None:
    if at_most is not None and size > at_most:
        raise IntegrityError(f"{key} has {size:,} bytes, of which at most {at_most:,} are read; remove it")


def listed_folders(root: Path, prefix: str) -> list[str]:
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
    """Yield the entries of a folder; none where it is gone, or a file."""
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


def readers_of(store: ObjectStore) -> int:
    return READERS if getattr(store, "root", None) is None else 1


def read_at_once(read: Callable[[K], T], keys: Collection[K], readers: int = READERS) -> Iterator[T]:
    """Yield the result of `read` for each key, in order. Its errors are raised in that order, too."""
    if min(readers, len(keys)) < 2:
        yield from map(read, keys)
        return
    with ThreadPoolExecutor(min(readers, len(keys))) as pool:
        yield from pool.map(read, keys)


def look_at_store(part: str, name: str, store: ObstoreObjectStore, now: Callable[[], datetime]) -> list[Finding]:
    """Return findings on a store that `part` names: reach, rights, refusal of a second put, clock."""
    found: list[Finding] = []
    with faults_found(part, found):
        store.folders("")
        with suppress(ContentConflictError):  # left by an earlier checkup, before the store was repaired
            store.put_if_absent(PROBE, b"1")
        found.append(Finding(part, f"{name} can be listed and written"))
        found.append(_refusal(part, store))
        if store.root is None:
            found.append(clock_finding(part, clocks_apart(store, now)))
    return found


def _refusal(part: str, store: ObstoreObjectStore) -> Finding:
    other = b"2" if store.get(PROBE) == b"1" else b"1"
    try:
        store.put_if_absent(PROBE, other)
    except ContentConflictError:
        return Finding(part, "a second put of a key is refused")
    return Finding(
        part,
        "a second put of a key is accepted, so two writers could overwrite each other's events",
        "use a store that honours If-None-Match, as S3 does",
    )


def clocks_apart(store: ObstoreObjectStore, now: Callable[[], datetime]) -> timedelta:
    """Return a lower bound on the difference of the store's clock to `now`, from one write between two looks."""
    before = now()
    store.replace(CLOCK_PROBE, before.isoformat().encode())
    after, written = now(), store.written_at(CLOCK_PROBE)
    return max(written - after, before.replace(microsecond=0) - written)  # stores keep whole seconds


def look_at_new_folder(part: str, folder: Path) -> Finding:
    """Return whether a folder that is not there can be made; it is not."""
    there = next(one for one in folder.parents if one.exists())
    if os.access(there, os.W_OK | os.X_OK):
        return Finding(part, f"{folder} can be made")
    return Finding(part, f"{folder} is not there and cannot be made", f"grant write on {there}, or name another folder")


def look_at_disk(part: str, folder: Path) -> Finding:
    """Return whether the disk of a folder, which need not exist yet, has room for a day."""
    there = next(one for one in (folder, *folder.parents) if one.exists())
    free = shutil.disk_usage(there).free
    says = f"{free / 1024**3:.1f} GB are free at {there}"
    return Finding(part, says, "" if free >= FREE_BYTES_MINIMUM else "free 2 GB or more: a day builds its tables there")
