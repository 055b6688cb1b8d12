"""The object store port over obstore: one code path for a local folder and a bucket.

Belongs here: keys, write-once puts, and the translation of obstore's errors into ours. Does not belong here: what is
stored (event log, tables, artifacts) and how it is encoded.

Concept: a key becomes visible whole or not at all. On a folder obstore writes a staging file (`name#1`, which neither
listings nor `*.parquet` globs show) and links it into place, so a killed process leaves at most an invisible staging
file. What is the record and not derived (`DURABLE`) is waited for until the disk has it, with its folders, so that a
manifest never lists what a power cut takes away; tables and reports are rebuilt instead. A folder is listed without
obstore, which asks the disk about every file and takes several times as long, with the same answers (`local_listing`).

A bucket refuses a second put by `If-None-Match`, which S3 and what speaks it do. Requests that fail on the way are made
again: a put that arrived the first time finds its own bytes. A bucket that is not there is an error of its own: to a
reader it looks like an object that is not.
"""

from __future__ import annotations

import os
import re
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.exceptions import NotFoundError as ObstoreNotFoundError
from obstore.store import LocalStore, S3Store

from mlife_assets.adapters.local_listing import listed_files, listed_folders
from mlife_assets.core.disk_faults import disk_error, disk_errors_explained
from mlife_assets.core.errors import (
    ContentConflictError,
    InvalidInputError,
    MlifeError,
    NotFoundError,
    PermanentError,
    TransientError,
)
from mlife_assets.core.quoting import quoted
from mlife_assets.core.storage_places import Bucket

if TYPE_CHECKING:
    from obstore.store import ObjectStore as ObstoreBackend

    from mlife_assets.core.ports import ObjectStore

DURABLE = ("events", "manifests", "models", "outbox", "panels", "rejected")
"""First segments of the keys that survive a power cut once a write has returned."""

_SAFE_KEY = re.compile(r"[A-Za-z0-9_.=@+,~-]+(/[A-Za-z0-9_.=@+,~-]+)*")
_MISSING = (ObstoreNotFoundError, FileNotFoundError)
_REFUSED = (PermissionDeniedError, UnauthenticatedError, PermissionError)
_ANSWER = re.compile(r"status code: (\d{3})(?:.*?<Code>(\w+)</Code>)?", re.DOTALL)
"""Status and code of what a server answered, in an error's text: listings raise nothing more particular."""
_CONNECT, _REQUEST, _ALL_TRIES = timedelta(seconds=5), timedelta(seconds=30), timedelta(seconds=60)
_RETRIES = 5


