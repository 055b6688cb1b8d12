"""Where a table about people lies that the owner of a deployment keeps: a private file, or an object in a bucket.

Belongs here: whether it was changed, its bytes, who else may read a file. Does not belong here: what is in it
(`owners_table`), what an address may say (`deployment_settings`).

Concept: whoever asks remembers the state of what he read, and gets bytes only where that is another now: time and size
of a file, the ETag of an object, which one request compares and hands over. What is gone or cannot be read is an error,
also where it was read before: an old book would text people who have left it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import BaseError, NotModifiedError
from obstore.exceptions import NotFoundError as ObstoreNotFoundError

from mlife_assets.adapters.s3_bucket import FEW_RETRIES, bucket_fault, is_bucket_missing, is_object_denied, open_bucket
from mlife_assets.core.errors import InvalidInputError, MlifeError, NotFoundError, PermanentError
from mlife_assets.core.storage_places import Bucket

if TYPE_CHECKING:
    from obstore import GetOptions
    from obstore.store import S3Store

State = tuple[int, int] | str | None


class OwnersFile:
    """A file, or an object: a `Bucket` whose prefix is the whole key.

    Args:
        place: where it is.
        setting: the variable that says so.
    """

    def __init__(self, place: Path | Bucket, setting: str) -> None:
        """Remember the place; nothing is read yet."""
        self.setting = setting
        self._place = place
        self._store: S3Store | None = None

    @property
    def name(self) -> str:
        """Return how errors name it."""
        return self._place.url if isinstance(self._place, Bucket) else self._place.name

    def changed(self, seen: State) -> tuple[State, bytes] | None:
        """Return its state and its bytes; None where the state is the one that was seen.

        Raises:
            NotFoundError: it is not there.
            InvalidInputError: others can read the file, or nobody can.
            PermanentError: the key may not read the object, or the bucket is not there.
            TransientError: the bucket does not answer.
        """
        place = self._place
        return self._of_object(place, seen) if isinstance(place, Bucket) else self._of_file(place, seen)

    def unreadable(self, kind: str) -> InvalidInputError:
        """Return the error of something that is no table."""
        return InvalidInputError(
            f"{self.setting}: {self.name} cannot be read ({kind}); write it as Parquet, or as CSV with a header and "
            "the ending .csv"
        )

    def _of_file(self, path: Path, seen: State) -> tuple[State, bytes] | None:
        try:
            found = path.stat()
        except FileNotFoundError:
            found = None
        except OSError as error:  # it names the file, and nothing in it
            raise InvalidInputError(
                f"{self.setting}: {path.name} cannot be looked at ({error.strerror}); grant read"
            ) from error
        if found is None:
            raise NotFoundError(f"{self.setting}: there is no file {path}; write it there, or correct the setting")
        if (state := (found.st_mtime_ns, found.st_size)) == seen:
            return None
        if found.st_mode & 0o077:
            raise InvalidInputError(f"{self.setting}: others can read or write {path.name}; run `chmod 600` on it")
        try:
            return state, path.read_bytes()
        except OSError as error:
            kind = type(error).__name__
        raise self.unreadable(kind)

    def _of_object(self, place: Bucket, seen: State) -> tuple[State, bytes] | None:
        options: GetOptions = {"if_none_match": seen} if isinstance(seen, str) else {}
        if self._store is None:
            self._store = open_bucket(replace(place, prefix=""), retries=FEW_RETRIES)
        try:
            found = obstore.get(self._store, place.prefix, options=options)
            return found.meta["e_tag"], bytes(found.bytes())
        except NotModifiedError:
            return None
        except (BaseError, OSError) as error:
            fault = self._fault(error)
        raise fault

    def _fault(self, error: Exception) -> MlifeError:
        """Return what the bucket's failure means to people; its own words, which may repeat a token, do not go on."""
        if is_bucket_missing(error):
            return PermanentError(f"{self.setting}: there is no bucket of {self.name}; make it, or correct the setting")
        if isinstance(error, ObstoreNotFoundError | FileNotFoundError):
            return NotFoundError(f"{self.setting}: there is no object {self.name}; upload it, or correct the setting")
        if is_object_denied(error):
            return PermanentError(
                f"{self.setting}: {self.name} may not be read; grant s3:GetObject on it, s3:ListBucket on its bucket "
                "and kms:Decrypt on its key"
            )
        fault = bucket_fault(self.name, error)
        return type(fault)(f"{self.setting}: {self.name} cannot be read: {fault}")