class ObstoreObjectStore:
    """`ports.ObjectStore` over any obstore backend that supports put with mode `create` (folders, S3)."""

    def __init__(self, backend: ObstoreBackend, *, root: Path | None = None, survives_power_cut: bool = True) -> None:
        """Wrap `backend`; `root` is the folder of a local one, so that a vanished folder is not an empty one."""
        self._backend = backend
        self._root = root
        self._waits = root is not None and survives_power_cut
        self._synced: set[Path] = set()

    @classmethod
    def local(cls, root: Path | str, *, survives_power_cut: bool = True) -> ObstoreObjectStore:
        """Return a store over the folder `root`, which is created when missing.

        `survives_power_cut` is whether a write of `DURABLE` waits for the disk; a bucket does so by itself.
        """
        folder = Path(root).absolute()
        with disk_errors_explained(folder):
            folder.mkdir(parents=True, exist_ok=True)
        return cls(LocalStore(folder), root=folder, survives_power_cut=survives_power_cut)

    @classmethod
    def in_bucket(cls, bucket: Bucket) -> ObstoreObjectStore:
        """Return a store over a bucket; nothing is asked of it yet."""
        key = bucket.credentials
        optional = {"prefix": bucket.prefix, "endpoint": bucket.endpoint, "session_token": key.session_token}
        backend = S3Store(
            bucket.name,
            config={
                "region": bucket.region,
                "access_key_id": key.access_key_id,
                "secret_access_key": key.secret_access_key,
                "virtual_hosted_style_request": bucket.endpoint is None,  # only AWS has a host for each bucket
            },
            client_options={
                "allow_http": (bucket.endpoint or "").startswith("http://"),
                "connect_timeout": _CONNECT,
                "timeout": _REQUEST,
            },
            retry_config={"max_retries": _RETRIES, "retry_timeout": _ALL_TRIES},
            **{name: value for name, value in optional.items() if value},  # type: ignore[arg-type]
        )
        return cls(backend)

    @classmethod
    def at(cls, place: Path | Bucket) -> ObstoreObjectStore:
        """Return the store at a folder, which is created when missing, or in a bucket."""
        return cls.in_bucket(place) if isinstance(place, Bucket) else cls.local(place)

    @property
    def root(self) -> Path | None:
        """Folder of a local store, None for a bucket."""
        return self._root

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Create `key`; False when it already holds the same bytes.

        Raises `ContentConflictError` when it holds other bytes, `InvalidInputError` on a key that is not plain.
        """
        _require_plain(key)
        try:
            obstore.put(self._backend, key, data, mode="create", use_multipart=False)
        except (AlreadyExistsError, PreconditionError, FileExistsError) as error:
            try:
                is_same = self.get(key) == data
            except NotFoundError:  # a bucket may refuse while another put is on its way
                raise TransientError(f"{key} is just being written by another process; try again") from error
            if is_same:
                self._sync(key)
                return False
            raise ContentConflictError(
                f"{key} already holds other bytes; write-once objects are never changed: choose another key"
            ) from error
        except (BaseError, OSError) as error:
            raise _translated(key, error, self._root) from error
        self._sync(key)
        return True

    def replace(self, key: str, data: bytes) -> None:
        """Write `key`, whatever it held. For derived, rebuildable data only."""
        _require_plain(key)
        try:
            obstore.put(self._backend, key, data, mode="overwrite", use_multipart=False)
        except (BaseError, OSError) as error:
            raise _translated(key, error, self._root) from error
        self._sync(key)

    def get(self, key: str) -> bytes:
        """Return the bytes of `key`. Raises `NotFoundError`; a failed read is never an empty answer."""
        try:
            return bytes(obstore.get(self._backend, key).bytes())
        except _MISSING as error:
            raise _missing_bucket(error) or NotFoundError(f"object {key} does not exist") from error
        except (BaseError, OSError, ValueError) as error:
            raise _translated(key, error, self._root) from error

    def exists(self, key: str) -> bool:
        """Return whether `key` exists."""
        try:
            obstore.head(self._backend, key)
        except _MISSING:
            return False
        except (BaseError, OSError, ValueError) as error:
            raise _translated(key, error, self._root) from error
        return True

    def written_at(self, key: str) -> datetime:
        """Return when `key` was written last, by the clock of the store. Raises NotFoundError."""
        try:
            return obstore.head(self._backend, key)["last_modified"]
        except _MISSING as error:
            raise NotFoundError(f"object {key} does not exist") from error
        except (BaseError, OSError, ValueError) as error:
            raise _translated(key, error, self._root) from error

    def folders(self, prefix: str) -> list[str]:
        """Return the names of the folders directly below `prefix`, sorted; a folder may hold no key."""
        try:
            if self._root is not None:
                return listed_folders(_existing(self._root), prefix)
            found = obstore.list_with_delimiter(self._backend, prefix.rstrip("/") or None)
            return sorted(folder.rpartition("/")[2] for folder in found["common_prefixes"])
        except (BaseError, OSError, ValueError) as error:
            raise _translated(prefix, error, self._root) from error

    def list(self, prefix: str) -> list[str]:
        """Return all keys below the folder `prefix` (`""` = all), sorted; whole path segments match."""
        try:
            if self._root is not None:
                return listed_files(_existing(self._root), prefix)
            batches = obstore.list(self._backend, prefix.rstrip("/") or None)
            return sorted(item["path"] for batch in batches for item in batch)
        except (BaseError, OSError, ValueError) as error:
            raise _translated(prefix, error, self._root) from error

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
            raise _translated(key, error, self._root) from error


def has_folder(place: Path | Bucket, name: str) -> bool:
    """Return whether there is a folder `name` at a place; asking makes none."""
    if isinstance(place, Bucket):
        return bool(ObstoreObjectStore.in_bucket(place).folders(name))
    return (place / name).is_dir()


def put_addressed(store: ObjectStore, key: str, data: bytes, digest: str) -> bool:
    """Create `key`, whose name holds `digest`, the start of the SHA-256 of `data`; False when it was there.

    What is there and does not match its name, as after a power cut, is written again: the name says what is right.
    """
    try:
        return store.put_if_absent(key, data)
    except ContentConflictError:
        if sha256(store.get(key)).hexdigest().startswith(digest) or not sha256(data).hexdigest().startswith(digest):
            raise
        store.replace(key, data)
        return False


def _existing(root: Path) -> Path:
    if not root.is_dir():
        raise NotFoundError(f"folder {root} of the object store is gone; restore it")
    return root


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _require_plain(key: str) -> None:
    if not _SAFE_KEY.fullmatch(key) or any(part in {".", ".."} for part in key.split("/")):
        raise InvalidInputError(
            f"object key {quoted(key)} is not plain; use segments of letters, digits and _.=@+,~- joined by single "
            "slashes"
        )


def _missing_bucket(error: Exception) -> PermanentError | None:
    answer = _ANSWER.search(str(error))
    if answer is None or answer[2] != "NoSuchBucket":
        return None
    return PermanentError("the bucket does not exist; make it, or correct MLIFE_LAKE")


def _translated(key: str, error: Exception, root: Path | None = None) -> MlifeError:
    reason = str(error).partition("\n")[0]
    if isinstance(error, ValueError):
        return InvalidInputError(f"object key {quoted(key)} is not valid: {reason}")
    answer = _ANSWER.search(str(error))
    if isinstance(error, _REFUSED) or (answer is not None and answer[1] in {"401", "403"}):
        why = f"{reason} ({answer[2]})" if answer is not None and answer[2] else reason
        return PermanentError(f"access to {key or 'the store'} was refused: {why}; grant read and write on the store")
    missing = _missing_bucket(error)
    if missing is not None:
        return missing
    fault = disk_error(key if root is None else str(root / key), error)
    if "error sending request" in str(error):
        return TransientError("the object store does not answer; check its address and the network, and try again")
    return fault or TransientError(f"the object store failed on {key or 'a listing'}: {reason}; try again")
